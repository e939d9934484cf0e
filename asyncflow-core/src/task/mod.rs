//! What is known of one task: what was asked of it, its output, and what became of it.
//!
//! * [`config`]: what was asked of it;
//! * [`mod@column`], [`outputs`], [`consumers`]: where outputs are kept, and for how long;
//! * [`end`]: how an attempt ended; [`failure`]: why one failed;
//! * [`status`], [`statuses`]: what became of a task, as it is reported and as it is stored;
//! * [`skip_cause`]: why a task is not started.

pub(crate) mod column;
pub(crate) mod config;
pub(crate) mod consumers;
pub(crate) mod end;
pub(crate) mod failure;
pub(crate) mod outputs;
pub(crate) mod skip_cause;
pub(crate) mod status;
pub(crate) mod statuses;
