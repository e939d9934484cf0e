//! Timelines of a run.
//!
//! * [`model`] builds the [`Timeline`](model::Timeline), which is the same for all formats;
//! * [`inside`] has what ran inside of a task;
//! * [`density`] tells how many spans there are at a time;
//! * [`lanes`] puts tasks that do not overlap into one lane;
//! * [`svg`], [`html`] and [`trace`] write it.

mod density;
pub(crate) mod html;
mod inside;
mod lanes;
pub(crate) mod model;
pub(crate) mod svg;
pub(crate) mod trace;
