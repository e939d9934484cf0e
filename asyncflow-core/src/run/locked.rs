//! Locked tasks: async functions that need the permits of one lock or semaphore, and nothing else.
//!
//! Many tasks may wait for one lock. So a task that waits holds a place on the [wait
//! list](crate::wait_list) and no future of its function, and is polled only when it is its turn. What
//! needs more than this is [supervised](super::supervise).

use std::cell::LazyCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::graph::body::{Body, Job, JobEnd, NotStored};
use crate::lock::Permits;
use crate::node_index::NodeIndex;
use crate::task::end::End;
use crate::unwind;
use crate::wait_list::Turn;

use super::current::without_invitation;
use super::guard::RunGuard;
use super::permits::{Held, Place};

/// The future of a locked task.
pub(super) struct Locked {
    stage: Stage,
    task: NodeIndex,
    /// Dropped after the future of the function, which has a share in the storage.
    guard: RunGuard,
}

enum Stage {
    Waits(Place),
    Starts(Held),
    Runs(Running),
    Over,
}

struct Running {
    job: Job,
    /// Given back after the future is dropped.
    held: Held,
}

impl Locked {
    /// The future of a task if it is a locked one. Takes the permits if they are free.
    pub(super) fn of(guard: &RunGuard, task: NodeIndex) -> Option<Self> {
        let permits = only_permits(guard, task)?;
        let turn = LazyCell::new(|| Turn::new(guard.node(task).priority()));
        let stage = match Held::try_acquire(guard.backend(), permits, || *turn) {
            Some(held) => Stage::Starts(held),
            None => Stage::Waits(Place::new(guard.backend(), permits, *turn)),
        };
        Some(Self {
            stage,
            task,
            guard: guard.clone(),
        })
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.stage, Stage::Waits(_))
    }

    /// Calls the function of the task, which may panic.
    fn start(&self, held: Held) -> Running {
        let Body::Async(body) = &self.guard.node(self.task).body else {
            unreachable!("only an async function is a locked task");
        };
        let job = body.start(Arc::clone(&self.guard.storage), self.task, None);
        Running { job, held }
    }

    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Over)
    }

    fn cancel(&mut self) -> JobEnd {
        let stage = self.take_stage();
        if let Stage::Runs(_) = stage {
            self.guard.note_attempts(self.task, 1);
        }
        unwind::contain(|| drop(stage));
        let share = Arc::clone(&self.guard.storage);
        (share, NotStored::unless_succeeded(End::Cancelled))
    }
}

impl Future for Locked {
    type Output = JobEnd;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<JobEnd> {
        let this = self.get_mut();
        if this.guard.stops_task(this.task) {
            return Poll::Ready(this.cancel());
        }
        let mut running = match this.take_stage() {
            Stage::Waits(place) => match place.poll(cx) {
                Poll::Ready(held) => {
                    // Leaves the wait list.
                    drop(place);
                    this.start(held)
                }
                Poll::Pending => {
                    this.stage = Stage::Waits(place);
                    return Poll::Pending;
                }
            },
            Stage::Starts(held) => this.start(held),
            Stage::Runs(running) => running,
            Stage::Over => panic!("a future is not polled after it was ready"),
        };
        let Poll::Ready(end) = running.job.as_mut().poll(cx) else {
            this.stage = Stage::Runs(running);
            return Poll::Pending;
        };
        let Running { job, held } = running;
        unwind::contain(|| drop(job));
        // Before the task is settled: a downstream may need the same lock.
        without_invitation(|| drop(held));
        Poll::Ready(end)
    }
}

/// The permits of a task that needs them and nothing else.
fn only_permits(guard: &RunGuard, task: NodeIndex) -> Option<&Permits> {
    let node = guard.node(task);
    let (Body::Async(body), Some(config)) = (&node.body, &node.config) else {
        return None;
    };
    let ([permits], false) = (&config.permits[..], config.needs_more_than_permits()) else {
        return None;
    };
    let watched = guard.limited || guard.watch.is_some() || guard.records(task);
    (!watched && !body.sees_stop()).then_some(permits)
}
