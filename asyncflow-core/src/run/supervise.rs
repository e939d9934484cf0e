//! Supervised tasks: those that need permits or a slot, a time limit, several attempts or a fallback.
//!
//! Everything that a task may need beside its function is in one async function, [`attempts`], which
//! reads from top to bottom. Those that need one lock and nothing else are [`locked`](super::locked)
//! tasks.

use std::cell::LazyCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use smallvec::SmallVec;

use crate::graph::body::{Body, Job, NotStored};
use crate::lock::Permits;
use crate::node_index::NodeIndex;
use crate::pace::{poll_once, yield_now};
use crate::task::config::Config;
use crate::task::end::End;
use crate::task::failure::{Cause, Failure};
use crate::unwind;
use crate::wait_list::Turn;

use super::attempt::AttemptState;
use super::blocking_call::{BlockingCall, CallKind, Holds};
use super::concurrency_limit::Slot;
use super::each::{self, Element};
use super::guard::RunGuard;
use super::locked::Locked;
use super::permits::Held;
use super::rate_limit::admit;
use super::stop::Mode;
use super::time_limit::{attempt_async, attempt_plain};

/// How a supervised task was started.
pub(crate) enum Started {
    /// Its future is to be polled.
    Future(Job),
    /// Its future waits for permits. So it is to be polled with a waker of its own.
    Waits(Job),
    /// It is parked until a slot is free.
    Parked,
}

/// Starts a supervised task.
pub(crate) fn start(guard: &RunGuard, task: NodeIndex, slot: Option<Slot>) -> Started {
    let node = guard.node(task);
    if let Body::Each(_) = node.body {
        return Started::Future(each::start(guard, task, slot));
    }
    if let Some(locked) = Locked::of(guard, task) {
        return match locked.waits() {
            true => Started::Waits(Box::pin(locked)),
            false => Started::Future(Box::pin(locked)),
        };
    }
    // A nested flow takes no slot; its tasks do. A task that needs permits takes those together with it.
    let slot_alone =
        node.nested().is_none() && node.permits().is_empty() && node.rates().is_empty();
    let slot = match (slot, &guard.limit) {
        (None, Some(limit)) if slot_alone => match limit.enter(guard, task) {
            Some(slot) => Some(slot),
            None => return Started::Parked,
        },
        (slot, _) => slot,
    };
    let guard = guard.clone();
    Started::Future(Box::pin(async move {
        let (end, slot) = attempts(&guard, Subject::Task(task), slot, None).await;
        let not_stored = match (end, slot) {
            (Some(end), None) => NotStored::unless_succeeded(end),
            (Some(end), Some(slot)) => {
                guard.settle_with_slot(task, end, slot);
                Some(Box::new(NotStored::HandedOver))
            }
            (None, _) => Some(Box::new(NotStored::HandedOver)),
        };
        (Arc::clone(&guard.storage), not_stored)
    }))
}

/// What is attempted.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Task(NodeIndex),
    /// An element of a task that is many.
    Element(&'a Element),
}

impl<'a> Subject<'a> {
    /// The task itself, or the one of the element.
    pub(super) fn task(self) -> NodeIndex {
        match self {
            Self::Task(task) => task,
            Self::Element(element) => element.task(),
        }
    }

    pub(super) fn element(self) -> Option<&'a Element> {
        match self {
            Self::Task(_) => None,
            Self::Element(element) => Some(element),
        }
    }

    pub(super) fn stops(self, guard: &RunGuard) -> bool {
        match self {
            Self::Task(task) => guard.stops_task(task),
            Self::Element(element) => element.stops(guard),
        }
    }

    /// Takes note that an attempt starts.
    pub(super) fn started(self, guard: &RunGuard, number: u32) {
        match (self, &guard.watch) {
            (Self::Element(element), _) => element.started(guard, number),
            (Self::Task(task), watch) => {
                if number > 1 {
                    guard.note_attempts(task, number);
                }
                if let Some(watch) = watch {
                    watch.started(task, number);
                }
            }
        }
    }

    /// Which attempt the observers are told that a thread enters. A task that is many has one.
    fn entered(self, number: u32) -> u32 {
        match self {
            Self::Task(_) => number,
            Self::Element(_) => 1,
        }
    }

    fn failure(self, guard: &RunGuard, cause: Cause) -> Failure {
        match self {
            Self::Task(task) => guard.failure(task, cause),
            Self::Element(element) => element.failure(guard, cause),
        }
    }

    fn attempt_failed(self, guard: &RunGuard, number: u32, cause: &Cause) {
        match (self, &guard.watch) {
            (Self::Element(element), _) => element.attempt_failed(guard, number, cause),
            (Self::Task(task), Some(watch)) => watch.attempt_failed(task, number, cause),
            (Self::Task(_), None) => {}
        }
    }
}

/// Attempts a task until it succeeds, or may not be attempted again. In a pause it holds neither
/// permits nor a slot. Returns how it ended and the
/// slot that it holds, or no end if a blocking thread goes on with it. `first` is what it holds for the
/// first attempt, if that has been acquired.
pub(super) async fn attempts(
    guard: &RunGuard,
    subject: Subject<'_>,
    mut slot: Option<Slot>,
    mut first: Option<Holds>,
) -> (Option<End>, Option<Slot>) {
    let task = subject.task();
    let node = guard.node(task);
    let config = node.config.as_deref();
    // A nested flow stops itself, and cleans up.
    let limit = config.filter(|_| node.nested().is_none());
    let limit = limit.and_then(|config| config.timeout);
    let mut pauses = config.and_then(|config: &Config| config.retry.as_ref().map(|retry| retry()));
    let records = guard.records(task);
    // Elements are restored before the first of them starts.
    if let (true, Subject::Task(_)) = (records, subject) {
        match until_stop(guard, subject, guard.restore(task)).await {
            None => return (Some(End::Cancelled), slot),
            Some(Ok(true)) => return (Some(End::Restored), slot),
            Some(Ok(false)) => {}
            Some(Err(cause)) => return (Some(End::Failed(cause)), slot),
        }
    }
    let mut number = 0_u32;
    loop {
        number = number.saturating_add(1);
        let holds = match first.take() {
            Some(holds) => Some(holds),
            None => {
                let holds = admit(guard, task, slot.take());
                until_stop(guard, subject, holds).await.flatten()
            }
        };
        let Some(mut holds) = holds else {
            return (Some(End::Cancelled), None);
        };
        if subject.stops(guard) {
            return (Some(End::Cancelled), holds.slot.take());
        }
        if let (Some(watch), Subject::Task(_)) = (&guard.watch, subject) {
            watch.permitted(task);
        }
        let state = config.is_some_and(|config| config.context);
        let state = state.then(|| AttemptState::new(guard, subject, number, holds.slot.take()));
        let end = match &node.body {
            _ if node.is_async() => {
                let end = attempt_async(guard, subject, number, limit, state.as_ref()).await;
                if let Some(state) = &state {
                    state.end().await;
                    holds.slot = state.take_slot();
                }
                if let (End::Failed(_), Subject::Element(element)) = (&end, subject) {
                    // Before another element gets the permits.
                    if !config.is_some_and(Config::handles_failure) {
                        element.stop_others(guard);
                    }
                }
                // Before the task is settled: a downstream may need the same lock.
                slot = holds.give_back_permits();
                end
            }
            _ if limit.is_none()
                && state.is_none()
                && !records
                && !config.is_some_and(Config::handles_failure) =>
            {
                let kind = match subject {
                    Subject::Task(_) => CallKind::Simple(holds),
                    Subject::Element(element) => CallKind::Element(holds, element.clone()),
                };
                guard.call_blocking(BlockingCall { task, kind });
                return (None, None);
            }
            _ => {
                let end;
                (end, slot) = attempt_plain(guard, subject, holds, number, limit, state).await;
                end
            }
        };
        let End::Failed(cause) = end else {
            if let (true, End::Succeeded) = (records, &end) {
                // Without another attempt if it cannot be recorded: the function has succeeded.
                let producer = (task, subject.element().map(Element::index));
                if let Err(cause) = guard.record(producer).await {
                    return (Some(End::Failed(cause)), slot);
                }
            }
            if let (End::Succeeded, 2.., Subject::Task(_)) = (&end, number, subject) {
                guard.forget_failure(task);
            }
            return (Some(end), slot);
        };
        let Some(config) = config.filter(|config| config.handles_failure()) else {
            return (Some(End::Failed(cause)), slot);
        };
        let failure = subject.failure(guard, cause);
        let length = match unwind::catch(|| may_retry(config, &failure)) {
            Ok(true) => pauses.as_mut().and_then(|pauses| pauses.next()),
            Ok(false) => None,
            Err(payload) => {
                let cause = Cause::panic_after(failure, payload);
                return (Some(End::Failed(cause)), slot);
            }
        };
        let Some(length) = length else {
            return (Some(recover(guard, subject, config, number, failure)), slot);
        };
        drop(slot.take());
        subject.attempt_failed(guard, number, failure.cause());
        if let Subject::Task(_) = subject {
            // For the report of a task that is cancelled before its next attempt is over.
            guard.keep_failure(failure);
            if let Some(watch) = &guard.watch {
                watch.pauses(task);
            }
            // Noted even if there is no next attempt because the run stops.
            guard.note_attempts(task, number);
        }
        if until_stop(guard, subject, pause(guard, length))
            .await
            .is_none()
        {
            return (Some(End::Cancelled), None);
        }
    }
}

fn may_retry(config: &Config, failure: &Failure) -> bool {
    let when = config.retry_when.as_ref();
    when.is_none_or(|when| when(failure))
}

/// The end of a task that is not attempted again. Its fallback is not called if the run was dropped,
/// because nothing would receive the output.
fn recover(
    guard: &RunGuard,
    subject: Subject<'_>,
    config: &Config,
    number: u32,
    failure: Failure,
) -> End {
    let fallback = config.fallback.as_ref();
    let Some(fallback) = fallback.filter(|_| guard.mode() != Mode::Dropped) else {
        return End::Failed(failure.into_cause());
    };
    let task = failure.task().index;
    let store = || match subject {
        Subject::Task(task) => fallback.store(&failure, guard.outputs(), task),
        Subject::Element(element) => element.put(fallback.make(&failure)),
    };
    let stored = unwind::catch(|| match &guard.watch {
        Some(watch) => watch.inside(task, subject.entered(number), store),
        None => store(),
    });
    match stored {
        Ok(()) => {
            subject.attempt_failed(guard, number, failure.cause());
            match subject {
                Subject::Task(_) => guard.keep_failure(failure),
                Subject::Element(element) => element.recovered(failure),
            }
            End::Recovered
        }
        Err(payload) => End::Failed(Cause::panic_after(failure, payload)),
    }
}

/// Waits between two attempts. However short the pause is, the executor gets a turn: a function that
/// fails at once would keep it from everything else otherwise.
async fn pause(guard: &RunGuard, length: Duration) {
    yield_now().await;
    if !length.is_zero() {
        guard.backend().sleep(length).await;
    }
}

/// How often a task that needs several things gives back what it has because another is not free.
/// After that it keeps what it has while it waits, so that it does not try for ever.
const PATIENCE: u32 = 16;

/// Takes every permit that a task needs, and a slot. `None` if the run stops before it has them all.
///
/// It takes all together. While it waits for one, it holds nothing else, so that it is in nobody's
/// way. If that fails too often, it takes the permits in their one order, then the slot, and holds
/// each while it waits for the next.
pub(super) async fn acquire(
    guard: &RunGuard,
    task: NodeIndex,
    mut slot: Option<Slot>,
) -> Option<Holds> {
    let node = guard.node(task);
    let permits = node.permits();
    let backend = guard.backend();
    let limiter = guard.limiter().filter(|_| node.nested().is_none());
    // Kept while it waits for one thing after the other.
    let turn = LazyCell::new(|| Turn::new(node.priority()));
    // What it has waited for.
    let mut waited: Option<(usize, Held)> = None;
    for _ in 0..PATIENCE {
        let mut held: SmallVec<[Held; 1]> = SmallVec::new();
        let mut missing = None;
        for (number, permits) in permits.iter().enumerate() {
            let has = waited.take_if(|(has, _)| *has == number);
            let has = has.map(|(_, has)| has);
            match has.or_else(|| Held::try_acquire(backend, permits, || *turn)) {
                Some(has) => held.push(has),
                None => {
                    missing = Some((number, permits));
                    break;
                }
            }
        }
        if let Some((number, permits)) = missing {
            let mut waiting = pin!(wait_for_permits(guard, task, permits, *turn));
            // It queues before it gives back its slot, so that what gets the slot comes behind it.
            let at_once = poll_once(waiting.as_mut()).await;
            drop((held, waited.take(), slot.take()));
            let has = match at_once {
                Poll::Ready(has) => has?,
                Poll::Pending => waiting.await?,
            };
            waited = Some((number, has));
            continue;
        }
        match (slot.take(), limiter) {
            (None, Some((limiter, limit))) => {
                match limit.wait(limiter, guard, task, !permits.is_empty()) {
                    Ok(slot) => return Some(Holds::new(held, Some(slot))),
                    Err(free) => {
                        drop(held);
                        slot = Some(until_stop(guard, Subject::Task(task), free).await?.ok()?);
                    }
                }
            }
            (slot, _) => return Some(Holds::new(held, slot)),
        }
    }
    drop((waited, slot));
    let mut held = SmallVec::new();
    for permits in permits {
        held.push(match Held::try_acquire(backend, permits, || *turn) {
            Some(has) => has,
            None => wait_for_permits(guard, task, permits, *turn).await?,
        });
    }
    let Some((limiter, limit)) = limiter else {
        return Some(Holds::new(held, None));
    };
    let slot = match limit.wait(limiter, guard, task, true) {
        Ok(slot) => slot,
        Err(free) => until_stop(guard, Subject::Task(task), free).await?.ok()?,
    };
    Some(Holds::new(held, Some(slot)))
}

async fn wait_for_permits(
    guard: &RunGuard,
    task: NodeIndex,
    permits: &Permits,
    turn: Turn,
) -> Option<Held> {
    if let Some(watch) = &guard.watch {
        watch.waits(task, permits);
    }
    until_stop(
        guard,
        Subject::Task(task),
        Held::acquire(guard.backend(), permits, turn),
    )
    .await
}

/// Waits for `future`. `None` if the run stops before it is ready.
pub(super) async fn until_stop<F: Future>(
    guard: &RunGuard,
    subject: Subject<'_>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match subject.stops(guard) {
        true => Poll::Ready(None),
        false => future.as_mut().poll(cx).map(Some),
    })
    .await
}
