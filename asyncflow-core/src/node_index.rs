//! The number of a node in its flow.

use std::fmt;

/// The number of a node, which is a task or a gate, in its flow; counted from 0 in the order of
/// declaration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(u32);

impl NodeIndex {
    /// How many nodes a flow can have. Half of what fits, so that [`Pending`] has a bit to spare.
    ///
    /// [`Pending`]: crate::run::pending::Pending
    pub(crate) const MOST: usize = u32::MAX as usize / 2;

    /// # Panics
    ///
    /// If the number is not below [`MOST`](Self::MOST).
    #[track_caller]
    pub(crate) fn new(number: usize) -> Self {
        assert!(
            number < Self::MOST,
            "a flow cannot have more than two billion tasks"
        );
        Self(number as u32)
    }

    #[inline]
    pub(crate) fn get(self) -> usize {
        self.0 as usize
    }

    /// As it is stored where space matters.
    #[inline]
    pub(crate) fn to_word(self) -> u32 {
        self.0
    }

    /// The counterpart of [`to_word`](Self::to_word).
    #[inline]
    pub(crate) const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The nodes of a flow that has `len` of them.
    pub(crate) fn all(len: usize) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..len as u32).map(Self)
    }
}

impl From<NodeIndex> for u128 {
    #[inline]
    fn from(node: NodeIndex) -> Self {
        node.0.into()
    }
}

impl fmt::Debug for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
