//! Errors: why an execution gave no `Run`.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::flat::drop_flat;
use crate::handle::TaskId;
use crate::output::BoxError;
use crate::run::end::{End, PanicPayload};
use crate::run::unwind::{self, Payload};

use super::refusal::Refusal;
use super::report::Report;
use super::run::Run;
use super::status::TaskStatus;

/// Why an execution failed.
///
/// `Display` names every task that failed, in backticks and in order of declaration, with its
/// cause, and counts those that were skipped; of flows that are nested more than a hundred deep it
/// skips to what failed in the innermost. `source` is the first failure's own error. `Debug`
/// prints the same and the chain of causes, so that a `main` that returns it reads well.
///
/// ```
/// # use asyncflow_core::{Flow, TaskExt, TaskStatus, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// let fetch = flow.add(|| -> Result<String, &str> { Err("no route to host") });
/// flow.add((|page: &String| page.len()).inputs(fetch).named("count"));
///
/// let error = block_on(flow.execute()).unwrap_err();
/// assert!(error.to_string().contains("no route to host"));
/// let failure = error.failures().next().unwrap();
/// assert_eq!(failure.status(), TaskStatus::Failed);
/// assert_eq!(failure.task(), fetch.into());
/// ```
pub struct FlowError(Box<Kind>);

enum Kind {
    /// Found before anything started.
    Refused(Refusal),
    Ran {
        why: Why,
        run: Run,
    },
}

/// Why a run is not a success.
enum Why {
    /// In order of declaration; at least one.
    Failed(Vec<Failure>),
    /// It was cancelled, and nothing failed.
    Cancelled,
    /// The runtime went away in the middle of it.
    Abandoned,
}

impl FlowError {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self(Box::new(Kind::Refused(refusal)))
    }

    pub(crate) fn failed(failures: Vec<Failure>, run: Run) -> Self {
        let why = Why::Failed(failures);
        Self(Box::new(Kind::Ran { why, run }))
    }

    pub(crate) fn cancelled(run: Run) -> Self {
        let why = Why::Cancelled;
        Self(Box::new(Kind::Ran { why, run }))
    }

    pub(crate) fn abandoned(run: Run) -> Self {
        let why = Why::Abandoned;
        Self(Box::new(Kind::Ran { why, run }))
    }

    /// Every task that failed, panicked or timed out, in order of declaration.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        let failures = match &*self.0 {
            Kind::Ran {
                why: Why::Failed(failures),
                ..
            } => failures.as_slice(),
            _ => &[],
        };
        failures.iter()
    }

    /// What became of every task; `None` when nothing started.
    pub fn report(&self) -> Option<&Report> {
        self.outputs().map(Run::report)
    }

    /// The outputs of the tasks that did succeed; `None` when nothing started.
    pub fn outputs(&self) -> Option<&Run> {
        match &*self.0 {
            Kind::Refused(_) => None,
            Kind::Ran { run, .. } => Some(run),
        }
    }

    /// Like [`outputs`](Self::outputs), to take them.
    pub fn into_outputs(self) -> Option<Run> {
        match *self.0 {
            Kind::Refused(_) => None,
            Kind::Ran { run, .. } => Some(run),
        }
    }

    /// Whether the run was cancelled by a call, and nothing had failed.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            &*self.0,
            Kind::Ran {
                why: Why::Cancelled,
                ..
            }
        )
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, run) = match &*self.0 {
            Kind::Refused(refusal) => return refusal.fmt(f),
            Kind::Ran { why, run } => (why, run),
        };
        match why {
            Why::Failed(failures) => {
                let nesting = Nesting::enter();
                match nesting.depth() {
                    ..=MOST_CAUSES => {}
                    // What is below may have errors of flows in it, too, in errors of the user's.
                    depth if depth > MOST_CAUSES + 1 => return f.write_str("..."),
                    _ => return write!(f, "... {}", Quoted(innermost(failures))),
                }
                for (position, failure) in failures.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{failure}")?;
                }
            }
            Why::Cancelled => f.write_str("the run was cancelled")?,
            Why::Abandoned => f.write_str(
                "the runtime shut down in the middle of the run: keep it alive until `execute` returns",
            )?,
        }
        let report = run.report();
        let skipped = report.count(|status| matches!(status, TaskStatus::Skipped { .. }));
        let cancelled = report.count(|status| status == TaskStatus::Cancelled);
        match (skipped, cancelled) {
            (0, 0) => Ok(()),
            (_, 0) => write!(f, " ({skipped} skipped)"),
            (0, _) => write!(f, " ({cancelled} cancelled)"),
            _ => write!(f, " ({skipped} skipped, {cancelled} cancelled)"),
        }
    }
}

impl fmt::Debug for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for failure in self.failures() {
            let mut cause = source(failure.error());
            if cause.is_some() {
                write!(f, "\n\n`{}` was caused by:", failure.name())?;
            }
            let mut depth = 0;
            while let Some(error) = cause {
                depth += 1;
                if depth > MOST_CAUSES {
                    f.write_str("\n    ...")?;
                    break;
                }
                write!(f, "\n    {}", Quoted(error))?;
                cause = source(error);
            }
        }
        Ok(())
    }
}

impl Error for FlowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures().next().map(|failure| {
            let error: &(dyn Error + 'static) = failure.error();
            error
        })
    }
}

/// One task that failed, and how.
pub struct Failure {
    task: TaskId,
    name: String,
    cause: Cause,
}

impl Failure {
    pub(crate) fn new(task: TaskId, name: String, end: End) -> Self {
        Self {
            task,
            name,
            cause: Cause::new(end),
        }
    }

    /// The task.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Its name.
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

    /// The task's own error, or a [`Panic`] or [`TimedOut`].
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
        // Errors are values of the user's, whose `Drop` may panic; two that do, dropped one after
        // the other by whoever drops the `FlowError`, would abort the process.
        let nothing = Cause::Timeout(TimedOut(Duration::ZERO));
        let cause = std::mem::replace(&mut self.cause, nothing);
        // The errors of flows in the flow are errors like this one, and so on.
        unwind::contain(|| drop_flat(cause));
    }
}

/// What a task failed of.
pub(crate) enum Cause {
    Error(BoxError),
    Panic(Panic),
    Timeout(TimedOut),
}

impl Cause {
    fn new(end: End) -> Self {
        match end {
            End::Failed(error) => Self::Error(error),
            End::Panicked(PanicPayload(payload)) => Self::Panic(Panic::new(payload)),
            End::TimedOut(limit) => Self::Timeout(TimedOut(limit)),
            End::Done | End::Cancelled | End::HandedOver => {
                unreachable!("only failures are kept as troubles")
            }
        }
    }

    /// The end of an attempt in words.
    pub(crate) fn describe(end: &End) -> String {
        match end {
            End::Failed(error) => Quoted(&**error).to_string(),
            End::Panicked(payload) => unwind::message(&payload.0).unwrap_or(NO_MESSAGE).to_owned(),
            End::TimedOut(limit) => TimedOut(*limit).to_string(),
            End::Done | End::Cancelled | End::HandedOver => String::new(),
        }
    }
}

/// How many causes `Debug` prints: a chain may lead back to where it came from. Also of how many
/// flows in each other `Display` names the tasks, before it skips to the innermost.
const MOST_CAUSES: usize = 100;

thread_local! {
    static NESTING: Cell<usize> = const { Cell::new(0) };
}

/// Counts the errors that are being printed inside of each other on this thread: that of a flow
/// prints those of the flows in it, which may be nested in any depth.
struct Nesting;

impl Nesting {
    fn enter() -> Self {
        NESTING.set(NESTING.get() + 1);
        Self
    }

    fn depth(&self) -> usize {
        NESTING.get()
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        NESTING.set(NESTING.get() - 1);
    }
}

/// What is at the bottom of failures that are those of flows: the first that is none of a flow.
fn innermost(mut failures: &[Failure]) -> &(dyn Error + Send + Sync + 'static) {
    loop {
        let error = failures[0].error();
        match error.downcast_ref::<FlowError>().map(|inner| &*inner.0) {
            Some(Kind::Ran {
                why: Why::Failed(inner),
                ..
            }) => failures = inner,
            _ => return error,
        }
    }
}

/// What a user's error says is its cause, unless it panics instead.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match unwind::catch(|| error.source()) {
        Ok(source) => source,
        Err(payload) => {
            unwind::discard(payload);
            None
        }
    }
}

const NO_MESSAGE: &str = "a panic whose payload is no message";

/// A task's panic, with its payload.
pub struct Panic {
    message: String,
    /// In a mutex because payloads need not be `Sync`.
    payload: Mutex<Option<Payload>>,
}

impl Panic {
    fn new(payload: Payload) -> Self {
        Self {
            message: unwind::message(&payload).unwrap_or(NO_MESSAGE).to_owned(),
            payload: Mutex::new(Some(payload)),
        }
    }

    /// The message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Takes the payload, to downcast it or to resume the panic; `None` the second time.
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
pub struct TimedOut(Duration);

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
struct Quoted<'a>(&'a (dyn Error + 'static));

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
