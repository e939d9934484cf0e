//! Settling: how the end of a task makes others ready.
//!
//! Each node has a count of [pending](super::pending) upstreams. Every upstream that ends, however
//! it ends, takes one off. The thread that takes off the last has made the node ready, and is the
//! only one to pass it on. An upstream that did not succeed leaves a *skip cause* on its downstreams
//! before it counts down, so the thread that takes up the ready task sees all of them, and skips the
//! task instead of starting it. A skipped task has ended, too. So skipping goes on in the same way,
//! one task at a time, however many there are.

use smallvec::{SmallVec, smallvec};

use crate::graph::body::{Body, Gate};
use crate::graph::edge::Edge;
use crate::graph::storage::RunStorage;
use crate::node_index::NodeIndex;
use crate::pace::SLICE;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::task::skip_cause::SkipCause;
use crate::task::statuses::Status;

use super::execution::Execution;
use super::stop::Mode;

/// Where the tasks go that became ready because another ended.
pub(crate) trait ReadySink {
    fn push(&mut self, node: NodeIndex);

    /// Called after many downstreams were told of an end: now something else should get a turn.
    /// `rest` is what is left, for [`Execution::announce`].
    fn pause(&mut self, rest: Announcements);
}

/// Collects the tasks that became ready. For code that has no local queue to put them in.
#[derive(Default)]
pub(crate) struct CollectingSink {
    /// In the reverse order of declaration, as they come.
    ready: ReadyTasks,
    rest: Vec<Announcements>,
}

/// A few tasks.
pub(crate) type ReadyTasks = SmallVec<[NodeIndex; 4]>;

impl CollectingSink {
    /// The tasks in the order of declaration, and what is left to announce.
    pub(crate) fn finish(self) -> (ReadyTasks, Vec<Announcements>) {
        let Self { mut ready, rest } = self;
        ready.reverse();
        (ready, rest)
    }
}

impl ReadySink for CollectingSink {
    fn push(&mut self, node: NodeIndex) {
        self.ready.push(node);
    }

    fn pause(&mut self, rest: Announcements) {
        if !rest.is_empty() {
            self.rest.push(rest);
        }
    }
}

/// Nodes that have ended, and whose downstreams are yet to be told.
pub(crate) type Announcements = SmallVec<[Announcement; 1]>;

/// A node that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    node: NodeIndex,
    status: Status,
    /// How many of its downstreams have been told: the first ones.
    told: usize,
}

impl Announcement {
    fn new(node: NodeIndex, status: Status) -> Self {
        Self {
            node,
            status,
            told: 0,
        }
    }
}

/// After how many downstreams the runtime gets a turn, if one task has so many.
const MANY: usize = 1000;

impl Execution {
    /// Takes note of how a task ended, and passes on every task that is ready because of it.
    pub(crate) fn settle(&self, node: NodeIndex, end: End, ready: &mut impl ReadySink) {
        let status = end.status();
        if let End::Failed(cause) = end {
            self.note_failure(node, cause);
        }
        self.end(node, status, ready);
    }

    /// Keeps the failure of a task that ends, tells the observers, and stops the run if it has to.
    #[cold]
    pub(super) fn note_failure(&self, node: NodeIndex, cause: Cause) {
        if let Some(watch) = &self.watch {
            watch.attempt_failed(node, self.attempts(node).unwrap_or(1), &cause);
        }
        self.keep_failure(self.failure(node, cause));
        if !self.keep_going && !self.node(node).allows_failure() {
            self.stop(Mode::Stopping);
        }
    }

    /// Takes note of the status of a task, and passes on every task that is ready because of it.
    #[inline]
    pub(crate) fn end(&self, node: NodeIndex, status: Status, ready: &mut impl ReadySink) {
        if self.ends_with_care {
            return self.end_with_care(node, status, ready);
        }
        self.statuses().set(node, status);
        let downstreams = self.graph().downstreams(node);
        if downstreams.len() > MANY {
            return self.announce_all(node, status, ready);
        }
        // In reverse: see `DriverSink::push`.
        for edge in downstreams.iter().rev() {
            if !status.is_success() {
                self.add_skip_cause(node, status, *edge);
            }
            let downstream = edge.node();
            if self.pending.countdown(downstream) {
                ready.push(downstream);
            }
        }
    }

    /// Like [`Self::end`] if the run is watched, not all nodes are part of it, or downstreams may be
    /// gates, which are ended on the spot.
    #[cold]
    fn end_with_care(&self, node: NodeIndex, status: Status, ready: &mut impl ReadySink) {
        self.statuses().set(node, status);
        if self.storage.outputs.counts_uses() {
            self.node(node).visit_inputs(&mut |output, _| {
                let RunStorage { graph, outputs, .. } = &*self.storage;
                outputs.used(&graph.layout, output.index);
            });
        }
        if let Some(watch) = &self.watch {
            watch.ended(node, self.statuses().report(self.graph().id(), node));
        }
        self.announce_all(node, status, ready);
    }

    #[cold]
    fn announce_all(&self, node: NodeIndex, status: Status, ready: &mut impl ReadySink) {
        self.announce(smallvec![Announcement::new(node, status)], ready);
    }

    /// Tells the downstreams of nodes that these have ended, at most a slice of them.
    pub(crate) fn announce(&self, mut ended: Announcements, ready: &mut impl ReadySink) {
        let mut told = 0;
        while told < SLICE {
            let Some(mut announcement) = ended.pop() else {
                break;
            };
            let Announcement { node, status, .. } = announcement;
            let downstreams = &self.graph().downstreams(node)[announcement.told..];
            let now = downstreams.len().min(SLICE - told);
            if now < downstreams.len() {
                announcement.told += now;
                ended.push(announcement);
            }
            told += now;
            for edge in downstreams[..now].iter().rev() {
                let downstream = edge.node();
                let gate = match self.node(downstream).body {
                    Body::Gate(Gate::Any) => self.any_ended(node, status, *edge),
                    Body::Gate(Gate::All) => self
                        .upstream_ended(node, status, *edge)
                        .then(|| self.gate_status(downstream)),
                    _ => {
                        if self.upstream_ended(node, status, *edge) {
                            if let Some(watch) = &self.watch {
                                self.tell_ready(downstream, watch);
                            }
                            ready.push(downstream);
                        }
                        None
                    }
                };
                if let Some(status) = gate {
                    self.statuses().set(downstream, status);
                    ended.push(Announcement::new(downstream, status));
                }
            }
        }
        if told > MANY || !ended.is_empty() {
            ready.pause(ended);
        }
    }

    /// Takes note that an upstream of a node has ended. Returns whether it was the last.
    fn upstream_ended(&self, upstream: NodeIndex, status: Status, edge: Edge) -> bool {
        if self.is_outside(edge.node()) {
            return false;
        }
        if !status.is_success() {
            self.add_skip_cause(upstream, status, edge);
        }
        self.pending.countdown(edge.node())
    }

    /// Takes note that an upstream of a gate has ended that opens with the first success. Returns
    /// the status of the gate if that decided it.
    fn any_ended(&self, upstream: NodeIndex, status: Status, edge: Edge) -> Option<Status> {
        let gate = edge.node();
        if self.is_outside(gate) {
            return None;
        }
        if status.is_success() {
            return self.pending.open(gate).then_some(Status::Succeeded);
        }
        self.add_skip_cause(upstream, status, edge);
        self.pending.shut(gate).then(|| self.gate_status(gate))
    }

    /// The status of a gate whose upstreams have all ended.
    fn gate_status(&self, gate: NodeIndex) -> Status {
        let cause = self.statuses().skip_cause(gate);
        cause.map_or(Status::Succeeded, SkipCause::status)
    }

    /// Leaves a skip cause on the downstream at the end of `edge`, if it needs the upstream.
    #[cold]
    fn add_skip_cause(&self, upstream: NodeIndex, status: Status, edge: Edge) {
        if !edge.only_waits() {
            self.alert.note_skips();
            self.statuses()
                .add_skip_cause(upstream, status, edge.node());
        }
    }
}
