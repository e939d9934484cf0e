//! The error of an execution.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::graph::refusal::Refusal;
use crate::task::failure::{Failure, Quoted};
use crate::task::status::TaskStatus;
use crate::unwind;

use super::report::Report;
use super::run::Run;

/// Why an execution failed.
///
/// [`kind`](Self::kind) distinguishes a failure from a cancel, a refusal and so on. `Display` names
/// every task that failed, in the order of declaration, with its cause, and counts the skipped
/// tasks. If flows are nested more than a hundred levels deep, it leaves out the levels between and
/// prints the innermost failure. `source` returns the error of the first failure. `Debug` prints the
/// same text and the chain of causes, so that a `main` that returns the error prints something
/// useful.
///
/// ```
/// use asyncflow::prelude::*;
/// use asyncflow::{FlowErrorKind, TokioFlow};
///
/// # #[tokio::main]
/// # async fn main() {
/// let mut flow = TokioFlow::new();
/// let fetch = || -> Result<String, &str> { Err("no route to host") };
/// let fetch = flow.add(fetch.named("fetch"));
/// flow.add((|page: &String| page.len()).inputs(fetch).named("count"));
///
/// let error = flow.execute().await.unwrap_err();
/// assert_eq!(error.kind(), FlowErrorKind::Failed);
/// assert_eq!(error.to_string(), "task `fetch` failed: no route to host (1 skipped)");
/// # }
/// ```
pub struct FlowError(Box<Reason>);

enum Reason {
    /// Found before anything started.
    Refused(Refusal),
    Ran(Ended, Run),
}

/// How a run ended, if not with success.
enum Ended {
    /// At least one task failed. The report has the failures.
    Failed,
    Cancelled,
    /// The deadline passed, which was this long after the start.
    TimedOut(Duration),
    Abandoned,
}

/// The kinds of [`FlowError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowErrorKind {
    /// At least one task failed, panicked or timed out.
    Failed,
    /// The run was cancelled, and no task had failed.
    Cancelled,
    /// The [deadline](crate::Execute::deadline) of the run passed, and no task had failed.
    TimedOut,
    /// Something is wrong with the flow or with how it was executed. Nothing started.
    Refused,
    /// The runtime shut down in the middle of the run.
    Abandoned,
}

impl FlowError {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self(Box::new(Reason::Refused(refusal)))
    }

    /// At least one task of the run has failed.
    pub(crate) fn failed(run: Run) -> Self {
        Self(Box::new(Reason::Ran(Ended::Failed, run)))
    }

    pub(crate) fn cancelled(run: Run) -> Self {
        Self(Box::new(Reason::Ran(Ended::Cancelled, run)))
    }

    pub(crate) fn timed_out(run: Run, deadline: Duration) -> Self {
        Self(Box::new(Reason::Ran(Ended::TimedOut(deadline), run)))
    }

    pub(crate) fn abandoned(run: Run) -> Self {
        Self(Box::new(Reason::Ran(Ended::Abandoned, run)))
    }

    /// Returns the kind of the error.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    /// use asyncflow::{FlowErrorKind, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.input::<u32>("id");
    /// let error = flow.execute().await.unwrap_err();
    /// assert_eq!(error.kind(), FlowErrorKind::Refused);
    /// assert!(error.to_string().starts_with("input `id` was not given"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> FlowErrorKind {
        match &*self.0 {
            Reason::Refused(_) => FlowErrorKind::Refused,
            Reason::Ran(Ended::Failed, _) => FlowErrorKind::Failed,
            Reason::Ran(Ended::Cancelled, _) => FlowErrorKind::Cancelled,
            Reason::Ran(Ended::TimedOut(_), _) => FlowErrorKind::TimedOut,
            Reason::Ran(Ended::Abandoned, _) => FlowErrorKind::Abandoned,
        }
    }

    /// Returns every task that failed, panicked or timed out, in the order of declaration.
    ///
    /// Of an [`each`](crate::each()), every element that failed, with a name like `fetch[17]`.
    ///
    /// A task that was cancelled after a failed attempt is not among them.
    /// [`TaskReport::failure`](crate::TaskReport::failure) has its error.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add((|| Err::<(), _>("no luck")).named("fetch"));
    /// let error = flow.execute().await.unwrap_err();
    /// let failure = error.failures().next().unwrap();
    /// assert_eq!(failure.task(), fetch.into());
    /// assert_eq!(failure.to_string(), "task `fetch` failed: no luck");
    /// # Ok(())
    /// # }
    /// ```
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.report().into_iter().flat_map(Report::failed)
    }

    /// Returns the report of the run, or `None` if nothing started.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fails = flow.add(|| Err::<(), _>("no luck"));
    /// let after = flow.add((|| {}).after(fails));
    /// let error = flow.execute().await.unwrap_err();
    /// let skipped = TaskStatus::Skipped { because: fails.into() };
    /// assert_eq!(error.report().unwrap().status(after), skipped);
    /// # Ok(())
    /// # }
    /// ```
    pub fn report(&self) -> Option<&Report> {
        self.outputs().map(Run::report)
    }

    /// Returns the outputs of the tasks that succeeded, or `None` if nothing started.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let page = flow.add(|| "a page");
    /// flow.add((|_: &&str| Err::<(), _>("no luck")).inputs(page));
    /// let error = flow.execute().await.unwrap_err();
    /// assert_eq!(error.outputs().unwrap()[page], "a page");
    /// # Ok(())
    /// # }
    /// ```
    pub fn outputs(&self) -> Option<&Run> {
        match &*self.0 {
            Reason::Refused(_) => None,
            Reason::Ran(_, run) => Some(run),
        }
    }

    /// Converts the error into the outputs of the tasks that succeeded, or `None` if nothing
    /// started.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let page = flow.add(|| String::from("a page"));
    /// flow.add((|_: &String| Err::<(), _>("no luck")).inputs(page));
    /// let error = flow.execute().await.unwrap_err();
    /// let mut outputs = error.into_outputs().unwrap();
    /// assert_eq!(outputs.take(page), Some("a page".to_owned()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_outputs(self) -> Option<Run> {
        match *self.0 {
            Reason::Refused(_) => None,
            Reason::Ran(_, run) => Some(run),
        }
    }

    /// Returns `true` if the run was cancelled and no task had failed.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(async || std::future::pending::<()>().await);
    /// let error = flow.start().cancel().await.unwrap_err();
    /// assert!(error.is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.kind() == FlowErrorKind::Cancelled
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ended, run) = match &*self.0 {
            Reason::Refused(refusal) => return refusal.fmt(f),
            Reason::Ran(ended, run) => (ended, run),
        };
        match ended {
            Ended::Failed => {
                let nesting = Nesting::enter();
                match nesting.depth() {
                    ..=MOST_CAUSES => {}
                    // The innermost error may be a user's that contains a `FlowError` again.
                    depth if depth > MOST_CAUSES + 1 => return f.write_str("..."),
                    _ => return write!(f, "... {}", Quoted(innermost(run))),
                }
                for (position, failure) in run.report().failed().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{failure}")?;
                }
            }
            Ended::Cancelled => f.write_str("the run was cancelled")?,
            Ended::TimedOut(deadline) => {
                write!(f, "the run was stopped by its deadline of {deadline:?}")?;
            }
            Ended::Abandoned => f.write_str(
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
        match &*self.0 {
            Reason::Refused(Refusal::Recorder(error)) => Some(&***error),
            _ => self.failures().next().map(|failure| {
                let error: &(dyn Error + 'static) = failure.error();
                error
            }),
        }
    }
}

/// How many causes `Debug` prints, because a chain of causes may be a loop, and how many levels of
/// nested flows `Display` prints, because each takes stack, before it skips to the innermost.
const MOST_CAUSES: usize = 100;

thread_local! {
    static NESTING: Cell<usize> = const { Cell::new(0) };
}

/// Counts how many `FlowError`s this thread is printing inside one another. The error of a flow
/// prints the errors of the flows in it, which may be nested to any depth.
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

/// Follows the first failure through nested flows, to the first error that is not of a failed flow.
fn innermost(mut run: &Run) -> &(dyn Error + Send + Sync + 'static) {
    loop {
        let failure = run.report().failed().next();
        let error = failure.expect("at least one task failed").error();
        match error.downcast_ref::<FlowError>().map(|inner| &*inner.0) {
            Some(Reason::Ran(Ended::Failed, inner)) => run = inner,
            _ => return error,
        }
    }
}

/// The source of a user's error, or `None` if `source` panics.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match unwind::catch(|| error.source()) {
        Ok(source) => source,
        Err(payload) => {
            unwind::discard(payload);
            None
        }
    }
}
