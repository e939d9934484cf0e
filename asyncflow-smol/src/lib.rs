//! asyncflow on [smol](https://docs.rs/smol).
//!
//! ```
//! use asyncflow_smol::SmolFlow;
//! use asyncflow_smol::prelude::*;
//!
//! # fn main() -> Result<(), asyncflow_smol::FlowError> {
//! let mut flow = SmolFlow::new();
//! let setup = flow.add(async || println!("setup"));
//! flow.add((|| println!("work, on a blocking thread")).after(setup));
//! smol::block_on(async { flow.execute().await })?;
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use async_executor::Executor;

use async_lock::Mutex;
use asyncflow_core::async_locks::TurnstileSemaphore;

pub use asyncflow_core::*;

/// A flow on smol.
pub type SmolFlow = Flow<SmolRuntime>;

/// smol, as a [`Runtime`].
///
/// `default()`, which [`SmolFlow::new`](Flow::new) uses, is smol's global executor. It has one
/// thread, unless the environment variable `SMOL_THREADS` says otherwise. `on(executor)` is an
/// executor of one's own, whose threads one runs oneself.
#[derive(Clone, Debug)]
pub struct SmolRuntime {
    /// `None` for the global one.
    executor: Option<Arc<Executor<'static>>>,
    parallelism: usize,
}

impl Default for SmolRuntime {
    fn default() -> Self {
        // As smol itself reads it.
        let threads = std::env::var("SMOL_THREADS").ok();
        Self {
            executor: None,
            parallelism: threads
                .and_then(|threads| threads.parse().ok())
                .unwrap_or(1),
        }
    }
}

impl SmolRuntime {
    /// An executor that somebody runs, on as many threads as the machine runs at a time or fewer.
    pub fn on(executor: Arc<Executor<'static>>) -> Self {
        Self {
            executor: Some(executor),
            parallelism: available_parallelism().map_or(1, usize::from),
        }
    }

    /// On how many threads the executor is run, which is how many drivers a flow starts at most.
    pub fn with_parallelism(self, threads: usize) -> Self {
        Self {
            parallelism: threads,
            ..self
        }
    }
}

impl From<Arc<Executor<'static>>> for SmolRuntime {
    fn from(executor: Arc<Executor<'static>>) -> Self {
        Self::on(executor)
    }
}

impl Runtime for SmolRuntime {
    type Lock = Mutex<()>;
    type Semaphore = TurnstileSemaphore;

    fn parallelism(&self) -> usize {
        self.parallelism.max(1)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.executor {
            Some(executor) => executor.spawn(future).detach(),
            None => smol::spawn(future).detach(),
        }
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        blocking::unblock(function).detach();
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let timer = async_io::Timer::after(duration);
        async move {
            timer.await;
        }
    }
}
