//! Preparing a run: what there is to do for each task before the first one starts.

use std::sync::Arc;

use crate::graph::refusal::Refusal;
use crate::graph::storage::RunStorage;
use crate::graph::{Declared, Graph};
use crate::pace::Pace;

use super::pending::Pending;

/// What is sized by the graph.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) storage: Arc<RunStorage>,
    /// How many upstreams each node waits for.
    pub(super) pending: Pending,
}

impl Prepared {
    pub(crate) async fn new(declared: &Declared, mut pace: Pace) -> Result<Self, Refusal> {
        let graph = Arc::clone(declared.compile_at(&mut pace).await?);
        let len = graph.len();
        let slice = pace.slice();
        let mut storage = RunStorage::new(Arc::clone(&graph));
        let mut pending = Pending::with_capacity(len);
        let mut counted = 0_usize;
        loop {
            let nodes = counted..len.min(counted.saturating_add(slice));
            counted = nodes.end;
            graph.count_upstreams(&nodes, &mut pending);
            if storage.grow(slice) {
                let storage = Arc::new(storage);
                return Ok(Self { storage, pending });
            }
            pace.spend(slice).await;
        }
    }

    /// The same in one go, for a flow that is small.
    pub(crate) fn at_once(declared: &Declared) -> Result<Self, Refusal> {
        let graph = Arc::clone(declared.compile()?);
        let len = graph.len();
        let mut pending = Pending::with_capacity(len);
        graph.count_upstreams(&(0..len), &mut pending);
        let mut storage = RunStorage::new(graph);
        storage.grow(len);
        let storage = Arc::new(storage);
        Ok(Self { storage, pending })
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.storage.graph
    }
}
