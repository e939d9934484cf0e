//! An execution that has started.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::outcome::error::FlowError;
use crate::outcome::report::Report;
use crate::outcome::run::Run;
use crate::run::future::RunFuture;
use crate::run::stop::Mode;
use crate::run::stop_handle::StopHandle;
use crate::sync::{Mutex, lock};

/// An execution that has started: a future of its [`Run`], made by [`Flow::start`].
///
/// The run makes progress even if the future is not polled. Dropping the future cancels the run,
/// like dropping an [`Execute`].
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let answer = flow.add(async || 42);
/// let running = flow.start();
/// assert_eq!(running.await?[answer], 42);
/// # Ok(())
/// # }
/// ```
///
/// [`Flow::start`]: crate::Flow::start
/// [`Execute`]: crate::Execute
#[must_use = "dropping it cancels the run"]
pub struct Running {
    /// In a mutex, so that [`report`](Self::report) can store the result of a run that has ended.
    state: Mutex<State>,
}

enum State {
    Running(RunFuture),
    Over(Result<Run, FlowError>),
    Done,
}

impl Running {
    pub(crate) fn new(started: Result<RunFuture, FlowError>) -> Self {
        Self {
            state: Mutex::new(match started {
                Ok(run) => State::Running(run),
                Err(error) => State::Over(Err(error)),
            }),
        }
    }

    /// Cancels the run and waits until everything has stopped.
    ///
    /// Async functions are dropped at their await point, plain functions run to their end, and
    /// [`always`](crate::TaskExt::always) tasks still run.
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
    ///
    /// # Errors
    ///
    /// Returns an error that says that the run was cancelled, or which tasks failed. Returns `Ok` if
    /// the run had succeeded before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the run. Plain functions that are still running are then not
    /// waited for.
    pub async fn cancel(self) -> Result<Run, FlowError> {
        self.stop(Mode::Stopping);
        self.await
    }

    /// Returns a handle that stops this run, from anywhere.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(async || std::future::pending::<()>().await);
    /// let running = flow.start();
    /// let stop = running.stop_handle();
    /// std::thread::spawn(move || stop.stop());
    /// assert!(running.await.unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_handle(&self) -> StopHandle {
        let handle = StopHandle::new();
        if let State::Running(run) = &*lock(&self.state) {
            run.attach(&handle);
        }
        handle
    }

    /// Stops the run.
    fn stop(&self, mode: Mode) {
        if let State::Running(run) = &*lock(&self.state) {
            run.stop(mode);
        }
    }

    /// Returns the status of every task so far.
    ///
    /// Returns `None` if the execution was refused, and for the short time in which a run that has
    /// just ended is being closed.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let hang = flow.add(async || std::future::pending::<()>().await);
    /// let running = flow.start();
    /// let report = running.report().expect("the run goes on");
    /// assert_eq!(report.status(hang), TaskStatus::Unfinished);
    /// assert!(running.cancel().await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn report(&self) -> Option<Report> {
        let mut state = lock(&self.state);
        if let State::Running(run) = &mut *state {
            if let Some(report) = run.report_so_far() {
                return Some(report);
            }
            if let Some(result) = run.result() {
                *state = State::Over(result);
            }
        }
        match &*state {
            State::Over(Ok(run)) => Some(run.report().clone()),
            State::Over(Err(error)) => error.report().cloned(),
            State::Running(_) | State::Done => None,
        }
    }
}

impl Future for Running {
    type Output = Result<Run, FlowError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.state);
        let result = match &mut *state {
            State::Running(run) => ready!(Pin::new(run).poll(cx)),
            _ => match std::mem::replace(&mut *state, State::Done) {
                State::Over(result) => result,
                _ => panic!("a run was polled after it was done"),
            },
        };
        *state = State::Done;
        Poll::Ready(result)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}
