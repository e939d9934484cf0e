//! Plain functions on blocking threads. The protocol is in [`super::blocking_queue`].

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_channel::oneshot;

use crate::graph::body::{Body, PlainBody};
use crate::node_index::NodeIndex;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::unwind;

use super::blocking_queue::Ask;
use super::current::CurrentRun;
use super::execution::Execution;
use super::guard::RunGuard;
use super::limit::Slot;
use super::ready_queues::Injected;
use super::settle::CollectingSink;
use super::step::Step;
use super::time_slice::TimeSlice;
use super::watch::Watch;

/// A plain function to be called.
#[derive(Debug)]
pub(crate) struct BlockingCall {
    pub(super) task: NodeIndex,
    pub(super) kind: CallKind,
}

/// What settles the task after its function returned.
pub(crate) enum CallKind {
    /// The thread, which also gives back what the task holds.
    Simple(Holds),
    /// The supervisor, which waits for the attempt, unless that has timed out.
    Attempt(Attempt),
}

impl fmt::Debug for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simple(_) => "Simple",
            Self::Attempt(_) => "Attempt",
        })
    }
}

/// What a task holds while it runs. Given back when dropped.
#[derive(Default)]
pub(crate) struct Holds {
    pub(super) permits: Vec<Box<dyn Send>>,
    pub(super) slot: Option<Slot>,
}

impl Holds {
    /// Gives back the permits, whose `Drop` is the runtime's and may panic. Returns the slot.
    pub(super) fn give_back_permits(self) -> Option<Slot> {
        let Self { permits, slot } = self;
        unwind::contain(|| drop(permits));
        slot
    }
}

/// One attempt at a task that is supervised.
pub(crate) struct Attempt {
    pub(super) holds: Holds,
    /// Set by the thread when the function returned, or by the supervisor when the attempt timed
    /// out. The first of them decides whether the attempt counts.
    pub(super) decided: Arc<AtomicBool>,
    /// Told when a thread starts the function, which is when its time limit starts.
    pub(super) started: oneshot::Sender<()>,
    /// How it ended, and its slot.
    pub(super) done: oneshot::Sender<(End, Option<Slot>)>,
    pub(super) number: u32,
}

/// One of the threads of which there are at most [`MOST_EXTRA`] in the process.
struct ExtraThread(());

/// How many threads of their own all runs of the process have at most, beside one for each run. With
/// that one, every run goes on by itself, so runs do not wait for each other's threads.
const MOST_EXTRA: usize = 64;

static EXTRA: AtomicUsize = AtomicUsize::new(0);

impl ExtraThread {
    fn take() -> Option<Self> {
        let more = |extra| (extra < MOST_EXTRA).then_some(extra + 1);
        let taken = EXTRA.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        // Made only if it was taken: its drop counts it off.
        taken.is_ok().then(|| Self(()))
    }
}

impl Drop for ExtraThread {
    fn drop(&mut self) {
        EXTRA.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a thread of the runtime stays with a run. Long beside the 6 to 30 µs that a
/// `spawn_blocking` was measured to cost, short for what else waits for a thread.
const STAY: Duration = Duration::from_millis(5);

thread_local! {
    static ON_BLOCKING_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is a blocking thread of some run.
///
/// A plain function may execute a flow of its own and block on it. If that flow had to wait for a
/// blocking thread of the runtime, and this one is the last there is, both would wait forever. So a
/// run that begins on such a thread gets threads of its own, and so does every run inside of it.
pub(crate) fn on_blocking_thread() -> bool {
    ON_BLOCKING_THREAD.get()
}

impl RunGuard {
    /// Has a plain function called on a blocking thread.
    pub(crate) fn call_blocking(&self, call: BlockingCall) {
        let ask = self.blocking.push(call);
        self.ask(ask);
    }

    fn ask(&self, ask: Ask) {
        match ask {
            Ask::Nothing => {}
            Ask::Committed => {
                let thread = CommittedThread(Some(self.clone()));
                match self.own_threads {
                    true => self.start_thread(move || thread.run()),
                    false => unwind::contain(|| self.backend.block(thread)),
                }
            }
            Ask::Another => {
                let another = AnotherThread(self.downgrade());
                match (
                    self.own_threads,
                    self.own_threads.then(ExtraThread::take).flatten(),
                ) {
                    (false, _) => unwind::contain(|| self.backend.block_another(another)),
                    (true, Some(extra)) => self.start_thread(move || {
                        another.run();
                        drop(extra);
                    }),
                    // Declined.
                    (true, None) => drop(another),
                }
            }
        }
    }

    /// Starts a thread that is not the runtime's; see [`on_blocking_thread`].
    fn start_thread(&self, work: impl FnOnce() + Send + 'static) {
        let backend = Arc::clone(&self.backend);
        let mut work = Some(work);
        let thread = std::thread::Builder::new().name("asyncflow".into());
        // If the thread cannot be started, its work is dropped, which abandons the queue.
        let _ = thread.spawn(move || {
            backend.enter(&mut || {
                if let Some(work) = work.take() {
                    work();
                }
            });
        });
    }
}

/// A thread that is committed to the queue of a run.
pub(crate) struct CommittedThread(
    /// Empty once it runs.
    Option<RunGuard>,
);

/// A thread that was asked for. It joins if the run is not over when it comes.
pub(crate) struct AnotherThread(Weak<Execution>);

impl CommittedThread {
    /// Calls functions until there are no more.
    pub(crate) fn run(mut self) {
        let Some(guard) = self.0.take() else { return };
        let before = ON_BLOCKING_THREAD.replace(true);
        CurrentRun::new(&guard).enter(|| serve(&guard));
        ON_BLOCKING_THREAD.set(before);
    }
}

/// Calls functions until there are no more, or the thread has been with the run for long.
fn serve(guard: &RunGuard) {
    let mut slice = TimeSlice::new(STAY, u32::MAX);
    while let Some((call, ask)) = guard.blocking.take() {
        guard.ask(ask);
        // Goes on with what the function made ready, so a chain of plain functions stays on its
        // thread.
        let mut next = call.run(guard);
        let mut over = slice.is_over();
        while let (Some(task), false) = (next, over) {
            next = BlockingCall::simple(task).run(guard);
            over = slice.is_over();
        }
        if let Some(task) = next {
            guard.blocking.push_front(BlockingCall::simple(task));
        }
        if over && !guard.own_threads && !guard.blocking.is_empty() {
            // Queues again, behind what else waits for a thread of the runtime.
            let thread = CommittedThread(Some(guard.clone()));
            unwind::contain(|| guard.backend.block(thread));
            break;
        }
    }
}

impl Drop for CommittedThread {
    fn drop(&mut self) {
        // The runtime shuts down and will not call it. A supervisor that waits for a call that no
        // thread will take sees that the call is dropped.
        if let Some(guard) = self.0.take() {
            for call in guard.blocking.abandon() {
                unwind::contain(|| drop(call));
            }
        }
    }
}

impl AnotherThread {
    pub(crate) fn run(mut self) {
        if let Some(guard) = RunGuard::upgrade(&std::mem::take(&mut self.0)) {
            guard.blocking.join();
            CommittedThread(Some(guard)).run();
        }
    }
}

impl Drop for AnotherThread {
    fn drop(&mut self) {
        // Empty once it has run.
        if let Some(guard) = RunGuard::upgrade(&self.0) {
            guard.blocking.decline();
        }
    }
}

impl BlockingCall {
    pub(crate) fn simple(task: NodeIndex) -> Self {
        Self {
            task,
            kind: CallKind::Simple(Holds::default()),
        }
    }

    /// Calls the function. Returns a plain task that this made ready, to go on with.
    fn run(self, guard: &RunGuard) -> Option<NodeIndex> {
        match self.kind {
            CallKind::Simple(holds) => run_simple(guard, self.task, holds),
            CallKind::Attempt(attempt) => {
                run_attempt(guard, self.task, attempt);
                None
            }
        }
    }
}

fn run_simple(guard: &RunGuard, task: NodeIndex, holds: Holds) -> Option<NodeIndex> {
    // The run may have stopped since the call was queued.
    let end = match guard.stops_task(task) {
        true => End::Cancelled,
        false => match &guard.watch {
            Some(watch) => call_watched(guard, watch, task, &holds),
            None => call(guard, task, &|| true),
        },
    };
    match holds.give_back_permits() {
        None => settle(guard, task, end),
        Some(slot) => {
            guard.settle_with_slot(task, end, slot);
            None
        }
    }
}

fn run_attempt(guard: &RunGuard, task: NodeIndex, attempt: Attempt) {
    let Attempt {
        holds,
        decided,
        started,
        done,
        number,
    } = attempt;
    let wanted = || !decided.swap(true, Ordering::AcqRel);
    let end = match guard.stops_task(task) {
        true => End::Cancelled,
        false => {
            if number > 1 {
                guard.note_attempts(task, number);
            }
            if let Some(watch) = &guard.watch {
                watch.started(task, number);
            }
            // Last, since the attempt may time out from here on. It fails if there is no limit.
            let _ = started.send(());
            match &guard.watch {
                Some(watch) => watch.inside(task, number, || call(guard, task, &wanted)),
                None => call(guard, task, &wanted),
            }
        }
    };
    let slot = holds.give_back_permits();
    if let Err((late, slot)) = done.send((end, slot)) {
        drop(slot);
        late.discard();
    }
}

/// Calls the function of a plain task, and tells the observers.
#[cold]
fn call_watched(guard: &RunGuard, watch: &Watch, task: NodeIndex, holds: &Holds) -> End {
    if holds.permits.is_empty() && holds.slot.is_none() {
        watch.permitted(task);
    }
    watch.started(task, 1);
    watch.inside(task, 1, || call(guard, task, &|| true))
}

/// Calls the function of a plain task.
#[inline]
fn call(guard: &RunGuard, task: NodeIndex, wanted: &dyn Fn() -> bool) -> End {
    let body = plain_body(guard, task);
    match unwind::catch(|| body.call(guard.outputs(), task, wanted)) {
        Ok(Ok(())) => End::Succeeded,
        Ok(Err(error)) => End::Failed(Cause::Error(error)),
        Err(payload) => End::Failed(Cause::panic(payload)),
    }
}

/// The queue holds tasks by their index, because they outlive the borrow of their function.
fn plain_body(run: &Execution, task: NodeIndex) -> &dyn PlainBody {
    match &run.node(task).body {
        Body::Plain(body) => &**body,
        _ => unreachable!("only plain functions are queued for blocking threads"),
    }
}

/// Settles a task on a blocking thread. One plain task that is ready because of it is returned, the
/// other plain ones are queued, and all others go to the drivers.
fn settle(guard: &RunGuard, task: NodeIndex, end: End) -> Option<NodeIndex> {
    let mut next = None;
    let mut sink = CollectingSink::default();
    guard.settle(task, end, &mut sink);
    loop {
        let (ready, rest) = sink.finish();
        sink = CollectingSink::default();
        let settled = ready.is_empty() && rest.is_empty();
        for task in ready {
            match step(guard, task) {
                Some(Step::Call) if next.is_none() => next = Some(task),
                Some(Step::Call) => guard.call_blocking(BlockingCall::simple(task)),
                Some(Step::End(status)) => guard.end(task, status, &mut sink),
                _ => guard.inject(Injected::Task(task, None)),
            }
        }
        for rest in rest {
            guard.announce(rest, &mut sink);
        }
        if settled {
            return next;
        }
    }
}

/// What to do with a ready task, if it is a plain one. Deciding about any other is up to the driver
/// that takes it.
fn step(guard: &RunGuard, task: NodeIndex) -> Option<Step<'_>> {
    let plain = matches!(guard.node(task).body, Body::Plain(_));
    (plain && !guard.limited).then(|| guard.step(task))
}
