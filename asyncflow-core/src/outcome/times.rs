//! The times of a task.

use std::time::Duration;

/// When a task of a timed run became ready, got its permits, started and ended.
///
/// Each time is counted from the start of the run, and `None` if the event did not happen.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add(async || {});
/// let run = flow.execute().timed().await?;
/// let times = run.report().task(fetch).times().unwrap();
/// assert!(times.ready <= times.started && times.started <= times.ended);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the upstreams that the task waits for had ended.
    pub ready: Option<Duration>,
    /// When the task got its permits for its last attempt.
    pub permitted: Option<Duration>,
    /// When the function was first called.
    pub started: Option<Duration>,
    /// When the task got its final status.
    pub ended: Option<Duration>,
}
