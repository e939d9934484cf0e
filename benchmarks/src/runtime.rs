//! The runtimes that the contenders share, and how they enter them.

use std::env;
use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Workers of every runtime, and threads of oneTBB.
pub const WORKERS: usize = 2;

/// The variable by which [`Entry`] reaches child processes.
pub const ENTRY_VARIABLE: &str = "ASYNCFLOW_BENCHMARKS_ENTRY";

/// Where a graph is executed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// From the future given to `block_on`, as in `#[tokio::main]`: a thread beside the workers.
    BlockOn,
    /// From a spawned task, as in a server's handler: one of the workers.
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

    /// The one that this process was started with.
    pub fn current() -> Entry {
        static CURRENT: OnceLock<Entry> = OnceLock::new();
        *CURRENT.get_or_init(|| match env::var(ENTRY_VARIABLE).as_deref() {
            Ok(name) if name == Entry::Worker.name() => Entry::Worker,
            _ => Entry::BlockOn,
        })
    }
}

/// Tokio's multi-thread runtime.
pub fn tokio() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(WORKERS).enable_all().build();
        runtime.expect("a Tokio runtime starts")
    })
}

/// Runs `future` to its end on Tokio, entering as [`Entry::current`] says.
pub fn enter_tokio<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    enter_tokio_from(Entry::current(), future)
}

/// Runs `future` to its end on Tokio.
pub fn enter_tokio_from<T: Send + 'static>(
    entry: Entry,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    match entry {
        Entry::BlockOn => tokio().block_on(future),
        Entry::Worker => tokio()
            .block_on(tokio().spawn(future))
            .expect("the benchmark's task does not panic"),
    }
}

/// Runs `future` to its end on async-std.
pub fn enter_async_std_from<T: Send + 'static>(
    entry: Entry,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    match entry {
        Entry::BlockOn => async_std::task::block_on(future),
        Entry::Worker => async_std::task::block_on(async_std::task::spawn(future)),
    }
}

/// Runs `future` to its end on smol's global executor.
pub fn enter_smol_from<T: Send + 'static>(
    entry: Entry,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    match entry {
        Entry::BlockOn => smol::block_on(future),
        Entry::Worker => smol::block_on(smol::spawn(future)),
    }
}
