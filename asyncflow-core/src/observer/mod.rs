//! `Observer`: the hook for tracing, progress bars and whatever else shows a run.

mod compose;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::graph::structure::Structure;
use crate::handle::TaskId;
use crate::lock::Permits;
use crate::task::status::TaskStatus;

/// A task, as passed to the methods of an [`Observer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRef<'a> {
    id: TaskId,
    name: &'a str,
    number: usize,
    inside: Option<&'a Arc<InnerRun>>,
}

impl<'a> TaskRef<'a> {
    pub(crate) fn new(id: TaskId, name: &'a str, inside: Option<&'a Arc<InnerRun>>) -> Self {
        Self {
            id,
            name,
            number: id.index.get(),
            inside,
        }
    }

    /// Returns the run that the task is in, if that is not the observed run itself but one inside of it: the
    /// run of a nested flow, or one that a task [executes](crate::TaskContext::execute).
    pub fn inside(self) -> Option<&'a InnerRun> {
        self.inside.map(|run| &**run)
    }

    /// Returns the handle of the task.
    pub fn id(self) -> TaskId {
        self.id
    }

    /// Returns the name of the task, which is unique in its flow.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// Returns the number of the task's node in the [`Structure`] of its run; see
    /// [`inside`](Self::inside).
    ///
    /// It is less than [`Structure::len`], so an observer can keep its data in a `Vec` with an
    /// element for each node.
    pub fn number(self) -> usize {
        self.number
    }
}

/// A run inside of the observed one; see [`TaskRef::inside`].
#[derive(Debug, PartialEq, Eq)]
pub struct InnerRun {
    number: u64,
    task: TaskId,
    name: Box<str>,
    outer: Option<Arc<Self>>,
}

impl InnerRun {
    /// A number that no other run of the process has.
    pub(crate) fn next_number() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// The run with this number inside of a task.
    pub(crate) fn new(number: u64, task: TaskRef<'_>) -> Self {
        Self {
            number,
            task: task.id,
            name: task.name.into(),
            outer: task.inside.cloned(),
        }
    }

    /// Returns a number that no other run of the process has. A flow may be executed at several places, and
    /// by one task several times, so the handle of its tasks does not tell its runs apart.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the task that the run is a part of.
    pub fn task(&self) -> TaskRef<'_> {
        TaskRef::new(self.task, &self.name, self.outer.as_ref())
    }
}

/// An element of an [`each`](crate::each()), as passed to the methods of an [`Observer`].
///
/// `Display` writes a name like `fetch[17]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementRef<'a> {
    task: TaskRef<'a>,
    index: usize,
}

impl<'a> ElementRef<'a> {
    pub(crate) fn new(task: TaskRef<'a>, index: usize) -> Self {
        Self { task, index }
    }

    /// Returns the task that it is an element of.
    pub fn task(self) -> TaskRef<'a> {
        self.task
    }

    /// Returns the index of the element in the list.
    pub fn index(self) -> usize {
        self.index
    }
}

impl fmt::Display for ElementRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.task.name, self.index)
    }
}

/// Is notified of what happens in a run, as it happens. Passed to
/// [`Execute::observe`](crate::Execute::observe).
///
/// All methods do nothing by default.
///
/// ```
/// use asyncflow::prelude::*;
/// use asyncflow::{Observer, TaskRef, TokioFlow};
///
/// struct Print;
///
/// impl Observer for Print {
///     fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
///         println!("{} {status}", task.name());
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// flow.add((|| ()).named("fetch"));
/// flow.execute().observe(Print).await?; // prints "fetch succeeded"
/// # Ok(())
/// # }
/// ```
///
/// # Order
///
/// [`run_started`](Self::run_started) is called first and [`run_ended`](Self::run_ended) last, each
/// once, even if the future of the run is dropped. If the execution is refused or never polled, no
/// method is called. In between, the methods are called in this order for each task:
///
/// ```text
/// task ─▶ ready ─▶ attempt ─▶ ended      it was started
/// task ─▶ ready ─▶ (waiting | queued)… ─▶ ended  it was restored, or the run stopped before it was started
/// task ─▶ ended                          it was skipped, given, not selected, or the run stopped
/// task ─▶ failed ─▶ ended                a condition panicked: the attempt has the number 0
///
/// attempt:  (waiting | queued)… ─▶ started ─▶ (entered ─▶ left)… ─▶ failed, if it did
///           and if it failed, maybe another attempt
/// ```
///
/// * [`task_ended`](Self::task_ended) is called once for every task. For a task that is not selected,
///   it is called right after the start of the run. For a task that was not reached when the run was
///   dropped, it is called right before the end of the run.
/// * [`task_ready`](Self::task_ready) is called after each upstream of the task has ended, and only
///   if the task is to be started: not if it is skipped or given, or if the run is stopping.
/// * Between ready and started, a task may wait for [permits](Self::task_waiting), for a
///   [slot](Self::task_queued), or for a thread, for which there is no method.
/// * A task gives its permits back after `task_left` and before `task_ended` is called.
/// * The elements of an [`each`](crate::each()) start and end between its `started` and its `ended`, with
///   [methods](Self::element_started) of their own; `entered` and `left` are called for its task. If all
///   of them are restored, the task has no `started`.
/// * A plain function that timed out runs on and keeps its permits. So `task_left` may be called
///   after `task_ended` or during the next attempt, but always before `run_ended`.
///
/// # Runs inside
///
/// What happens in runs inside of the observed one is told by the same methods: in nested flows, and in
/// flows that a task [executes](crate::TaskContext::execute) through its context. [`TaskRef::inside`] tells
/// where. Such a run begins with [`inner_run_started`](Self::inner_run_started) and ends with
/// [`inner_run_ended`](Self::inner_run_ended), in place of `run_started` and `run_ended`. An observer that
/// keeps data by the [number](TaskRef::number) of a task keeps it for each run. Flows that a task executes
/// by [`Flow::execute`](crate::Flow::execute) are runs apart.
///
/// # Threads
///
/// No two methods are called at the same time for the same task, except for an [`each`](crate::each()),
/// and after a timeout as described above. For different tasks, methods are called from different threads at the same time. A method
/// is called on the thread where the event happens: [`task_entered`](Self::task_entered) and
/// [`task_left`](Self::task_left) come in pairs, on the thread that calls the function or polls its
/// future in between.
///
/// # Cost
///
/// The run waits until a method returns. A slow observer delays the task in question, and whatever
/// else waits for that thread. An observer must not wait for the run that it observes. If a method
/// panics, the panic is caught, the other observers are still notified, and the run goes on. A run
/// without observers has no overhead.
///
/// # Several observers
///
/// [`observe`](crate::Execute::observe) can be repeated. `Observer` is also implemented for tuples
/// of observers, and for `Vec`, `Option`, `Arc`, `Box` and `&'static` of an observer.
#[allow(unused_variables)]
pub trait Observer: Send + Sync + 'static {
    /// The run has started. `flow` is the structure of its flow.
    ///
    /// Called on the thread that first polls the execution, or that [starts](crate::Execute::start)
    /// it.
    fn run_started(&self, flow: &Structure) {}
    /// The upstreams that a task waits for have ended, and it will be started unless the run stops.
    fn task_ready(&self, task: TaskRef<'_>) {}
    /// A task did not get these permits at once and waits for them, or for its turn of a
    /// [rate limit](crate::RateLimit).
    fn task_waiting(&self, task: TaskRef<'_>, permits: &Permits) {}
    /// A task has its permits and waits for a slot, because as many tasks are running as
    /// [`max_concurrency`](crate::Execute::max_concurrency) allows.
    fn task_queued(&self, task: TaskRef<'_>) {}
    /// An attempt starts: the task's function is about to be called. The first attempt is 1.
    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {}
    /// This thread is about to call a task's function, or to poll or drop its future.
    fn task_entered(&self, task: TaskRef<'_>, attempt: u32) {}
    /// This thread has called a task's function, or polled or dropped its future. The counterpart of
    /// [`task_entered`](Self::task_entered).
    fn task_left(&self, task: TaskRef<'_>, attempt: u32) {}
    /// An attempt failed, panicked or timed out. Next, the task ends or is
    /// [started](Self::task_started) again.
    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {}
    /// An attempt at an element of an [`each`](crate::each()) starts.
    fn element_started(&self, element: ElementRef<'_>, attempt: u32) {}
    /// An attempt at an element failed, panicked or timed out, and another follows, or the fallback has
    /// made its output.
    fn element_failed(&self, element: ElementRef<'_>, attempt: u32, why: &dyn fmt::Display) {}
    /// An element has its final status. It has started, unless it is cancelled or restored, or its record
    /// cannot be read.
    fn element_ended(&self, element: ElementRef<'_>, status: TaskStatus) {}
    /// A task remarked on itself; see [`TaskContext::note`](crate::TaskContext::note).
    fn task_noted(&self, task: TaskRef<'_>, note: &str) {}
    /// A task told how far it is; see [`TaskContext::progress`](crate::TaskContext::progress). An
    /// [`each`](crate::each()) tells the length of its list by it, before its first element starts, with
    /// `done` as 0; its elements are [told](Self::element_ended) one by one.
    fn task_progress(&self, task: TaskRef<'_>, done: u64, total: u64) {}
    /// A task has its final status.
    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {}
    /// A run inside of a task has started. `flow` is the structure of its flow.
    fn inner_run_started(&self, run: &InnerRun, flow: &Structure) {}
    /// A run inside of a task is over.
    fn inner_run_ended(&self, run: &InnerRun) {}
    /// The run is over. Nothing of it is running any more.
    fn run_ended(&self) {}
}
