//! An attempt as its function sees it through its context, and the runs that it executes there.
//!
//! Such a run belongs to the attempt. It is stopped when the task is, and the attempt is not over
//! before it is, so that its clean-up runs while the task still holds its permits.
//!
//! # Slots
//!
//! A task that holds a slot waits for nothing but its own function; see
//! [`super::concurrency_limit`]. A function that waits for a run would break this, since the tasks of
//! that run take slots themselves. So the attempt of an async function gives its slot back while it has
//! a run, and takes one again before its function goes on. It may hold permits then, and a task takes
//! its slot after its permits anyway.
//!
//! A plain function keeps its thread while it waits. Another task that holds a slot may wait for that
//! thread, so the function must not wait for that slot. It lends its own slot to its run, whose tasks
//! run one at a time.
//!
//! # Permits
//!
//! A task that holds permits while others inside of it wait for theirs could wait for itself. So a
//! flow whose tasks take permits is refused inside of a task that holds some, at any depth, as it is
//! for nested flows.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};

use crate::graph::Graph;
use crate::graph::refusal::Refusal;
use crate::node_index::NodeIndex;
use crate::oneshot;
use crate::sync::{Mutex, lock};
use crate::unwind;

use super::concurrency_limit::Slot;
use super::execution::Execution;
use super::finish::Finished;
use super::guard::RunGuard;
use super::stop::Mode;
use super::stop_list::StopKey;
use super::supervise::Subject;

/// One attempt at a task whose function receives a context.
pub(crate) struct AttemptState {
    /// Does not keep the run from ending. The function may leave what it executes to others.
    run: Weak<Execution>,
    graph: Arc<Graph>,
    task: NodeIndex,
    /// Present if it is an attempt at an element of the task.
    element: Option<ElementKnown>,
    number: u32,
    /// Set when the attempt has timed out, and its plain function still runs.
    timed_out: AtomicBool,
    /// Whether its runs have the use of its slot.
    lends_slot: bool,
    /// Whether it gives its slot back while it has a run.
    returns_slot: bool,
    runs: Mutex<Runs>,
}

/// What is known of an element. Not the element itself, whose shares keep its task from ending.
struct ElementKnown {
    index: usize,
    name: OnceLock<String>,
    /// Set when the elements of the task are to stop.
    stopped: Arc<AtomicBool>,
}

/// The runs that an attempt executes.
struct Runs {
    /// How many are not over.
    unfinished: usize,
    /// How many its function still has the futures of.
    awaited: usize,
    /// Its slot, as long as its function waits for no run.
    slot: Option<Slot>,
    /// Who waits for the end of all runs.
    waker: Option<Waker>,
    /// Whether the attempt is over, so that no further run may begin.
    over: bool,
}

impl fmt::Debug for AttemptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptState")
            .field("task", &self.task)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl AttemptState {
    pub(super) fn new(
        guard: &RunGuard,
        subject: Subject<'_>,
        number: u32,
        slot: Option<Slot>,
    ) -> Arc<Self> {
        let task = subject.task();
        let is_plain = !guard.node(task).is_async();
        let element = subject.element().map(|element| ElementKnown {
            index: element.index(),
            name: OnceLock::new(),
            stopped: element.stop_flag(),
        });
        Arc::new(Self {
            run: guard.downgrade(),
            graph: Arc::clone(&guard.storage.graph),
            task,
            element,
            number,
            timed_out: AtomicBool::new(false),
            lends_slot: slot.is_some() && is_plain,
            returns_slot: slot.is_some() && !is_plain,
            runs: Mutex::new(Runs {
                unfinished: 0,
                awaited: 0,
                slot,
                waker: None,
                over: false,
            }),
        })
    }

    pub(crate) fn name(&self) -> &str {
        let name = self.graph.name(self.task);
        match &self.element {
            None => name,
            Some(element) => {
                let index = element.index;
                element.name.get_or_init(|| format!("{name}[{index}]"))
            }
        }
    }

    /// The index of the element that it is an attempt at, if it is one.
    pub(crate) fn element(&self) -> Option<usize> {
        self.element.as_ref().map(|element| element.index)
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The run that it is an attempt in, unless that is over.
    pub(crate) fn run(&self) -> Option<RunGuard> {
        RunGuard::upgrade(&self.run)
    }

    pub(crate) fn task(&self) -> NodeIndex {
        self.task
    }

    /// Whether the function should end: its run stops, or its attempt has timed out.
    pub(crate) fn is_stopping(&self) -> bool {
        let element = self.element.as_ref();
        self.timed_out.load(Ordering::Acquire)
            || element.is_some_and(|element| element.stopped.load(Ordering::Acquire))
            || self.run().is_none_or(|run| run.stops_task(self.task))
    }

    /// Ready once the function should end.
    pub(crate) fn stopping(&self) -> Stopping<'_> {
        Stopping {
            attempt: self,
            key: None,
        }
    }

    /// Tells a plain function that still runs that its attempt has timed out.
    pub(super) fn time_out(&self, guard: &RunGuard) {
        self.timed_out.store(true, Ordering::Release);
        guard.wake_all();
    }

    /// Waits for the end of every run that the function has executed, and allows no further one.
    pub(super) async fn end(&self) {
        poll_fn(|cx| {
            let mut runs = lock(&self.runs);
            runs.over = runs.unfinished == 0;
            if runs.over {
                return Poll::Ready(());
            }
            runs.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Takes the slot back from an attempt that is over.
    pub(super) fn take_slot(&self) -> Option<Slot> {
        lock(&self.runs).slot.take()
    }

    /// Begins a run of `graph` that belongs to the attempt.
    pub(super) fn begin_run(self: &Arc<Self>, graph: &Arc<Graph>) -> Result<Owned, Refusal> {
        let task = || self.name().to_owned();
        let run = self
            .run()
            .ok_or_else(|| Refusal::TaskEnded { task: task() })?;
        if let Some((held, holder)) = holder(&run, self.task) {
            if let Some(user) = graph.lock_user() {
                let (taker, needed) = graph.permits_of(user);
                return Err(Refusal::PermitsInside {
                    task: task(),
                    held,
                    holder,
                    taker,
                    needed,
                });
            }
        }
        let mut runs = lock(&self.runs);
        if runs.over {
            return Err(Refusal::TaskEnded { task: task() });
        }
        runs.unfinished += 1;
        drop(runs);
        Ok(Owned {
            run,
            attempt: Arc::clone(self),
        })
    }
}

/// The permits that a task holds, or one that its run is inside of, and the name of that task.
fn holder(run: &RunGuard, task: NodeIndex) -> Option<(String, String)> {
    let (mut run, mut task) = (run, task);
    loop {
        if let Some(held) = run.node(task).permits().first() {
            return Some((held.to_string(), run.graph().name(task).to_owned()));
        }
        (run, task) = run.nested_in_task()?;
    }
}

/// What a run has of the attempt that it belongs to.
#[derive(Debug)]
pub(crate) struct Owned {
    run: RunGuard,
    attempt: Arc<AttemptState>,
}

impl Owned {
    pub(super) fn run(&self) -> &RunGuard {
        &self.run
    }

    pub(super) fn task(&self) -> NodeIndex {
        self.attempt.task
    }

    /// How many tasks of the run may run at a time, by a slot that is lent to it.
    pub(super) fn limit(&self) -> Option<usize> {
        self.attempt.lends_slot.then_some(1)
    }

    /// Tells the attempt that the run is over. Gives back the share in the outer run.
    pub(super) fn end(self) -> RunGuard {
        self.run.clone()
    }

    /// What the future of the run has to do for the attempt.
    pub(super) fn awaited(&self, inner: &RunGuard) -> Awaited {
        let attempt = Arc::clone(&self.attempt);
        let mut runs = lock(&attempt.runs);
        runs.awaited += 1;
        let slot = match attempt.returns_slot {
            true => runs.slot.take(),
            false => None,
        };
        drop(runs);
        // Without the mutex, because it may wake another task.
        drop(slot);
        let mut key = None;
        // An async function is dropped when its run stops. A plain one goes on, so its runs are
        // stopped apart from it.
        if !self.run.node(attempt.task).is_async() {
            let stop = Arc::new(StopInner {
                attempt: Arc::downgrade(&attempt),
                inner: inner.downgrade(),
            });
            self.run.list(&mut key, &Waker::from(stop));
        }
        if attempt.is_stopping() {
            // Before it has started, so there is nothing to clean up.
            inner.stop(Mode::Dropped);
        }
        Awaited {
            attempt,
            key,
            over: false,
            slot: None,
            finished: None,
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut runs = lock(&self.attempt.runs);
        runs.unfinished -= 1;
        let waker = match runs.unfinished {
            0 => runs.waker.take(),
            _ => None,
        };
        drop(runs);
        if let Some(waker) = waker {
            unwind::contain(|| waker.wake());
        }
    }
}

/// What the future of a run has of the attempt that the run belongs to.
pub(super) struct Awaited {
    attempt: Arc<AttemptState>,
    /// The entry by which the run is stopped.
    key: Option<StopKey>,
    /// Whether the function no longer waits for the run.
    over: bool,
    /// The slot that the function waits for before it goes on.
    slot: Option<oneshot::Receiver<Slot>>,
    /// The result of the run, meanwhile.
    pub(super) finished: Option<Finished>,
}

impl Awaited {
    /// Ready once the function may go on after the run, with a slot if it needs one.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.over {
            self.over = true;
            self.slot = self.attempt.resume();
        }
        if let Some(slot) = &mut self.slot {
            // It fails if the run is over.
            if let Ok(slot) = ready!(Pin::new(slot).poll(cx)) {
                self.attempt.keep_slot(slot);
            }
            self.slot = None;
        }
        Poll::Ready(())
    }

    /// How a run is stopped whose future is dropped: like its outer run, and with its clean-up unless
    /// that was dropped.
    pub(super) fn drop_mode(&self) -> Mode {
        match self.attempt.run().map(|run| run.mode()) {
            Some(Mode::Go | Mode::Stopping) => Mode::Stopping,
            Some(Mode::Dropped) | None => Mode::Dropped,
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if !self.over {
            lock(&self.attempt.runs).awaited -= 1;
        }
        if let (Some(key), Some(run)) = (self.key, self.attempt.run()) {
            run.unlist(key);
        }
    }
}

impl AttemptState {
    /// Takes note that the function waits for one run less. Returns the slot to wait for if it needs
    /// one and none is free.
    fn resume(&self) -> Option<oneshot::Receiver<Slot>> {
        let mut runs = lock(&self.runs);
        runs.awaited -= 1;
        if runs.awaited > 0 || !self.returns_slot {
            return None;
        }
        drop(runs);
        let run = self.run()?;
        let (limiter, limit) = run.limiter()?;
        let holds_permits = !run.node(self.task).permits().is_empty();
        match limit.wait(limiter, &run, self.task, holds_permits) {
            Ok(slot) => {
                self.keep_slot(slot);
                None
            }
            Err(slot) => Some(slot),
        }
    }

    fn keep_slot(&self, slot: Slot) {
        let mut runs = lock(&self.runs);
        // The function may have begun another run meanwhile.
        let unwanted = match runs.awaited {
            0 => runs.slot.replace(slot),
            _ => Some(slot),
        };
        drop(runs);
        drop(unwanted);
    }
}

/// The waker that stops a run of a plain function when the outer run stops.
struct StopInner {
    attempt: Weak<AttemptState>,
    inner: Weak<Execution>,
}

impl Wake for StopInner {
    fn wake(self: Arc<Self>) {
        let inner = RunGuard::upgrade(&self.inner);
        let (Some(attempt), Some(inner)) = (self.attempt.upgrade(), inner) else {
            return;
        };
        if attempt.is_stopping() {
            let mode = attempt.run().map_or(Mode::Dropped, |run| run.mode());
            inner.stop(mode.max(Mode::Stopping));
        }
    }
}

/// The future of [`AttemptState::stopping`].
pub(crate) struct Stopping<'a> {
    attempt: &'a AttemptState,
    key: Option<StopKey>,
}

impl Future for Stopping<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(run) = this.attempt.run() else {
            return Poll::Ready(());
        };
        // Listed before it is asked: see the protocol in `stop_list`.
        run.list(&mut this.key, cx.waker());
        match this.attempt.is_stopping() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        if let (Some(key), Some(run)) = (self.key, self.attempt.run()) {
            run.unlist(key);
        }
    }
}
