//! Errors: why an execution gave no `Run`.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use crate::graph::refusal::Refusal;
use crate::task::failure::{Failure, Quoted};
use crate::task::status::TaskStatus;
use crate::unwind;

use super::report::Report;
use super::run::Run;

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
