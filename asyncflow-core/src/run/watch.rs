//! Clocks and observers: the one place where a run is watched.
//!
//! A run that is not watched has none of this, and reads no clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::declare::function::{AsyncBody, Body, Job};
use crate::graph::Graph;
use crate::observer::Observer;
use crate::outcome::error::Cause;
use crate::outcome::status::TaskStatus;
use crate::structure::Structure;

use super::end::End;
use super::execution::Execution;
use super::unwind;

/// Stands for a moment that has not come.
const NEVER: u64 = u64::MAX;

pub(crate) struct Watch {
    graph: Arc<Graph>,
    start: Instant,
    observers: Vec<Arc<dyn Observer>>,
    /// Present if the run is timed.
    moments: Option<Box<[Moments]>>,
}

/// When a task became ready, started and so on: nanoseconds since the run began.
struct Moments {
    ready: AtomicU64,
    permitted: AtomicU64,
    started: AtomicU64,
    ended: AtomicU64,
}

/// When a task of a timed run became ready, got its permits, started and ended, since the start of
/// the run. What did not happen is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the last of its upstreams had ended.
    pub ready: Option<Duration>,
    /// When it had the permits that it needs, for its last attempt.
    pub permitted: Option<Duration>,
    /// When its function was first called.
    pub started: Option<Duration>,
    /// When it had its status.
    pub ended: Option<Duration>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("observers", &self.observers.len())
            .field("timed", &self.moments.is_some())
            .finish_non_exhaustive()
    }
}

impl Watch {
    pub(crate) fn new(graph: Arc<Graph>, timed: bool, observers: Vec<Arc<dyn Observer>>) -> Self {
        let moments = timed.then(|| {
            let never = || AtomicU64::new(NEVER);
            let moments = (0..graph.len()).map(|_| Moments {
                ready: never(),
                permitted: never(),
                started: never(),
                ended: never(),
            });
            moments.collect()
        });
        Self {
            graph,
            start: Instant::now(),
            observers,
            moments,
        }
    }

    fn mark(&self, index: u32, moment: impl Fn(&Moments) -> &AtomicU64) {
        if let Some(moments) = &self.moments {
            let elapsed = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(NEVER - 1);
            moment(&moments[index as usize]).store(elapsed, Ordering::Relaxed);
        }
    }

    /// Whether anybody is told of what happens; if not, it is only timed.
    pub(crate) fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Tells every observer; one that panics is not asked to take more than its own harm.
    fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in &self.observers {
            unwind::contain(|| event(&**observer));
        }
    }

    fn tell_of(&self, index: u32, event: impl Fn(&dyn Observer, crate::TaskRef<'_>)) {
        if self.observers.is_empty() || self.graph.node(index).is_gate() {
            return;
        }
        let task = crate::TaskRef::new(self.graph.task_id(index), self.graph.name(index));
        self.tell(|observer| event(observer, task));
    }

    pub(crate) fn run_started(&self) {
        let structure = Structure::new(Arc::clone(&self.graph));
        self.tell(|observer| observer.run_started(&structure));
    }

    /// All upstreams of a task have ended. That is told only of those that are `startable`.
    pub(crate) fn ready(&self, index: u32, startable: impl FnOnce() -> bool) {
        self.mark(index, |moments| &moments.ready);
        if self.is_observed() && startable() {
            self.tell_of(index, |observer, task| observer.task_ready(task));
        }
    }

    pub(crate) fn waits(&self, index: u32, permits: &crate::Permits) {
        self.tell_of(index, |observer, task| observer.task_waiting(task, permits));
    }

    pub(crate) fn waits_for_slot(&self, index: u32) {
        self.tell_of(index, |observer, task| observer.task_queued(task));
    }

    pub(crate) fn permitted(&self, index: u32) {
        self.mark(index, |moments| &moments.permitted);
    }

    pub(crate) fn started(&self, index: u32, attempt: u32) {
        if attempt == 1 {
            self.mark(index, |moments| &moments.started);
        }
        self.tell_of(index, |observer, task| observer.task_started(task, attempt));
    }

    /// Calls `code`, which runs code of a task on this thread.
    pub(crate) fn inside<T>(&self, index: u32, attempt: u32, code: impl FnOnce() -> T) -> T {
        if !self.is_observed() {
            return code();
        }
        self.tell_of(index, |observer, task| observer.task_entered(task, attempt));
        let done = unwind::catch(code);
        self.tell_of(index, |observer, task| observer.task_left(task, attempt));
        done.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }

    pub(crate) fn attempt_failed(&self, index: u32, attempt: u32, end: &End) {
        if self.is_observed() {
            let why = Cause::describe(end);
            self.tell_of(index, |observer, task| {
                observer.attempt_failed(task, attempt, &why)
            });
        }
    }

    pub(crate) fn ended(&self, index: u32, status: TaskStatus) {
        self.mark(index, |moments| &moments.ended);
        self.tell_of(index, |observer, task| observer.task_ended(task, status));
    }

    /// A task has no part in the run.
    pub(crate) fn not_selected(&self, index: u32) {
        self.tell_of(index, |observer, task| {
            observer.task_ended(task, TaskStatus::NotSelected);
        });
    }

    pub(crate) fn run_ended(&self) {
        self.tell(|observer| observer.run_ended());
    }

    /// What was measured, at the end of the run. The observers go, whatever they do in their `Drop`.
    pub(crate) fn finish(mut self) -> (Duration, Option<Vec<Times>>) {
        let times = self.times();
        for observer in self.observers.drain(..) {
            unwind::contain(|| drop(observer));
        }
        times
    }

    /// How long the run took so far, and the times of each node if it is timed.
    pub(crate) fn times(&self) -> (Duration, Option<Vec<Times>>) {
        let read = |moment: &AtomicU64| match moment.load(Ordering::Relaxed) {
            NEVER => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        let times = self.moments.as_ref().map(|moments| {
            let times = moments.iter().map(|moments| Times {
                ready: read(&moments.ready),
                permitted: read(&moments.permitted),
                started: read(&moments.started),
                ended: read(&moments.ended),
            });
            times.collect()
        });
        (self.start.elapsed(), times)
    }
}

/// The future of an attempt at an observed task, which tells whenever a thread runs code of it.
///
/// It lies around the task's own future, so whoever polls and drops that one needs to know nothing
/// of it, and a run that is not observed has none of it.
pub(crate) struct Inside {
    state: State,
    run: Arc<Execution>,
    index: u32,
    attempt: u32,
}

enum State {
    /// The function is called by the first poll, so that this and the call are told as one.
    New,
    Started(Job),
    Done,
}

impl Inside {
    /// The future of a task's function, observed if somebody observes it.
    pub(crate) fn start(
        body: &dyn AsyncBody,
        run: Arc<Execution>,
        index: u32,
        attempt: u32,
    ) -> Job {
        match &run.watch {
            Some(watch) if watch.is_observed() => Box::pin(Self {
                state: State::New,
                run,
                index,
                attempt,
            }),
            _ => body.start(run, index),
        }
    }
}

impl Future for Inside {
    type Output = <Job as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            state,
            run,
            index,
            attempt,
        } = &mut *self;
        let Some(watch) = &run.watch else {
            unreachable!("only observed runs have these");
        };
        let polled = watch.inside(*index, *attempt, || {
            if let (State::New, Body::Async(body)) = (&*state, &run.node(*index).body) {
                *state = State::Started(body.start(Arc::clone(run), *index));
            }
            match state {
                // It stays where it is: if it panics it is dropped when the panic is over.
                State::Started(job) => job.as_mut().poll(cx),
                State::New | State::Done => unreachable!("only async functions have futures"),
            }
        });
        if polled.is_ready() {
            *state = State::Done;
        }
        polled
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let (State::Started(_), Some(watch)) = (&self.state, &self.run.watch) {
            let job = std::mem::replace(&mut self.state, State::Done);
            watch.inside(self.index, self.attempt, || drop(job));
        }
    }
}
