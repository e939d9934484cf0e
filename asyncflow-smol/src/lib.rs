//! The [smol](https://docs.rs/smol) backend of asyncflow.
//!
//! Applications use it as `asyncflow::SmolFlow`, with the feature `smol` of `asyncflow`:
//!
//! ```
//! use asyncflow::SmolFlow;
//! use asyncflow::prelude::*;
//!
//! # fn main() -> Result<(), FlowError> {
//! let mut flow = SmolFlow::new();
//! let setup = flow.add(async || println!("setup"));
//! flow.add((|| println!("work, on a blocking thread")).after(setup));
//! smol::block_on(async { flow.execute().await })?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

use std::future::Future;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use async_executor::Executor;
use async_lock::Mutex;
use asyncflow_core::{Flow, Runtime, WeightedSemaphore};

/// A flow on smol.
pub type SmolFlow = Flow<SmolRuntime>;

/// Runs flows on smol.
///
/// [`SmolFlow::new`](Flow::new) uses `SmolRuntime::default()`: smol's global executor. It has one
/// thread, or as many as the environment variable `SMOL_THREADS` says.
/// [`SmolRuntime::on`] uses an executor that the program runs on its own threads.
#[derive(Clone, Debug)]
pub struct SmolRuntime {
    /// `None` for the global executor.
    executor: Option<Arc<Executor<'static>>>,
    parallelism: usize,
}

impl Default for SmolRuntime {
    fn default() -> Self {
        // Parsed as smol parses it.
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
    /// Uses an executor that the program itself runs, on one or more threads.
    ///
    /// Assumes one thread for each core of the machine; if there are fewer or more,
    /// [`with_parallelism`](Self::with_parallelism) says so.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use asyncflow::prelude::*;
    /// use asyncflow::{SmolFlow, SmolRuntime};
    ///
    /// # fn main() -> Result<(), FlowError> {
    /// let executor = Arc::new(smol::Executor::new());
    /// let runtime = SmolRuntime::on(executor.clone()).with_parallelism(1);
    /// let mut flow = SmolFlow::on(runtime);
    /// let answer = flow.add(async || 42);
    /// let run = smol::block_on(executor.run(async { flow.execute().await }))?;
    /// assert_eq!(run[answer], 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(executor: Arc<Executor<'static>>) -> Self {
        Self {
            executor: Some(executor),
            parallelism: available_parallelism().map_or(1, usize::from),
        }
    }

    /// Sets the number of threads that run the executor. A flow uses at most that many of them at
    /// the same time.
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
    type Semaphore = WeightedSemaphore;

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

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
