//! What a run keeps of tasks that are out of the ordinary. Most runs have nothing of it.

use std::sync::Arc;

use crate::node_index::NodeIndex;
use crate::number_map::NumberMap;
use crate::task::failure::Failure;

#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    /// Of tasks that had more than one attempt.
    pub(crate) attempts: NumberMap<NodeIndex, u32>,
    /// How tasks last failed, be it in their last attempt or in one before. Not of tasks of which an
    /// attempt succeeded.
    pub(crate) failures: NumberMap<NodeIndex, Arc<Failure>>,
    /// What tasks have remarked on themselves.
    pub(crate) notes: NumberMap<NodeIndex, Arc<str>>,
}
