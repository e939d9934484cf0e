//! The deadline of a run.
//!
//! The timer is a future of its own, because the future of the execution may be polled by nobody. It does not
//! keep the run from ending, and it ends with the run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::graph::refusal::Refusal;
use crate::oneshot;
use crate::unwind;

use super::backend::{Backend, BoxFuture, Spawned};
use super::execution::Execution;
use super::guard::RunGuard;
use super::stop::Mode;

/// The deadline of a run.
pub(crate) struct Deadline {
    /// As it was asked for.
    pub(super) limit: Duration,
    /// Whether it stopped the run.
    stopped: AtomicBool,
    /// Dropped with the run, which ends the timer.
    _timer: oneshot::Sender<()>,
}

/// Stops a run when its deadline passes.
pub(crate) struct DeadlineTimer {
    run: Weak<Execution>,
    sleep: BoxFuture<()>,
    run_ended: oneshot::Receiver<()>,
}

/// A deadline that was asked for.
pub(crate) struct PlannedDeadline {
    limit: Duration,
    /// Until it passes. `None` if it has passed.
    sleep: Option<BoxFuture<()>>,
}

impl PlannedDeadline {
    /// Starts the sleep of the time that is `left`.
    pub(super) fn new(
        backend: &dyn Backend,
        limit: Duration,
        left: Duration,
    ) -> Result<Self, Refusal> {
        let sleep = match left.is_zero() {
            true => None,
            // A runtime without timers may panic.
            false => Some(unwind::catch(|| backend.sleep(left)).map_err(|payload| {
                let why = unwind::message(&payload).unwrap_or_default().to_owned();
                unwind::discard(payload);
                Refusal::NoTimer { why }
            })?),
        };
        Ok(Self { limit, sleep })
    }

    /// The deadline of a run, and what is to be started when the run is there.
    pub(super) fn into_parts(self) -> (Deadline, StartDeadline) {
        let (timer, run_ended) = oneshot::channel();
        let deadline = Deadline {
            limit: self.limit,
            stopped: AtomicBool::new(false),
            _timer: timer,
        };
        let start = StartDeadline {
            sleep: self.sleep,
            run_ended,
        };
        (deadline, start)
    }
}

/// What is to be started of a deadline.
pub(super) struct StartDeadline {
    sleep: Option<BoxFuture<()>>,
    run_ended: oneshot::Receiver<()>,
}

impl StartDeadline {
    pub(super) fn start(self, run: &RunGuard) {
        let Some(sleep) = self.sleep else {
            return run.pass_deadline();
        };
        let timer = DeadlineTimer {
            run: run.downgrade(),
            sleep,
            run_ended: self.run_ended,
        };
        unwind::contain(|| run.backend().spawn(Spawned::Deadline(timer)));
    }
}

impl Deadline {
    /// The limit, if it stopped the run.
    pub(super) fn passed(&self) -> Option<Duration> {
        self.stopped.load(Ordering::Relaxed).then_some(self.limit)
    }
}

impl Execution {
    fn pass_deadline(&self) {
        let Some(deadline) = &self.deadline else {
            return;
        };
        if self.stop(Mode::Stopping) {
            // Seen at the end of the run, which a guard of the caller holds up.
            deadline.stopped.store(true, Ordering::Relaxed);
        }
    }
}

impl Future for DeadlineTimer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if Pin::new(&mut this.run_ended).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match unwind::catch(|| this.sleep.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            // A run whose timer is broken must not go on without end.
            Err(payload) => unwind::discard(payload),
        }
        if let Some(run) = RunGuard::upgrade(&this.run) {
            run.pass_deadline();
        }
        Poll::Ready(())
    }
}
