//! Diagrams, timelines, a progress bar and spans for flows.
//!
//! | when | what |
//! |---|---|
//! | before a run | [`DrawFlow`]: diagrams in DOT and Mermaid |
//! | during a run | the feature `progress`: a progress bar; the feature `tracing`: spans |
//! | after a run | [`DrawReport`]: diagrams with the status of each task, and timelines as SVG, HTML and Chrome trace |
//!
//! Applications use this crate as `asyncflow::view`, with the feature `view` of `asyncflow`:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//! use asyncflow::view::{DrawFlow, DrawReport};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let fetch = flow.add((async || "some text".to_owned()).named("fetch"));
//! flow.add((|text: &String| text.len()).named("count").inputs(fetch));
//! println!("{}", flow.to_mermaid());
//!
//! let run = flow.execute().timed().await?;
//! let svg = run.report().to_svg();
//! assert!(svg.contains("2 tasks succeeded"));
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! * `draw`: the public traits;
//! * `diagram`: what a diagram shows, and its two formats;
//! * `timeline`: what a timeline shows, and its three formats;
//! * `progress` and `tracing`: the two observers;
//! * `text`: how names and durations are written, and escaped in each format.

#![cfg_attr(docsrs, feature(doc_cfg))]

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

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
