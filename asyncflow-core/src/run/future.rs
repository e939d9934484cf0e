//! A run as its caller sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use crate::outcome::error::FlowError;
use crate::outcome::report::Report;
use crate::outcome::run::Run;
use crate::unwind;

use super::allocate::Prepared;
use super::attempt::Awaited;
use super::backend::Spawned;
use super::deadline::PlannedDeadline;
use super::drive::Drive;
use super::execution::Execution;
use super::finish::Finished;
use super::guard::RunGuard;
use super::scheduler::{Arrival, Scheduler};
use super::stop::Mode;
use super::stop_handle::StopHandle;
use super::validate::Plan;

/// At every how many levels of nesting a run is spawned. The others are polled by their outer run,
/// which is quicker, but takes stack.
const SPAWN_INTERVAL: u32 = 16;

/// Drives a run and waits for its end. Cancels it when dropped.
pub(crate) struct RunFuture {
    /// Does not keep the run from ending.
    run: Weak<Execution>,
    scheduler: Arc<Scheduler>,
    /// The home, which is polled in place until it is detached: a small flow is over before another
    /// thread could have been woken for it.
    home: Option<Home>,
    /// Present if a function executes the run through its context.
    awaited: Option<Box<Awaited>>,
    /// Whether the run is over and its result was handed out.
    concluded: bool,
}

impl RunFuture {
    pub(crate) fn new(prepared: Prepared, scheduler: Arc<Scheduler>, mut plan: Plan) -> Self {
        let drivers = plan.drivers().min(scheduler.backend.parallelism());
        scheduler.drivers.set_limit(drivers);
        let stop_handles = std::mem::take(&mut plan.stop_handles);
        let deadline = plan.deadline.take().map(PlannedDeadline::into_parts);
        let (deadline, timer) = deadline.unzip();
        let deadline = deadline.map(Box::new);
        let execution = Execution::new(prepared, Arc::clone(&scheduler), plan, deadline);
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
        let awaited = guard.awaited().map(Box::new);
        let home = Home {
            scheduler: Arc::clone(&scheduler),
            drive: Some(Drive::new(guard)),
        };
        let mut this = Self {
            run,
            scheduler,
            home: Some(home),
            awaited,
            concluded: false,
        };
        if spawns {
            this.detach();
        }
        this
    }

    /// Has the runtime poll the home, so that the run goes on without this future.
    pub(crate) fn detach(&mut self) {
        if let Some(home) = self.home.take() {
            unwind::contain(|| self.scheduler.backend.spawn(Spawned::Home(home)));
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
        let awaited = self.awaited.as_mut();
        let kept = awaited.and_then(|awaited| awaited.finished.take());
        kept.or_else(|| self.scheduler.take_result())
    }
}

impl RunFuture {
    /// Polls the home, if it is polled in place, and waits for the result.
    fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        let Some(home) = &mut self.home else {
            return self.scheduler.poll_result(cx.waker());
        };
        let mut polled = Poll::Pending;
        self.scheduler
            .backend
            .enter(&mut || polled = Pin::new(&mut *home).poll(cx));
        ready!(polled);
        self.home = None;
        let finished = self.scheduler.take_result();
        Poll::Ready(finished.expect("the home is done when there is a result"))
    }
}

impl Future for RunFuture {
    type Output = Result<Run, FlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let awaited = this.awaited.as_mut();
        let kept = awaited.and_then(|awaited| awaited.finished.take());
        let finished = match kept {
            Some(finished) => finished,
            None => ready!(this.poll_finished(cx)),
        };
        if let Some(awaited) = &mut this.awaited {
            if awaited.poll_end(cx).is_pending() {
                awaited.finished = Some(finished);
                return Poll::Pending;
            }
        }
        this.concluded = true;
        Poll::Ready(finished.conclude())
    }
}

impl Drop for RunFuture {
    fn drop(&mut self) {
        if self.concluded {
            return;
        }
        if self.scheduler.is_over() {
            return self.scheduler.refuse_result();
        }
        let awaited = self.awaited.as_ref();
        let mode = awaited.map_or(Mode::Dropped, |awaited| awaited.drop_mode());
        if mode == Mode::Stopping {
            // Goes on by itself with what is to be cleaned up.
            self.detach();
        }
        match self.home.take() {
            None => self.stop(mode),
            Some(home) => {
                let guard = RunGuard::upgrade(&self.run);
                if let Some(guard) = &guard {
                    // Wakes no task: all that wait are dropped with the home.
                    guard.alert.strengthen(Mode::Dropped);
                }
                let mut home = Some(home);
                self.scheduler.backend.enter(&mut || drop(home.take()));
                if let Some(guard) = &guard {
                    guard.stop_list.wake_all();
                }
            }
        }
        // The run may be over without its result having been taken.
        self.scheduler.refuse_result();
    }
}

/// The future that polls the first driver of a run, and further ones when it is called.
pub(crate) struct Home {
    scheduler: Arc<Scheduler>,
    /// Present while there is something to do.
    drive: Option<Drive>,
}

impl Future for Home {
    type Output = ();

    /// Ready when the run is over.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { scheduler, drive } = &mut *self;
        loop {
            if let Some(drive) = drive {
                ready!(Pin::new(drive).poll(cx));
            }
            // Drops its guard, which may be the last one. Then there is a result.
            *drive = None;
            match scheduler.arrive(cx.waker()) {
                Arrival::Drive(guard) => *drive = Some(Drive::new(guard)),
                Arrival::Park => return Poll::Pending,
                Arrival::Over => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.scheduler.close();
    }
}
