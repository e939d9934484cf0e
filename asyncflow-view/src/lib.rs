//! See an asyncflow.

mod diagram;
mod draw;
mod text;
mod timeline;

pub use draw::{DrawFlow, DrawReport};
