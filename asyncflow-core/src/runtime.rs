//! The `Runtime` trait: what a backend implements.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An async runtime on which flows are executed.
///
/// A value of this type is a handle to the runtime and should be cheap to clone. The documentation
/// of each method says what an implementation must guarantee. `asyncflow_core::conformance::check`
/// tests that (it needs the feature `conformance`).
///
/// Flows catch panics themselves: futures and functions that they spawn never panic.
///
/// This runtime wraps another one, as an implementation that counts or traces may do:
///
/// ```
/// use std::future::Future;
/// use std::time::{Duration, Instant};
///
/// use asyncflow::prelude::*;
/// use asyncflow::{Runtime, TokioRuntime, Unavailable};
///
/// #[derive(Clone, Default)]
/// struct Traced(TokioRuntime);
///
/// impl Runtime for Traced {
///     type Lock = <TokioRuntime as Runtime>::Lock;
///     type Semaphore = <TokioRuntime as Runtime>::Semaphore;
///
///     fn attach(&self) -> Result<Self, Unavailable> {
///         Ok(Self(self.0.attach()?))
///     }
///
///     fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
///         self.0.enter(f)
///     }
///
///     fn parallelism(&self) -> usize {
///         self.0.parallelism()
///     }
///
///     fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
///         self.0.spawn(future);
///     }
///
///     fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
///         println!("a blocking function");
///         self.0.spawn_blocking(function);
///     }
///
///     fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
///         self.0.sleep(duration)
///     }
///
///     fn now(&self) -> Instant {
///         self.0.now()
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = Flow::<Traced>::new();
/// let answer = flow.add(|| 42);
/// assert_eq!(flow.execute().await?[answer], 42);
/// # Ok(())
/// # }
/// ```
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The native lock that replaces a [`Lock`](crate::Lock).
    type Lock: RuntimeLock;
    /// The native semaphore that replaces a [`Semaphore`](crate::Semaphore).
    type Semaphore: RuntimeSemaphore;

    /// Returns the runtime to execute a flow on, for example the current one. By default a clone of
    /// `self`.
    ///
    /// Called at the start of every execution, on the thread that first polls it.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no runtime. The execution then fails before anything starts.
    fn attach(&self) -> Result<Self, Unavailable> {
        Ok(self.clone())
    }

    /// Calls `f` in the context of the runtime, so that futures that `f` polls find its timers and
    /// its I/O. By default just calls `f`.
    ///
    /// An execution polls tasks from its own future, which may be polled on any thread.
    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }

    /// Returns how many futures the runtime polls at the same time, at least 1. Usually the number of
    /// its worker threads.
    ///
    /// A run has at most this many drivers.
    fn parallelism(&self) -> usize;

    /// Spawns a future, which the runtime polls to its end on any of its threads.
    ///
    /// The runtime must poll the future again whenever it was woken, must not poll it within this
    /// call, and must drop it as soon as it is ready. It may drop the future earlier only if it is
    /// shutting down.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);

    /// Spawns a function, which the runtime calls on a thread that may block.
    ///
    /// The function may wait in a queue for a free thread. There may be only one such thread. The
    /// runtime must not call the function within this call. It may drop the function without calling
    /// it only if it is shutting down.
    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static);

    /// Returns a future that is ready once `duration` has passed.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Returns the time on the clock that [`sleep`](Self::sleep) goes by. By default the time of the
    /// system.
    ///
    /// The times in a [`Report`](crate::Report) are read from this clock. Implement it if the clock
    /// of the runtime can be paused or set, as Tokio's can be in tests. A runtime that wraps another
    /// one passes it on.
    ///
    /// Called on any thread, and only in runs that are [timed](crate::Execute::timed) have a
    /// [deadline](crate::Execute::deadline) or a [rate limit](crate::RateLimit). The time must not go back.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// An async lock.
///
/// A guard releases the lock when it is dropped, and wakes a future that waits for it. If a future
/// from [`acquire`](Self::acquire) is dropped, it must pass a wake-up that it has received on to
/// another.
pub trait RuntimeLock: Send + Sync + 'static {
    /// Holds the lock until it is dropped.
    type Guard: Send + 'static;

    /// Makes a lock that is free.
    fn new() -> Self;

    /// Takes the lock if it is free.
    fn try_acquire(self: &Arc<Self>) -> Option<Self::Guard>;

    /// Waits until the lock is free and takes it.
    fn acquire(self: &Arc<Self>) -> impl Future<Output = Self::Guard> + Send + 'static;
}

/// An async counting semaphore.
///
/// Futures that wait for several permits must not deadlock, as they would if each held one and waited
/// for the other's. Permits are released when they are dropped, and wake futures that wait for them.
/// If a future from [`acquire`](Self::acquire) is dropped, it must pass a wake-up that it has
/// received on to another.
pub trait RuntimeSemaphore: Send + Sync + 'static {
    /// Holds permits until it is dropped.
    type Permits: Send + 'static;

    /// Makes a semaphore with this many permits.
    fn new(permits: usize) -> Self;

    /// Takes `count` permits if they are free. May return `None` while others wait for permits.
    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Self::Permits>;

    /// Waits until `count` permits are free and takes them. `count` is never more than the semaphore
    /// has in all.
    fn acquire(
        self: &Arc<Self>,
        count: usize,
    ) -> impl Future<Output = Self::Permits> + Send + 'static;
}

/// The error of [`Runtime::attach`]: there is no runtime to execute a flow on.
#[derive(Clone, Debug)]
pub struct Unavailable(String);

impl Unavailable {
    /// Makes an error with a message, which should say what is missing and what to do.
    ///
    /// ```
    /// use asyncflow::Unavailable;
    ///
    /// let error = Unavailable::new("there is no reactor: call `start` first");
    /// assert_eq!(error.to_string(), "there is no reactor: call `start` first");
    /// ```
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
