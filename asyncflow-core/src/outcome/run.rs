//! The result of a run: its outputs and its report.

use std::any::Any;
use std::fmt;
use std::ops::Index;

use crate::deep_drop::deep_drop;
use crate::handle::Task;
use crate::task::column::{AnyColumn, Column};
use crate::task::outputs::{owned_unit, unit};

use super::report::Report;

/// What an execution came to: the output of every task that succeeded, and the report.
///
/// ```
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// let name = flow.add(|| String::from("asyncflow"));
/// let mut run = block_on(flow.execute()).unwrap();
/// assert_eq!(run[name], "asyncflow");
/// assert_eq!(run.get(name).map(String::len), Some(9));
/// assert_eq!(run.take(name), Some("asyncflow".to_owned()));
/// assert_eq!(run.get(name), None);
/// ```
pub struct Run {
    report: Report,
    columns: Box<[AnyColumn]>,
}

impl Run {
    pub(crate) fn new(report: Report, columns: Box<[AnyColumn]>) -> Self {
        Self { report, columns }
    }

    /// The output of a task; `None` if it has none: it did not succeed, another task took it by
    /// value, it was no target of a run for some targets, or it was [taken](Self::take).
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow, or the task was added after the run.
    #[track_caller]
    pub fn get<T: Any + Send + Sync>(&self, task: Task<T>) -> Option<&T> {
        let status = self.report.status(task);
        match self.report.graph().layout.cell(task.id.index) {
            Some(cell) => Column::of(&self.columns[cell.column as usize])?.get(cell.row),
            None if status.is_success() => unit(),
            None => None,
        }
    }

    /// Takes the output of a task out of the run; `None` when [`get`](Self::get) gives `None`.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow, or the task was added after the run.
    #[track_caller]
    pub fn take<T: Any + Send + Sync>(&mut self, task: Task<T>) -> Option<T> {
        let status = self.report.status(task);
        match self.report.graph().layout.cell(task.id.index) {
            Some(cell) => Column::take(&mut self.columns[cell.column as usize], cell.row),
            None if status.is_success() => owned_unit(),
            None => None,
        }
    }

    /// What became of every task.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The outputs of nested flows are runs in turn, and so on.
        if !self.report.graph().nested.is_empty() {
            deep_drop(std::mem::take(&mut self.columns));
        }
    }
}

/// The output of a task.
///
/// # Panics
///
/// Where [`Run::get`] gives `None`.
impl<T: Any + Send + Sync> Index<Task<T>> for Run {
    type Output = T;

    #[track_caller]
    fn index(&self, task: Task<T>) -> &T {
        self.get(task).unwrap_or_else(|| {
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
                None => panic!("task `{name}` has no output: it was {status}"),
            }
        })
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
