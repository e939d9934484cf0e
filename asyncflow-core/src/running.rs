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
use crate::sync::{Mutex, lock};

/// An execution that has started: a future of its [`Run`], made by [`Flow::start`].
///
/// It goes on whether or not this is polled. Dropping it cancels the run, like dropping an
/// [`Execute`].
///
/// [`Flow::start`]: crate::Flow::start
/// [`Execute`]: crate::Execute
#[must_use = "dropping it cancels the run"]
pub struct Running {
    /// In a mutex, so that [`report`](Self::report) can take note of an end.
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

    /// Cancels the run, and waits until everything has stopped: async tasks are dropped at their
    /// await point, blocking functions run to their end, and tasks made with
    /// [`always`](crate::TaskExt::always) do their clean-up.
    ///
    /// # Errors
    ///
    /// That the run was cancelled, or what had failed; nothing if it had come to its end before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the run: what has not stopped by then is not waited for.
    pub async fn cancel(self) -> Result<Run, FlowError> {
        self.stop(Mode::Stopping);
        self.await
    }

    /// Stops the run. Returns `true`, because it has started.
    pub(crate) fn stop(&self, mode: Mode) -> bool {
        if let State::Running(run) = &*lock(&self.state) {
            run.stop(mode);
        }
        true
    }

    /// What has become of every task so far.
    ///
    /// `None` if the flow was refused and nothing has started, and for the moment in which a run
    /// that has just ended is being closed.
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
