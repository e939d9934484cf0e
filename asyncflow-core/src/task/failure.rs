//! Failures: a task that failed, and the cause.

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
use super::statuses::Status;

/// A task that failed, and the cause. From [`FlowError::failures`](crate::FlowError::failures) and
/// [`TaskReport::failure`](crate::TaskReport::failure).
///
/// `Display` names the task and the cause.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add((|| "x".parse::<u8>()).named("fetch"));
/// let error = flow.execute().await.unwrap_err();
/// let failure = error.failures().next().unwrap();
/// assert_eq!(failure.task(), fetch.into());
/// assert_eq!((failure.name(), failure.status()), ("fetch", TaskStatus::Failed));
/// assert!(failure.error().is::<std::num::ParseIntError>());
/// assert!(failure.panic().is_none());
/// assert_eq!(failure.to_string(), "task `fetch` failed: invalid digit found in string");
/// # Ok(())
/// # }
/// ```
pub struct Failure {
    task: TaskId,
    name: String,
    cause: Cause,
}

impl Failure {
    pub(crate) fn new(task: TaskId, name: String, cause: Cause) -> Self {
        Self { task, name, cause }
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(crate) fn into_cause(mut self) -> Cause {
        std::mem::replace(&mut self.cause, NO_CAUSE)
    }

    /// Returns the handle of the task.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Returns the name of the task.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how the task failed: `Failed`, `Panicked` or `TimedOut`.
    ///
    /// It is the status of the task, unless the task recovered, or was cancelled before another
    /// attempt was over.
    pub fn status(&self) -> TaskStatus {
        match &self.cause {
            Cause::Error(_) => TaskStatus::Failed,
            Cause::Panic(_) => TaskStatus::Panicked,
            Cause::Timeout(_) => TaskStatus::TimedOut,
            Cause::Elements(elements) => elements[0].status(),
        }
    }

    /// Returns the failures of the elements that failed, if the task is an [`each`](crate::each()): at least
    /// one, in the order of the list. Returns none for any other task.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let texts = flow.value(vec!["1", "two", "3", "four"]);
    /// let parse = |text: &&str| text.parse::<u8>();
    /// let parse = flow.add(each(parse).inputs(texts).named("parse"));
    /// let error = flow.execute().keep_going().await.unwrap_err();
    /// let report = error.report().unwrap();
    /// let failed = report.task(parse).failure().unwrap().elements();
    /// let names: Vec<_> = failed.iter().map(|failure| failure.name()).collect();
    /// assert_eq!(names, ["parse[1]", "parse[3]"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn elements(&self) -> &[Failure] {
        match &self.cause {
            Cause::Elements(elements) => elements,
            _ => &[],
        }
    }

    /// The failures of its elements, or this failure itself if it has none.
    pub(crate) fn apart(&self) -> &[Self] {
        match &self.cause {
            Cause::Elements(elements) => elements,
            _ => std::slice::from_ref(self),
        }
    }

    /// Returns the error that the function returned, or a [`Panic`] or [`TimedOut`]. Of several
    /// [elements](Self::elements), that of the first.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        match &self.cause {
            Cause::Error(error) => &**error,
            Cause::Panic(panic) => panic,
            Cause::Timeout(timeout) => timeout,
            Cause::Elements(elements) => elements[0].error(),
        }
    }

    /// Returns the panic, or `None` if the task did not panic.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| -> () { panic!("out of cheese") });
    /// let error = flow.execute().await.unwrap_err();
    /// let failure = error.failures().next().unwrap();
    /// assert_eq!(failure.panic().unwrap().message(), "out of cheese");
    /// # Ok(())
    /// # }
    /// ```
    pub fn panic(&self) -> Option<&Panic> {
        match &self.cause {
            Cause::Panic(panic) => Some(panic),
            Cause::Elements(elements) => elements[0].panic(),
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
            Cause::Elements(_) => self.cause.fmt(f),
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
        // The `Drop` of a user's error may panic. If two errors of one `FlowError` panicked, the
        // process would abort.
        let cause = std::mem::replace(&mut self.cause, NO_CAUSE);
        // The error of a nested flow contains failures, too, and so on.
        unwind::contain(|| deep_drop(Contained(Some(cause))));
    }
}

/// Stands for a cause that was moved out.
const NO_CAUSE: Cause = Cause::Timeout(TimedOut(Duration::ZERO));

/// Contains a panic of the drop, which may be done later by another `deep_drop` that passes panics
/// on, such as that of a run.
struct Contained(
    /// Present until it is dropped.
    Option<Cause>,
);

impl Drop for Contained {
    fn drop(&mut self) {
        let cause = self.0.take();
        unwind::contain(|| drop(cause));
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Cause {
    /// The function returned this error.
    Error(BoxError),
    Panic(Panic),
    Timeout(TimedOut),
    /// Elements of the task failed, at least one.
    Elements(Box<[Failure]>),
}

impl Cause {
    pub(crate) fn panic(payload: Payload) -> Self {
        Self::Panic(Panic::new(payload, None))
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Error(_) => Status::Failed,
            Self::Panic(_) => Status::Panicked,
            Self::Timeout(_) => Status::TimedOut,
            Self::Elements(elements) => elements[0].cause.status(),
        }
    }

    /// A panic of what was to decide what follows a failure.
    pub(crate) fn panic_after(failure: Failure, payload: Payload) -> Self {
        Self::Panic(Panic::new(payload, Some(Box::new(failure))))
    }
}

/// The cause alone, without the name of the task.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => Quoted(&**error).fmt(f),
            Self::Panic(panic) => match &panic.after {
                Some(failure) => write!(f, "{} (after: {})", panic.message(), failure.cause),
                None => f.write_str(panic.message()),
            },
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Elements(elements) => {
                for (position, element) in elements.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{element}")?;
                }
                Ok(())
            }
        }
    }
}

/// The panic of a task, from [`Failure::panic`] and [`Failure::error`].
///
/// If the [fallback](crate::TaskExt::fallback) of a task panicked, or its
/// [`retry_when`](crate::TaskExt::retry_when), then `source` returns the error of the attempt that
/// failed before.
pub struct Panic {
    message: String,
    /// In a mutex, because a payload need not be `Sync`.
    payload: Mutex<Option<Payload>>,
    /// What the code was called for that panicked.
    after: Option<Box<Failure>>,
}

impl Panic {
    fn new(payload: Payload, after: Option<Box<Failure>>) -> Self {
        let message = unwind::message(&payload);
        Self {
            message: message
                .unwrap_or("a panic whose payload is not a string")
                .to_owned(),
            payload: Mutex::new(Some(payload)),
            after,
        }
    }

    /// Returns the message of the panic.
    ///
    /// If the payload is not a string, the message says so.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Takes the payload, to downcast it or to resume the panic. Returns `None` if it was taken
    /// before.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| -> () { std::panic::panic_any(7_u8) });
    /// let error = flow.execute().await.unwrap_err();
    /// let panic = error.failures().next().unwrap().panic().unwrap();
    /// assert_eq!(*panic.take_payload().unwrap().downcast::<u8>().unwrap(), 7);
    /// assert!(panic.take_payload().is_none());
    /// # Ok(())
    /// # }
    /// ```
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

impl Error for Panic {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let failure = self.after.as_ref()?;
        let error: &(dyn Error + 'static) = failure.error();
        Some(error)
    }
}

impl Drop for Panic {
    fn drop(&mut self) {
        if let Some(payload) = self.take_payload() {
            unwind::discard(payload);
        }
    }
}

/// The error of a task that took longer than its [time limit](crate::TaskExt::timeout).
///
/// ```
/// use std::time::Duration;
///
/// use asyncflow::prelude::*;
/// use asyncflow::{TimedOut, TokioFlow};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let limit = Duration::from_millis(10);
/// flow.add((async || std::future::pending::<()>().await).timeout(limit));
/// let error = flow.execute().await.unwrap_err();
/// let cause = error.failures().next().unwrap().error();
/// assert_eq!(cause.downcast_ref::<TimedOut>().unwrap().limit(), limit);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut(pub(crate) Duration);

impl TimedOut {
    /// Returns the time limit of the attempt.
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

/// Prints a user's error, whose `Display` may panic.
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
