//! asyncflow
pub use asyncflow_core::*;
#[cfg(feature = "tokio")]
pub use asyncflow_tokio::{TokioFlow, TokioRuntime};
#[cfg(feature = "smol")]
pub use asyncflow_smol::{SmolFlow, SmolRuntime};
#[cfg(feature = "async-std")]
pub use asyncflow_async_std::{AsyncStdFlow, AsyncStdRuntime};
