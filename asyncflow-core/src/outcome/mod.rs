//! What comes out: statuses, the report, the outputs, and the error.

pub(crate) mod critical;
pub(crate) mod error;
pub(crate) mod refusal;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod status;
