//! How an attempt ended.

use crate::unwind;

use super::failure::Cause;
use super::statuses::Status;

/// How one call of a task's function ended, or why it was not called.
#[derive(Debug)]
pub enum End {
    /// It returned, and its output is stored.
    Succeeded,
    /// It failed, and the fallback of the task stored an output in its place.
    Recovered,
    /// It was not called: its output of an earlier execution is stored.
    Restored,
    /// It returned an error, panicked, or took too long.
    Failed(Cause),
    /// The run stopped before it returned.
    Cancelled,
}

impl End {
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Succeeded => Status::Succeeded,
            Self::Recovered => Status::Recovered,
            Self::Restored => Status::Restored,
            Self::Failed(cause) => cause.status(),
            Self::Cancelled => Status::Cancelled,
        }
    }

    /// Drops an end that is not reported, whatever the error does in its `Drop`.
    pub(crate) fn discard(self) {
        unwind::contain(|| drop(self));
    }
}
