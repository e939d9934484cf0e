//! Timelines of a run.
//!
//! * [`model`] builds the [`Timeline`](model::Timeline), which is the same for all formats;
//! * [`lanes`] puts tasks that do not overlap into one lane;
//! * [`svg`], [`html`] and [`trace`] write it.

pub(crate) mod html;
mod lanes;
pub(crate) mod model;
pub(crate) mod svg;
pub(crate) mod trace;
