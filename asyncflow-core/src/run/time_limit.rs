//! One attempt at a task, within its time limit.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::graph::body::{AnyAttempt, Body, ElementJob, Job, NotStored};
use crate::oneshot;
use crate::task::end::End;
use crate::task::failure::{Cause, TimedOut};
use crate::unwind;

use super::attempt::AttemptState;
use super::blocking_call::{Attempt, BlockingCall, CallKind, Holds};
use super::concurrency_limit::Slot;
use super::each::Element;
use super::guard::RunGuard;
use super::observers::Observed;
use super::supervise::Subject;

/// One attempt of an async function. An attempt that times out is dropped at its await point.
pub(super) async fn attempt_async(
    guard: &RunGuard,
    subject: Subject<'_>,
    number: u32,
    limit: Option<Duration>,
    state: Option<&Arc<AttemptState>>,
) -> End {
    let task = subject.task();
    let sees_stop = matches!(&guard.node(task).body, Body::Async(body) if body.sees_stop());
    let mut job = None;
    let mut timer = limit.map(|limit| (limit, guard.backend().sleep(limit)));
    let end = poll_fn(|cx| {
        if !sees_stop && subject.stops(guard) {
            if let (Some(_), Subject::Task(_)) = (&job, subject) {
                guard.note_attempts(task, number);
            }
            return Poll::Ready(End::Cancelled);
        }
        let polled = unwind::catch(|| {
            let start = || {
                subject.started(guard, number);
                let known = state.map(|state| Arc::clone(state) as AnyAttempt);
                AttemptJob::start(guard, subject, number, known)
            };
            job.get_or_insert_with(start).poll(cx)
        });
        match polled {
            Ok(Poll::Ready(end)) => return Poll::Ready(end),
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

/// The future of an attempt.
enum AttemptJob<'a> {
    Task(Job),
    Element(Option<ElementJob>, &'a RunGuard, &'a Element),
}

impl<'a> AttemptJob<'a> {
    fn start(
        guard: &'a RunGuard,
        subject: Subject<'a>,
        number: u32,
        known: Option<AnyAttempt>,
    ) -> Self {
        match (subject, &guard.node(subject.task()).body) {
            (Subject::Element(element), _) => {
                Self::Element(Some(element.job(known.as_ref())), guard, element)
            }
            (Subject::Task(task), Body::Async(body)) => {
                Self::Task(Observed::start(&**body, guard.share(), task, number, known))
            }
            (Subject::Task(_), _) => unreachable!("only async functions have futures"),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match self {
            Self::Task(job) => {
                let (_, not_stored) = ready!(job.as_mut().poll(cx));
                Poll::Ready(match not_stored.map(|not_stored| *not_stored) {
                    Some(NotStored::Ended(end)) => end,
                    Some(NotStored::HandedOver) | None => End::Succeeded,
                })
            }
            Self::Element(job, guard, element) => {
                let job = job.as_mut().expect("it is there until it is dropped");
                let poll = || job.as_mut().poll(cx);
                let polled = element.inside(guard, poll);
                polled.map(|error| match error {
                    None => End::Succeeded,
                    Some(error) => End::Failed(Cause::Error(error)),
                })
            }
        }
    }
}

impl Drop for AttemptJob<'_> {
    fn drop(&mut self) {
        if let Self::Element(job, guard, element) = self {
            element.inside(guard, || drop(job.take()));
        }
    }
}

/// One attempt on a blocking thread. An attempt that times out is not waited for: the thread runs to
/// its end, and gives back what it holds then.
pub(super) async fn attempt_plain(
    guard: &RunGuard,
    subject: Subject<'_>,
    holds: Holds,
    number: u32,
    mut limit: Option<Duration>,
    state: Option<Arc<AttemptState>>,
) -> (End, Option<Slot>) {
    let decided = Arc::new(AtomicBool::new(false));
    let (started, mut starting) = oneshot::channel();
    let (done, mut ending) = oneshot::channel();
    guard.call_blocking(BlockingCall {
        task: subject.task(),
        kind: CallKind::Attempt(Attempt {
            element: subject.element().cloned(),
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
            timer = Some(guard.backend().sleep(time));
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
