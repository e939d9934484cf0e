//! The call of a plain function on a blocking thread; see [`super::blocking_threads`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use crate::graph::body::{AnyAttempt, Body, Call, PlainBody};
use crate::node_index::NodeIndex;
use crate::oneshot;
use crate::pace::block_on;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::unwind;

use super::attempt::AttemptState;
use super::concurrency_limit::Slot;
use super::each::{Element, Share, run_elements};
use super::execution::Execution;
use super::guard::RunGuard;
use super::observers::Watch;
use super::permits::Held;
use super::ready_queues::Injected;
use super::settle::CollectingSink;
use super::step::Step;
use super::supervise::Subject;

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
    /// The same for an element of a task that is many.
    Element(Holds, Element),
    /// Several elements of such a task, which need nothing but their function.
    Elements(Share),
    /// The supervisor, which waits for the attempt, unless that has timed out.
    Attempt(Attempt),
}

impl fmt::Debug for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simple(_) => "Simple",
            Self::Element(..) => "Element",
            Self::Elements(_) => "Elements",
            Self::Attempt(_) => "Attempt",
        })
    }
}

/// What a task holds while it runs. Given back when dropped.
#[derive(Default)]
pub(crate) struct Holds {
    pub(super) permits: SmallVec<[Held; 1]>,
    pub(super) slot: Option<Slot>,
}

impl Holds {
    pub(super) fn new(permits: SmallVec<[Held; 1]>, slot: Option<Slot>) -> Self {
        Self { permits, slot }
    }

    /// Gives back the permits. Returns the slot.
    pub(super) fn give_back_permits(self) -> Option<Slot> {
        let Self { permits, slot } = self;
        drop(permits);
        slot
    }
}

/// One attempt at a task that is supervised.
pub(crate) struct Attempt {
    /// Present if it is an attempt at an element of the task.
    pub(super) element: Option<Element>,
    pub(super) holds: Holds,
    /// Set by the thread when the function returned, or by the supervisor when the attempt timed
    /// out. The first of them decides whether the attempt counts.
    pub(super) decided: Arc<AtomicBool>,
    /// Told when a thread starts the function, which is when its time limit starts.
    pub(super) started: oneshot::Sender<()>,
    /// How it ended, and its slot.
    pub(super) done: oneshot::Sender<(End, Option<Slot>)>,
    pub(super) number: u32,
    /// What its context knows of it, if it has one.
    pub(super) state: Option<Arc<AttemptState>>,
}

impl BlockingCall {
    pub(crate) fn simple(task: NodeIndex) -> Self {
        Self {
            task,
            kind: CallKind::Simple(Holds::default()),
        }
    }

    /// Calls the function. Returns a plain task that this made ready, to go on with.
    pub(super) fn run(self, guard: &RunGuard) -> Option<NodeIndex> {
        match self.kind {
            CallKind::Simple(holds) => run_simple(guard, self.task, holds),
            CallKind::Element(holds, element) => {
                run_element(guard, holds, element);
                None
            }
            CallKind::Elements(share) => {
                run_elements(guard, share);
                None
            }
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
            None => call(guard, task, None, &|| true),
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

fn run_element(guard: &RunGuard, holds: Holds, element: Element) {
    let end = match element.stops(guard) {
        true => End::Cancelled,
        false => {
            element.started(guard, 1);
            element.call(guard, None, &|| true)
        }
    };
    // Before another element gets the permits: a failure stops it.
    element.ended(guard, end);
    drop(holds.give_back_permits());
}

fn run_attempt(guard: &RunGuard, task: NodeIndex, attempt: Attempt) {
    let Attempt {
        element,
        mut holds,
        decided,
        started,
        done,
        number,
        state,
    } = attempt;
    let known = state.as_ref().map(|state| Arc::clone(state) as AnyAttempt);
    let wanted = || !decided.swap(true, Ordering::AcqRel);
    let subject = match &element {
        Some(element) => Subject::Element(element),
        None => Subject::Task(task),
    };
    let end = match subject.stops(guard) {
        true => End::Cancelled,
        false => {
            subject.started(guard, number);
            // Last, since the attempt may time out from here on. It fails if the attempt was dropped.
            let _ = started.send(());
            let known = known.as_ref();
            match (&element, &guard.watch) {
                (Some(element), _) => element.call(guard, known, &wanted),
                (None, Some(watch)) => {
                    watch.inside(task, number, || call(guard, task, known, &wanted))
                }
                (None, None) => call(guard, task, known, &wanted),
            }
        }
    };
    if let Some(state) = &state {
        block_on(state.end());
        holds.slot = state.take_slot();
    }
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
    watch.inside(task, 1, || call(guard, task, None, &|| true))
}

/// Calls the function of a plain task.
#[inline]
fn call(
    guard: &RunGuard,
    task: NodeIndex,
    attempt: Option<&AnyAttempt>,
    wanted: &dyn Fn() -> bool,
) -> End {
    let body = plain_body(guard, task);
    let call = Call {
        outputs: guard.outputs(),
        attempt,
    };
    match unwind::catch(|| body.call(call, task, wanted)) {
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
