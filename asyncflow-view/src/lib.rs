//! See an asyncflow.

mod diagram;
mod draw;
#[cfg(feature = "progress")]
pub mod progress;
mod text;
mod timeline;
#[cfg(feature = "tracing")]
pub mod tracing;

pub use draw::{DrawFlow, DrawReport};
