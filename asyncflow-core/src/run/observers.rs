//! Clocks and observers: the one place where a run is watched.
//!
//! A run that is not watched has none of this, and one that is not timed reads no clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::graph::Graph;
use crate::graph::body::{AnyAttempt, AsyncBody, Body, Job};
use crate::graph::structure::Structure;
use crate::lock::Permits;
use crate::node_index::NodeIndex;
use crate::number_map::NumberMap;
use crate::observer::{ElementRef, InnerRun, Observer, TaskRef};
use crate::outcome::parts::{Measured, NEVER, Parts, Span};
use crate::outcome::pauses::Pauses;
use crate::outcome::times::Times;
use crate::sync::{Mutex, lock};
use crate::task::failure::Cause;
use crate::task::status::TaskStatus;
use crate::task::statuses::Status;
use crate::unwind;

use super::each::ElementAt;
use super::execution::Execution;
use super::scheduler::Scheduler;

/// How many runs around a task show it as a part of theirs. It bounds what a task costs that is inside of
/// many.
const MAX_AROUND: usize = 8;

pub(crate) struct Watch {
    graph: Arc<Graph>,
    observers: Vec<Watcher>,
    /// Present if the run is timed.
    clock: Option<Clock>,
}

/// What observers are told, each with where the run is for it.
type Event<'a> = dyn Fn(&dyn Observer, Option<&Arc<InnerRun>>) + 'a;

/// An observer of a run.
struct Watcher {
    observer: Arc<dyn Observer>,
    /// Where this run is, as seen from the run that the observer was passed to. `None` if it is that run.
    inside: Option<Arc<InnerRun>>,
}

/// What measures a timed run.
struct Clock {
    /// Has the time. A runtime may have a clock of its own, by which its sleeps end.
    scheduler: Arc<Scheduler>,
    start: Instant,
    moments: Box<[Moments]>,
    /// What ran inside of each task. Runs inside have a share in it.
    parts: Arc<SharedParts>,
    /// When tasks waited between their attempts.
    pauses: Mutex<NumberMap<NodeIndex, Pauses>>,
    /// The timed runs that this one is inside of, the nearest first.
    around: Vec<Around>,
}

type SharedParts = Mutex<NumberMap<NodeIndex, Parts>>;

/// A timed run that another is inside of.
struct Around {
    parts: Arc<SharedParts>,
    /// Its task that the inner run is a part of.
    task: NodeIndex,
    /// What comes before the names of the inner tasks: the tasks between, as in `build › `.
    path: String,
    /// When the inner run began, in nanoseconds since the start of this one.
    began: u64,
}

/// When a task became ready, started and so on: nanoseconds since the run began.
struct Moments {
    ready: AtomicU64,
    permitted: AtomicU64,
    started: AtomicU64,
    ended: AtomicU64,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("observers", &self.observers.len())
            .field("timed", &self.clock.is_some())
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// What watches a run, if anything does: its own observers and clock, and those of the run that it is
    /// inside of.
    pub(crate) fn of_run(
        graph: &Arc<Graph>,
        timed_by: Option<&Arc<Scheduler>>,
        observers: Vec<Arc<dyn Observer>>,
        outer: Option<(&Self, NodeIndex)>,
    ) -> Option<Box<Self>> {
        let inherits = outer.is_some_and(|(outer, _)| !outer.observers.is_empty());
        if timed_by.is_none() && observers.is_empty() && !inherits {
            return None;
        }
        let own = observers.into_iter().map(|observer| Watcher {
            observer,
            inside: None,
        });
        let outer_ones = outer.map(|(outer, task)| outer.watchers_inside(task));
        let observers: Vec<Watcher> = own.chain(outer_ones.into_iter().flatten()).collect();
        Some(Box::new(Self {
            graph: Arc::clone(graph),
            observers,
            clock: timed_by.map(|scheduler| Clock::start(scheduler, graph.len(), outer)),
        }))
    }

    /// The observers of a run inside of a task.
    fn watchers_inside(&self, task: NodeIndex) -> Vec<Watcher> {
        if self.observers.is_empty() {
            return Vec::new();
        }
        let (number, id) = (InnerRun::next_number(), self.graph.task_id(task));
        let name = self.graph.name(task);
        let observers = self.observers.iter().map(|watcher| {
            let task = TaskRef::new(id, name, watcher.inside.as_ref());
            Watcher {
                observer: Arc::clone(&watcher.observer),
                inside: Some(Arc::new(InnerRun::new(number, task))),
            }
        });
        observers.collect()
    }

    /// The timed runs that a run inside of a task is inside of. It begins at `start`.
    fn around(&self, task: NodeIndex, start: Instant) -> Vec<Around> {
        let Some(clock) = &self.clock else {
            return Vec::new();
        };
        let name = self.graph.name(task);
        let began = nanos(start.saturating_duration_since(clock.start));
        let nearest = Around {
            parts: Arc::clone(&clock.parts),
            task,
            path: String::new(),
            began,
        };
        let further = clock.around.iter().map(|run| Around {
            parts: Arc::clone(&run.parts),
            task: run.task,
            path: format!("{}{name} › ", run.path),
            began: run.began.saturating_add(began),
        });
        std::iter::once(nearest)
            .chain(further)
            .take(MAX_AROUND)
            .collect()
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.clock.is_some()
    }

    fn mark(&self, node: NodeIndex, moment: impl Fn(&Moments) -> &AtomicU64) {
        if let Some(clock) = &self.clock {
            clock.mark(moment(&clock.moments[node.get()]));
        }
    }

    /// Whether there are observers. If not, the run is only timed.
    pub(crate) fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Calls every observer. A panic in one does not stop the others.
    fn tell(&self, event: &Event<'_>) {
        for watcher in &self.observers {
            unwind::contain(|| event(&*watcher.observer, watcher.inside.as_ref()));
        }
    }

    fn tell_of(&self, node: NodeIndex, event: &dyn Fn(&dyn Observer, TaskRef<'_>)) {
        if self.observers.is_empty() || self.graph.node(node).is_gate() {
            return;
        }
        let (id, name) = (self.graph.task_id(node), self.graph.name(node));
        self.tell(&|observer, inside| event(observer, TaskRef::new(id, name, inside)));
    }

    pub(crate) fn run_started(&self) {
        let structure = Structure::new(Arc::clone(&self.graph));
        self.tell(&|observer, inside| match inside {
            None => observer.run_started(&structure),
            Some(run) => observer.inner_run_started(run, &structure),
        });
    }

    /// All upstreams of a task have ended. The observers are told only if it is `startable`.
    pub(crate) fn ready(&self, node: NodeIndex, startable: impl FnOnce() -> bool) {
        self.mark(node, |moments| &moments.ready);
        if self.is_observed() && startable() {
            self.tell_of(node, &|observer, task| observer.task_ready(task));
        }
    }

    pub(crate) fn waits(&self, node: NodeIndex, permits: &Permits) {
        self.tell_of(node, &|observer, task| observer.task_waiting(task, permits));
    }

    pub(crate) fn waits_for_slot(&self, node: NodeIndex) {
        self.tell_of(node, &|observer, task| observer.task_queued(task));
    }

    pub(crate) fn permitted(&self, node: NodeIndex) {
        self.mark(node, |moments| &moments.permitted);
    }

    pub(crate) fn started(&self, node: NodeIndex, attempt: u32) {
        match attempt {
            1 => self.mark(node, |moments| &moments.started),
            _ => self.mark_pause(node, Pauses::end),
        }
        self.tell_of(node, &|observer, task| observer.task_started(task, attempt));
    }

    /// A task waits for its next attempt.
    pub(crate) fn pauses(&self, node: NodeIndex) {
        self.mark_pause(node, Pauses::begin);
    }

    #[cold]
    fn mark_pause(&self, node: NodeIndex, mark: impl FnOnce(&mut Pauses, u64)) {
        if let Some(clock) = &self.clock {
            let now = clock.nanos();
            mark(lock(&clock.pauses).get_or_default(node), now);
        }
    }

    /// Calls `code`, which runs code of a task on this thread, and tells the observers before and
    /// after.
    pub(crate) fn inside<T>(&self, node: NodeIndex, attempt: u32, code: impl FnOnce() -> T) -> T {
        if !self.is_observed() {
            return code();
        }
        self.tell_of(node, &|observer, task| observer.task_entered(task, attempt));
        let done = unwind::catch(code);
        self.tell_of(node, &|observer, task| observer.task_left(task, attempt));
        done.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }

    pub(crate) fn attempt_failed(&self, node: NodeIndex, attempt: u32, cause: &Cause) {
        if self.is_observed() {
            // Once, and not by each observer: the text of a user's error may panic.
            let why = cause.to_string();
            self.tell_of(node, &|observer, task| {
                observer.attempt_failed(task, attempt, &why)
            });
        }
    }

    fn tell_of_element(&self, at: ElementAt, event: &dyn Fn(&dyn Observer, ElementRef<'_>)) {
        let (node, index) = at;
        self.tell_of(node, &|observer, task| {
            event(observer, ElementRef::new(task, index));
        });
    }

    fn mark_element(&self, (node, index): ElementAt, mark: impl FnOnce(&mut Parts, usize, u64)) {
        if let Some(clock) = &self.clock {
            let now = clock.nanos();
            mark(lock(&clock.parts).get_or_default(node), index, now);
        }
    }

    pub(crate) fn element_started(&self, at: ElementAt, attempt: u32) {
        self.mark_element(at, Parts::element_started);
        self.tell_of_element(at, &|observer, element| {
            observer.element_started(element, attempt);
        });
    }

    pub(crate) fn element_failed(&self, at: ElementAt, attempt: u32, cause: &Cause) {
        if self.is_observed() {
            let why = cause.to_string();
            self.tell_of_element(at, &|observer, element| {
                observer.element_failed(element, attempt, &why);
            });
        }
    }

    pub(crate) fn element_ended(&self, at: ElementAt, status: Status) {
        self.mark_element(at, |parts, index, now| {
            parts.element_ended(index, now, status);
        });
        self.tell_of_element(at, &|observer, element| {
            observer.element_ended(element, status.of_element());
        });
    }

    pub(crate) fn noted(&self, node: NodeIndex, note: &str) {
        self.tell_of(node, &|observer, task| observer.task_noted(task, note));
    }

    pub(crate) fn progress(&self, node: NodeIndex, done: u64, total: u64) {
        self.tell_of(node, &|observer, task| {
            observer.task_progress(task, done, total);
        });
    }

    pub(crate) fn ended(&self, node: NodeIndex, status: TaskStatus) {
        self.mark(node, |moments| &moments.ended);
        if let Some(clock) = &self.clock {
            clock.tell_runs_around(&self.graph, node, status);
        }
        self.tell_of(node, &|observer, task| observer.task_ended(task, status));
    }

    /// A task has no part in the run.
    pub(crate) fn not_selected(&self, node: NodeIndex) {
        self.tell_of(node, &|observer, task| {
            observer.task_ended(task, TaskStatus::NotSelected);
        });
    }

    pub(crate) fn run_ended(&self) {
        self.tell(&|observer, inside| match inside {
            None => observer.run_ended(),
            Some(run) => observer.inner_run_ended(run),
        });
    }

    /// What was measured, at the end of the run. Drops the observers, which may panic in their `Drop`.
    pub(crate) fn finish(mut self) -> Option<Measured> {
        let measured = self.clock.take().map(|clock| {
            let parts = std::mem::take(&mut *lock(&clock.parts));
            clock.measured(parts)
        });
        for observer in self.observers.drain(..) {
            unwind::contain(|| drop(observer));
        }
        measured
    }

    /// What was measured so far, if the run is timed.
    pub(crate) fn measured(&self) -> Option<Measured> {
        let clock = self.clock.as_ref()?;
        let parts = lock(&clock.parts).clone();
        Some(clock.measured(parts))
    }
}

impl Clock {
    fn start(scheduler: &Arc<Scheduler>, nodes: usize, outer: Option<(&Watch, NodeIndex)>) -> Self {
        let never = || AtomicU64::new(NEVER);
        let moments = (0..nodes).map(|_| Moments {
            ready: never(),
            permitted: never(),
            started: never(),
            ended: never(),
        });
        let start = scheduler.backend.now();
        Self {
            moments: moments.collect(),
            start,
            scheduler: Arc::clone(scheduler),
            parts: Arc::default(),
            pauses: Mutex::default(),
            around: outer.map_or_else(Vec::new, |(outer, task)| outer.around(task, start)),
        }
    }

    fn elapsed(&self) -> Duration {
        self.scheduler
            .backend
            .now()
            .saturating_duration_since(self.start)
    }

    fn mark(&self, moment: &AtomicU64) {
        moment.store(self.nanos(), Ordering::Relaxed);
    }

    fn nanos(&self) -> u64 {
        nanos(self.elapsed())
    }

    /// Shows a task that has run as a part of the tasks around it.
    fn tell_runs_around(&self, graph: &Graph, node: NodeIndex, status: TaskStatus) {
        let moments = &self.moments[node.get()];
        let started = moments.started.load(Ordering::Relaxed);
        if started == NEVER || self.around.is_empty() {
            return;
        }
        let ended = moments.ended.load(Ordering::Relaxed);
        for run in &self.around {
            let name = format!("{}{}", run.path, graph.name(node));
            let span = Span {
                started: run.began.saturating_add(started),
                ended: run.began.saturating_add(ended),
                status,
            };
            let mut parts = lock(&run.parts);
            parts.get_or_default(run.task).inner_task_ended(&name, span);
        }
    }

    fn measured(&self, parts: NumberMap<NodeIndex, Parts>) -> Measured {
        let read = |moment: &AtomicU64| match moment.load(Ordering::Relaxed) {
            NEVER => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        let times = self.moments.iter().map(|moments| Times {
            ready: read(&moments.ready),
            permitted: read(&moments.permitted),
            started: read(&moments.started),
            ended: read(&moments.ended),
        });
        Measured {
            wall: self.elapsed(),
            times: times.collect(),
            parts,
            pauses: lock(&self.pauses).clone(),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER - 1)
}

/// The future of an attempt at an observed task. Tells the observers whenever a thread runs code of
/// the task.
///
/// It wraps the task's own future, so drivers need to know nothing of it, and a run that is not
/// observed has none of it.
pub(crate) struct Observed {
    state: State,
    run: Arc<Execution>,
    node: NodeIndex,
    attempt: u32,
    /// What the function's context knows of the attempt, if it has one.
    known: Option<AnyAttempt>,
}

enum State {
    /// The first poll calls the function, so that the observers are told of both as one.
    New,
    Started(Job),
    Done,
}

impl Observed {
    /// The future of a task's function, wrapped if there are observers.
    pub(crate) fn start(
        body: &dyn AsyncBody,
        run: Arc<Execution>,
        node: NodeIndex,
        attempt: u32,
        known: Option<AnyAttempt>,
    ) -> Job {
        match &run.watch {
            Some(watch) if watch.is_observed() => Box::pin(Self {
                state: State::New,
                run,
                node,
                attempt,
                known,
            }),
            _ => body.start(Arc::clone(&run.storage), node, known.as_ref()),
        }
    }
}

impl Future for Observed {
    type Output = <Job as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            state,
            run,
            node,
            attempt,
            known,
        } = &mut *self;
        let Some(watch) = &run.watch else {
            unreachable!("only observed runs have these");
        };
        let polled = watch.inside(*node, *attempt, || {
            if let (State::New, Body::Async(body)) = (&*state, &run.node(*node).body) {
                *state =
                    State::Started(body.start(Arc::clone(&run.storage), *node, known.as_ref()));
            }
            match state {
                // It stays here: if it panics, it is dropped when the panic is over.
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

impl Drop for Observed {
    fn drop(&mut self) {
        if let (State::Started(_), Some(watch)) = (&self.state, &self.run.watch) {
            let job = std::mem::replace(&mut self.state, State::Done);
            watch.inside(self.node, self.attempt, || drop(job));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_taken_for_never() {
        assert_eq!(nanos(Duration::from_nanos(7)), 7);
        assert_eq!(nanos(Duration::MAX), NEVER - 1);
    }
}
