//! Which backend an example runs on: that of the first feature which is enabled.
//!
//! Only the examples need this, to run on any of them. A program of your own names its flow type,
//! and nothing else in it depends on the backend:
//!
//! ```text
//! use asyncflow::TokioFlow as AppFlow;
//! ```

// Not every example uses all of it.
#![allow(dead_code, unused_imports)]

#[cfg(feature = "tokio")]
mod chosen {
    pub(crate) use asyncflow::TokioFlow as AppFlow;
    pub(crate) use tokio::time::sleep;

    pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Runtime::new()
            .expect("the system has threads for a runtime")
            .block_on(future)
    }
}

#[cfg(all(feature = "smol", not(feature = "tokio")))]
mod chosen {
    pub(crate) use asyncflow::SmolFlow as AppFlow;
    pub(crate) use smol::block_on;

    pub(crate) async fn sleep(duration: std::time::Duration) {
        smol::Timer::after(duration).await;
    }
}

#[cfg(all(feature = "async-std", not(any(feature = "tokio", feature = "smol"))))]
mod chosen {
    pub(crate) use async_std::task::{block_on, sleep};
    pub(crate) use asyncflow::AsyncStdFlow as AppFlow;
}

#[cfg(not(any(feature = "tokio", feature = "smol", feature = "async-std")))]
compile_error!(
    "this example needs a backend: add `--features tokio`, `--features smol` or `--features async-std`"
);

#[cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]
pub(crate) use chosen::{AppFlow, block_on, sleep};
