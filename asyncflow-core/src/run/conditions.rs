//! Conditions: whether a task whose upstreams have ended is to be started.

use crate::graph::Node;
use crate::graph::body::Body;
use crate::node_index::NodeIndex;
use crate::sync::lock;
use crate::task::config::ConditionKind;
use crate::task::failure::Cause;
use crate::task::skip_cause::SkipCause;
use crate::task::statuses::Status;
use crate::unwind;

use super::execution::Execution;
use super::observers::Watch;
use super::validate::contains;

impl Execution {
    /// The status of a ready task that is not to be started. It may be asked for several times,
    /// by one thread after the other.
    pub(super) fn refused(&self, index: NodeIndex, node: &Node) -> Option<Status> {
        if let Body::Value(_) = node.body {
            // Clean-up may borrow it, also in a run that stops before anything has started.
            return None;
        }
        let cause = self.statuses().skip_cause(index);
        if let (Some(cause), false) = (cause, node.always()) {
            return Some(cause.status());
        }
        match node.conditions() {
            [] => self.stops_task(index).then_some(Status::Cancelled),
            _ => self.refused_by_condition(index, node, cause),
        }
    }

    #[cold]
    fn refused_by_condition(
        &self,
        index: NodeIndex,
        node: &Node,
        cause: Option<SkipCause>,
    ) -> Option<Status> {
        // A function of the user is called once. What it said holds also if the run stops then.
        let decided = lock(&self.decided).get(index).copied();
        if let Some(Some(status)) = decided {
            return Some(status);
        }
        if self.stops_task(index) {
            return Some(Status::Cancelled);
        }
        if decided.is_some() {
            return None;
        }
        let status = self.decide(index, node, cause);
        let conditions = node.conditions().iter();
        if conditions
            .into_iter()
            .any(|condition| condition.kind == ConditionKind::When)
        {
            lock(&self.decided).insert(index, status);
        }
        status
    }

    fn decide(&self, index: NodeIndex, node: &Node, cause: Option<SkipCause>) -> Option<Status> {
        for condition in node.conditions() {
            let upstream = condition.task.index;
            // A run for some targets may leave out the conditions of a given task.
            if self.is_outside(upstream) {
                continue;
            }
            match unwind::catch(|| condition.holds(self.outputs())) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => {
                    let cause = SkipCause::Task(upstream);
                    self.statuses().set_skip_cause(index, cause);
                    return Some(Status::Skipped);
                }
                // The condition of a clean-up task failed, so there is nothing to decide by.
                Ok(None) => return Some(cause.map_or(Status::Cancelled, SkipCause::status)),
                Err(payload) => {
                    // Its function was not called.
                    self.note_attempts(index, 0);
                    self.note_failure(index, Cause::panic(payload));
                    return Some(Status::Panicked);
                }
            }
        }
        None
    }

    /// Whether a ready task will be started, unless the run stops.
    pub(super) fn is_startable(&self, index: NodeIndex) -> bool {
        let node = self.node(index);
        let has_function = !matches!(node.body, Body::Value(_));
        has_function && self.refused(index, node).is_none() && !contains(&lock(&self.given), index)
    }

    #[cold]
    pub(super) fn tell_ready(&self, node: NodeIndex, watch: &Watch) {
        watch.ready(node, || self.is_startable(node));
    }
}
