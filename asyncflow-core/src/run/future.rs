//! A run as its caller sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use futures_channel::oneshot;

use crate::outcome::error::FlowError;
use crate::outcome::report::Report;
use crate::outcome::run::Run;

use super::allocate::Prepared;
use super::attempt::Awaited;
use super::backend::Backend;
use super::deadline::PlannedDeadline;
use super::drive::Drive;
use super::execution::Execution;
use super::finish::Finished;
use super::guard::RunGuard;
use super::stop::Mode;
use super::stop_handle::StopHandle;
use super::validate::Plan;

/// At every how many levels of nesting a run is spawned. The others are polled by their outer run,
/// which is quicker, but takes stack.
const SPAWN_INTERVAL: u32 = 16;

/// Drives a run and waits for its end. Cancels it when dropped.
pub(crate) struct RunFuture {
    backend: Arc<dyn Backend>,
    /// Does not keep the run from ending.
    run: Weak<Execution>,
    done: oneshot::Receiver<Finished>,
    /// The first driver, which is polled in place: a small flow is over before another thread could
    /// have been woken for it.
    first_driver: Option<Drive>,
    /// Present if a function executes the run through its context.
    awaited: Option<Box<Awaited>>,
}

impl RunFuture {
    pub(crate) fn new(prepared: Prepared, backend: Arc<dyn Backend>, mut plan: Plan) -> Self {
        let (sender, done) = oneshot::channel();
        let stop_handles = std::mem::take(&mut plan.stop_handles);
        let deadline = plan.deadline.take().map(PlannedDeadline::into_parts);
        let (deadline, timer) = deadline.unzip();
        let deadline = deadline.map(Box::new);
        let execution = Execution::new(prepared, Arc::clone(&backend), plan, deadline, sender);
        let guard = RunGuard::new(execution);
        let run = guard.downgrade();
        if !guard.graph().nested.is_empty() {
            guard.storage.set_run(run.clone());
        }
        for handle in stop_handles {
            handle.attach(&guard);
        }
        if let Some(timer) = timer {
            timer.start(&guard);
        }
        guard.tell_start();
        let spawns = guard.depth % SPAWN_INTERVAL == SPAWN_INTERVAL - 1;
        let mut this = Self {
            awaited: guard.awaited().map(Box::new),
            backend,
            run,
            done,
            first_driver: Some(Drive::driver(guard)),
        };
        if spawns {
            this.detach();
        }
        this
    }

    /// Has the runtime poll the first driver, so that the run goes on without this future.
    pub(crate) fn detach(&mut self) {
        if let Some(drive) = self.first_driver.take() {
            let guard = drive.guard().clone();
            guard.spawn(drive);
        }
    }

    pub(crate) fn stop(&self, mode: Mode) {
        if let Some(guard) = RunGuard::upgrade(&self.run) {
            guard.stop(mode);
        }
    }

    /// Lets a handle stop the run, if it is not over.
    pub(crate) fn attach(&self, handle: &StopHandle) {
        if let Some(guard) = RunGuard::upgrade(&self.run) {
            handle.attach(&guard);
        }
    }

    /// The report of a run that goes on.
    pub(crate) fn report_so_far(&self) -> Option<Report> {
        RunGuard::upgrade(&self.run).map(|guard| guard.report_so_far())
    }

    /// The result of a run that is over.
    pub(crate) fn result(&mut self) -> Option<Result<Run, FlowError>> {
        self.finished().map(Finished::conclude)
    }

    fn finished(&mut self) -> Option<Finished> {
        let kept = self
            .awaited
            .as_mut()
            .and_then(|awaited| awaited.finished.take());
        kept.or_else(|| self.done.try_recv().ok().flatten())
    }
}

impl Future for RunFuture {
    type Output = Result<Run, FlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(drive) = &mut this.first_driver {
            let mut polled = Poll::Pending;
            this.backend
                .enter(&mut || polled = Pin::new(&mut *drive).poll(cx));
            ready!(polled);
            this.first_driver = None;
        }
        let kept = this
            .awaited
            .as_mut()
            .and_then(|awaited| awaited.finished.take());
        let finished = match kept {
            Some(finished) => finished,
            None => match ready!(Pin::new(&mut this.done).poll(cx)) {
                Ok(finished) => finished,
                Err(oneshot::Canceled) => unreachable!("the last guard of a run sends its result"),
            },
        };
        if let Some(awaited) = &mut this.awaited {
            if awaited.poll_end(cx).is_pending() {
                awaited.finished = Some(finished);
                return Poll::Pending;
            }
        }
        Poll::Ready(finished.conclude())
    }
}

impl Drop for RunFuture {
    fn drop(&mut self) {
        let mode = match &self.awaited {
            Some(awaited) => awaited.drop_mode(),
            None => Mode::Dropped,
        };
        self.stop(mode);
        if mode == Mode::Stopping {
            // Goes on by itself with what is to be cleaned up.
            self.detach();
        }
        if let Some(drive) = self.first_driver.take() {
            let mut drive = Some(drive);
            self.backend.enter(&mut || drop(drive.take()));
        }
        // The run may be over without its result having been taken. Closed first, so that a run
        // that ends later sees that its result is unwanted.
        self.done.close();
        if let Some(unwanted) = self.finished() {
            unwanted.discard();
        }
    }
}
