//! Stop handles: how runs are stopped from anywhere.
//!
//! A handle has a list of the runs that it stops, without keeping them from ending. A run that ends takes
//! itself off the lists that it is on. Whether the handle was stopped is under the same lock as its list, so
//! a run that is attached is either on the list when the handle is stopped, or finds that it was.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::number_map::NumberMap;
use crate::sync::{Mutex, lock};

use super::execution::Execution;
use super::guard::RunGuard;
use super::stop::Mode;

/// Stops runs from anywhere: from a handler of ctrl-c, another task, another thread.
///
/// Given to executions with [`stop_with`](crate::Execute::stop_with), or returned by
/// [`Running::stop_handle`](crate::Running::stop_handle). All clones are one handle, which can stop any
/// number of runs.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() {
/// let mut flow = TokioFlow::new();
/// flow.add(async || std::future::pending::<()>().await);
/// let tidy = flow.add((|| println!("tidied up")).always());
///
/// let stop = StopHandle::new();
/// let handle = stop.clone();
/// tokio::spawn(async move {
///     // In a program: `tokio::signal::ctrl_c().await`.
///     handle.stop();
/// });
/// let error = flow.execute().stop_with(&stop).await.unwrap_err();
/// assert!(error.is_cancelled());
/// assert_eq!(error.report().unwrap().status(tidy), TaskStatus::Succeeded);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct StopHandle(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    stopped: bool,
    runs: NumberMap<u64, Weak<Execution>>,
}

/// The entry of a run in the list of a handle. Taken off when it is dropped.
pub(super) struct Attachment {
    handle: StopHandle,
    key: u64,
}

impl StopHandle {
    /// Makes a handle that was not stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the runs of this handle as [`Running::cancel`](crate::Running::cancel) does, and every run
    /// that it is given to from now on. Does not wait for their end.
    ///
    /// Async functions are dropped at their await point, plain functions run to their end, and
    /// [`always`](crate::TaskExt::always) tasks still run. The executions end with an error of the
    /// kind [`Cancelled`](crate::FlowErrorKind::Cancelled), unless they have succeeded before.
    pub fn stop(&self) {
        let runs: Vec<Weak<Execution>> = {
            let mut state = lock(&self.0);
            state.stopped = true;
            state.runs.iter().map(|(_, run)| run.clone()).collect()
        };
        // Without the lock, because a run that ends takes itself off the list.
        for run in runs {
            if let Some(run) = RunGuard::upgrade(&run) {
                run.stop(Mode::Stopping);
            }
        }
    }

    /// Returns `true` if this handle, or a clone of it, was stopped.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    ///
    /// let stop = StopHandle::new();
    /// assert!(!stop.is_stopped());
    /// stop.clone().stop();
    /// assert!(stop.is_stopped());
    /// ```
    pub fn is_stopped(&self) -> bool {
        lock(&self.0).stopped
    }

    /// Lets the handle stop a run, at once if it was stopped before.
    pub(super) fn attach(&self, run: &RunGuard) {
        let mut state = lock(&self.0);
        if state.stopped {
            drop(state);
            run.stop(Mode::Stopping);
            return;
        }
        let key = state.runs.push(run.downgrade());
        drop(state);
        let attachment = Attachment {
            handle: self.clone(),
            key,
        };
        lock(&run.attachments).push(attachment);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let run = lock(&self.handle.0).runs.remove(self.key);
        drop(run);
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0);
        f.debug_struct("StopHandle")
            .field("stopped", &state.stopped)
            .field("runs", &state.runs.len())
            .finish()
    }
}
