//! asyncflow on [async-std](https://docs.rs/async-std).
//!
//! async-std is no longer maintained (RUSTSEC-2025-0052); this backend is for programs that are
//! still on it. Swapping `AsyncStdFlow` for `SmolFlow` is all that a flow needs to move on.
//!
//! ```
//! use asyncflow_async_std::AsyncStdFlow;
//! use asyncflow_async_std::prelude::*;
//!
//! # fn main() -> Result<(), asyncflow_async_std::FlowError> {
//! let mut flow = AsyncStdFlow::new();
//! let setup = flow.add(async || println!("setup"));
//! flow.add((|| println!("work, on a blocking thread")).after(setup));
//! async_std::task::block_on(async { flow.execute().await })?;
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::thread::available_parallelism;
use std::time::Duration;

use async_std::task;

use async_lock::Mutex;
use asyncflow_core::async_locks::TurnstileSemaphore;

pub use asyncflow_core::*;

/// A flow on async-std.
pub type AsyncStdFlow = Flow<AsyncStdRuntime>;

/// async-std, as a [`Runtime`]: its global executor, which has a thread for each core unless the
/// environment variable `ASYNC_STD_THREAD_COUNT` says otherwise.
#[derive(Clone, Debug)]
pub struct AsyncStdRuntime {
    parallelism: usize,
}

impl Default for AsyncStdRuntime {
    fn default() -> Self {
        // As async-std itself reads it.
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
    type Semaphore = TurnstileSemaphore;

    fn parallelism(&self) -> usize {
        self.parallelism.max(1)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        // Dropping its handle detaches it.
        drop(task::spawn(future));
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        drop(task::spawn_blocking(function));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        task::sleep(duration)
    }
}
