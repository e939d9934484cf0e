//! Selection: the part of a graph that a run for some targets needs.

use std::collections::HashMap;

use crate::bit_set::BitSet;
use crate::graph::Graph;
use crate::graph::refusal::Refusal;
use crate::graph::storage::RunStorage;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;

use super::pending::Pending;
use super::validate::Given;

#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) selected: BitSet,
    /// The tasks whose outputs are handed out.
    targets: BitSet,
    /// Selected nodes without a selected upstream.
    pub(crate) roots: Box<[NodeIndex]>,
    /// For each node, how many selected upstreams it waits for.
    pub(crate) pending: Pending,
}

impl Selection {
    /// Selects the targets and everything that they depend on, apart from what only a given task
    /// depends on.
    pub(crate) fn new(
        graph: &Graph,
        targets: &[TaskId],
        given: &HashMap<NodeIndex, Given>,
    ) -> Result<Self, Refusal> {
        let targets: Vec<NodeIndex> = targets
            .iter()
            .map(|target| {
                let foreign = Refusal::ForeignHandle { method: "only" };
                target.index_in(graph.id()).ok_or(foreign)
            })
            .collect::<Result<_, _>>()?;
        let kept = outputs_of(graph, targets.clone())?;
        let mut selected = BitSet::new(graph.len());
        let mut stack = targets;
        while let Some(node) = stack.pop() {
            if selected.insert(node) && !given.contains_key(&node) {
                stack.extend(graph.upstreams(node));
            }
        }
        let mut roots = Vec::new();
        let pending = NodeIndex::all(graph.len())
            .map(|node| {
                let upstreams = graph.upstreams(node);
                let waits = upstreams.filter(|upstream| selected.contains(*upstream));
                let waits = waits.count() as u32;
                if waits == 0 && selected.contains(node) {
                    roots.push(node);
                }
                waits
            })
            .collect();
        Ok(Self {
            selected,
            targets: kept,
            roots: roots.into_boxed_slice(),
            pending,
        })
    }

    /// Has the run drop each output that is not a target's when its last use in the run ended.
    pub(crate) fn keep_outputs(&self, storage: &mut RunStorage) {
        let RunStorage { graph, outputs, .. } = storage;
        let selected = graph
            .tasks()
            .filter(|(node, _)| self.selected.contains(*node));
        outputs.keep_only(&graph.layout, self.targets.clone(), |visit| {
            for (_, node) in selected {
                node.visit_inputs(&mut |output, _| visit(output.index));
            }
        });
    }
}

/// The tasks whose outputs are asked for by `targets`. The end of a group may be a gate: then these
/// are the tasks before it.
fn outputs_of(graph: &Graph, mut stack: Vec<NodeIndex>) -> Result<BitSet, Refusal> {
    let mut kept = BitSet::new(graph.len());
    while let Some(node) = stack.pop() {
        if !kept.insert(node) {
            continue;
        }
        if let Some(by) = graph.layout.mover(node) {
            return Err(Refusal::MovedTarget {
                output: graph.name(node).to_owned(),
                by: graph.name(by).to_owned(),
            });
        }
        if graph.node(node).is_gate() {
            stack.extend(graph.upstreams(node));
        }
    }
    Ok(kept)
}
