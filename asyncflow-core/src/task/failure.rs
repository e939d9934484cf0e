//! Failures: why an attempt at a task failed.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::deep_drop::deep_drop;
use crate::handle::TaskId;
use crate::output::BoxError;
use crate::unwind::{self, Payload};

use super::status::TaskStatus;

/// A task that failed, and why.
pub struct Failure {
    task: TaskId,
    name: String,
    cause: Cause,
}

impl Failure {
    pub(crate) fn new(task: TaskId, name: String, cause: Cause) -> Self {
        Self { task, name, cause }
    }

    /// The handle of the task.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The name of the task.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Failed`, `Panicked` or `TimedOut`.
    pub fn status(&self) -> TaskStatus {
        match &self.cause {
            Cause::Error(_) => TaskStatus::Failed,
            Cause::Panic(_) => TaskStatus::Panicked,
            Cause::Timeout(_) => TaskStatus::TimedOut,
        }
    }

    /// The error that the task returned, or a [`Panic`] or [`TimedOut`].
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        match &self.cause {
            Cause::Error(error) => &**error,
            Cause::Panic(panic) => panic,
            Cause::Timeout(timeout) => timeout,
        }
    }

    /// The panic, if the task panicked.
    pub fn panic(&self) -> Option<&Panic> {
        match &self.cause {
            Cause::Panic(panic) => Some(panic),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.cause {
            Cause::Error(error) => write!(f, "task `{name}` failed: {}", Quoted(&**error)),
            Cause::Panic(panic) => write!(f, "task `{name}` panicked: {}", panic.message()),
            Cause::Timeout(timeout) => write!(f, "task `{name}` {timeout}"),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Drop for Failure {
    fn drop(&mut self) {
        // The `Drop` of a user's error may panic. If two errors of one `FlowError` did, the process
        // would abort.
        let nothing = Cause::Timeout(TimedOut(Duration::ZERO));
        let cause = std::mem::replace(&mut self.cause, nothing);
        // The error of a nested flow holds failures in turn, and so on.
        unwind::contain(|| deep_drop(cause));
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Cause {
    /// It returned this error.
    Error(BoxError),
    Panic(Panic),
    Timeout(TimedOut),
}

impl Cause {
    pub(crate) fn panic(payload: Payload) -> Self {
        Self::Panic(Panic::new(payload))
    }
}

/// The cause alone, without the name of the task.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => Quoted(&**error).fmt(f),
            Self::Panic(panic) => f.write_str(panic.message()),
            Self::Timeout(timeout) => timeout.fmt(f),
        }
    }
}

/// The panic of a task, with its payload.
pub struct Panic {
    message: String,
    /// In a mutex because payloads need not be `Sync`.
    payload: Mutex<Option<Payload>>,
}

impl Panic {
    fn new(payload: Payload) -> Self {
        let message = unwind::message(&payload);
        Self {
            message: message
                .unwrap_or("a panic whose payload is no message")
                .to_owned(),
            payload: Mutex::new(Some(payload)),
        }
    }

    /// The message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Takes the payload, to downcast it or to resume the panic. Returns `None` the second time.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.payload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message).finish()
    }
}

impl Error for Panic {}

impl Drop for Panic {
    fn drop(&mut self) {
        if let Some(payload) = self.take_payload() {
            unwind::discard(payload);
        }
    }
}

/// An attempt took longer than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut(pub(crate) Duration);

impl TimedOut {
    /// The limit.
    pub fn limit(self) -> Duration {
        self.0
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out after {:?}", self.0)
    }
}

impl Error for TimedOut {}

/// A user's error, whose `Display` may panic.
pub(crate) struct Quoted<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match unwind::catch(|| self.0.to_string()) {
            Ok(text) => f.write_str(&text),
            Err(payload) => {
                unwind::discard(payload);
                f.write_str("(an error whose `Display` panics)")
            }
        }
    }
}
