//! The status of a task.

use std::fmt;

use crate::handle::TaskId;

/// The status of a task in a run.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add(async || {});
/// let run = flow.execute().await?;
/// assert_eq!(run.report().status(fetch), TaskStatus::Succeeded);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// The function returned a value other than `Err`.
    Succeeded,
    /// Every attempt failed, and the [fallback](crate::TaskExt::fallback) of the task made its output.
    /// [`TaskReport::failure`](crate::TaskReport::failure) returns the last failure.
    Recovered,
    /// The function returned an `Err`.
    Failed,
    /// The function panicked.
    Panicked,
    /// The function took longer than its [time limit](crate::TaskExt::timeout).
    TimedOut,
    /// The task was not started, because of another task.
    Skipped {
        /// The skip cause: a task that failed, or a [condition](crate::TaskExt::run_if) that was
        /// `false`, on which this task depends directly or through others. If there are several,
        /// the one that was declared first.
        because: TaskId,
    },
    /// The run stopped before the task started, or while its future was at an await point.
    Cancelled,
    /// The task is neither a [target](crate::Execute::only) of the run nor upstream of one.
    NotSelected,
    /// The output was [given](crate::Execute::given), so the function was not called.
    Given,
    /// The output is that of an earlier execution, from a journal (`asyncflow::durable`), so the
    /// function was not called.
    Restored,
    /// The task has not ended. Occurs only in [`Running::report`](crate::Running::report).
    Unfinished,
}

impl TaskStatus {
    /// Returns `true` if the task succeeded, recovered, was given or restored, so that downstream
    /// tasks can start.
    ///
    /// ```
    /// use asyncflow::TaskStatus;
    ///
    /// assert!(TaskStatus::Given.is_success());
    /// assert!(!TaskStatus::Cancelled.is_success());
    /// ```
    pub fn is_success(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Recovered | Self::Given | Self::Restored
        )
    }

    /// Returns `true` if the task failed, panicked or timed out.
    ///
    /// ```
    /// use asyncflow::TaskStatus;
    ///
    /// assert!(TaskStatus::TimedOut.is_failure());
    /// assert!(!TaskStatus::Cancelled.is_failure());
    /// ```
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Panicked | Self::TimedOut)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::Recovered => "recovered",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed out",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
            Self::NotSelected => "not selected",
            Self::Given => "given",
            Self::Restored => "restored",
            Self::Unfinished => "unfinished",
        })
    }
}
