//! Plain functions on blocking threads. The protocol is in [`super::blocking_queue`].

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_channel::oneshot;

use crate::graph::body::{Body, PlainBody};
use crate::node_index::NodeIndex;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::task::statuses::Status;
use crate::unwind;

use super::blocking_queue::Ask;
use super::execution::Execution;
use super::guard::RunGuard;
use super::limit::Slot;
use super::ready_queues::Injected;
use super::settle::{Announcements, ReadySink};
use super::step::Step;
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
    /// Gives back everything. A runtime's permits may panic in their `Drop`.
    fn give_back(self) {
        unwind::contain(|| drop(self));
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
    pub(super) done: oneshot::Sender<End>,
    pub(super) number: u32,
}

thread_local! {
    static ON_BLOCKING_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is a blocking thread of some run.
///
/// A plain function may execute a flow of its own and block on it. If that flow had to wait for a
/// blocking thread of the runtime, and this one is the last there is, both would wait forever. So a
/// run that begins on such a thread gets threads of its own.
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
                match self.own_threads {
                    true => self.start_thread(move || another.run()),
                    false => unwind::contain(|| self.backend.block_another(another)),
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
        while let Some((call, ask)) = guard.blocking.take() {
            guard.ask(ask);
            // Goes on with what the function made ready, so a chain of plain functions stays on its
            // thread.
            let mut next = call.run(&guard);
            while let Some(task) = next {
                next = BlockingCall::simple(task).run(&guard);
            }
        }
        ON_BLOCKING_THREAD.set(before);
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
    holds.give_back();
    settle(guard, task, end)
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
    holds.give_back();
    if let Err(late) = done.send(end) {
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
    let mut sink = ThreadSink {
        guard,
        next: None,
        ended: Vec::new(),
        rest: Vec::new(),
    };
    guard.settle(task, end, &mut sink);
    loop {
        if let Some((task, status)) = sink.ended.pop() {
            guard.end(task, status, &mut sink);
        } else if let Some(rest) = sink.rest.pop() {
            guard.announce(rest, &mut sink);
        } else {
            return sink.next;
        }
    }
}

/// Where a blocking thread puts tasks that became ready.
struct ThreadSink<'a> {
    guard: &'a RunGuard,
    next: Option<NodeIndex>,
    /// Tasks that have ended without being started.
    ended: Vec<(NodeIndex, Status)>,
    /// What is left of ends that are announced in slices. Nothing else waits for this thread.
    rest: Vec<Announcements>,
}

impl ReadySink for ThreadSink<'_> {
    fn push(&mut self, task: NodeIndex) {
        let guard = self.guard;
        let plain = matches!(guard.node(task).body, Body::Plain(_));
        // Only a plain task may be stepped here. Stepping any other is up to the driver that takes
        // it.
        if plain && !guard.limited {
            match guard.step(task) {
                Step::Call if self.next.is_none() => return self.next = Some(task),
                Step::Call => return guard.call_blocking(BlockingCall::simple(task)),
                Step::End(status) => return self.ended.push((task, status)),
                Step::Poll(_) | Step::PollWatched(..) | Step::Supervise => {}
            }
        }
        guard.inject(Injected::Task(task, None));
    }

    fn pause(&mut self, rest: Announcements) {
        self.rest.push(rest);
    }
}
