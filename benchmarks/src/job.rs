//! The functions that the tasks of every contender call.
//!
//! [`Work`](crate::plan::Work) is turned into a type here, so that a task which does nothing is a
//! zero-sized function for every contender alike, and the compiler sees through it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::plan::Plan;
use crate::recorder::Recorder;
use crate::spin::spin;

/// The function of one task.
pub trait Job: Clone + Send + Sync + 'static {
    /// The task as an async function.
    fn run(self) -> impl Future<Output = ()> + Send + 'static;
    /// The task as a plain function.
    fn call(self);
}

/// Makes the functions of a graph's tasks.
pub trait Body: Clone + Send + Sync + 'static {
    /// The type of its functions.
    type Job: Job;
    /// The function of `task`.
    fn job(&self, task: usize) -> Self::Job;
}

/// How a runtime waits: jobs sleep and yield in the way of the runtime that they run on.
pub trait Clock: Copy + Send + Sync + 'static {
    /// Waits so long.
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static;
    /// Lets other tasks of the runtime go first.
    fn yield_now() -> impl Future<Output = ()> + Send + 'static;
}

/// Tokio's way.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock;

impl Clock for TokioClock {
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(length)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        tokio::task::yield_now()
    }
}

/// async-std's way.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStdClock;

impl Clock for AsyncStdClock {
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static {
        async_std::task::sleep(length)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        async_std::task::yield_now()
    }
}

/// smol's way.
#[derive(Clone, Copy, Debug)]
pub struct SmolClock;

impl Clock for SmolClock {
    async fn sleep(length: Duration) {
        smol::Timer::after(length).await;
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        smol::future::yield_now()
    }
}

/// [`Work::Nothing`](crate::plan::Work::Nothing).
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Job for Nothing {
    async fn run(self) {}
    fn call(self) {}
}

impl Body for Nothing {
    type Job = Nothing;
    fn job(&self, _task: usize) -> Nothing {
        Nothing
    }
}

/// [`Work::Spin`](crate::plan::Work::Spin).
#[derive(Clone, Copy, Debug)]
pub struct Spin(pub u64);

impl Job for Spin {
    async fn run(self) {
        self.call();
    }
    fn call(self) {
        spin(self.0);
    }
}

impl Body for Spin {
    type Job = Spin;
    fn job(&self, _task: usize) -> Spin {
        *self
    }
}

/// [`Work::Sleep`](crate::plan::Work::Sleep) and
/// [`Work::SkewedSleep`](crate::plan::Work::SkewedSleep).
#[derive(Clone, Copy, Debug)]
pub struct Sleep<C> {
    /// How long.
    pub length: Duration,
    /// Where only some tasks sleep, the plan that tells which.
    pub skewed: Option<Plan>,
    /// On whose timer.
    pub clock: C,
}

/// The function of one task of [`Sleep`].
#[derive(Clone, Copy, Debug)]
pub struct SleepJob<C>(Duration, C);

impl<C: Clock> Job for SleepJob<C> {
    async fn run(self) {
        if !self.0.is_zero() {
            C::sleep(self.0).await;
        }
    }
    fn call(self) {
        std::thread::sleep(self.0);
    }
}

impl<C: Clock> Body for Sleep<C> {
    type Job = SleepJob<C>;
    fn job(&self, task: usize) -> SleepJob<C> {
        let sleeps = self.skewed.is_none_or(|plan| plan.is_slow(task));
        let length = if sleeps { self.length } else { Duration::ZERO };
        SleepJob(length, self.clock)
    }
}

/// [`Work::Yield`](crate::plan::Work::Yield): so many times, in the way of that runtime.
#[derive(Clone, Copy, Debug)]
pub struct Yield<C>(pub u64, pub C);

impl<C: Clock> Job for Yield<C> {
    async fn run(self) {
        for _ in 0..self.0 {
            C::yield_now().await;
        }
    }
    fn call(self) {
        for _ in 0..self.0 {
            std::thread::yield_now();
        }
    }
}

impl<C: Clock> Body for Yield<C> {
    type Job = Yield<C>;
    fn job(&self, _task: usize) -> Yield<C> {
        *self
    }
}

/// Tells a [`Recorder`] when each task starts and ends, and waits in between, so that an engine
/// that does not order its tasks is caught.
#[derive(Clone, Debug)]
pub struct Record(pub Arc<Recorder>);

/// The function of one task of [`Record`].
#[derive(Clone, Debug)]
pub struct RecordJob(Arc<Recorder>, usize);

impl Job for RecordJob {
    async fn run(self) {
        self.0.start(self.1);
        YieldOnce(false).await;
        self.0.end(self.1);
    }
    fn call(self) {
        self.0.start(self.1);
        std::thread::yield_now();
        self.0.end(self.1);
    }
}

impl Body for Record {
    type Job = RecordJob;
    fn job(&self, task: usize) -> RecordJob {
        RecordJob(self.0.clone(), task)
    }
}

/// Pending once, on any executor.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
