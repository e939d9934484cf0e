//! Diagrams: what a flow is made of, and what became of it.
//!
//! [`Sketch`] says what is to be seen, after [`fold`] has made it few enough to be; the two formats
//! only write it down.

mod clusters;
pub(crate) mod dot;
mod fold;
pub(crate) mod mermaid;
mod reduce;
mod sketch;
mod tone;

pub(crate) use sketch::Sketch;
