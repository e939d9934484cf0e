//! The `Runtime` trait: what a backend implements.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// An async runtime on which flows are executed.
///
/// A value of the type is a cheap handle to the runtime; it is cloned freely. What an
/// implementation must keep is said at each method; the `conformance` module (behind the feature
/// of that name) checks it.
///
/// Flows catch panics themselves: what is spawned never unwinds into the runtime.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// What a [`Lock`](crate::Lock) becomes.
    type Lock: RuntimeLock;
    /// What a [`Semaphore`](crate::Semaphore) becomes.
    type Semaphore: RuntimeSemaphore;

    /// The runtime to execute a flow on; called at the start of every execution, on the thread
    /// that polls it first.
    ///
    /// The place to find out which runtime is the current one. By default `self`.
    ///
    /// # Errors
    ///
    /// When there is no runtime; the execution then ends with an error before anything starts.
    fn attach(&self) -> Result<Self, Unavailable> {
        Ok(self.clone())
    }

    /// Calls `f` in such a way that the futures that it polls find the runtime's context: its
    /// timers, its I/O.
    ///
    /// An execution polls tasks from within its own future, which may be polled on any thread. By
    /// default it just calls `f`.
    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }

    /// How many tasks the runtime polls at the same time: its worker threads.
    ///
    /// More drivers than that are never started. At least 1.
    fn parallelism(&self) -> usize;

    /// Has the runtime poll `future` to its end, on any of its threads.
    ///
    /// It must not be dropped before it is done as long as the runtime lives, must be polled again
    /// whenever it was woken, and must never be polled from within this call. It must be dropped
    /// as soon as it is done. If the runtime is shutting down it is dropped.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);

    /// Has the runtime call `function` on a thread that may block.
    ///
    /// Functions may wait in a queue for a free thread, even if there is only one. It must never
    /// be called from within this call. If the runtime is shutting down it may be dropped.
    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static);

    /// A future that is ready once `duration` has passed.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;
}

/// A mutual exclusion that is awaited.
///
/// The guard gives the lock back when it is dropped, and wakes the next who waits. An
/// [`acquire`](Self::acquire) that is dropped while it waits must not lose a wake-up.
pub trait RuntimeLock: Send + Sync + 'static {
    /// Holds the lock until it is dropped.
    type Guard: Send + 'static;

    /// A free lock.
    fn new() -> Self;

    /// Takes the lock if it is free.
    fn try_acquire(self: &Arc<Self>) -> Option<Self::Guard>;

    /// Waits for the lock.
    fn acquire(self: &Arc<Self>) -> impl Future<Output = Self::Guard> + Send + 'static;
}

/// A counting semaphore that is awaited.
///
/// Several permits are acquired all or none, such that two who wait for several never keep each
/// other waiting. Permits come back when they are dropped, and wake who waits for them.
pub trait RuntimeSemaphore: Send + Sync + 'static {
    /// Holds permits until it is dropped.
    type Permits: Send + 'static;

    /// A semaphore with this many permits.
    fn new(permits: usize) -> Self;

    /// Takes `count` permits if they are free. It may fail while others are acquiring.
    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Self::Permits>;

    /// Waits for `count` permits; at most as many as there are in all.
    fn acquire(
        self: &Arc<Self>,
        count: usize,
    ) -> impl Future<Output = Self::Permits> + Send + 'static;
}

/// Why a flow cannot be executed on a runtime: there is none.
#[derive(Clone, Debug)]
pub struct Unavailable(String);

impl Unavailable {
    /// An error with a message that says what is missing and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unavailable {}
