//! The [Tokio](https://tokio.rs) backend of asyncflow.
//!
//! Applications use it as `asyncflow::TokioFlow`, with the feature `tokio` of `asyncflow`:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let setup = flow.add(async || println!("setup"));
//! flow.add((|| println!("work, on a blocking thread")).after(setup));
//! flow.execute().await?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asyncflow_core::{
    Flow, Runtime, RuntimeLock, RuntimeSemaphore, Unavailable, WeightedPermits, WeightedSemaphore,
};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// A flow on Tokio.
pub type TokioFlow = Flow<TokioRuntime>;

/// Runs flows on Tokio.
///
/// [`TokioFlow::new`](Flow::new) uses `TokioRuntime::default()`. It runs each execution on the
/// runtime that is current when the flow is executed. If none is current then, it uses the runtime
/// that was current when the `TokioRuntime` was created. So one flow can be kept in a `static` and
/// executed on several runtimes, one after the other.
///
/// `TokioRuntime::from(handle)` always uses the runtime of that handle:
///
/// ```
/// use asyncflow::prelude::*;
/// use asyncflow::{TokioFlow, TokioRuntime};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
/// let mut flow = TokioFlow::on(TokioRuntime::from(runtime.handle().clone()));
/// let answer = flow.add(async || 42);
/// let run = runtime.block_on(async { flow.execute().await })?;
/// assert_eq!(run[answer], 42);
/// # Ok(())
/// # }
/// ```
///
/// Timeouts and retries with a delay need the timers of the runtime: build it with
/// [`enable_time`](tokio::runtime::Builder::enable_time) or `enable_all`.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Option<Handle>,
    /// Whether the handle was given by the user. Then it takes precedence over the runtime that is
    /// current when a flow is executed.
    fixed: bool,
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self {
            handle: Handle::try_current().ok(),
            fixed: false,
        }
    }
}

impl From<Handle> for TokioRuntime {
    fn from(handle: Handle) -> Self {
        Self {
            handle: Some(handle),
            fixed: true,
        }
    }
}

impl TokioRuntime {
    fn handle(&self) -> &Handle {
        self.handle
            .as_ref()
            .expect("`attach` has set the handle before anything is spawned")
    }
}

impl Runtime for TokioRuntime {
    type Lock = TokioLock;
    type Semaphore = TokioSemaphore;

    fn attach(&self) -> Result<Self, Unavailable> {
        let current = match self.fixed {
            true => None,
            false => Handle::try_current().ok(),
        };
        match current.or_else(|| self.handle.clone()) {
            Some(handle) => Ok(Self::from(handle)),
            None => Err(Unavailable::new(
                "a `TokioFlow` was executed outside of a Tokio runtime: await it inside of one \
                 (`#[tokio::main]`, `Runtime::block_on`), or make the flow with \
                 `TokioFlow::on(runtime.handle().clone().into())`",
            )),
        }
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        let _context = self.handle().enter();
        f()
    }

    fn parallelism(&self) -> usize {
        match self.handle().runtime_flavor() {
            RuntimeFlavor::CurrentThread => 1,
            _ => self.handle().metrics().num_workers(),
        }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle().spawn(future));
        if self.handle().runtime_flavor() != RuntimeFlavor::CurrentThread {
            // A worker keeps the task that it spawned last for itself, and tells no other of it. If it is
            // to be polled while this one is busy, that must be another.
            drop(self.handle().spawn(async {}));
        }
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        drop(self.handle().spawn_blocking(function));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let _context = self.handle().enter();
        tokio::time::sleep(duration)
    }

    /// Tokio's clock, which a test may have paused.
    fn now(&self) -> Instant {
        self.enter(|| tokio::time::Instant::now().into_std())
    }
}

/// The lock behind an `asyncflow::Lock`: Tokio's mutex.
#[derive(Debug)]
pub struct TokioLock(Arc<Mutex<()>>);

impl RuntimeLock for TokioLock {
    type Guard = OwnedMutexGuard<()>;

    fn new() -> Self {
        Self(Arc::default())
    }

    fn try_acquire(self: &Arc<Self>) -> Option<Self::Guard> {
        Arc::clone(&self.0).try_lock_owned().ok()
    }

    fn acquire(self: &Arc<Self>) -> impl Future<Output = Self::Guard> + Send + 'static {
        Arc::clone(&self.0).lock_owned()
    }
}

/// The semaphore behind an `asyncflow::Semaphore`: Tokio's semaphore, which is fair.
///
/// Tokio counts the permits of one acquisition in 32 bits. A semaphore that has more permits than
/// that is a [`WeightedSemaphore`], which is fair as well.
#[derive(Debug)]
pub struct TokioSemaphore(Kind);

#[derive(Debug)]
enum Kind {
    Native(Arc<Semaphore>),
    Large(Arc<WeightedSemaphore>),
}

/// Permits of a [`TokioSemaphore`]. Gives them back when it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "it is only dropped")]
pub struct TokioPermits(Held);

#[derive(Debug)]
#[expect(dead_code, reason = "it is only dropped")]
enum Held {
    Native(OwnedSemaphorePermit),
    Large(WeightedPermits),
}

/// Returns the number as Tokio takes it. `None` if Tokio cannot count as far: it would panic above
/// `MAX_PERMITS`, which is less than 32 bits hold where `usize` has as many.
fn native(permits: usize) -> Option<u32> {
    match permits <= Semaphore::MAX_PERMITS {
        true => permits.try_into().ok(),
        false => None,
    }
}

impl RuntimeSemaphore for TokioSemaphore {
    type Permits = TokioPermits;

    fn new(permits: usize) -> Self {
        Self(match native(permits) {
            Some(_) => Kind::Native(Arc::new(Semaphore::new(permits))),
            None => Kind::Large(Arc::new(WeightedSemaphore::new(permits))),
        })
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<TokioPermits> {
        Some(TokioPermits(match &self.0 {
            Kind::Native(semaphore) => {
                // More than it can count are more than it has.
                let count = native(count)?;
                let permits = Arc::clone(semaphore).try_acquire_many_owned(count);
                Held::Native(permits.ok()?)
            }
            Kind::Large(semaphore) => Held::Large(semaphore.try_acquire(count)?),
        }))
    }

    /// # Panics
    ///
    /// The future panics if it is for more permits than Tokio can count, and so for more than the
    /// semaphore has.
    fn acquire(
        self: &Arc<Self>,
        count: usize,
    ) -> impl Future<Output = TokioPermits> + Send + 'static {
        let semaphore = Arc::clone(self);
        async move {
            TokioPermits(match &semaphore.0 {
                Kind::Native(semaphore) => {
                    let count = native(count).expect("`count` is at most what the semaphore has");
                    let permits = Arc::clone(semaphore).acquire_many_owned(count).await;
                    Held::Native(permits.expect("the semaphore is never closed"))
                }
                Kind::Large(semaphore) => Held::Large(semaphore.acquire(count).await),
            })
        }
    }
}

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
