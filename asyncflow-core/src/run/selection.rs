//! Selection: the part of a graph that a run for some targets needs.

use crate::bit_set::BitSet;
use crate::graph::Graph;
use crate::graph::body::InputUse;
use crate::graph::refusal::Refusal;
use crate::graph::storage::RunStorage;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;

use super::pending::Pending;
use super::validate::{GivenValues, contains};

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
    /// Selects the targets, everything that they depend on, apart from what only a given task depends
    /// on, and the clean-up of all that.
    pub(crate) fn new(
        graph: &Graph,
        targets: &[TaskId],
        given: &GivenValues,
    ) -> Result<Self, Refusal> {
        let targets: Vec<NodeIndex> = targets
            .iter()
            .map(|target| {
                let foreign = Refusal::ForeignHandle { method: "only" };
                target.index_in(graph.id()).ok_or(foreign)
            })
            .collect::<Result<_, _>>()?;
        let kept = outputs_of(graph, targets.clone())?;
        let selected = Selecting::new(graph, given).select(targets);
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
    pub(crate) fn drop_outputs(&self, storage: &mut RunStorage) {
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

/// Finds the nodes of a run for some targets. Each node and each edge is looked at a few times at most.
struct Selecting<'a> {
    graph: &'a Graph,
    given: &'a GivenValues,
    selected: BitSet,
    /// Selected nodes whose upstreams are selected as well. Of clean-up, only conditions and values are.
    complete: BitSet,
    /// Gates with a selected upstream.
    reached: BitSet,
    /// Clean-up that was selected because of an upstream.
    teardowns: Vec<NodeIndex>,
    /// Nodes that are needed, with their upstreams.
    needed: Vec<NodeIndex>,
}

impl<'a> Selecting<'a> {
    fn new(graph: &'a Graph, given: &'a GivenValues) -> Self {
        Self {
            graph,
            given,
            selected: BitSet::new(graph.len()),
            complete: BitSet::new(graph.len()),
            reached: BitSet::new(graph.len()),
            teardowns: Vec::new(),
            needed: Vec::new(),
        }
    }

    fn select(mut self, targets: Vec<NodeIndex>) -> BitSet {
        self.needed = targets;
        while let Some(node) = self.needed.pop() {
            if !self.complete.insert(node) {
                continue;
            }
            if self.selected.insert(node) {
                self.reach_downstreams(node);
            }
            if !contains(self.given, node) {
                self.needed.extend(self.graph.upstreams(node));
            }
        }
        // Clean-up also waits for what it comes after through gates.
        let mut behind = self.teardowns;
        while let Some(node) = behind.pop() {
            let upstreams = self.graph.upstreams(node);
            let gates = upstreams.filter(|upstream| self.reached.contains(*upstream));
            behind.extend(gates.filter(|gate| self.selected.insert(*gate)));
        }
        self.selected
    }

    /// Selects the clean-up of a node that was selected, and so on.
    fn reach_downstreams(&mut self, node: NodeIndex) {
        let mut reached = vec![node];
        while let Some(node) = reached.pop() {
            for edge in self.graph.downstreams(node) {
                let downstream = edge.node();
                let node = self.graph.node(downstream);
                if node.is_gate() {
                    if self.reached.insert(downstream) {
                        reached.push(downstream);
                    }
                } else if node.always() && self.selected.insert(downstream) {
                    reached.push(downstream);
                    self.teardowns.push(downstream);
                    // Its conditions, and the values that it borrows, unless its output is given.
                    if !contains(self.given, downstream) {
                        node.visit_inputs(&mut |input, how| {
                            if how != InputUse::Optional {
                                self.needed.push(input.index);
                            }
                        });
                    }
                }
            }
        }
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
