//! See a flow: what it will do, what it is doing, what it did, and where the time went.
//!
//! | before a run | [`DrawFlow`]: diagrams in DOT and Mermaid |
//! |---|---|
//! | during it | the features `progress`, a bar, and `tracing`, spans; both are observers |
//! | after it | [`DrawReport`]: the diagrams with what became of each task, and timelines as SVG, HTML and Chrome trace |
//!
//! Applications reach this crate as `asyncflow::view`, by the feature `view` of `asyncflow`.
//!
//! # Layout
//!
//! * `diagram`: what a diagram shows, folded until it can be read; and the two formats;
//! * `timeline`: what a timeline shows, and its three formats;
//! * `text`: names and durations as people read them, and the escapes of all formats.

mod diagram;
mod draw;
#[cfg(any(feature = "progress", feature = "tracing"))]
mod lock;
#[cfg(feature = "progress")]
pub mod progress;
mod text;
mod timeline;
#[cfg(feature = "tracing")]
pub mod tracing;

pub use draw::{DrawFlow, DrawReport};
