//! The compiled graph: what executions share.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::handle::{FlowId, TaskId};
use crate::node_index::NodeIndex;
use crate::sort::sort_by_number;
use crate::task::config::Place;
use crate::task::outputs::Layout;

use super::declared::{GroupSpan, Segment};
use super::edge::Edge;
use super::names::Names;
use super::node::Node;
use super::turn_cost::TurnCost;

/// The dense form of a flow: downstreams in compressed sparse rows.
pub(crate) struct Graph {
    pub(super) id: FlowId,
    /// The first segment, which nearly always is the only one.
    pub(super) first: Arc<Segment>,
    pub(super) rest: Box<[Arc<Segment>]>,
    /// For each node where its downstreams begin, and where the last one's end.
    pub(super) rows: Vec<u32>,
    pub(super) downstreams: Box<[Edge]>,
    /// Where in a run its outputs lie.
    pub(crate) layout: Layout,
    /// Nodes without upstreams.
    pub(crate) roots: SmallVec<[NodeIndex; 4]>,
    /// Tasks that can run only once.
    pub(crate) once: Vec<NodeIndex>,
    /// Tasks without a function.
    pub(crate) inputs: Vec<NodeIndex>,
    /// Tasks that are flows.
    pub(crate) nested: Vec<NodeIndex>,
    /// See [`Self::lock_user`].
    pub(super) lock_user: OnceLock<Option<NodeIndex>>,
    pub(crate) has_gates: bool,
    /// Present if any task has a priority.
    pub(crate) start_order: Option<Box<StartOrder>>,
    pub(crate) turn_cost: TurnCost,
    pub(super) groups: Option<Arc<Vec<GroupSpan>>>,
    /// Made when a name is first asked for.
    pub(super) names: OnceLock<Names>,
}

/// In which order ready nodes start: by priority, then in the order of declaration.
#[derive(Debug)]
pub(crate) struct StartOrder {
    /// The place of each node in this order.
    ranks: Box<[u32]>,
    /// The node at each place.
    nodes: Box<[NodeIndex]>,
}

impl StartOrder {
    pub(super) fn new(len: usize, priority: impl Fn(NodeIndex) -> i32) -> Self {
        let mut nodes: Box<[NodeIndex]> = NodeIndex::all(len).collect();
        // The highest first.
        sort_by_number(&mut nodes, |node| i32::MAX.abs_diff(priority(*node)).into());
        let mut ranks = vec![0; len].into_boxed_slice();
        for (rank, node) in NodeIndex::all(len).zip(&nodes) {
            ranks[node.get()] = rank.to_word();
        }
        Self { ranks, nodes }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("nodes", &self.len())
            .field("edges", &self.downstreams.len())
            .finish_non_exhaustive()
    }
}

impl Graph {
    pub(crate) fn id(&self) -> FlowId {
        self.id
    }

    /// How many nodes there are, gates included.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - 1
    }

    #[inline]
    pub(crate) fn node(&self, index: NodeIndex) -> &Node {
        match self.first.nodes.get(index.get()) {
            Some(node) => node,
            None => {
                let (segment, place) = self.locate(index);
                &segment.nodes[place]
            }
        }
    }

    /// Every task, in the order of declaration; no gates.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (NodeIndex, &Node)> {
        let nodes = self.segments().flat_map(|segment| &segment.nodes);
        NodeIndex::all(self.len())
            .zip(nodes)
            .filter(|(_, node)| !node.is_gate())
    }

    pub(crate) fn upstreams(
        &self,
        index: NodeIndex,
    ) -> impl ExactSizeIterator<Item = NodeIndex> + Clone + use<'_> {
        let (segment, place) = self.locate(index);
        segment.upstreams(place).iter().map(|edge| edge.node())
    }

    #[inline]
    pub(crate) fn downstreams(&self, index: NodeIndex) -> &[Edge] {
        let start = self.rows[index.get()] as usize;
        let end = self.rows[index.get() + 1] as usize;
        &self.downstreams[start..end]
    }

    /// The place of a node in the order in which ready nodes start.
    #[inline]
    pub(crate) fn rank(&self, node: NodeIndex) -> usize {
        match &self.start_order {
            None => node.get(),
            Some(order) => order.ranks[node.get()] as usize,
        }
    }

    /// The counterpart of [`rank`](Self::rank).
    #[inline]
    pub(crate) fn node_of_rank(&self, rank: usize) -> NodeIndex {
        match &self.start_order {
            None => NodeIndex::from_word(rank as u32),
            Some(order) => order.nodes[rank],
        }
    }

    /// Appends how many upstreams each of some nodes has.
    pub(crate) fn count_upstreams(&self, nodes: &Range<usize>, counts: &mut impl Extend<u32>) {
        for segment in self.segments() {
            let place = |index: usize| index.saturating_sub(segment.first).min(segment.nodes.len());
            counts.extend(segment.upstream_counts(place(nodes.start)..place(nodes.end)));
        }
    }

    /// The first task that takes permits, or is a flow in which a task does.
    pub(crate) fn lock_user(&self) -> Option<NodeIndex> {
        *self.lock_user.get_or_init(|| {
            let takes_permits = |node: &Node| {
                let inner = node.nested().and_then(|inner| inner.compile().ok());
                !node.permits().is_empty() || inner.is_some_and(|inner| inner.lock_user().is_some())
            };
            let mut tasks = self.tasks();
            let found = tasks.find(|(_, node)| takes_permits(node));
            found.map(|(index, _)| index)
        })
    }

    pub(crate) fn groups(&self) -> &[GroupSpan] {
        self.groups.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Where a function was declared, if that is known.
    pub(super) fn place_of(&self, index: NodeIndex) -> Option<Place> {
        let (segment, node) = self.locate(index);
        segment.place_of(node)
    }

    pub(crate) fn name(&self, index: NodeIndex) -> &str {
        self.names.get_or_init(|| Names::new(self)).get(index)
    }

    /// The task with a name.
    pub(crate) fn find(&self, name: &str) -> Option<NodeIndex> {
        let names = self.names.get_or_init(|| Names::new(self));
        names.find(self, name)
    }

    pub(crate) fn task_id(&self, index: NodeIndex) -> TaskId {
        TaskId {
            flow: self.id,
            index,
        }
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        std::iter::once(&self.first)
            .chain(&self.rest)
            .map(|segment| &**segment)
    }

    /// The segment of a node, and its place there.
    fn locate(&self, index: NodeIndex) -> (&Segment, usize) {
        let after = self
            .rest
            .partition_point(|segment| segment.first <= index.get());
        match after.checked_sub(1) {
            None => (&self.first, index.get()),
            Some(later) => (&self.rest[later], index.get() - self.rest[later].first),
        }
    }
}
