//! The traits that give flows and reports their pictures.

use asyncflow_core::{Flow, Report, Runtime, Structure};

use crate::diagram::{Sketch, dot, mermaid};
use crate::timeline::record::Record;
use crate::timeline::{html, svg, trace};

/// Diagrams of what a flow is made of, before it is executed: for [`Flow`] and [`Structure`].
///
/// ```
/// use asyncflow_view::DrawFlow;
/// # use asyncflow_core::{Flow, doctest::Inline, prelude::*};
/// # let mut flow = Flow::<Inline>::new();
/// # async fn fetch() {}
/// # async fn parse() {}
/// let fetch = flow.add(fetch);
/// flow.add(parse.after(fetch));
/// assert!(flow.to_dot().starts_with("digraph flow {"));
/// assert!(flow.to_mermaid().contains("n0 -.-> n1"));
/// ```
///
/// # What is drawn
///
/// A rounded shape is an async function, a square one a plain function, a slanted one an input. A
/// solid line carries data, a dashed one is order only, and one with an `if` is a condition. A
/// point stands for the end of a group that another follows, a ring for *any of these*. Groups are
/// frames, and what a task must hold while it runs is written in it. A legend says all of this, as
/// far as it occurs.
///
/// A flow of more than 120 places is folded, so that the diagram can be read: tasks that are alike
/// into one shape with their number, then chains, then groups, and if nothing of that helps, tasks
/// that are equally many steps from the beginning. The legend says what was folded.
///
/// Names are shortened and escaped; they cannot become anything else than text.
pub trait DrawFlow {
    /// The diagram in DOT, for Graphviz: `dot -Tsvg`.
    fn to_dot(&self) -> String;

    /// The diagram in Mermaid, which GitHub and many other places draw from a code block.
    fn to_mermaid(&self) -> String;
}

impl DrawFlow for Structure {
    fn to_dot(&self) -> String {
        dot::write(&Sketch::new(self, None))
    }

    fn to_mermaid(&self) -> String {
        mermaid::write(&Sketch::new(self, None))
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

/// Pictures of what became of a flow: for [`Report`].
///
/// Execute with [`timed`](asyncflow_core::Execute::timed) to see when what happened. Without it
/// the diagrams, the page and the picture show statuses only, and the trace is empty.
///
/// ```
/// use asyncflow_view::DrawReport;
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}, prelude::*};
/// # let mut flow = Flow::<Inline>::new();
/// # async fn fetch() {}
/// # async fn parse() {}
/// let fetch = flow.add(fetch);
/// flow.add(parse.after(fetch));
/// # block_on(async {
/// let run = flow.execute().timed().await?;
/// std::fs::write(
///     # std::env::temp_dir().join(
///     "timeline.html",
///     # ),
///     run.report().to_html(),
/// ).unwrap();
/// # Ok::<(), FlowError>(()) }).unwrap();
/// ```
///
/// Of a run that failed, the report is in the error:
/// [`FlowError::report`](asyncflow_core::FlowError::report).
///
/// # Three kinds of waiting
///
/// A task waits for its *upstreams* until it is ready; then for the *permits* that it needs; and
/// for a *slot* under `max_concurrency` or a *thread*. Only then it runs. Pictures draw the first
/// dotted, the others hatched, and running as a bar.
pub trait DrawReport {
    /// The diagram of the flow in DOT, each task coloured by its status, which it also says in
    /// words, with how long it ran. See [`DrawFlow`].
    fn to_dot(&self) -> String;

    /// The same in Mermaid.
    fn to_mermaid(&self) -> String;

    /// The timeline as a still picture that needs nothing else: for a README. Fits a light page
    /// and a dark one.
    ///
    /// Up to 40 tasks have a row each. More share lanes, and of more than 1500, or more than 60 at
    /// the same time, it shows how many ran and how many waited.
    fn to_svg(&self) -> String;

    /// The timeline as a page to explore: one file that loads nothing and sends nothing.
    ///
    /// It has a chart with zoom and search, the critical path, totals, details of each task with
    /// links to its upstreams and downstreams, and a table of them all; for mouse, touch, keyboard
    /// and screen reader.
    fn to_html(&self) -> String;

    /// The timeline in the Trace Event Format, for <https://ui.perfetto.dev> and
    /// `chrome://tracing`.
    ///
    /// Tasks that ran are in the lanes of one process, and their waiting, of the category `wait`,
    /// in those of another. Arrows are dependencies; of very many, only some are drawn, and
    /// `otherData` says so.
    fn to_chrome_trace(&self) -> String;
}

impl DrawReport for Report {
    fn to_dot(&self) -> String {
        dot::write(&Sketch::new(&self.structure(), Some(self)))
    }

    fn to_mermaid(&self) -> String {
        mermaid::write(&Sketch::new(&self.structure(), Some(self)))
    }

    fn to_svg(&self) -> String {
        svg::write(&Record::new(self))
    }

    fn to_html(&self) -> String {
        html::write(&Record::new(self))
    }

    fn to_chrome_trace(&self) -> String {
        trace::write(&Record::new(self))
    }
}
