//! An edge of the graph, as one of its nodes has it.

use std::fmt;

use crate::node_index::NodeIndex;

/// The node at the other end of an edge, and whether the downstream needs the upstream to succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge(
    /// The number of the node, which leaves the highest bit free, and in that bit whether the
    /// downstream only waits.
    u32,
);

const WAITS: u32 = 1 << 31;

impl Edge {
    /// The downstream is skipped if the upstream does not succeed.
    pub(crate) fn needs(node: NodeIndex) -> Self {
        Self(node.to_word())
    }

    /// The downstream waits for the end of the upstream, however it ends.
    pub(crate) fn waits(node: NodeIndex) -> Self {
        Self(node.to_word() | WAITS)
    }

    /// An edge of the same kind to another node.
    #[inline]
    pub(super) fn to(self, node: NodeIndex) -> Self {
        Self(node.to_word() | self.0 & WAITS)
    }

    #[inline]
    pub(crate) fn node(self) -> NodeIndex {
        NodeIndex::from_word(self.0 & !WAITS)
    }

    pub(crate) fn only_waits(self) -> bool {
        self.0 & WAITS != 0
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node().fmt(f)
    }
}
