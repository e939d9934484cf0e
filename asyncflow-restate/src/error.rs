//! The error of a remote task.

use std::error::Error;
use std::fmt;

/// Why a job has no output. It is the error of its task; see
/// [`Failure::error`](asyncflow_core::Failure::error).
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
/// use asyncflow::restate::{Cluster, Job, RemoteError, RemoteErrorKind};
///
/// const HALF: Job<u32, u32> = Job::new("half", 1);
///
/// fn half(number: &u32) -> Result<u32, String> {
///     match number % 2 {
///         0 => Ok(number / 2),
///         _ => Err(format!("{number} is odd")),
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let cluster = Cluster::local().job(HALF, half);
/// let mut flow = TokioFlow::new();
/// let number = flow.add(|| 7_u32);
/// flow.add(cluster.remote(HALF).inputs(number).named("half"));
///
/// let error = flow.execute().await.unwrap_err();
/// assert_eq!(error.to_string(), "task `half` failed: job `half` (version 1) failed: 7 is odd");
/// let error = error.failures().next().unwrap().error();
/// let error = error.downcast_ref::<RemoteError>().unwrap();
/// assert_eq!(error.kind(), RemoteErrorKind::Failed);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteError {
    kind: RemoteErrorKind,
    message: String,
}

/// The kinds of [`RemoteError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// The job's function returned an error or panicked.
    Failed,
    /// No worker offers the job in this version.
    UnknownJob,
    /// The input or the output is larger than the engine takes.
    TooLarge,
    /// The input or the output is not a value of its type.
    Unfit,
    /// The engine could not be reached for as long as [`Cluster::patience`](crate::Cluster::patience).
    Unreachable,
    /// The engine ended the job, because someone asked it to.
    Cancelled,
    /// The engine answered with something else.
    Other,
}

impl RemoteError {
    pub(crate) fn new(kind: RemoteErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> RemoteErrorKind {
        self.kind
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RemoteError {}
