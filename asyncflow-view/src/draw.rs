//! The traits that draw flows and reports.

use asyncflow_core::{Flow, Report, Runtime, Structure};

use crate::diagram::{Diagram, dot, mermaid};
use crate::timeline::model::Timeline;
use crate::timeline::{html, svg, trace};

/// Draws diagrams of a flow: of a [`Flow`], or of its [`Structure`].
///
/// # What is drawn
///
/// A rounded shape is an async function, a square one is a plain function, a slanted one is an
/// input, a cylinder is a value. A hexagon is a function that is called for each element of a list. A solid line carries data, a dashed line is only an order, and a line with an `if` is a
/// condition. A point stands for the end of a group that something follows, a ring for *any of
/// these tasks*. A frame is a group. A shape also says which locks and permits its task holds. The
/// legend of a diagram explains what occurs in it.
///
/// If a flow has more than 120 nodes, the diagram is folded: similar tasks become one shape, with
/// their number; then chains of tasks; then groups; and if that is not enough, all tasks that are
/// the same number of steps from the start. The legend says what was folded.
///
/// Names are shortened and escaped, so that a name is always read as text.
///
/// This trait is sealed: it cannot be implemented outside of this crate.
pub trait DrawFlow: sealed::Sealed {
    /// Returns the diagram in DOT, the language of [Graphviz](https://graphviz.org). `dot -Tsvg`
    /// draws it.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawFlow;
    ///
    /// # async fn fetch() {}
    /// # async fn parse() {}
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add(fetch);
    /// flow.add(parse.after(fetch));
    /// assert!(flow.to_dot().contains("n0 -> n1 [style=dashed]"));
    /// ```
    fn to_dot(&self) -> String;

    /// Returns the diagram in [Mermaid](https://mermaid.js.org), which GitHub and other sites
    /// render from a code block.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawFlow;
    ///
    /// # async fn fetch() {}
    /// # async fn parse() {}
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add(fetch);
    /// flow.add(parse.after(fetch));
    /// assert!(flow.to_mermaid().contains("n0 -.-> n1"));
    /// ```
    fn to_mermaid(&self) -> String;
}

impl DrawFlow for Structure {
    fn to_dot(&self) -> String {
        dot::write(&Diagram::new(self, None))
    }

    fn to_mermaid(&self) -> String {
        mermaid::write(&Diagram::new(self, None))
    }
}

impl<R: Runtime> DrawFlow for Flow<R> {
    fn to_dot(&self) -> String {
        self.structure().to_dot()
    }

    fn to_mermaid(&self) -> String {
        self.structure().to_mermaid()
    }
}

/// Draws the [`Report`] of a run: diagrams with the status of each task, and timelines.
///
/// Execute with [`timed`](asyncflow_core::Execute::timed) to get a timeline. Without it, diagrams,
/// the SVG and the page show only statuses, and the trace is empty.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
/// use asyncflow::view::DrawReport;
///
/// # async fn fetch() {}
/// # async fn parse() {}
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add(fetch);
/// flow.add(parse.after(fetch));
/// let run = flow.execute().timed().await?;
/// let file = std::env::temp_dir().join("timeline.html");
/// std::fs::write(file, run.report().to_html())?;
/// # Ok(())
/// # }
/// ```
///
/// If the run failed, the report is in the error:
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
/// use asyncflow::view::DrawReport;
///
/// # #[tokio::main]
/// # async fn main() {
/// let mut flow = TokioFlow::new();
/// flow.add((|| Err::<(), _>("no route")).named("fetch"));
/// let error = flow.execute().timed().await.unwrap_err();
/// if let Some(report) = error.report() {
///     assert!(report.to_dot().contains("failed"));
/// }
/// # }
/// ```
///
/// # Three kinds of waiting
///
/// A task waits for its *upstreams* until it is ready; then for the *permits* that it needs; then
/// for a *slot*, if [`max_concurrency`](asyncflow_core::Execute::max_concurrency) limits how many
/// tasks run at the same time, or for a *thread*. Then it runs. Timelines draw the first kind of
/// waiting as a dotted line, the others as a hatched bar, and running as a solid bar.
///
/// # Inside of a task
///
/// The elements of an [`each`](asyncflow_core::each()) are one row, and so are the tasks of a nested flow,
/// or of runs that a task [executes](asyncflow_core::TaskContext::execute). The bar shows how many of them
/// ran at once, in at most 200 steps, and its label says how many there were. The row of the page unfolds
/// when it is clicked: up to 100 of them, those that failed and those that ran longest, have a row each.
/// In the image, tasks of runs inside have rows if there is room for all of them. So a file stays small if
/// there are 100,000 elements. What a task [noted](asyncflow_core::TaskContext::note) is behind its name.
///
/// This trait is sealed: it cannot be implemented outside of this crate.
pub trait DrawReport: sealed::Sealed {
    /// Returns the diagram of the flow in DOT. The label of each task has its status and how long
    /// it ran; its colour also shows the status. See [`DrawFlow`].
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawReport;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// let run = flow.execute().timed().await?;
    /// assert!(run.report().to_dot().contains("succeeded"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_dot(&self) -> String;

    /// Returns the same diagram in Mermaid.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawReport;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// let run = flow.execute().timed().await?;
    /// assert!(run.report().to_mermaid().contains("succeeded"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_mermaid(&self) -> String;

    /// Returns the timeline as a static image, for example for a README. It refers to no other
    /// files and is readable on light and dark pages.
    ///
    /// Up to 40 tasks have a row each. More tasks share lanes. With more than 1500 tasks, or more
    /// than 60 at the same time, the image only shows how many ran and how many waited.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawReport;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// let run = flow.execute().timed().await?;
    /// assert!(run.report().to_svg().starts_with("<svg"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_svg(&self) -> String;

    /// Returns the timeline as an interactive page: one file that loads nothing and sends nothing.
    ///
    /// It has a chart with zoom and search, the critical path, totals, details of each task with
    /// links to its upstreams and downstreams, and a table of all tasks. It can be used with a
    /// mouse, a touch screen, a keyboard and a screen reader.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawReport;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// let run = flow.execute().timed().await?;
    /// assert!(run.report().to_html().starts_with("<!DOCTYPE html>"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_html(&self) -> String;

    /// Returns the timeline in the Trace Event Format, for <https://ui.perfetto.dev> and
    /// `chrome://tracing`.
    ///
    /// Tasks that ran are in the lanes of one process. Tasks that waited are in those of another,
    /// with the category `wait`. What ran inside of tasks is in a third one: up to 100 elements or tasks for
    /// each, and a counter of how many ran at once. Arrows are dependencies; if there are too many, only some have
    /// arrows, and `otherData` says so.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::DrawReport;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// let run = flow.execute().timed().await?;
    /// assert!(run.report().to_chrome_trace().contains("traceEvents"));
    /// # Ok(())
    /// # }
    /// ```
    fn to_chrome_trace(&self) -> String;
}

impl DrawReport for Report {
    fn to_dot(&self) -> String {
        dot::write(&Diagram::new(&self.structure(), Some(self)))
    }

    fn to_mermaid(&self) -> String {
        mermaid::write(&Diagram::new(&self.structure(), Some(self)))
    }

    fn to_svg(&self) -> String {
        svg::write(&Timeline::new(self))
    }

    fn to_html(&self) -> String {
        html::write(&Timeline::new(self))
    }

    fn to_chrome_trace(&self) -> String {
        trace::write(&Timeline::new(self))
    }
}

mod sealed {
    use super::{Flow, Report, Runtime, Structure};

    pub trait Sealed {}

    impl Sealed for Structure {}
    impl<R: Runtime> Sealed for Flow<R> {}
    impl Sealed for Report {}
}
