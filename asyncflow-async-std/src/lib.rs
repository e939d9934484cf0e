//! The [async-std](https://docs.rs/async-std) backend of asyncflow.
//!
//! async-std is no longer maintained (RUSTSEC-2025-0052). This backend is for programs that still
//! use it. To move a flow to smol, replace `AsyncStdFlow` by `SmolFlow`.
//!
//! Applications use it as `asyncflow::AsyncStdFlow`, with the feature `async-std` of `asyncflow`:
//!
//! ```
//! use asyncflow::AsyncStdFlow;
//! use asyncflow::prelude::*;
//!
//! # fn main() -> Result<(), FlowError> {
//! let mut flow = AsyncStdFlow::new();
//! let setup = flow.add(async || println!("setup"));
//! flow.add((|| println!("work, on a blocking thread")).after(setup));
//! async_std::task::block_on(async { flow.execute().await })?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

use std::future::Future;
use std::thread::available_parallelism;
use std::time::Duration;

use async_lock::Mutex;
use async_std::task;
use asyncflow_core::{Flow, Runtime, WeightedSemaphore};

/// A flow on async-std.
pub type AsyncStdFlow = Flow<AsyncStdRuntime>;

/// Runs flows on the global executor of async-std.
///
/// The executor has one thread for each core, or as many as the environment variable
/// `ASYNC_STD_THREAD_COUNT` says.
#[derive(Clone, Debug)]
pub struct AsyncStdRuntime {
    parallelism: usize,
}

impl Default for AsyncStdRuntime {
    fn default() -> Self {
        // Parsed as async-std parses it.
        let threads = std::env::var("ASYNC_STD_THREAD_COUNT").ok();
        Self {
            parallelism: threads
                .and_then(|threads| threads.parse().ok())
                .unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
        }
    }
}

impl Runtime for AsyncStdRuntime {
    type Lock = Mutex<()>;
    type Semaphore = WeightedSemaphore;

    fn parallelism(&self) -> usize {
        self.parallelism.max(1)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        // Dropping the handle detaches the task.
        drop(task::spawn(future));
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        drop(task::spawn_blocking(function));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        task::sleep(duration)
    }
}

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
