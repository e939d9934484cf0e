//! The results of an execution: the [`run`] with its outputs, the [`report`] and the [`error`].

pub(crate) mod critical;
pub(crate) mod details;
pub(crate) mod error;
pub(crate) mod parts;
pub(crate) mod pauses;
pub(crate) mod report;
pub(crate) mod run;
#[cfg(feature = "serde")]
mod serial;
mod table;
pub(crate) mod times;
