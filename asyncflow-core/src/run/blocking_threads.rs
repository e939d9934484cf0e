//! Blocking threads: those that call the plain functions of a run. How many threads of the runtime
//! there are is decided in [`super::blocking_thread_count`], how many threads of a run's own here, by
//! [`MOST_EXTRA`].

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::{Mutex, lock};
use crate::unwind;

use super::backend::Blocking;
use super::blocking_call::BlockingCall;
use super::blocking_thread_count::Ask;
use super::current::CurrentRun;
use super::execution::Execution;
use super::guard::RunGuard;
use super::time_slice::TimeSlice;

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
        let ask = self.blocking.push(self.node(call.task).priority(), call);
        self.ask(ask);
    }

    fn ask(&self, ask: Ask) {
        match ask {
            Ask::Nothing => {}
            Ask::Committed => {
                let thread = CommittedThread(Some(self.clone()));
                match self.own_threads {
                    true => self.start_thread(move || thread.run()),
                    false => self.spawn_blocking(Blocking::Committed(thread)),
                }
            }
            Ask::Another => {
                let another = AnotherThread(self.downgrade());
                match (
                    self.own_threads,
                    self.own_threads.then(ExtraThread::take).flatten(),
                ) {
                    (false, _) => self.spawn_blocking(Blocking::Another(another)),
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

    fn spawn_blocking(&self, work: Blocking) {
        unwind::contain(|| self.backend().spawn_blocking(work));
    }

    /// Starts a thread that is not the runtime's; see [`on_blocking_thread`]. If the system has no
    /// more threads, one of the runtime's has to do.
    fn start_thread(&self, work: impl FnOnce() + Send + 'static) {
        let scheduler = Arc::clone(&self.scheduler);
        let work: Box<dyn FnOnce() + Send> = Box::new(work);
        let work = Arc::new(Mutex::new(Some(work)));
        let taken = Arc::clone(&work);
        let thread = std::thread::Builder::new().name("asyncflow".into());
        let started = thread.spawn(move || {
            scheduler.backend.enter(&mut || {
                let work = lock(&taken).take();
                if let Some(work) = work {
                    work();
                }
            });
        });
        if started.is_err() {
            let work = lock(&work).take();
            if let Some(work) = work {
                self.spawn_blocking(Blocking::Work(work));
            }
        }
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
        guard.blocking.arrive();
        let before = ON_BLOCKING_THREAD.replace(true);
        CurrentRun::new(&guard).enter(|| serve(&guard));
        ON_BLOCKING_THREAD.set(before);
    }
}

/// Calls functions until there are no more, or the thread has been with the run for long.
fn serve(guard: &RunGuard) {
    let mut slice = TimeSlice::of_blocking_thread();
    let prioritized = guard.graph().start_order.is_some();
    while let Some((call, ask)) = guard.blocking.take() {
        guard.ask(ask);
        // Goes on with what the function made ready, so a chain of plain functions stays on its
        // thread, unless others may have a higher priority.
        let mut next = call.run(guard);
        let mut over = slice.is_over();
        while let (false, Some(task), false) = (prioritized, next, over) {
            next = BlockingCall::simple(task).run(guard);
            over = slice.is_over();
        }
        if let Some(task) = next {
            let priority = guard.node(task).priority();
            guard
                .blocking
                .push_front(priority, BlockingCall::simple(task));
        }
        if over && !guard.own_threads && guard.blocking.leave_for_a_turn() {
            // Queues again, behind what else waits for a thread of the runtime.
            let thread = CommittedThread(Some(guard.clone()));
            guard.spawn_blocking(Blocking::Committed(thread));
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
