//! Fates: what became of each node, and who is to blame for those that were not started.
//!
//! A status is written once, by whoever settles the task. Blame is left on a node by those of its
//! upstreams that did not succeed, before they count down; so whoever takes up the node when it is
//! ready sees all of it. Of several culprits the one declared first counts, which does not depend
//! on timing.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::graph::Graph;
use crate::outcome::status::TaskStatus;

use super::end::Status;

/// Stands for a culprit that is nobody: the run was cancelled.
const CANCELLED: u32 = u32::MAX - 1;
/// Stands for no blame.
const NOBODY: u32 = u32::MAX;

/// Why a node may not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Because of this task.
    Task(u32),
    /// Because the run was cancelled.
    Cancelled,
}

impl Blame {
    fn to_word(self) -> u32 {
        match self {
            Self::Task(index) => index,
            Self::Cancelled => CANCELLED,
        }
    }

    /// The status of a node that is not started because of it.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Task(_) => Status::Skipped,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

pub(crate) struct Fates {
    statuses: Vec<AtomicU8>,
    /// For each node the smallest index of a task to blame; made when the first is.
    culprits: OnceLock<Box<[AtomicU32]>>,
}

impl fmt::Debug for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fates").finish_non_exhaustive()
    }
}

impl Fates {
    pub(crate) fn with_capacity(nodes: usize) -> Self {
        Self {
            statuses: Vec::with_capacity(nodes),
            culprits: OnceLock::new(),
        }
    }

    /// Makes room for some more nodes, up to `nodes` in all. Whether that was the last of it.
    pub(crate) fn grow(&mut self, nodes: usize, slice: usize) -> bool {
        let to = nodes.min(self.statuses.len().saturating_add(slice));
        self.statuses.resize_with(to, || AtomicU8::new(0));
        to == nodes
    }

    pub(crate) fn status(&self, index: u32) -> Status {
        Status::from_byte(self.statuses[index as usize].load(Ordering::Relaxed))
    }

    /// What orders the readers of a status after this is what makes them ready.
    pub(crate) fn set(&self, index: u32, status: Status) {
        self.statuses[index as usize].store(status as u8, Ordering::Relaxed);
    }

    /// Whether every node has come to a success.
    pub(crate) fn all_succeeded(&mut self) -> bool {
        self.statuses
            .iter_mut()
            .all(|status| *status.get_mut() == Status::Succeeded as u8)
    }

    pub(crate) fn blame(&self, index: u32) -> Option<Blame> {
        match self.culprits.get()?[index as usize].load(Ordering::Relaxed) {
            NOBODY => None,
            CANCELLED => Some(Blame::Cancelled),
            culprit => Some(Blame::Task(culprit)),
        }
    }

    /// Leaves blame on a successor for what became of one of its upstreams.
    #[cold]
    pub(crate) fn blame_on(&self, upstream: u32, status: Status, successor: u32) {
        let blame = match status {
            Status::Cancelled => Blame::Cancelled,
            Status::Skipped => self.blame(upstream).unwrap_or(Blame::Task(upstream)),
            _ => Blame::Task(upstream),
        };
        self.culprits()[successor as usize].fetch_min(blame.to_word(), Ordering::Relaxed);
    }

    /// Says why a node was not started, whatever was said before.
    pub(crate) fn set_blame(&self, index: u32, blame: Blame) {
        self.culprits()[index as usize].store(blame.to_word(), Ordering::Relaxed);
    }

    fn culprits(&self) -> &[AtomicU32] {
        self.culprits.get_or_init(|| {
            let nodes = self.statuses.iter();
            nodes.map(|_| AtomicU32::new(NOBODY)).collect()
        })
    }

    /// A status as it is reported.
    pub(crate) fn report(&self, graph: &Graph, index: u32) -> TaskStatus {
        match self.status(index) {
            Status::Open => TaskStatus::Unfinished,
            Status::Succeeded => TaskStatus::Succeeded,
            Status::Given => TaskStatus::Given,
            Status::Failed => TaskStatus::Failed,
            Status::Panicked => TaskStatus::Panicked,
            Status::TimedOut => TaskStatus::TimedOut,
            Status::NotSelected => TaskStatus::NotSelected,
            Status::Cancelled => TaskStatus::Cancelled,
            Status::Skipped => match self.blame(index) {
                Some(Blame::Task(culprit)) => TaskStatus::Skipped {
                    because: graph.task_id(culprit),
                },
                _ => TaskStatus::Cancelled,
            },
        }
    }

    /// A copy of how it all stands at the moment.
    pub(crate) fn snapshot(&self) -> Self {
        let mut copy = Self::with_capacity(self.statuses.len());
        copy.grow(self.statuses.len(), usize::MAX);
        for index in 0..self.statuses.len() as u32 {
            copy.set(index, self.status(index));
            if let Some(blame) = self.blame(index) {
                copy.set_blame(index, blame);
            }
        }
        copy
    }
}
