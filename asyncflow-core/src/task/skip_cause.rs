//! Skip causes: why nodes are not started, and because of which task.
//!
//! An upstream that did not succeed leaves a skip cause on its downstreams before it counts down, so
//! the thread that takes up a ready node sees all of them. Of several causes the one declared first
//! counts, which does not depend on timing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::node_index::NodeIndex;

use super::statuses::Status;

/// Why a node may not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkipCause {
    /// This task did not succeed, or its `false` was the condition.
    Task(NodeIndex),
    /// The run was cancelled.
    Cancelled,
}

/// Stands for [`SkipCause::Cancelled`].
const CANCELLED: u32 = u32::MAX - 1;
/// Stands for no cause.
const NO_CAUSE: u32 = u32::MAX;

impl SkipCause {
    fn to_word(self) -> u32 {
        match self {
            Self::Task(node) => node.to_word(),
            Self::Cancelled => CANCELLED,
        }
    }

    fn from_word(word: u32) -> Option<Self> {
        match word {
            NO_CAUSE => None,
            CANCELLED => Some(Self::Cancelled),
            node => Some(Self::Task(NodeIndex::from_word(node))),
        }
    }

    /// The status of a node that is not started for this reason.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Task(_) => Status::Skipped,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// For each node the smallest skip cause. Made when the first is left.
#[derive(Debug, Default)]
pub(crate) struct SkipCauses(OnceLock<Box<[AtomicU32]>>);

impl SkipCauses {
    pub(crate) fn get(&self, node: NodeIndex) -> Option<SkipCause> {
        SkipCause::from_word(self.0.get()?[node.get()].load(Ordering::Relaxed))
    }

    /// Leaves a cause on a downstream, one of `nodes` nodes, for an upstream that ended with `status`.
    /// What was skipped itself passes on its own cause.
    #[cold]
    pub(super) fn add(
        &self,
        nodes: usize,
        upstream: NodeIndex,
        status: Status,
        downstream: NodeIndex,
    ) {
        let cause = match status {
            Status::Cancelled => SkipCause::Cancelled,
            Status::Skipped => self.get(upstream).unwrap_or(SkipCause::Task(upstream)),
            _ => SkipCause::Task(upstream),
        };
        let causes = self.causes(nodes);
        causes[downstream.get()].fetch_min(cause.to_word(), Ordering::Relaxed);
    }

    /// Replaces the cause of a node.
    pub(super) fn set(&self, nodes: usize, node: NodeIndex, cause: SkipCause) {
        self.causes(nodes)[node.get()].store(cause.to_word(), Ordering::Relaxed);
    }

    fn causes(&self, nodes: usize) -> &[AtomicU32] {
        let none = || (0..nodes).map(|_| AtomicU32::new(NO_CAUSE)).collect();
        self.0.get_or_init(none)
    }
}
