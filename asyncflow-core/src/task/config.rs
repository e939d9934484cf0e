//! What a user may ask of one task.

use std::fmt;
use std::time::Duration;

use crate::handle::{TaskId, TaskIds};
use crate::lock::Permits;

/// Everything that was asked of a task, apart from its inputs.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) upstreams: TaskIds,
    /// Upstreams whose end it waits for, however they end.
    pub(crate) awaited: TaskIds,
    /// One list for each call of `after_any`, since each needs a success of its own.
    pub(crate) any: Vec<TaskIds>,
    /// Boxed, because most tasks ask for nothing of it.
    pub(crate) config: Option<Box<Config>>,
}

impl Request {
    pub(crate) fn config(&mut self) -> &mut Config {
        self.config.get_or_insert_default()
    }
}

/// What is kept of a task's configuration in the flow.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) name: Option<Box<str>>,
    /// In the order in which they are taken; see [`merge`](crate::lock::merge).
    pub(crate) permits: Vec<Permits>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Box<Backoffs>>,
    /// Starts once its upstreams have ended, however they ended.
    pub(crate) always: bool,
    /// Starts only if the output of this task is `true`.
    pub(crate) condition: Option<TaskId>,
}

/// Makes the pauses between the attempts of one execution.
pub(crate) type Backoffs = dyn Fn() -> Box<dyn Iterator<Item = Duration> + Send> + Send + Sync;

impl Config {
    /// Whether starting the task takes more than calling its function.
    pub(crate) fn supervised(&self) -> bool {
        !self.permits.is_empty() || self.timeout.is_some() || self.retry.is_some()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("permits", &self.permits)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry.is_some())
            .field("always", &self.always)
            .field("condition", &self.condition)
            .finish()
    }
}
