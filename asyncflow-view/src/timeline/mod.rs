//! Timelines: when what happened in a run.
//!
//! [`Record`](record::Record) says what there is to see; the formats write it down.

pub(crate) mod html;
mod lanes;
pub(crate) mod record;
pub(crate) mod svg;
pub(crate) mod trace;
