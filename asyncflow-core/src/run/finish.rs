//! The end of a run: what is left of it, and its result.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::node_index::NodeIndex;
use crate::outcome::error::FlowError;
use crate::outcome::report::Report;
use crate::outcome::run::Run;
use crate::task::status::TaskStatus;
use crate::task::statuses::Status;
use crate::unwind;

use super::execution::Execution;
use super::guard::RunGuard;
use super::stop::Mode;
use super::validate::Outer;

/// What is left of a run when its last guard is gone.
pub(crate) struct Finished {
    report: Report,
    mode: Mode,
    /// The deadline that stopped the run, if one did.
    deadline: Option<Duration>,
    all_succeeded: bool,
}

impl Execution {
    /// Ends the run. Called when its last guard is gone, and with it everything that ran. Gives back
    /// the share in the outer run, which may only end now.
    pub(super) fn finish(self) -> Option<RunGuard> {
        let mode = self.mode();
        let all_succeeded = self.statuses().all_succeeded();
        if !all_succeeded {
            self.settle_the_rest();
        }
        if let Some(watch) = &self.watch {
            watch.run_ended();
        }
        if let Some(longest) = self.longest_turn() {
            self.graph().turn_cost.note(longest);
        }
        let mut storage = self.storage;
        let alone = Arc::get_mut(&mut storage);
        alone
            .expect("what has a share in the storage is dropped before its guard")
            .close(all_succeeded);
        drop(self.attachments);
        // Before the caller hears of the end, who may then execute the same run again.
        unwind::contain(|| drop(self.recording));
        for (_, unused) in into_inner(self.given) {
            unwind::contain(|| drop(unused));
        }
        let details = into_inner(self.details).map(|details| *details);
        let measured = self.watch.and_then(|watch| watch.finish());
        let finished = Finished {
            report: Report::new(storage, details, measured),
            mode,
            deadline: self.deadline.and_then(|deadline| deadline.passed()),
            all_succeeded,
        };
        self.scheduler.finish(finished);
        self.outer.map(Outer::end)
    }

    /// Gives a status to the nodes that were never settled.
    fn settle_the_rest(&self) {
        for node in NodeIndex::all(self.graph().len()) {
            if self.statuses().get(node) != Status::Unfinished {
                continue;
            }
            let status = match (self.is_outside(node), self.node(node).is_gate()) {
                (true, _) => Status::NotSelected,
                // No task waited for it.
                (false, true) => Status::Succeeded,
                // The run was dropped, or the runtime shut down.
                (false, false) => Status::Cancelled,
            };
            self.statuses().set(node, status);
            if let (Some(watch), Status::Cancelled) = (&self.watch, status) {
                watch.ended(node, TaskStatus::Cancelled);
            }
        }
    }
}

impl Finished {
    /// The result of the run.
    pub(crate) fn conclude(self) -> Result<Run, FlowError> {
        let mut report = self.report;
        let failed = report.failed().next().is_some();
        let cut_short = !self.all_succeeded
            && report
                .tasks()
                .any(|task| task.status() == TaskStatus::Cancelled);
        let columns = report.take_columns();
        let run = Run::new(report, columns);
        match self.mode {
            _ if failed => Err(FlowError::failed(run)),
            _ if !cut_short => Ok(run),
            // It was not stopped, and yet there are tasks that did not end.
            Mode::Go => Err(FlowError::abandoned(run)),
            Mode::Stopping if self.deadline.is_some() => {
                Err(FlowError::timed_out(run, self.deadline.unwrap_or_default()))
            }
            Mode::Stopping | Mode::Dropped => Err(FlowError::cancelled(run)),
        }
    }

    /// Drops everything, whatever the outputs, errors and functions do in their `Drop`.
    pub(crate) fn discard(self) {
        // The flow may be gone already. Then its functions go with the graph.
        unwind::contain(|| drop(self.report));
    }
}

fn into_inner<T>(mutex: crate::sync::Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
