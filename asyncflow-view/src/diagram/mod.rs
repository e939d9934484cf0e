//! Diagrams of a flow, before a run or with the statuses of one.
//!
//! * [`fold`] decides which nodes share a shape, so that a large flow stays readable;
//! * [`model`] builds the [`Diagram`], which is the same for all formats;
//! * [`clusters`] adds groups to it, [`reduce`] removes redundant edges, [`style`] gives colours;
//! * [`dot`] and [`mermaid`] write it.

mod clusters;
pub(crate) mod dot;
mod fold;
pub(crate) mod mermaid;
mod model;
mod reduce;
mod style;

pub(crate) use model::Diagram;
