//! Step: what to do with a ready task.

use crate::graph::Node;
use crate::graph::body::{AsyncBody, Body};
use crate::node_index::NodeIndex;
use crate::sync::lock;
use crate::task::statuses::Status;

use super::execution::Execution;
use super::observers::Watch;
use super::validate::remove;

/// What to do with a ready task, and what it takes.
pub(crate) enum Step<'a> {
    /// Poll its future.
    Poll(&'a dyn AsyncBody),
    /// Poll its future, and tell the observers.
    PollWatched(&'a dyn AsyncBody, &'a Watch),
    /// Call its function on a blocking thread.
    Call,
    /// Start it with permits, a time limit or several attempts.
    Supervise,
    /// It has ended without being started.
    End(Status),
}

impl Execution {
    /// Decides what to do with a ready task.
    #[inline]
    pub(crate) fn step(&self, index: NodeIndex) -> Step<'_> {
        let node = self.node(index);
        if self.alert.is_quiet() && !self.starts_with_care && node.is_plain() {
            match &node.body {
                Body::Async(body) => return Step::Poll(&**body),
                Body::Plain(_) => return Step::Call,
                Body::Each(_) | Body::Input(_) | Body::Value(_) | Body::Gate(_) => {}
            }
        }
        self.step_with_care(index, node)
    }

    #[cold]
    fn step_with_care<'a>(&'a self, index: NodeIndex, node: &'a Node) -> Step<'a> {
        if let Some(status) = self.refused(index, node) {
            return Step::End(status);
        }
        let has_function = !matches!(node.body, Body::Input(_) | Body::Value(_));
        if self.starts_with_care || !has_function {
            let given = remove(&mut lock(&self.given), index);
            if let Some(given) = given {
                given.store(self.outputs());
                return Step::End(Status::Given);
            }
        }
        // A nested flow takes no slot; its tasks do.
        let supervised = self.limited && node.nested().is_none()
            || self.records(index)
            || node
                .config
                .as_ref()
                .is_some_and(|config| config.supervised());
        match (&node.body, &self.watch) {
            (Body::Gate(_), _) => Step::End(Status::Succeeded),
            (Body::Value(value), _) => {
                value.store(self.outputs(), index);
                Step::End(Status::Succeeded)
            }
            (Body::Input(_), _) => {
                unreachable!("an input that is not given is refused at the start")
            }
            (Body::Each(_), _) => Step::Supervise,
            _ if supervised => Step::Supervise,
            (Body::Async(body), Some(watch)) => Step::PollWatched(&**body, watch),
            (Body::Async(body), None) => Step::Poll(&**body),
            (Body::Plain(_), _) => Step::Call,
        }
    }

    /// Tells the observers of the start, and what is known by then.
    pub(crate) fn tell_start(&self) {
        let Some(watch) = &self.watch else { return };
        watch.run_started();
        for node in self.outside() {
            watch.not_selected(node);
        }
        for root in self.roots() {
            self.tell_ready(*root, watch);
        }
    }
}
