//! The functions that the tasks of every contender call.
//!
//! Each kind of [`Work`](crate::plan::Work) is a type here. So a task that does nothing is a
//! zero-sized function for every contender, and the compiler can inline it.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::plan::Plan;
use crate::recorder::Recorder;
use crate::runtime::Runtime;
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
    /// The type of the functions.
    type Job: Job;
    /// The function of `task`.
    fn job(&self, task: usize) -> Self::Job;
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
/// [`Work::SkewedSleep`](crate::plan::Work::SkewedSleep), on the timer of the runtime `R`.
#[derive(Clone, Copy, Debug)]
pub struct Sleep<R> {
    length: Duration,
    /// If only some tasks sleep: the plan that tells which.
    skewed: Option<Plan>,
    runtime: PhantomData<R>,
}

impl<R> Sleep<R> {
    /// Every task sleeps for `millis`; with `skewed`, only the slow tasks of that plan.
    pub fn new(millis: u64, skewed: Option<Plan>) -> Sleep<R> {
        Sleep {
            length: Duration::from_millis(millis),
            skewed,
            runtime: PhantomData,
        }
    }
}

/// The function of one task of [`Sleep`].
#[derive(Clone, Copy, Debug)]
pub struct SleepJob<R>(Duration, PhantomData<R>);

impl<R: Runtime> Job for SleepJob<R> {
    async fn run(self) {
        if !self.0.is_zero() {
            R::sleep(self.0).await;
        }
    }
    fn call(self) {
        std::thread::sleep(self.0);
    }
}

impl<R: Runtime> Body for Sleep<R> {
    type Job = SleepJob<R>;
    fn job(&self, task: usize) -> SleepJob<R> {
        let sleeps = self.skewed.is_none_or(|plan| plan.is_slow(task));
        let length = if sleeps { self.length } else { Duration::ZERO };
        SleepJob(length, PhantomData)
    }
}

/// [`Work::Yield`](crate::plan::Work::Yield), to the runtime `R`.
#[derive(Clone, Copy, Debug)]
pub struct Yield<R>(u64, PhantomData<R>);

impl<R> Yield<R> {
    /// Every task yields this many times.
    pub fn new(times: u64) -> Yield<R> {
        Yield(times, PhantomData)
    }
}

impl<R: Runtime> Job for Yield<R> {
    async fn run(self) {
        for _ in 0..self.0 {
            R::yield_now().await;
        }
    }
    fn call(self) {
        for _ in 0..self.0 {
            std::thread::yield_now();
        }
    }
}

impl<R: Runtime> Body for Yield<R> {
    type Job = Yield<R>;
    fn job(&self, _task: usize) -> Yield<R> {
        *self
    }
}

/// Tells a [`Recorder`] when each task starts and ends. Each task yields in between, so that an
/// engine that does not order its tasks is found out.
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

/// Is pending once, on any executor.
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
