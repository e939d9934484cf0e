//! The graph: what was declared, and the dense form that runs are made of.
//!
//! Tasks are numbered in the order in which they were declared. A task can only be declared after
//! the tasks that it depends on, since it needs their handles; so every edge leads from a smaller
//! number to a larger one, the numbers are a topological order, and a cycle cannot be written.
//!
//! Nothing here knows of futures being polled or threads being started.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::column::{AnyColumn, ColumnType, Slot};
use crate::declare::configure::{Config, Request};
use crate::declare::function::{AnyBody, Body, Facts, Gate};
use crate::declare::group::{Span, add_group};
use crate::declare::inputs::InputUse;
use crate::declare::item::{Declaration, Element};
use crate::declare::lock::Permits;
use crate::handle::{FlowId, TaskId};
use crate::names::Names;
use crate::outcome::refusal::Refusal;

/// Stands for "nowhere": the task's output is `()`.
const NOWHERE: Slot = Slot {
    column: u32::MAX,
    place: 0,
};

/// One place in the graph: a task, or a gate.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) body: Body,
    /// Boxed, because most tasks have none.
    pub(crate) config: Option<Box<Config>>,
}

impl Node {
    pub(crate) fn body(&self) -> Option<&dyn AnyBody> {
        match &self.body {
            Body::Async(body) => Some(body.as_any_body()),
            Body::Plain(body) => Some(body.as_any_body()),
            Body::Input(_) | Body::Gate(_) => None,
        }
    }

    pub(crate) fn always(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.always)
    }

    /// What was declared of the flow that it is, if it is one.
    pub(crate) fn nested(&self) -> Option<&Declared> {
        self.body().and_then(|body| body.nested())
    }

    pub(crate) fn permits(&self) -> &[Permits] {
        self.config.as_ref().map_or(&[], |config| &config.permits)
    }

    pub(crate) fn is_gate(&self) -> bool {
        matches!(self.body, Body::Gate(_))
    }

    pub(crate) fn condition(&self) -> Option<TaskId> {
        self.config.as_ref().and_then(|config| config.condition)
    }

    fn facts(&self) -> Facts {
        match &self.body {
            Body::Async(body) => body.facts(),
            Body::Plain(body) => body.facts(),
            Body::Input(input) => Facts {
                column: input.column,
                ..Facts::default()
            },
            Body::Gate(_) => Facts::default(),
        }
    }

    /// Calls `visit` for every task whose output this one uses, and how.
    pub(crate) fn visit_inputs(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        if let Some(body) = self.body() {
            body.visit_inputs(visit);
        }
        if let Some(condition) = self.condition() {
            visit(condition, InputUse::Borrowed);
        }
    }
}

/// A stretch of declared nodes.
///
/// A flow has one, which grows in place as long as no run uses it. What is declared while a run
/// does use it begins another.
#[derive(Debug, Default)]
struct Segment {
    /// The number of its first node.
    first: usize,
    nodes: Vec<Node>,
    /// The upstreams of its nodes, one node after the other.
    upstreams: Vec<u32>,
    /// For each node, where its upstreams end.
    upstream_ends: Vec<u32>,
}

impl Segment {
    fn upstreams(&self, place: usize) -> &[u32] {
        let start = match place {
            0 => 0,
            _ => self.upstream_ends[place - 1],
        };
        &self.upstreams[start as usize..self.upstream_ends[place] as usize]
    }
}

/// Where the declared nodes are.
#[derive(Debug, Default)]
struct Segments {
    /// Those that a graph was made of, shared with it.
    sealed: Vec<Arc<Segment>>,
    /// What was declared since then; in no `Arc`, so that declaring a task touches no reference
    /// count.
    growing: Segment,
}

/// What has been declared so far.
#[doc(hidden)]
pub struct Declared {
    id: FlowId,
    /// Locked by the first execution, which seals what there is; declaring has it to itself.
    segments: Mutex<Segments>,
    len: usize,
    /// How many of the nodes are tasks.
    tasks: usize,
    /// Outer groups before those in them; shared with the graphs made of this, like the segments.
    groups: Arc<Vec<Span>>,
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
            segments: Mutex::default(),
            len: 0,
            tasks: 0,
            groups: Arc::default(),
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

    pub(crate) fn groups(&mut self) -> &mut Vec<Span> {
        Arc::make_mut(&mut self.groups)
    }

    /// Adds a task or a whole group; gives the task, or the end of the group.
    #[track_caller]
    pub(crate) fn add(&mut self, element: Element) -> TaskId {
        let index = match element {
            Element::Task(Declaration { body, request }) => self.add_task(body, request, &[]),
            Element::Group(members) => add_group(self, members),
        };
        TaskId {
            flow: self.id,
            index,
        }
    }

    /// Adds a task that comes after `entry` and after what it asks for itself.
    #[track_caller]
    pub(crate) fn add_task(&mut self, body: Body, request: Request, entry: &[u32]) -> u32 {
        let Request {
            upstreams,
            any,
            config,
        } = request;
        for task in &upstreams {
            self.check(*task);
        }
        for task in any.iter().flatten() {
            self.check(*task);
        }
        let condition = config.as_ref().and_then(|config| config.condition);
        if let Some(condition) = condition {
            self.check(condition);
        }
        let gates: Vec<u32> = any
            .iter()
            .map(|any| {
                self.push(Body::Gate(Gate::Any), None, |list| {
                    list.extend(any.iter().map(|task| task.index));
                })
            })
            .collect();
        self.tasks += 1;
        self.push(body, config, |list| {
            list.extend_from_slice(entry);
            list.extend_from_slice(&gates);
            for task in &upstreams {
                list.push(task.index);
            }
            if let Some(condition) = condition {
                list.push(condition.index);
            }
        })
    }

    /// Adds a gate that opens once all of `upstreams` have succeeded.
    pub(crate) fn gate(&mut self, upstreams: &[u32]) -> u32 {
        self.push(Body::Gate(Gate::All), None, |list| {
            list.extend_from_slice(upstreams);
        })
    }

    /// The index of a task of this flow.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow.
    #[track_caller]
    pub(crate) fn check(&self, task: TaskId) -> u32 {
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
        config: Option<Box<Config>>,
        upstreams: impl FnOnce(&mut Vec<u32>),
    ) -> u32 {
        let index = u32::try_from(self.len)
            .ok()
            .filter(|index| *index < u32::MAX / 2)
            .expect("a flow has room for two thousand million tasks");
        if self.compiled.get().is_some() {
            self.reopen();
        }
        let segment = &mut unpoisoned(self.segments.get_mut()).growing;
        upstreams(&mut segment.upstreams);
        let end = u32::try_from(segment.upstreams.len()).expect("at most 2^32 edges");
        segment.upstream_ends.push(end);
        segment.nodes.push(Node { body, config });
        self.len += 1;
        index
    }

    /// Lets the last segment grow again, or begins another one if a run still uses it.
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

    /// Everything declared so far, in segments that a graph can share.
    fn seal(&self) -> Vec<Arc<Segment>> {
        let mut segments = unpoisoned(self.segments.lock());
        let Segments { sealed, growing } = &mut *segments;
        if sealed.is_empty() || !growing.nodes.is_empty() {
            sealed.push(Arc::new(std::mem::take(growing)));
            growing.first = self.len;
        }
        sealed.clone()
    }

    /// The dense form of what has been declared, or why it cannot be executed.
    pub(crate) fn compile(&self) -> Result<&Arc<Graph>, Refusal> {
        self.compiled
            .get_or_init(|| {
                let graph = Graph::new(self);
                crate::validate::graph(&graph)?;
                Ok(Arc::new(graph))
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The dense form, also of a flow that could not be executed: for looking at it.
    pub(crate) fn look(&self) -> Arc<Graph> {
        match self.compile() {
            Ok(graph) => Arc::clone(graph),
            Err(_) => Arc::new(Graph::new(self)),
        }
    }
}

/// What the engine needs to know of a node beside what it runs, in one place.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Where its successors begin; they end where those of the next node begin.
    successors: u32,
    /// How many upstreams it has.
    upstreams: u32,
    /// Where in a run its output is, or [`NOWHERE`].
    slot: Slot,
}

/// Gives each output its place among those of its type.
#[derive(Default)]
struct Columns {
    columns: Vec<(ColumnType, u32)>,
    by_type: BTreeMap<TypeId, u32>,
    /// The type that was last asked for: mostly the next one's, too.
    last: Option<(TypeId, u32)>,
}

impl Columns {
    fn slot(&mut self, column: ColumnType) -> Slot {
        let number = match self.last {
            Some((id, number)) if id == column.id => number,
            _ => *self.by_type.entry(column.id).or_insert_with(|| {
                self.columns.push((column, 0));
                self.columns.len() as u32 - 1
            }),
        };
        self.last = Some((column.id, number));
        let len = &mut self.columns[number as usize].1;
        *len += 1;
        Slot {
            column: number,
            place: *len - 1,
        }
    }

    fn finish(self) -> Vec<(ColumnType, u32, u32)> {
        let mut before = 0;
        let columns = self.columns.into_iter().map(|(column, len)| {
            before += len;
            (column, len, before - len)
        });
        columns.collect()
    }
}

/// The dense form: successors in compressed sparse rows.
pub(crate) struct Graph {
    id: FlowId,
    /// The first segment, which nearly always is the only one.
    first: Arc<Segment>,
    rest: Box<[Arc<Segment>]>,
    /// One for each node, and one more that marks the end.
    shapes: Vec<Shape>,
    successors: Box<[u32]>,
    /// Nodes without upstreams.
    pub(crate) roots: Vec<u32>,
    /// Tasks that can run only once.
    pub(crate) once: Vec<u32>,
    /// Tasks without a function.
    pub(crate) inputs: Vec<u32>,
    /// Tasks whose output is taken by value, and by which task; ordered.
    pub(crate) moved: Vec<(u32, u32)>,
    /// Tasks that are flows.
    pub(crate) nested: Vec<u32>,
    /// See [`Self::taker`].
    taker: OnceLock<Option<u32>>,
    pub(crate) has_gates: bool,
    groups: Arc<Vec<Span>>,
    /// For each type of output the column, how long it is, and how many outputs are in the columns
    /// before it.
    columns: Vec<(ColumnType, u32, u32)>,
    names: OnceLock<Names>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("nodes", &self.len())
            .field("edges", &self.successors.len())
            .finish_non_exhaustive()
    }
}

impl Graph {
    fn new(declared: &Declared) -> Self {
        let mut segments = declared.seal().into_iter();
        let first = segments.next().expect("there is always one");
        let mut graph = Self {
            id: declared.id,
            first,
            rest: segments.collect(),
            shapes: Vec::new(),
            successors: Box::default(),
            roots: Vec::new(),
            once: Vec::new(),
            inputs: Vec::new(),
            moved: Vec::new(),
            nested: Vec::new(),
            taker: OnceLock::new(),
            has_gates: declared.len > declared.tasks,
            groups: Arc::clone(&declared.groups),
            columns: Vec::new(),
            names: OnceLock::new(),
        };
        graph.index(declared.len);
        graph
    }

    /// Fills in everything that is derived from the nodes and their upstreams.
    fn index(&mut self, len: usize) {
        let mut shapes = Vec::with_capacity(len + 1);
        let mut columns = Columns::default();
        let (mut roots, mut once, mut inputs, mut moved) = (vec![], vec![], vec![], vec![]);
        let mut flows = vec![];
        for segment in self.segments() {
            let mut begin = 0;
            for (place, (node, end)) in segment.nodes.iter().zip(&segment.upstream_ends).enumerate()
            {
                let index = (segment.first + place) as u32;
                let Facts {
                    column,
                    once: runs_once,
                    moves,
                    nested,
                } = node.facts();
                if begin == *end {
                    roots.push(index);
                }
                if runs_once {
                    once.push(index);
                }
                if nested {
                    flows.push(index);
                }
                if moves {
                    node.visit_inputs(&mut |task, how| {
                        if how == InputUse::Moved {
                            moved.push((task.index, index));
                        }
                    });
                }
                if let Body::Input(_) = node.body {
                    inputs.push(index);
                }
                shapes.push(Shape {
                    successors: 0,
                    upstreams: end - begin,
                    slot: column.map_or(NOWHERE, |column| columns.slot(column)),
                });
                begin = *end;
            }
        }
        moved.sort_unstable();
        shapes.push(Shape {
            successors: 0,
            upstreams: 0,
            slot: NOWHERE,
        });

        // Counting sort of the edges by their upstream end: count, sum up, and fill in from the back,
        // by which the sums come down from where each row ends to where it begins.
        let mut edges = 0;
        for segment in self.segments() {
            for upstream in &segment.upstreams {
                shapes[*upstream as usize].successors += 1;
            }
            edges += segment.upstreams.len();
        }
        let mut sum = 0;
        for shape in &mut shapes {
            sum += shape.successors;
            shape.successors = sum;
        }
        let mut successors = vec![0; edges].into_boxed_slice();
        for segment in self.rest.iter().rev().chain([&self.first]) {
            let mut end = segment.upstreams.len();
            for place in (0..segment.nodes.len()).rev() {
                let begin = end - segment.upstreams(place).len();
                for upstream in segment.upstreams[begin..end].iter().rev() {
                    let row = &mut shapes[*upstream as usize].successors;
                    *row -= 1;
                    successors[*row as usize] = (segment.first + place) as u32;
                }
                end = begin;
            }
        }

        self.shapes = shapes;
        self.successors = successors;
        self.roots = roots;
        self.once = once;
        self.inputs = inputs;
        self.moved = moved;
        self.nested = flows;
        self.columns = columns.finish();
    }

    fn nodes(&self) -> impl Iterator<Item = (u32, &Node)> {
        self.segments().flat_map(|segment| {
            segment.nodes.iter().enumerate().map(move |(place, node)| {
                let index = (segment.first + place) as u32;
                (index, node)
            })
        })
    }

    /// The first task that takes permits, be it in a flow that it is.
    pub(crate) fn taker(&self) -> Option<u32> {
        *self.taker.get_or_init(|| {
            let takes = |node: &Node| {
                let inner = node.nested().and_then(|inner| inner.compile().ok());
                !node.permits().is_empty() || inner.is_some_and(|inner| inner.taker().is_some())
            };
            let mut nodes = self.nodes();
            nodes.find(|(_, node)| takes(node)).map(|(index, _)| index)
        })
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        std::iter::once(&self.first)
            .chain(&self.rest)
            .map(|segment| &**segment)
    }

    /// The segment of a node, and its place there.
    fn locate(&self, index: u32) -> (&Segment, usize) {
        let index = index as usize;
        if index < self.first.nodes.len() {
            return (&self.first, index);
        }
        let later = self
            .rest
            .partition_point(|segment| segment.first <= index)
            .checked_sub(1)
            .expect("the index is one of this graph");
        let segment = &self.rest[later];
        (segment, index - segment.first)
    }

    pub(crate) fn id(&self) -> FlowId {
        self.id
    }

    /// How many nodes there are, gates included.
    pub(crate) fn len(&self) -> usize {
        self.shapes.len() - 1
    }

    pub(crate) fn groups(&self) -> &[Span] {
        &self.groups
    }

    /// An empty column for each type of output.
    pub(crate) fn make_columns(&self) -> Box<[AnyColumn]> {
        let columns = self.columns.iter();
        columns
            .map(|(column, len, _)| (column.make)(*len as usize))
            .collect()
    }

    /// Drops an output.
    pub(crate) fn clear(&self, columns: &mut [AnyColumn], slot: Slot) {
        let column = slot.column as usize;
        (self.columns[column].0.clear)(&mut columns[column], slot.place);
    }

    /// How many outputs there are.
    pub(crate) fn outputs(&self) -> usize {
        let last = self.columns.last();
        last.map_or(0, |(_, len, before)| (len + before) as usize)
    }

    /// The number of an output among all.
    pub(crate) fn ordinal(&self, slot: Slot) -> usize {
        (self.columns[slot.column as usize].2 + slot.place) as usize
    }

    #[inline]
    pub(crate) fn node(&self, index: u32) -> &Node {
        match self.first.nodes.get(index as usize) {
            Some(node) => node,
            None => {
                let (segment, place) = self.locate(index);
                &segment.nodes[place]
            }
        }
    }

    /// Every task, in the order of declaration; no gates.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (u32, &Node)> {
        self.nodes().filter(|(_, node)| !node.is_gate())
    }

    #[inline]
    pub(crate) fn successors(&self, index: u32) -> &[u32] {
        let start = self.shapes[index as usize].successors as usize;
        let end = self.shapes[index as usize + 1].successors as usize;
        &self.successors[start..end]
    }

    pub(crate) fn upstreams(&self, index: u32) -> &[u32] {
        let (segment, place) = self.locate(index);
        segment.upstreams(place)
    }

    /// For every node how many upstreams it has.
    pub(crate) fn upstream_counts(&self) -> impl Iterator<Item = u32> {
        let shapes = &self.shapes[..self.len()];
        shapes.iter().map(|shape| shape.upstreams)
    }

    #[inline]
    pub(crate) fn slot(&self, index: u32) -> Option<Slot> {
        let slot = self.shapes[index as usize].slot;
        (slot != NOWHERE).then_some(slot)
    }

    /// Whether some task takes this output by value.
    pub(crate) fn is_moved(&self, index: u32) -> bool {
        self.moved
            .binary_search_by_key(&index, |(output, _)| *output)
            .is_ok()
    }

    pub(crate) fn name(&self, index: u32) -> &str {
        self.names.get_or_init(|| Names::new(self)).get(index)
    }

    pub(crate) fn task_id(&self, index: u32) -> TaskId {
        TaskId {
            flow: self.id,
            index,
        }
    }
}

/// What is under a lock; nothing panics while it is held.
fn unpoisoned<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate_graph(upstreams: &[&[u32]]) -> Graph {
        let mut declared = Declared::new();
        for upstreams in upstreams {
            declared.gate(upstreams);
        }
        Graph::new(&declared)
    }

    #[test]
    fn successors_mirror_upstreams() {
        let graph = gate_graph(&[&[], &[0], &[0], &[1, 2, 0]]);
        assert_eq!(graph.successors(0), [1, 2, 3]);
        assert_eq!(graph.successors(1), [3]);
        assert_eq!(graph.successors(3), []);
        assert_eq!(*graph.roots, [0]);
        assert_eq!(graph.upstream_counts().collect::<Vec<_>>(), [0, 1, 1, 3]);
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
        assert_eq!(after.upstreams(c), [a, b]);
        assert_eq!(after.upstreams(b), [a]);
        assert!(after.node(c).is_gate());
        assert_eq!(after.successors(a), [b, c]);
    }
}
