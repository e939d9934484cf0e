//! A set of nodes.

use crate::node_index::NodeIndex;

/// One bit for each node of a graph.
#[derive(Clone, Debug)]
pub(crate) struct BitSet(Box<[u64]>);

impl BitSet {
    /// The empty set, with room for `len` nodes.
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)].into_boxed_slice())
    }

    pub(crate) fn contains(&self, node: NodeIndex) -> bool {
        self.0[node.get() / 64] & (1 << (node.get() % 64)) != 0
    }

    /// Adds a node; returns `false` if it was in the set before.
    pub(crate) fn insert(&mut self, node: NodeIndex) -> bool {
        let word = &mut self.0[node.get() / 64];
        let before = *word;
        *word |= 1 << (node.get() % 64);
        *word != before
    }
}
