//! asyncflow on [Tokio](https://tokio.rs).
//!
//! ```
//! use asyncflow_tokio::TokioFlow;
//! use asyncflow_tokio::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), asyncflow_tokio::FlowError> {
//! let mut flow = TokioFlow::new();
//! let setup = flow.add(async || println!("setup"));
//! flow.add((|| println!("work, on a blocking thread")).after(setup));
//! flow.execute().await?;
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore as TokioSemaphore};

pub use asyncflow_core::*;

/// A flow on Tokio.
pub type TokioFlow = Flow<TokioRuntime>;

/// Tokio, as a [`Runtime`].
///
/// `default()`, which [`TokioFlow::new`](Flow::new) uses, stands for the runtime that is the
/// current one when a flow is executed; and, if there is none then, for the one that was current
/// when it was made. So one flow can be kept in a `static` and executed on several runtimes, one
/// after the other. `from(handle)` stands for one certain runtime, wherever the flow is executed
/// from.
///
/// Timeouts, retries with pauses and `sleep` need the runtime's timers
/// ([`enable_time`](tokio::runtime::Builder::enable_time)).
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Option<Handle>,
    /// Whether the handle was given, and so comes before the current runtime.
    certain: bool,
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self {
            handle: Handle::try_current().ok(),
            certain: false,
        }
    }
}

impl From<Handle> for TokioRuntime {
    fn from(handle: Handle) -> Self {
        Self {
            handle: Some(handle),
            certain: true,
        }
    }
}

impl TokioRuntime {
    fn handle(&self) -> &Handle {
        self.handle
            .as_ref()
            .expect("a flow spawns only on a runtime that it was attached to")
    }
}

impl Runtime for TokioRuntime {
    type Lock = TokioLock;
    type Semaphore = TokioPermits;

    fn attach(&self) -> Result<Self, Unavailable> {
        let current = match self.certain {
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
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        drop(self.handle().spawn_blocking(function));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let _context = self.handle().enter();
        tokio::time::sleep(duration)
    }
}

/// What a [`Lock`] becomes: Tokio's mutex.
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

/// What a [`Semaphore`] becomes: Tokio's semaphore, which serves those who wait in their order.
#[derive(Debug)]
pub struct TokioPermits(Arc<TokioSemaphore>);

/// Tokio counts the permits of one acquisition in 32 bits.
fn count(permits: usize) -> u32 {
    u32::try_from(permits).unwrap_or(u32::MAX)
}

impl RuntimeSemaphore for TokioPermits {
    type Permits = OwnedSemaphorePermit;

    fn new(permits: usize) -> Self {
        let permits = permits.min(TokioSemaphore::MAX_PERMITS);
        Self(Arc::new(TokioSemaphore::new(permits)))
    }

    fn try_acquire(self: &Arc<Self>, permits: usize) -> Option<Self::Permits> {
        let semaphore = Arc::clone(&self.0);
        semaphore.try_acquire_many_owned(count(permits)).ok()
    }

    fn acquire(
        self: &Arc<Self>,
        permits: usize,
    ) -> impl Future<Output = Self::Permits> + Send + 'static {
        let acquire = Arc::clone(&self.0).acquire_many_owned(count(permits));
        async move { acquire.await.expect("nobody closes the semaphore") }
    }
}
