//! What has been declared so far.

use std::fmt;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::handle::{FlowId, TaskId, TaskIds};
use crate::node_index::NodeIndex;
use crate::pace::{Pace, now};
use crate::task::config::{Config, Place, Request};

use super::body::{Body, Gate};
use super::compile::{Compiled, compile};
use super::edge::Edge;
use super::refusal::Refusal;
use super::{Graph, Node};

/// The room for tasks that a new flow has. Many flows need no more.
const SMALL: usize = 8;

/// What has been declared so far.
pub struct Declared {
    pub(crate) id: FlowId,
    /// Locked by the first execution, which seals them. Declaring has exclusive access.
    segments: Mutex<Segments>,
    len: usize,
    edges: usize,
    /// How many of the nodes are tasks.
    tasks: usize,
    /// Outer groups before the groups in them. Shared with the compiled graph, like the segments.
    pub(super) groups: Option<Arc<Vec<GroupSpan>>>,
    /// The dense form, until something is added.
    compiled: OnceLock<Result<Arc<Graph>, Refusal>>,
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

impl Declared {
    pub(crate) fn new() -> Self {
        Self {
            id: FlowId::next(),
            segments: Mutex::new(Segments {
                sealed: Vec::new(),
                growing: Segment::with_capacity(SMALL),
            }),
            len: 0,
            edges: 0,
            tasks: 0,
            groups: None,
            compiled: OnceLock::new(),
        }
    }

    pub(crate) fn tasks(&self) -> usize {
        self.tasks
    }

    /// How many nodes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many nodes and edges there are so far.
    pub(crate) fn size(&self) -> usize {
        self.len + self.edges
    }

    pub(crate) fn groups(&mut self) -> &mut Vec<GroupSpan> {
        Arc::make_mut(self.groups.get_or_insert_default())
    }

    /// Adds a task that comes after `entry` and after what it asks for itself.
    #[track_caller]
    pub(crate) fn add_task(
        &mut self,
        body: Body,
        request: Request,
        entry: &[NodeIndex],
    ) -> NodeIndex {
        let Request {
            upstreams,
            awaited,
            any,
            place,
            mut config,
        } = request;
        if let Some(config) = &mut config {
            config.seal();
        }
        for task in upstreams.iter().chain(&awaited) {
            self.check(*task);
        }
        let conditions = config.iter().flat_map(|config| &config.conditions);
        let conditions: TaskIds = conditions.map(|condition| condition.task).collect();
        for task in &conditions {
            self.check(*task);
        }
        let gates = match any.is_empty() {
            true => Vec::new(),
            false => self.gates_for_any(&any),
        };
        self.tasks += 1;
        self.push(body, place, config, |list| {
            list.extend(entry.iter().copied().map(Edge::needs));
            list.extend(gates.into_iter().map(Edge::needs));
            let needed = upstreams.iter().chain(&conditions);
            list.extend(needed.map(|task| Edge::needs(task.index)));
            list.extend(awaited.iter().map(|task| Edge::waits(task.index)));
        })
    }

    /// Adds a gate for each list of tasks of which one has to succeed.
    #[cold]
    #[track_caller]
    fn gates_for_any(&mut self, lists: &[TaskIds]) -> Vec<NodeIndex> {
        for task in lists.iter().flatten() {
            self.check(*task);
        }
        let lists = lists.iter();
        lists
            .map(|any| {
                self.push(Body::Gate(Gate::Any), None, None, |list| {
                    list.extend(any.iter().map(|task| Edge::needs(task.index)));
                })
            })
            .collect()
    }

    /// Adds a gate that opens once all of `upstreams` have succeeded.
    pub(crate) fn gate(&mut self, upstreams: &[NodeIndex]) -> NodeIndex {
        self.push(Body::Gate(Gate::All), None, None, |list| {
            list.extend(upstreams.iter().copied().map(Edge::needs));
        })
    }

    pub(crate) fn task_id(&self, index: NodeIndex) -> TaskId {
        TaskId {
            flow: self.id,
            index,
        }
    }

    /// The index of a task of this flow.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow.
    #[track_caller]
    pub(crate) fn check(&self, task: TaskId) -> NodeIndex {
        assert!(
            task.flow == self.id,
            "a task was given the handle of a task of another flow: \
             use handles that `add` of this same flow returned"
        );
        task.index
    }

    /// Adds a node; `upstreams` appends those to a list.
    fn push(
        &mut self,
        body: Body,
        place: Option<Place>,
        config: Option<Box<Config>>,
        upstreams: impl FnOnce(&mut Vec<Edge>),
    ) -> NodeIndex {
        let index = NodeIndex::new(self.len);
        if self.compiled.get().is_some() {
            self.reopen();
        }
        let segment = &mut unpoisoned(self.segments.get_mut()).growing;
        let before = segment.upstreams.len();
        upstreams(&mut segment.upstreams);
        self.edges += segment.upstreams.len() - before;
        let end = u32::try_from(segment.upstreams.len())
            .expect("a flow cannot have more than four billion dependencies");
        segment.upstream_ends.push(end);
        let node = Node { body, config };
        if node.has_function() {
            segment.note_place(place);
        }
        segment.nodes.push(node);
        self.len += 1;
        index
    }

    /// Lets the last segment grow again, or begins another if a run still uses it.
    #[cold]
    fn reopen(&mut self) {
        self.compiled.take();
        let segments = unpoisoned(self.segments.get_mut());
        segments.growing = match segments.sealed.pop().map(Arc::try_unwrap) {
            Some(Ok(segment)) => segment,
            in_use => {
                segments.sealed.extend(in_use.and_then(Result::err));
                Segment {
                    first: self.len,
                    ..Segment::default()
                }
            }
        };
    }

    /// Everything declared so far, in segments that a graph can share: the first, and the others.
    pub(super) fn seal(&self) -> (Arc<Segment>, Box<[Arc<Segment>]>) {
        let mut segments = unpoisoned(self.segments.lock());
        let Segments { sealed, growing } = &mut *segments;
        if sealed.is_empty() || !growing.nodes.is_empty() {
            sealed.push(Arc::new(std::mem::take(growing)));
            growing.first = self.len;
        }
        let (first, rest) = sealed
            .split_first()
            .expect("one was pushed if there was none");
        (Arc::clone(first), rest.into())
    }

    /// The dense form of what has been declared, or why it cannot be executed.
    pub(crate) fn compile(&self) -> Result<&Arc<Graph>, Refusal> {
        match self.compiled.get() {
            Some(compiled) => compiled.as_ref().map_err(Clone::clone),
            None => now(self.compile_at(&mut Pace::at_once())),
        }
    }

    /// Like [`compile`](Self::compile), at a certain pace. If several executions compile at the same
    /// time, the first to be done decides.
    pub(crate) async fn compile_at(&self, pace: &mut Pace) -> Result<&Arc<Graph>, Refusal> {
        let compiled = match self.compiled.get() {
            Some(compiled) => compiled,
            None => {
                let Compiled { graph, mistake } = compile(self, pace).await;
                self.compiled
                    .get_or_init(|| mistake.map_or_else(|| Ok(Arc::new(graph)), Err))
            }
        };
        compiled.as_ref().map_err(Clone::clone)
    }

    /// The dense form, also of a flow that cannot be executed: for looking at it.
    pub(crate) fn look(&self) -> Arc<Graph> {
        match self.compile() {
            Ok(graph) => Arc::clone(graph),
            Err(_) => Arc::new(now(compile(self, &mut Pace::at_once())).graph),
        }
    }
}

/// How the members of a group are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Series,
    Parallel,
}

/// The nodes that a group became, kept for drawing the flow.
#[derive(Clone, Debug)]
pub(crate) struct GroupSpan {
    pub(crate) order: Order,
    pub(crate) first: usize,
    /// After the last one.
    pub(crate) end: usize,
}

/// Where the declared nodes are.
#[derive(Debug)]
struct Segments {
    /// Shared with the compiled graph.
    sealed: Vec<Arc<Segment>>,
    /// What was declared since then. In no `Arc`, so that declaring a task touches no reference
    /// count.
    growing: Segment,
}

/// Nodes that were declared one after the other.
///
/// A flow has one segment, which grows in place as long as no run uses it. What is declared while a
/// run uses it begins another.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// The number of its first node.
    pub(super) first: usize,
    pub(super) nodes: Vec<Node>,
    /// The upstreams of its nodes, one node after the other.
    pub(super) upstreams: Vec<Edge>,
    /// For each node, where its upstreams end.
    pub(super) upstream_ends: Vec<u32>,
    /// Where functions were declared, with the first node of those in a row that have the same place:
    /// a graph that is made in a loop has few.
    places: Vec<(usize, Option<Place>)>,
}

impl Segment {
    fn with_capacity(nodes: usize) -> Self {
        Self {
            first: 0,
            nodes: Vec::with_capacity(nodes),
            upstreams: Vec::with_capacity(nodes),
            upstream_ends: Vec::with_capacity(nodes),
            places: Vec::new(),
        }
    }

    /// Keeps where the next node, a function, was declared.
    fn note_place(&mut self, place: Option<Place>) {
        let last = self.places.last().and_then(|(_, last)| *last);
        if place.map(ptr::from_ref) != last.map(ptr::from_ref) {
            self.places.push((self.nodes.len(), place));
        }
    }

    /// Where a function was declared, if that is known.
    pub(super) fn place_of(&self, node: usize) -> Option<Place> {
        let after = self.places.partition_point(|(first, _)| *first <= node);
        self.places[..after].last().and_then(|(_, place)| *place)
    }

    /// Where the upstreams of a node begin.
    pub(super) fn begin(&self, place: usize) -> usize {
        match place {
            0 => 0,
            _ => self.upstream_ends[place - 1] as usize,
        }
    }

    /// How many upstreams each of some nodes has.
    pub(super) fn upstream_counts(&self, places: Range<usize>) -> impl Iterator<Item = u32> {
        let mut begin = self.begin(places.start) as u32;
        let ends = self.upstream_ends[places].iter();
        ends.map(move |end| end - std::mem::replace(&mut begin, *end))
    }

    pub(super) fn upstreams(&self, place: usize) -> &[Edge] {
        &self.upstreams[self.begin(place)..self.upstream_ends[place] as usize]
    }
}

/// Ignores poisoning: nothing panics while the lock is held.
fn unpoisoned<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[test]
    fn downstreams_of_a_diamond() {
        let mut declared = Declared::new();
        let a = declared.gate(&[]);
        let [b, c] = [(); 2].map(|()| declared.gate(&[a]));
        let d = declared.gate(&[b, c, a]);
        assert_eq!(declared.size(), 4 + 5, "nodes and edges");
        let graph = declared.look();
        let [to_b, to_c, to_d] = [b, c, d].map(Edge::needs);
        assert_eq!(graph.downstreams(a), [to_b, to_c, to_d]);
        assert_eq!(graph.downstreams(b), [to_d]);
        assert_eq!(graph.downstreams(d), []);
        assert_eq!(*graph.roots, [a]);
        let mut counts = Vec::new();
        graph.count_upstreams(&(0..2), &mut counts);
        graph.count_upstreams(&(2..4), &mut counts);
        assert_eq!(counts, [0, 1, 1, 3]);
    }

    #[test]
    fn a_place_is_kept_once_for_the_functions_in_a_row_that_have_it() {
        let here = Some(Location::caller());
        let there = Some(Location::caller());
        let mut segment = Segment::default();
        let places = [None, here, here, there, here, None];
        for place in places {
            segment.note_place(place);
            segment.nodes.push(Node {
                body: Body::Gate(Gate::All),
                config: None,
            });
        }
        let found = [0, 1, 2, 3, 4, 5].map(|node| segment.place_of(node));
        assert_eq!(found, places);
        assert_eq!(segment.places.len(), 4, "{:?}", segment.places);
    }

    #[test]
    fn of_a_node_without_a_function_no_place_is_kept() {
        let mut declared = Declared::new();
        let here = Some(Location::caller());
        let gate = declared.push(Body::Gate(Gate::All), here, None, |_| ());
        assert_eq!(declared.look().place_of(gate), None);
    }

    #[test]
    fn declaring_while_the_graph_is_in_use_begins_a_segment() {
        let mut declared = Declared::new();
        let a = declared.gate(&[]);
        let before = declared.look();
        let b = declared.gate(&[a]);
        let between = declared.look();
        let c = declared.gate(&[a, b]);
        let after = declared.look();
        assert_eq!((before.len(), between.len(), after.len()), (1, 2, 3));
        assert!(after.upstreams(c).eq([a, b]));
        assert!(after.upstreams(b).eq([a]));
        assert!(after.node(c).is_gate());
        assert_eq!(after.downstreams(a), [b, c].map(Edge::needs));
    }
}
