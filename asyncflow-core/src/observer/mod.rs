//! The one hook from which everything that shows a run hangs.

mod compose;

use std::fmt;

use crate::graph::structure::Structure;
use crate::handle::TaskId;
use crate::lock::Permits;
use crate::task::status::TaskStatus;

/// A task as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRef<'a> {
    id: TaskId,
    name: &'a str,
    number: usize,
}

impl<'a> TaskRef<'a> {
    pub(crate) fn new(id: TaskId, name: &'a str) -> Self {
        let number = id.index.get();
        Self { id, name, number }
    }

    /// The handle of the task.
    pub fn id(self) -> TaskId {
        self.id
    }

    /// Its name, which no other task of the flow has.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// The number of its place in the [`Structure`], below its `len`: what an observer keeps for
    /// each task can lie in a slice.
    pub fn number(self) -> usize {
        self.number
    }
}

/// Is told what happens in a run, as it happens; given to [`Execute::observe`](crate::Execute::observe).
///
/// # Order
///
/// [`run_started`](Self::run_started) comes first and [`run_ended`](Self::run_ended) last, each
/// once, also if the future of the run is dropped. Nothing is told of a run that was refused, or
/// never polled. In between, every task is told of in this order:
///
/// ```text
/// task ─▶ ready ─▶ attempt ─▶ ended      it was started
/// task ─▶ ready ─▶ (waiting | queued)… ─▶ ended  the run stopped before it was started
/// task ─▶ ended                          it was skipped, given, not selected, or the run stopped
///
/// attempt:  (waiting | queued)… ─▶ started ─▶ (entered ─▶ left)… ─▶ failed, if it did
///           and if it failed, maybe another attempt
/// ```
///
/// * Every task is told once to have [ended](Self::task_ended), whatever became of it: those that
///   are not selected right after the start of the run, those that nobody got round to when the
///   run was dropped right before its end.
/// * A task is told to be [ready](Self::task_ready) after each of its upstreams has ended, and only
///   if it is to be started: not if it is skipped, given, or the run is stopping.
/// * Between ready and started it waits: for [permits](Self::task_waiting), for a
///   [slot](Self::task_queued), or, of which nothing is told, for a thread.
/// * Permits are given back before a task is told to have ended, but not before it is left.
/// * A plain function that timed out runs on, so it may be left after its task has ended, and while
///   the next attempt runs, but before the end of the run.
///
/// # Threads
///
/// For one task no two calls are made at the same time, with the exception above; for different
/// tasks they come from different threads at the same time. A call is made on the thread where it
/// happens: [`task_entered`](Self::task_entered) and [`task_left`](Self::task_left) come in pairs
/// on the thread that polls or calls the task's function in between.
///
/// # Cost
///
/// A call is made in the middle of the run and holds it up: an observer that is slow makes the task
/// late that it is told of, and whatever waits for its thread. An observer must not wait for the
/// run that it observes. A panic in an observer is contained; the other observers are told, and the
/// run goes on. A run without observers pays nothing.
///
/// # Several
///
/// [`observe`](crate::Execute::observe) can be repeated. Also an observer: a tuple of observers, a
/// `Vec`, an `Option`, an `Arc`, a `Box`, a `&'static`.
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
    /// The run has started; this is what it is made of. Called where the run is first polled, or
    /// [started](crate::Execute::start).
    fn run_started(&self, flow: &Structure) {}
    /// All upstreams of a task have succeeded, or ended where that is enough, and it will be
    /// started unless the run stops.
    fn task_ready(&self, task: TaskRef<'_>) {}
    /// A task could not have these permits at once and waits for them.
    fn task_waiting(&self, task: TaskRef<'_>, permits: &Permits) {}
    /// A task has its permits and waits for a slot, because as many tasks run as
    /// [`max_concurrency`](crate::Execute::max_concurrency) allows.
    fn task_queued(&self, task: TaskRef<'_>) {}
    /// An attempt starts: the task's function is about to be called, the first time with attempt 1.
    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {}
    /// This thread is about to run code of a task: to call its function, or to poll or drop its
    /// future.
    fn task_entered(&self, task: TaskRef<'_>, attempt: u32) {}
    /// This thread has run code of a task; the counterpart of [`task_entered`](Self::task_entered).
    fn task_left(&self, task: TaskRef<'_>, attempt: u32) {}
    /// An attempt failed, panicked or timed out. Next the task ends, or is
    /// [started](Self::task_started) again.
    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {}
    /// A task has its status.
    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {}
    /// The run is over, and nothing of it runs any more.
    fn run_ended(&self) {}
}
