//! One attempt at a task, within its time limit.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_channel::oneshot;

use crate::graph::body::{AnyAttempt, AsyncBody, NotStored};
use crate::node_index::NodeIndex;
use crate::task::end::End;
use crate::task::failure::{Cause, TimedOut};
use crate::unwind;

use super::attempt::AttemptState;
use super::blocking_call::{Attempt, BlockingCall, CallKind, Holds};
use super::concurrency_limit::Slot;
use super::guard::RunGuard;
use super::observers::Observed;

/// One attempt of an async function. An attempt that times out is dropped at its await point.
pub(super) async fn attempt_async(
    guard: &RunGuard,
    task: NodeIndex,
    number: u32,
    body: &dyn AsyncBody,
    limit: Option<Duration>,
    state: Option<&Arc<AttemptState>>,
) -> End {
    let mut job = None;
    let mut timer = limit.map(|limit| (limit, guard.backend.sleep(limit)));
    let end = poll_fn(|cx| {
        if !body.sees_stop() && guard.stops_task(task) {
            if job.is_some() {
                guard.note_attempts(task, number);
            }
            return Poll::Ready(End::Cancelled);
        }
        let polled = unwind::catch(|| {
            let start = || {
                if number > 1 {
                    guard.note_attempts(task, number);
                }
                if let Some(watch) = &guard.watch {
                    watch.started(task, number);
                }
                let known = state.map(|state| Arc::clone(state) as AnyAttempt);
                Observed::start(body, guard.share(), task, number, known)
            };
            job.get_or_insert_with(start).as_mut().poll(cx)
        });
        match polled {
            Ok(Poll::Ready((_, not_stored))) => {
                return Poll::Ready(match not_stored.map(|not_stored| *not_stored) {
                    Some(NotStored::Ended(end)) => end,
                    Some(NotStored::HandedOver) | None => End::Succeeded,
                });
            }
            Ok(Poll::Pending) => {}
            Err(payload) => return Poll::Ready(End::Failed(Cause::panic(payload))),
        }
        match &mut timer {
            Some((limit, timer)) => {
                let over = timer.as_mut().poll(cx);
                over.map(|()| End::Failed(Cause::Timeout(TimedOut(*limit))))
            }
            None => Poll::Pending,
        }
    })
    .await;
    unwind::contain(|| drop(job));
    end
}

/// One attempt on a blocking thread. An attempt that times out is not waited for: the thread runs to
/// its end, and gives back what it holds then.
pub(super) async fn attempt_plain(
    guard: &RunGuard,
    task: NodeIndex,
    holds: Holds,
    number: u32,
    mut limit: Option<Duration>,
    state: Option<Arc<AttemptState>>,
) -> (End, Option<Slot>) {
    let decided = Arc::new(AtomicBool::new(false));
    let (started, mut starting) = oneshot::channel();
    let (done, mut ending) = oneshot::channel();
    guard.call_blocking(BlockingCall {
        task,
        kind: CallKind::Attempt(Attempt {
            holds,
            decided: Arc::clone(&decided),
            started,
            done,
            number,
            state: state.clone(),
        }),
    });
    let mut timer = None;
    poll_fn(|cx| {
        match pin!(&mut ending).poll(cx) {
            Poll::Ready(Ok(end)) => return Poll::Ready(end),
            // The runtime has dropped the call.
            Poll::Ready(Err(_)) => return Poll::Ready((End::Cancelled, None)),
            Poll::Pending => {}
        }
        let Some(time) = limit else {
            return Poll::Pending;
        };
        if timer.is_none() && pin!(&mut starting).poll(cx).is_ready() {
            timer = Some(guard.backend.sleep(time));
        }
        if timer
            .as_mut()
            .is_none_or(|timer| timer.as_mut().poll(cx).is_pending())
        {
            return Poll::Pending;
        }
        limit = None;
        match decided.swap(true, Ordering::AcqRel) {
            false => {
                if let Some(state) = &state {
                    state.time_out(guard);
                }
                Poll::Ready((End::Failed(Cause::Timeout(TimedOut(time))), None))
            }
            // The thread was first, so its end is on its way.
            true => Poll::Pending,
        }
    })
    .await
}
