//! The status of a task after a run.

use std::fmt;

use crate::handle::TaskId;

/// What became of a task in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// Its function returned, and not an `Err`.
    Succeeded,
    /// Its function returned an `Err`.
    Failed,
    /// Its function panicked.
    Panicked,
    /// Its function took longer than its time limit.
    TimedOut,
    /// It was not started, because of another task.
    Skipped {
        /// The task that failed, or whose output `false` was the condition, and on which this one
        /// depends, maybe through others. Of several, the one that was declared first.
        because: TaskId,
    },
    /// The run stopped before it was started, or dropped its future at an await point.
    Cancelled,
    /// It was not a target of the run, nor upstream of one.
    NotSelected,
    /// Its value was given in place of calling its function.
    Given,
    /// It has not ended: only in the report of a [run that goes on](crate::Running::report).
    Unfinished,
}

impl TaskStatus {
    /// Whether tasks downstream could start: it succeeded, or was given.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::Given)
    }

    /// Whether it failed, panicked or timed out.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Panicked | Self::TimedOut)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed out",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
            Self::NotSelected => "not selected",
            Self::Given => "given",
            Self::Unfinished => "unfinished",
        })
    }
}
