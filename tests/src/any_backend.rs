//! One runtime for all backends, so that a test that runs on each of them is compiled once.
//!
//! Which backend it is, is known on every thread that does something for a test: [`Backend::within`]
//! sets it for the test, and the runtime for all that it spawns.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asyncflow::runtime::{RuntimeLock, RuntimeSemaphore};
use asyncflow::{AsyncStdRuntime, Runtime, SmolRuntime, TokioRuntime, Unavailable};

thread_local! {
    static CURRENT: Cell<Option<Backend>> = const { Cell::new(None) };
}

/// What a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Tokio, with as many threads as the test has made it with.
    Tokio,
    /// async-std.
    AsyncStd,
    /// smol, on its global executor.
    Smol,
}

impl Backend {
    fn current() -> Self {
        let current = CURRENT.get();
        current.expect("this thread does something for a test that runs on every backend")
    }

    /// A test whose [`AnyRuntime`] is of this backend.
    pub fn within<Fut: Future<Output = ()> + 'static>(
        self,
        test: impl FnOnce() -> Fut + Send + 'static,
    ) -> impl FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send + 'static {
        move || Box::pin(self.poll_within(self.enter(test)))
    }

    fn enter<T>(self, f: impl FnOnce() -> T) -> T {
        /// Sets back what was before, also after a panic.
        struct Before(Option<Backend>);

        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }

        let _before = Before(CURRENT.replace(Some(self)));
        f()
    }

    /// Polls and drops a future where the backend is known.
    fn poll_within<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        struct Within<F>(Backend, Option<Pin<Box<F>>>);

        impl<F> Drop for Within<F> {
            fn drop(&mut self) {
                self.0.enter(|| drop(self.1.take()));
            }
        }

        let mut within = Within(self, Some(Box::pin(future)));
        poll_fn(move |cx| {
            let future = within.1.as_mut().expect("it is there until it is dropped");
            self.enter(|| future.as_mut().poll(cx))
        })
    }
}

/// The runtime of the backend that the test runs on.
#[derive(Clone, Debug)]
pub enum AnyRuntime {
    /// Tokio's.
    Tokio(TokioRuntime),
    /// async-std's.
    AsyncStd(AsyncStdRuntime),
    /// smol's.
    Smol(SmolRuntime),
}

/// Does the same with whichever runtime it is.
macro_rules! with {
    ($any:expr, $runtime:ident => $does:expr) => {
        match $any {
            AnyRuntime::Tokio($runtime) => $does,
            AnyRuntime::AsyncStd($runtime) => $does,
            AnyRuntime::Smol($runtime) => $does,
        }
    };
}

impl AnyRuntime {
    fn backend(&self) -> Backend {
        match self {
            Self::Tokio(_) => Backend::Tokio,
            Self::AsyncStd(_) => Backend::AsyncStd,
            Self::Smol(_) => Backend::Smol,
        }
    }
}

impl Default for AnyRuntime {
    fn default() -> Self {
        match Backend::current() {
            Backend::Tokio => Self::Tokio(TokioRuntime::default()),
            Backend::AsyncStd => Self::AsyncStd(AsyncStdRuntime::default()),
            Backend::Smol => Self::Smol(SmolRuntime::default()),
        }
    }
}

impl Runtime for AnyRuntime {
    type Lock = AnyLock;
    type Semaphore = AnySemaphore;

    fn attach(&self) -> Result<Self, Unavailable> {
        Ok(match self {
            Self::Tokio(runtime) => Self::Tokio(runtime.attach()?),
            Self::AsyncStd(runtime) => Self::AsyncStd(runtime.attach()?),
            Self::Smol(runtime) => Self::Smol(runtime.attach()?),
        })
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        self.backend()
            .enter(|| with!(self, runtime => runtime.enter(f)))
    }

    fn parallelism(&self) -> usize {
        with!(self, runtime => runtime.parallelism())
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let future = self.backend().poll_within(future);
        with!(self, runtime => runtime.spawn(future));
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        let backend = self.backend();
        let function = move || backend.enter(function);
        with!(self, runtime => runtime.spawn_blocking(function));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let sleep: Pin<Box<dyn Future<Output = ()> + Send>> =
            with!(self, runtime => Box::pin(runtime.sleep(duration)));
        sleep
    }

    fn now(&self) -> Instant {
        with!(self, runtime => runtime.now())
    }
}

/// What a lock or semaphore gives, whatever type it has.
pub struct Given(#[expect(dead_code, reason = "it is only dropped")] Box<dyn Send>);

type Waiting = Pin<Box<dyn Future<Output = Given> + Send>>;

/// The native lock of the backend that the test runs on.
#[derive(Debug)]
pub enum AnyLock {
    /// Tokio's.
    Tokio(Arc<<TokioRuntime as Runtime>::Lock>),
    /// That of `async-lock`.
    Other(Arc<<SmolRuntime as Runtime>::Lock>),
}

impl RuntimeLock for AnyLock {
    type Guard = Given;

    fn new() -> Self {
        match Backend::current() {
            Backend::Tokio => Self::Tokio(Arc::new(RuntimeLock::new())),
            Backend::AsyncStd | Backend::Smol => Self::Other(Arc::new(RuntimeLock::new())),
        }
    }

    fn try_acquire(self: &Arc<Self>) -> Option<Given> {
        match &**self {
            Self::Tokio(lock) => lock.try_acquire().map(given),
            Self::Other(lock) => lock.try_acquire().map(given),
        }
    }

    fn acquire(self: &Arc<Self>) -> impl Future<Output = Given> + Send + 'static {
        match &**self {
            Self::Tokio(lock) => waiting(lock.acquire()),
            Self::Other(lock) => waiting(lock.acquire()),
        }
    }
}

/// The native semaphore of the backend that the test runs on.
#[derive(Debug)]
pub enum AnySemaphore {
    /// Tokio's.
    Tokio(Arc<<TokioRuntime as Runtime>::Semaphore>),
    /// That of the other backends.
    Other(Arc<<SmolRuntime as Runtime>::Semaphore>),
}

impl RuntimeSemaphore for AnySemaphore {
    type Permits = Given;

    fn new(permits: usize) -> Self {
        match Backend::current() {
            Backend::Tokio => Self::Tokio(Arc::new(RuntimeSemaphore::new(permits))),
            Backend::AsyncStd | Backend::Smol => {
                Self::Other(Arc::new(RuntimeSemaphore::new(permits)))
            }
        }
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Given> {
        match &**self {
            Self::Tokio(semaphore) => semaphore.try_acquire(count).map(given),
            Self::Other(semaphore) => semaphore.try_acquire(count).map(given),
        }
    }

    fn acquire(self: &Arc<Self>, count: usize) -> impl Future<Output = Given> + Send + 'static {
        match &**self {
            Self::Tokio(semaphore) => waiting(semaphore.acquire(count)),
            Self::Other(semaphore) => waiting(semaphore.acquire(count)),
        }
    }
}

fn given(permits: impl Send + 'static) -> Given {
    Given(Box::new(permits))
}

fn waiting<G: Send + 'static>(permits: impl Future<Output = G> + Send + 'static) -> Waiting {
    Box::pin(async move { given(permits.await) })
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}
