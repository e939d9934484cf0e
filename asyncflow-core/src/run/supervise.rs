//! Supervised tasks: those that need permits or a slot, a time limit, or several attempts.
//!
//! Everything that a task may need beside its function is in one async function, [`attempts`],
//! that reads from top to bottom. A task that needs nothing of it never comes here.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_channel::oneshot;

use crate::declare::configure::Config;
use crate::declare::function::{AsyncBody, Body, Job};

use super::agent::Agent;
use super::blocking::{Attempt, Call, Holds, Kind};
use super::end::{End, PanicPayload};
use super::slots::Slot;
use super::unwind;
use super::watch::Inside;

/// The future of a supervised task; nothing if it was parked until a slot is free.
pub(crate) fn start(agent: &Agent, task: u32, slot: Option<Slot>) -> Option<Job> {
    let slot = match (slot, &agent.slots) {
        // One that needs permits takes those first. A flow that does not need any is never here.
        (None, Some(slots)) if agent.node(task).permits().is_empty() => {
            Some(slots.enter(agent, task)?)
        }
        (slot, _) => slot,
    };
    let agent = agent.clone();
    Some(Box::pin(async move {
        let end = match attempts(&agent, task, slot).await {
            End::Done => None,
            end => Some(Box::new(end)),
        };
        (agent.share(), end)
    }))
}

/// Attempts a task until it succeeds, or may not be attempted again.
async fn attempts(agent: &Agent, task: u32, mut slot: Option<Slot>) -> End {
    let node = agent.node(task);
    let config = node.config.as_deref();
    let limit = config.and_then(|config| config.timeout);
    let mut pauses = config.and_then(|config: &Config| config.retry.as_ref().map(|retry| retry()));
    for attempt in 1_u32.. {
        let Some(holds) = acquire(agent, task, slot.take()).await else {
            return End::Cancelled;
        };
        if agent.stops_task(task) {
            return End::Cancelled;
        }
        if let Some(watch) = &agent.watch {
            watch.permitted(task);
        }
        let end = match &node.body {
            Body::Async(body) => {
                let end = attempt_async(agent, task, attempt, &**body, limit).await;
                // Before the task is settled: what comes after it may need the same lock.
                drop(holds);
                end
            }
            _ if limit.is_none() && pauses.is_none() => {
                let kind = Kind::Simple(holds);
                agent.call_blocking(Call { task, kind });
                return End::HandedOver;
            }
            _ => attempt_plain(agent, task, holds, attempt, limit).await,
        };
        if !matches!(end, End::Failed(_) | End::Panicked(_) | End::TimedOut(_)) {
            return end;
        }
        let Some(pause) = pauses.as_mut().and_then(|pauses| pauses.next()) else {
            return end;
        };
        if let Some(watch) = &agent.watch {
            watch.attempt_failed(task, attempt, &end);
        }
        end.discard();
        // Also if there is no next one, because the run stops.
        agent.note_attempts(task, attempt);
        if until_stop(agent, task, agent.backend.sleep(pause))
            .await
            .is_none()
        {
            return End::Cancelled;
        }
    }
    unreachable!("a task is attempted fewer than four thousand million times")
}

/// Takes every permit that a task needs, in their one order, and then a slot; nothing if the run
/// stops before it has them all.
async fn acquire(agent: &Agent, task: u32, slot: Option<Slot>) -> Option<Holds> {
    let mut holds = Holds {
        slot,
        ..Holds::default()
    };
    let node = agent.node(task);
    for permits in node.permits() {
        let held = match agent.backend.try_acquire(permits) {
            Some(held) => held,
            None => {
                if let Some(watch) = &agent.watch {
                    watch.waits(task, permits);
                }
                until_stop(agent, task, agent.backend.acquire(permits)).await?
            }
        };
        holds.permits.push(held);
    }
    // A flow is not counted; the tasks in it are.
    let needs_slot = agent.limited && holds.slot.is_none() && node.nested().is_none();
    if let (true, Some((limiter, slots))) = (needs_slot, agent.limiter()) {
        holds.slot = Some(match slots.wait(limiter, agent, task) {
            Ok(slot) => slot,
            Err(free) => until_stop(agent, task, free).await?.ok()?,
        });
    }
    Some(holds)
}

/// Waits for `future`, but no longer than the task may go on.
async fn until_stop<F: Future>(agent: &Agent, task: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match agent.stops_task(task) {
        true => Poll::Ready(None),
        false => future.as_mut().poll(cx).map(Some),
    })
    .await
}

async fn attempt_async(
    agent: &Agent,
    task: u32,
    number: u32,
    body: &dyn AsyncBody,
    limit: Option<Duration>,
) -> End {
    let mut job = None;
    let mut timer = limit.map(|limit| (limit, agent.backend.sleep(limit)));
    let end = poll_fn(|cx| {
        if !body.sees_stop() && agent.stops_task(task) {
            if job.is_some() {
                agent.note_attempts(task, number);
            }
            return Poll::Ready(End::Cancelled);
        }
        let polled = unwind::catch(|| {
            let start = || {
                if number > 1 {
                    agent.note_attempts(task, number);
                }
                if let Some(watch) = &agent.watch {
                    watch.started(task, number);
                }
                Inside::start(body, agent.share(), task, number)
            };
            job.get_or_insert_with(start).as_mut().poll(cx)
        });
        match polled {
            Ok(Poll::Ready((_, end))) => return Poll::Ready(end.map_or(End::Done, |end| *end)),
            Ok(Poll::Pending) => {}
            Err(payload) => return Poll::Ready(End::Panicked(PanicPayload(payload))),
        }
        match &mut timer {
            Some((limit, timer)) => timer.as_mut().poll(cx).map(|()| End::TimedOut(*limit)),
            None => Poll::Pending,
        }
    })
    .await;
    unwind::contain(|| drop(job));
    end
}

/// One attempt on a blocking thread. If it takes too long it is left alone: the thread runs to its
/// end, and gives back what it holds then.
async fn attempt_plain(
    agent: &Agent,
    task: u32,
    holds: Holds,
    number: u32,
    limit: Option<Duration>,
) -> End {
    let claim = Arc::new(AtomicBool::new(false));
    let (started, mut starting) = oneshot::channel();
    let (done, mut ending) = oneshot::channel();
    agent.call_blocking(Call {
        task,
        kind: Kind::Attempt(Attempt {
            holds,
            claim: Arc::clone(&claim),
            started,
            done,
            number,
        }),
    });
    let mut patience = limit;
    let mut timer = None;
    poll_fn(|cx| {
        match pin!(&mut ending).poll(cx) {
            Poll::Ready(Ok(end)) => return Poll::Ready(end),
            // The runtime has dropped the thread's work.
            Poll::Ready(Err(_)) => return Poll::Ready(End::Cancelled),
            Poll::Pending => {}
        }
        let Some(limit) = patience else {
            return Poll::Pending;
        };
        if timer.is_none() && pin!(&mut starting).poll(cx).is_ready() {
            timer = Some(agent.backend.sleep(limit));
        }
        if timer
            .as_mut()
            .is_none_or(|timer| timer.as_mut().poll(cx).is_pending())
        {
            return Poll::Pending;
        }
        patience = None;
        match claim.swap(true, Ordering::AcqRel) {
            false => Poll::Ready(End::TimedOut(limit)),
            // The thread was first to claim the attempt; its end is on its way.
            true => Poll::Pending,
        }
    })
    .await
}
