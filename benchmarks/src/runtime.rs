//! The runtimes that the contenders share.

use std::env;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::Builder;

/// The number of worker threads of every runtime, and of threads of oneTBB.
pub const WORKERS: usize = 2;

/// The environment variable that passes [`Entry`] to child processes.
pub const ENTRY_VARIABLE: &str = "ASYNCFLOW_BENCHMARKS_ENTRY";

/// Where a graph is executed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// From the future passed to `block_on`, as in `#[tokio::main]`: on a thread that is not a
    /// worker.
    BlockOn,
    /// From a spawned task, as in a request handler: on a worker.
    Worker,
}

impl Entry {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Entry::BlockOn => "block-on",
            Entry::Worker => "worker",
        }
    }

    /// The entry that this process was started with.
    pub fn current() -> Entry {
        static CURRENT: OnceLock<Entry> = OnceLock::new();
        *CURRENT.get_or_init(|| match env::var(ENTRY_VARIABLE).as_deref() {
            Ok(name) if name == Entry::Worker.name() => Entry::Worker,
            _ => Entry::BlockOn,
        })
    }
}

/// An async runtime, without values: each of them is global.
pub trait Runtime: Copy + Send + Sync + 'static {
    /// Waits for `length`.
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Lets other tasks of the runtime run first.
    fn yield_now() -> impl Future<Output = ()> + Send + 'static;

    /// Spawns a detached task.
    fn spawn(future: impl Future<Output = ()> + Send + 'static);

    /// Runs `function` on a thread that may block.
    fn spawn_blocking(function: impl FnOnce() + Send + 'static);

    /// Runs `future` to completion, entering the runtime as `entry` says.
    fn enter_from<T: Send + 'static>(
        entry: Entry,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T;

    /// Runs `future` to completion, entering the runtime as [`Entry::current`] says.
    fn enter<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        Self::enter_from(Entry::current(), future)
    }
}

/// Tokio's multi-thread runtime.
#[derive(Clone, Copy, Debug)]
pub struct Tokio;

impl Tokio {
    /// Runs `future` to completion on the calling thread. Unlike [`Runtime::enter`], it takes
    /// futures that are not `Send`.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        tokio().block_on(future)
    }
}

fn tokio() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(WORKERS).enable_all().build();
        runtime.expect("a Tokio runtime starts")
    })
}

impl Runtime for Tokio {
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(length)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        tokio::task::yield_now()
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(future);
    }

    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        tokio::task::spawn_blocking(function);
    }

    fn enter_from<T: Send + 'static>(
        entry: Entry,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match entry {
            Entry::BlockOn => Self::block_on(future),
            Entry::Worker => {
                Self::block_on(tokio().spawn(future)).expect("the benchmark's task does not panic")
            }
        }
    }
}

/// async-std's global executor.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    fn sleep(length: Duration) -> impl Future<Output = ()> + Send + 'static {
        async_std::task::sleep(length)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        async_std::task::yield_now()
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(future);
    }

    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        async_std::task::spawn_blocking(function);
    }

    fn enter_from<T: Send + 'static>(
        entry: Entry,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match entry {
            Entry::BlockOn => async_std::task::block_on(future),
            Entry::Worker => async_std::task::block_on(async_std::task::spawn(future)),
        }
    }
}

/// smol's global executor.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Runtime for Smol {
    async fn sleep(length: Duration) {
        smol::Timer::after(length).await;
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        smol::future::yield_now()
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(future).detach();
    }

    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        smol::unblock(function).detach();
    }

    fn enter_from<T: Send + 'static>(
        entry: Entry,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match entry {
            Entry::BlockOn => smol::block_on(future),
            Entry::Worker => smol::block_on(smol::spawn(future)),
        }
    }
}
