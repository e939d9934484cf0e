//! Statuses: what became of each node. A status is written once, by the thread that settles the node.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, Ordering};

use smallvec::SmallVec;

use crate::handle::{FlowId, TaskId};
use crate::node_index::NodeIndex;

use super::skip_cause::{SkipCause, SkipCauses};
use super::status::TaskStatus;

/// The status of a node, as one byte: a [`TaskStatus`] without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// It waits, or runs.
    Unfinished = 0,
    // The successes are next to each other.
    Succeeded,
    Given,
    Recovered,
    Restored,
    Failed,
    Panicked,
    TimedOut,
    Skipped,
    Cancelled,
    NotSelected,
}

impl Status {
    fn from_byte(byte: u8) -> Self {
        const ALL: [Status; 11] = [
            Status::Unfinished,
            Status::Succeeded,
            Status::Given,
            Status::Recovered,
            Status::Restored,
            Status::Failed,
            Status::Panicked,
            Status::TimedOut,
            Status::Skipped,
            Status::Cancelled,
            Status::NotSelected,
        ];
        ALL[byte as usize]
    }

    /// The status of an element, which is not skipped, given or restored.
    pub(crate) fn of_element(self) -> TaskStatus {
        match self {
            Self::Unfinished => TaskStatus::Unfinished,
            Self::Succeeded => TaskStatus::Succeeded,
            Self::Recovered => TaskStatus::Recovered,
            Self::Restored => TaskStatus::Restored,
            Self::Failed => TaskStatus::Failed,
            Self::Panicked => TaskStatus::Panicked,
            Self::TimedOut => TaskStatus::TimedOut,
            _ => TaskStatus::Cancelled,
        }
    }

    /// Whether what is downstream may start.
    pub(crate) fn is_success(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Given | Self::Recovered | Self::Restored
        )
    }
}

/// The bytes of those that are a success.
const SUCCESSES: RangeInclusive<u8> = Status::Succeeded as u8..=Status::Restored as u8;

/// How many statuses are in a row.
const ROW: usize = 16;

pub(crate) struct Statuses {
    /// Rows of them, which are made faster than one by one. In place if the flow is small.
    rows: SmallVec<[[AtomicU8; ROW]; 1]>,
    nodes: usize,
    skip_causes: SkipCauses,
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statuses").finish_non_exhaustive()
    }
}

impl Statuses {
    pub(crate) fn with_capacity(nodes: usize) -> Self {
        Self {
            rows: SmallVec::with_capacity(nodes.div_ceil(ROW)),
            nodes: 0,
            skip_causes: SkipCauses::default(),
        }
    }

    /// Makes room for up to `slice` more nodes, `nodes` in all. Returns whether that is done.
    pub(crate) fn grow(&mut self, nodes: usize, slice: usize) -> bool {
        self.nodes = nodes.min(self.nodes.saturating_add(slice));
        let rows = self.nodes.div_ceil(ROW);
        self.rows
            .resize_with(rows, || [const { AtomicU8::new(0) }; ROW]);
        self.nodes == nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes
    }

    #[inline]
    fn status(&self, node: NodeIndex) -> &AtomicU8 {
        &self.rows.as_flattened()[node.get()]
    }

    pub(crate) fn get(&self, node: NodeIndex) -> Status {
        Status::from_byte(self.status(node).load(Ordering::Relaxed))
    }

    /// Sets a status. It is ordered before its readers by what makes them ready.
    pub(crate) fn set(&self, node: NodeIndex, status: Status) {
        self.status(node).store(status as u8, Ordering::Relaxed);
    }

    /// Whether every node has succeeded.
    pub(crate) fn all_succeeded(&self) -> bool {
        self.rows.as_flattened()[..self.nodes]
            .iter()
            .all(|status| SUCCESSES.contains(&status.load(Ordering::Relaxed)))
    }

    pub(crate) fn skip_cause(&self, node: NodeIndex) -> Option<SkipCause> {
        self.skip_causes.get(node)
    }

    /// Leaves a skip cause on a downstream for an upstream that ended with `status`.
    pub(crate) fn add_skip_cause(
        &self,
        upstream: NodeIndex,
        status: Status,
        downstream: NodeIndex,
    ) {
        let nodes = self.nodes;
        self.skip_causes.add(nodes, upstream, status, downstream);
    }

    /// Replaces the skip cause of a node.
    pub(crate) fn set_skip_cause(&self, node: NodeIndex, cause: SkipCause) {
        self.skip_causes.set(self.nodes, node, cause);
    }

    /// The status of a node of `flow`, with its reason.
    pub(crate) fn report(&self, flow: FlowId, node: NodeIndex) -> TaskStatus {
        match self.get(node) {
            Status::Unfinished => TaskStatus::Unfinished,
            Status::Succeeded => TaskStatus::Succeeded,
            Status::Given => TaskStatus::Given,
            Status::Recovered => TaskStatus::Recovered,
            Status::Restored => TaskStatus::Restored,
            Status::Failed => TaskStatus::Failed,
            Status::Panicked => TaskStatus::Panicked,
            Status::TimedOut => TaskStatus::TimedOut,
            Status::NotSelected => TaskStatus::NotSelected,
            Status::Cancelled => TaskStatus::Cancelled,
            Status::Skipped => match self.skip_cause(node) {
                Some(SkipCause::Task(cause)) => TaskStatus::Skipped {
                    because: TaskId { flow, index: cause },
                },
                _ => TaskStatus::Cancelled,
            },
        }
    }

    /// A copy of the statuses at this moment.
    pub(crate) fn snapshot(&self) -> Self {
        let mut copy = Self::with_capacity(self.nodes);
        copy.grow(self.nodes, usize::MAX);
        for node in NodeIndex::all(self.nodes) {
            copy.set(node, self.get(node));
            if let Some(cause) = self.skip_cause(node) {
                copy.set_skip_cause(node, cause);
            }
        }
        copy
    }
}
