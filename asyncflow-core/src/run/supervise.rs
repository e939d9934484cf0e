//! Supervised tasks: those that need permits or a slot, a time limit, several attempts or a fallback.
//!
//! Everything that a task may need beside its function is in one async function, [`attempts`], which
//! reads from top to bottom. Other tasks never come here.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::graph::body::{Body, Job, NotStored};
use crate::node_index::NodeIndex;
use crate::pace::yield_now;
use crate::task::config::Config;
use crate::task::end::End;
use crate::task::failure::{Cause, Failure};
use crate::unwind;

use super::attempt::AttemptState;
use super::blocking_call::{BlockingCall, CallKind, Holds};
use super::concurrency_limit::Slot;
use super::guard::RunGuard;
use super::rate_limit::admit;
use super::stop::Mode;
use super::time_limit::{attempt_async, attempt_plain};

/// The future of a supervised task. `None` if the task was parked until a slot is free.
pub(crate) fn start(guard: &RunGuard, task: NodeIndex, slot: Option<Slot>) -> Option<Job> {
    let node = guard.node(task);
    // A nested flow takes no slot; its tasks do. A task that needs permits takes those first.
    let slot_alone =
        node.nested().is_none() && node.permits().is_empty() && node.rates().is_empty();
    let slot = match (slot, &guard.limit) {
        (None, Some(limit)) if slot_alone => Some(limit.enter(guard, task)?),
        (slot, _) => slot,
    };
    let guard = guard.clone();
    Some(Box::pin(async move {
        let (end, slot) = attempts(&guard, task, slot).await;
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

/// Attempts a task until it succeeds, or may not be attempted again. In a pause it holds neither
/// permits nor a slot. Returns how it ended and the
/// slot that it holds, or no end if a blocking thread goes on with it.
async fn attempts(
    guard: &RunGuard,
    task: NodeIndex,
    mut slot: Option<Slot>,
) -> (Option<End>, Option<Slot>) {
    let node = guard.node(task);
    let config = node.config.as_deref();
    // A nested flow stops itself, and cleans up.
    let limit = config.filter(|_| node.nested().is_none());
    let limit = limit.and_then(|config| config.timeout);
    let mut pauses = config.and_then(|config: &Config| config.retry.as_ref().map(|retry| retry()));
    let records = guard.records(task);
    if records {
        match until_stop(guard, task, guard.restore(task)).await {
            None => return (Some(End::Cancelled), slot),
            Some(Ok(true)) => return (Some(End::Restored), slot),
            Some(Ok(false)) => {}
            Some(Err(error)) => return (Some(End::Failed(Cause::Error(error))), slot),
        }
    }
    let mut number = 0_u32;
    loop {
        number = number.saturating_add(1);
        let Some(mut holds) = admit(guard, task, slot.take()).await else {
            return (Some(End::Cancelled), None);
        };
        if guard.stops_task(task) {
            return (Some(End::Cancelled), holds.slot.take());
        }
        if let Some(watch) = &guard.watch {
            watch.permitted(task);
        }
        let state = config.is_some_and(|config| config.context);
        let state = state.then(|| AttemptState::new(guard, task, number, holds.slot.take()));
        let end = match &node.body {
            Body::Async(body) => {
                let end = attempt_async(guard, task, number, &**body, limit, state.as_ref()).await;
                if let Some(state) = &state {
                    state.end().await;
                    holds.slot = state.take_slot();
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
                let kind = CallKind::Simple(holds);
                guard.call_blocking(BlockingCall { task, kind });
                return (None, None);
            }
            _ => {
                let end;
                (end, slot) = attempt_plain(guard, task, holds, number, limit, state).await;
                end
            }
        };
        let End::Failed(cause) = end else {
            if let (true, End::Succeeded) = (records, &end) {
                // Without another attempt if it cannot be recorded: the function has succeeded.
                if let Err(error) = guard.record(task).await {
                    return (Some(End::Failed(Cause::Error(error))), slot);
                }
            }
            if let (End::Succeeded, 2..) = (&end, number) {
                guard.forget_failure(task);
            }
            return (Some(end), slot);
        };
        let Some(config) = config.filter(|config| config.handles_failure()) else {
            return (Some(End::Failed(cause)), slot);
        };
        let failure = guard.failure(task, cause);
        let length = match unwind::catch(|| may_retry(config, &failure)) {
            Ok(true) => pauses.as_mut().and_then(|pauses| pauses.next()),
            Ok(false) => None,
            Err(payload) => {
                let cause = Cause::panic_after(failure, payload);
                return (Some(End::Failed(cause)), slot);
            }
        };
        let Some(length) = length else {
            return (Some(recover(guard, config, number, failure)), slot);
        };
        drop(slot.take());
        if let Some(watch) = &guard.watch {
            watch.attempt_failed(task, number, failure.cause());
        }
        // For the report of a task that is cancelled before its next attempt is over.
        guard.keep_failure(failure);
        // Noted even if there is no next attempt because the run stops.
        guard.note_attempts(task, number);
        if until_stop(guard, task, pause(guard, length))
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
fn recover(guard: &RunGuard, config: &Config, number: u32, failure: Failure) -> End {
    let fallback = config.fallback.as_ref();
    let Some(fallback) = fallback.filter(|_| guard.mode() != Mode::Dropped) else {
        return End::Failed(failure.into_cause());
    };
    let task = failure.task().index;
    let store = || fallback.store(&failure, guard.outputs(), task);
    let stored = unwind::catch(|| match &guard.watch {
        Some(watch) => watch.inside(task, number, store),
        None => store(),
    });
    match stored {
        Ok(()) => {
            if let Some(watch) = &guard.watch {
                watch.attempt_failed(task, number, failure.cause());
            }
            guard.keep_failure(failure);
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
        guard.backend.sleep(length).await;
    }
}

/// Takes every permit that a task needs, in their one order, and then a slot. `None` if the run stops
/// before it has them all. A slot that it was given goes to others while it waits for permits.
pub(super) async fn acquire(
    guard: &RunGuard,
    task: NodeIndex,
    slot: Option<Slot>,
) -> Option<Holds> {
    let mut holds = Holds {
        slot,
        ..Holds::default()
    };
    let node = guard.node(task);
    for permits in node.permits() {
        let held = match guard.backend.try_acquire(permits) {
            Some(held) => held,
            None => {
                drop(holds.slot.take());
                if let Some(watch) = &guard.watch {
                    watch.waits(task, permits);
                }
                until_stop(guard, task, guard.backend.acquire(permits)).await?
            }
        };
        holds.permits.push(held);
    }
    // A nested flow takes no slot; its tasks do.
    let needs_slot = holds.slot.is_none() && node.nested().is_none();
    if let (true, Some((limiter, limit))) = (needs_slot, guard.limiter()) {
        holds.slot = Some(
            match limit.wait(limiter, guard, task, !holds.permits.is_empty()) {
                Ok(slot) => slot,
                Err(free) => until_stop(guard, task, free).await?.ok()?,
            },
        );
    }
    Some(holds)
}

/// Waits for `future`. `None` if the run stops before it is ready.
pub(super) async fn until_stop<F: Future>(
    guard: &RunGuard,
    task: NodeIndex,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match guard.stops_task(task) {
        true => Poll::Ready(None),
        false => future.as_mut().poll(cx).map(Some),
    })
    .await
}
