//! Selects the backend of an example: Tokio, smol or async-std, the first whose feature is enabled.
//!
//! Only the examples need this, because each runs on any backend. Your own program names its flow
//! type once, and nothing else in it depends on the backend:
//!
//! ```text
//! use asyncflow::TokioFlow as AppFlow;
//! ```
//!
//! A flow that is a type, declared with `#[flow]`, names the runtime: `PageFlow<TokioRuntime>`.

// Not every example uses every item.
#![allow(dead_code, unused_imports)]

#[cfg(feature = "tokio")]
mod chosen {
    pub(crate) use asyncflow::{TokioFlow as AppFlow, TokioRuntime as AppRuntime};
    pub(crate) use tokio::time::sleep;

    pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Runtime::new()
            .expect("a Tokio runtime starts")
            .block_on(future)
    }
}

#[cfg(all(feature = "smol", not(feature = "tokio")))]
mod chosen {
    pub(crate) use asyncflow::{SmolFlow as AppFlow, SmolRuntime as AppRuntime};
    pub(crate) use smol::block_on;

    pub(crate) async fn sleep(duration: std::time::Duration) {
        smol::Timer::after(duration).await;
    }
}

#[cfg(all(feature = "async-std", not(any(feature = "tokio", feature = "smol"))))]
mod chosen {
    pub(crate) use async_std::task::{block_on, sleep};
    pub(crate) use asyncflow::{AsyncStdFlow as AppFlow, AsyncStdRuntime as AppRuntime};
}

#[cfg(not(any(feature = "tokio", feature = "smol", feature = "async-std")))]
compile_error!(
    "this example needs a backend: add `--features tokio`, `--features smol` or `--features async-std`"
);

#[cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]
pub(crate) use chosen::{AppFlow, AppRuntime, block_on, sleep};
