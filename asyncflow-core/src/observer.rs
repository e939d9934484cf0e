//! The one hook from which everything that shows a run hangs.

use std::fmt;

use crate::declare::lock::Permits;
use crate::handle::TaskId;
use crate::outcome::status::TaskStatus;

/// A task as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRef<'a> {
    id: TaskId,
    name: &'a str,
}

impl<'a> TaskRef<'a> {
    pub(crate) fn new(id: TaskId, name: &'a str) -> Self {
        Self { id, name }
    }

    /// The handle of the task.
    pub fn id(self) -> TaskId {
        self.id
    }

    /// Its name, which no other task of the flow has.
    pub fn name(self) -> &'a str {
        self.name
    }
}

/// Is told what happens in a run, as it happens; given to [`Execute::observe`](crate::Execute::observe).
///
/// For one task the calls come in the order of the methods here, and never two at the same time;
/// for different tasks they come from different threads at the same time. A call is made in the
/// middle of the run and holds it up: an observer that is slow makes the task that it is told of
/// late. A panic in an observer is contained.
///
/// ```
/// use asyncflow_core::{Observer, TaskRef, TaskStatus};
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}};
///
/// struct Print;
///
/// impl Observer for Print {
///     fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
///         println!("{} {status}", task.name());
///     }
/// }
/// # let mut flow = Flow::<Inline>::new();
/// # flow.add(|| ());
/// # block_on(async {
/// flow.execute().observe(Print).await?;
/// # Ok::<(), asyncflow_core::FlowError>(()) }).unwrap();
/// ```
#[allow(unused_variables)]
pub trait Observer: Send + Sync + 'static {
    /// The run has started; it has this many tasks.
    fn run_started(&self, tasks: usize) {}
    /// All upstreams of a task have succeeded, or ended where that is enough.
    fn task_ready(&self, task: TaskRef<'_>) {}
    /// A task could not have its permits at once and waits for them.
    fn task_waiting(&self, task: TaskRef<'_>, permits: &Permits) {}
    /// A task's function is about to be called, the first time with attempt 1.
    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {}
    /// An attempt failed, and there will be another unless the run stops before.
    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {}
    /// A task has its status. Tasks that never became ready are told of only here, if at all.
    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {}
    /// The run is over, and nothing of it runs any more.
    fn run_ended(&self) {}
}
