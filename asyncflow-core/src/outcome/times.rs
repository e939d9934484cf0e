//! When what happened to a task.

use std::time::Duration;

/// When a task of a timed run became ready, got its permits, started and ended, since the start of
/// the run. What did not happen is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the last of its upstreams had ended.
    pub ready: Option<Duration>,
    /// When it had the permits that it needs, for its last attempt.
    pub permitted: Option<Duration>,
    /// When its function was first called.
    pub started: Option<Duration>,
    /// When it had its status.
    pub ended: Option<Duration>,
}
