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
    pub(super) storage: RunStorage,
    /// How many upstreams each node waits for.
    pub(super) pending: Pending,
}

impl Prepared {
    pub(crate) async fn new(declared: &Declared, mut pace: Pace) -> Result<Self, Refusal> {
        let graph = Arc::clone(declared.compile_at(&mut pace).await?);
        let pending = count_upstreams(&graph, &mut pace).await;
        let storage = RunStorage::new(graph, &mut pace).await;
        Ok(Self { storage, pending })
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.storage.graph
    }
}

async fn count_upstreams(graph: &Graph, pace: &mut Pace) -> Pending {
    let mut pending = Pending::with_capacity(graph.len());
    let mut counted = 0_usize;
    while counted < graph.len() {
        let next = counted..graph.len().min(counted.saturating_add(pace.slice()));
        counted = next.end;
        graph.count_upstreams(&next, &mut pending);
        pace.spend(next.len()).await;
    }
    pending
}
