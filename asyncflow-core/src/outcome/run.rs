//! The run: its outputs and its report.

use std::any::Any;
use std::fmt;
use std::ops::Index;

use crate::deep_drop::deep_drop;
use crate::handle::Task;
use crate::task::column;
use crate::task::outputs::{Columns, owned_unit, unit};

use super::report::Report;

/// The result of an execution: the output of every task that succeeded, and the report.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let name = flow.add(|| String::from("asyncflow"));
/// let mut run = flow.execute().await?;
/// assert_eq!(run[name], "asyncflow");
/// assert_eq!(run.take(name), Some("asyncflow".to_owned()));
/// # Ok(())
/// # }
/// ```
pub struct Run {
    report: Report,
    columns: Columns,
}

impl Run {
    pub(crate) fn new(report: Report, columns: Columns) -> Self {
        Self { report, columns }
    }

    /// Returns the output of a task, or `None` if there is none.
    ///
    /// There is none if the task did not succeed, if another task took its output
    /// [by value](Task::moved), if it was not a target of an execution with
    /// [`only`](crate::Execute::only), or if the output was [taken](Self::take).
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let page = flow.add(|| "a page");
    /// let cached = flow.add(|| false);
    /// let cache = flow.add((|| "a cached page").run_if(cached));
    /// let run = flow.execute().await?;
    /// assert_eq!(run.get(page), Some(&"a page"));
    /// assert_eq!(run.get(cache), None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the handle belongs to another flow, or if the task was added after the run.
    #[track_caller]
    pub fn get<T: Any + Send + Sync>(&self, task: Task<T>) -> Option<&T> {
        let status = self.report.status(task);
        match self.report.graph().layout.cell(task.id.index) {
            Some(cell) => column::get(&self.columns[cell.column as usize], cell.row),
            None if status.is_success() => unit(),
            None => None,
        }
    }

    /// Takes the output of a task out of the run. Returns `None` if [`get`](Self::get) does, and for
    /// a [value](crate::Flow::value), which the flow keeps.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let page = flow.add(|| String::from("a page"));
    /// let mut run = flow.execute().await?;
    /// let page_text: Option<String> = run.take(page);
    /// assert_eq!(page_text.as_deref(), Some("a page"));
    /// assert_eq!(run.get(page), None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the handle belongs to another flow, or if the task was added after the run.
    #[track_caller]
    pub fn take<T: Any + Send + Sync>(&mut self, task: Task<T>) -> Option<T> {
        let status = self.report.status(task);
        match self.report.graph().layout.cell(task.id.index) {
            Some(cell) => column::take_output(&mut self.columns[cell.column as usize], cell.row),
            None if status.is_success() => owned_unit(),
            None => None,
        }
    }

    /// Returns the report of the run.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let page = flow.add(|| "a page");
    /// let run = flow.execute().await?;
    /// assert_eq!(run.report().status(page), TaskStatus::Succeeded);
    /// # Ok(())
    /// # }
    /// ```
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The output of a nested flow is a run, which may contain further runs.
        if !self.report.graph().nested.is_empty() {
            deep_drop(std::mem::take(&mut self.columns));
        }
    }
}

/// Returns the output of a task.
///
/// # Panics
///
/// Panics if [`Run::get`] returns `None` or panics.
impl<T: Any + Send + Sync> Index<Task<T>> for Run {
    type Output = T;

    #[track_caller]
    fn index(&self, task: Task<T>) -> &T {
        if let Some(output) = self.get(task) {
            return output;
        }
        let report = self.report.task(task);
        let (name, status) = (report.name(), report.status());
        let graph = self.report.graph();
        match graph.layout.mover(task.id.index) {
            Some(by) => panic!(
                "task `{name}` has no output any more: `{}` took it by value",
                graph.name(by)
            ),
            None if status.is_success() => panic!(
                "task `{name}` has no output any more: it was taken, or was no target of the run"
            ),
            None => panic!("task `{name}` has no output: its status is `{status}`"),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
