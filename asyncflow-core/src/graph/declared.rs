//! What has been declared so far.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use smallvec::SmallVec;

use crate::declare::configure::{Config, Request};
use crate::declare::function::{Body, Gate};
use crate::declare::group::{Span, add_group};
use crate::declare::item::{Declaration, Element};
use crate::handle::{FlowId, TaskId, TaskIds};
use crate::outcome::refusal::Refusal;

use super::compile::Compiler;
use super::{Graph, Node};

/// A flow has room for so many tasks at first: many have no more.
const SMALL: usize = 8;

/// What has been declared so far.
#[doc(hidden)]
pub struct Declared {
    pub(super) id: FlowId,
    /// Locked by the first execution, which seals what there is; declaring has it to itself.
    segments: Mutex<Segments>,
    len: usize,
    edges: usize,
    /// How many of the nodes are tasks.
    tasks: usize,
    /// Outer groups before those in them; shared with the graphs made of this, like the segments.
    pub(super) groups: Option<Arc<Vec<Span>>>,
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
                sealed: SmallVec::new(),
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

    pub(crate) fn groups(&mut self) -> &mut Vec<Span> {
        Arc::make_mut(self.groups.get_or_insert_default())
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
        let condition = config.as_ref().and_then(|config| config.condition);
        if let Some(condition) = condition {
            self.check(condition);
        }
        let gates = match any.is_empty() {
            true => Vec::new(),
            false => self.gates_for_any(&any),
        };
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

    /// Adds a gate for each list of which any one task has to succeed.
    #[cold]
    #[track_caller]
    fn gates_for_any(&mut self, lists: &[TaskIds]) -> Vec<u32> {
        for task in lists.iter().flatten() {
            self.check(*task);
        }
        let lists = lists.iter();
        lists
            .map(|any| {
                self.push(Body::Gate(Gate::Any), None, |list| {
                    list.extend(any.iter().map(|task| task.index));
                })
            })
            .collect()
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
        let before = segment.upstreams.len();
        upstreams(&mut segment.upstreams);
        self.edges += segment.upstreams.len() - before;
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

    /// Everything declared so far, in segments that a graph can share: the first, and the rest.
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
        self.compiled_by(|| self.compiler().all())
    }

    pub(crate) fn compiler(&self) -> Compiler {
        Compiler::new(self)
    }

    /// Whether there is nothing to be done to compile it.
    pub(crate) fn is_compiled(&self) -> bool {
        self.compiled.get().is_some()
    }

    /// The same as [`Self::compile`], by a compiler that is done.
    pub(crate) fn compiled_by(
        &self,
        done: impl FnOnce() -> Compiler,
    ) -> Result<&Arc<Graph>, Refusal> {
        self.compiled
            .get_or_init(|| done().finish())
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The dense form, also of a flow that could not be executed: for looking at it.
    pub(crate) fn look(&self) -> Arc<Graph> {
        match self.compile() {
            Ok(graph) => Arc::clone(graph),
            Err(_) => Arc::new(self.compiler().all().graph()),
        }
    }
}

/// Where the declared nodes are.
#[derive(Debug)]
struct Segments {
    /// Those that a graph was made of, shared with it.
    sealed: SmallVec<[Arc<Segment>; 1]>,
    /// What was declared since then; in no `Arc`, so that declaring a task touches no reference
    /// count.
    growing: Segment,
}

/// A stretch of declared nodes.
///
/// A flow has one, which grows in place as long as no run uses it. What is declared while a run
/// does use it begins another.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// The number of its first node.
    pub(super) first: usize,
    pub(super) nodes: Vec<Node>,
    /// The upstreams of its nodes, one node after the other.
    pub(super) upstreams: Vec<u32>,
    /// For each node, where its upstreams end.
    pub(super) upstream_ends: Vec<u32>,
}

impl Segment {
    fn with_capacity(nodes: usize) -> Self {
        Self {
            first: 0,
            nodes: Vec::with_capacity(nodes),
            upstreams: Vec::with_capacity(nodes),
            upstream_ends: Vec::with_capacity(nodes),
        }
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

    pub(super) fn upstreams(&self, place: usize) -> &[u32] {
        &self.upstreams[self.begin(place)..self.upstream_ends[place] as usize]
    }
}

/// What is under a lock; nothing panics while it is held.
fn unpoisoned<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate_graph(upstreams: &[&[u32]]) -> Arc<Graph> {
        let mut declared = Declared::new();
        for upstreams in upstreams {
            declared.gate(upstreams);
        }
        declared.look()
    }

    #[test]
    fn successors_mirror_upstreams() {
        let graph = gate_graph(&[&[], &[0], &[0], &[1, 2, 0]]);
        assert_eq!(graph.successors(0), [1, 2, 3]);
        assert_eq!(graph.successors(1), [3]);
        assert_eq!(graph.successors(3), []);
        assert_eq!(*graph.roots, [0]);
        let mut counts = Vec::new();
        graph.count_upstreams(&(0..2), &mut counts);
        graph.count_upstreams(&(2..4), &mut counts);
        assert_eq!(counts, [0, 1, 1, 3]);
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
