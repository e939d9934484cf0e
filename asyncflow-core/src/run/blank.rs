//! Blanks: what a run writes on, before anything is written.
//!
//! Making one is a piece of work for each node, so it is done in slices where the flow is large,
//! as compiling is.

use std::sync::Arc;

use crate::graph::Graph;

use super::ledger::Ledger;
use super::pending::Pending;

/// The ledger of a run, and the counts of what its nodes wait for.
#[derive(Debug)]
pub(crate) struct Blank {
    pub(super) ledger: Ledger,
    pub(super) pending: Pending,
    nodes: usize,
}

impl Blank {
    pub(crate) fn new(graph: Arc<Graph>) -> Self {
        Self {
            pending: Pending::with_capacity(graph.len()),
            ledger: Ledger::new(graph),
            nodes: 0,
        }
    }

    /// Makes room for so many more nodes, and for so many more outputs of each type. Whether that
    /// was the last of it.
    pub(crate) fn step(&mut self, slice: usize) -> bool {
        let graph = &self.ledger.graph;
        let nodes = self.nodes..graph.len().min(self.nodes.saturating_add(slice));
        graph.count_upstreams(&nodes, &mut self.pending);
        self.nodes = nodes.end;
        self.ledger.grow(slice)
    }

    /// Makes room for all of them.
    pub(crate) fn all(mut self) -> Self {
        self.step(usize::MAX);
        self
    }
}
