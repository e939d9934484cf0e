//! The graph: what was declared, and the dense form that runs are made of.
//!
//! Tasks are numbered in the order in which they were declared. A task can only be declared after
//! the tasks that it depends on, since it needs their handles; so every edge leads from a smaller
//! number to a larger one, the numbers are a topological order, and a cycle cannot be written.
//!
//! Nothing here knows of futures being polled or threads being started.

mod compile;
mod declared;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::column::{AnyColumn, ColumnType, Slot};
use crate::declare::configure::Config;
use crate::declare::function::{AnyBody, Body, Facts};
use crate::declare::group::Span;
use crate::declare::inputs::InputUse;
use crate::declare::lock::Permits;
use crate::handle::{FlowId, TaskId};
use crate::names::Names;

pub(crate) use compile::Compiler;
pub(crate) use declared::Declared;
use declared::Segment;

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

/// The dense form: successors in compressed sparse rows.
pub(crate) struct Graph {
    id: FlowId,
    /// The first segment, which nearly always is the only one.
    first: Arc<Segment>,
    rest: Box<[Arc<Segment>]>,
    /// For each node where its successors begin, and where the last one's end.
    rows: Vec<u32>,
    /// For each node where in a run its output is, or [`NOWHERE`]; up to the last that has any.
    slots: Vec<Slot>,
    successors: Box<[u32]>,
    /// Nodes without upstreams.
    pub(crate) roots: SmallVec<[u32; 4]>,
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
    groups: Option<Arc<Vec<Span>>>,
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

    pub(crate) fn id(&self) -> FlowId {
        self.id
    }

    /// How many nodes there are, gates included.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - 1
    }

    pub(crate) fn groups(&self) -> &[Span] {
        self.groups.as_deref().map_or(&[], Vec::as_slice)
    }

    /// A column for each type of output, with no room yet.
    pub(crate) fn make_columns(&self) -> Box<[AnyColumn]> {
        let columns = self.columns.iter();
        columns
            .map(|(column, len, _)| (column.make)(*len as usize))
            .collect()
    }

    /// Makes room in each column for so many more outputs. Whether those were the last.
    pub(crate) fn grow_columns(&self, columns: &mut [AnyColumn], slice: usize) -> bool {
        let mut all = true;
        for ((kind, len, _), column) in self.columns.iter().zip(columns) {
            all &= (kind.grow)(column, *len as usize, slice);
        }
        all
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
                let (segment, place) = locate(&self.first, &self.rest, index as usize);
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
        let start = self.rows[index as usize] as usize;
        let end = self.rows[index as usize + 1] as usize;
        &self.successors[start..end]
    }

    pub(crate) fn upstreams(&self, index: u32) -> &[u32] {
        let (segment, place) = locate(&self.first, &self.rest, index as usize);
        segment.upstreams(place)
    }

    /// Appends, for each of some nodes, how many upstreams it has.
    pub(crate) fn count_upstreams(&self, nodes: &Range<usize>, counts: &mut impl Extend<u32>) {
        for segment in self.segments() {
            let place = |index: usize| index.saturating_sub(segment.first).min(segment.nodes.len());
            counts.extend(segment.upstream_counts(place(nodes.start)..place(nodes.end)));
        }
    }

    #[inline]
    pub(crate) fn slot(&self, index: u32) -> Option<Slot> {
        let slot = self.slots.get(index as usize)?;
        (*slot != NOWHERE).then_some(*slot)
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

/// The segment of a node, and its place there.
fn locate<'a>(first: &'a Segment, rest: &'a [Arc<Segment>], index: usize) -> (&'a Segment, usize) {
    let after = rest.partition_point(|segment| segment.first <= index);
    match after.checked_sub(1) {
        None => (first, index),
        Some(later) => (&rest[later], index - rest[later].first),
    }
}
