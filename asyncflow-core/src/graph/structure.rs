//! What a flow is made of, for those who draw it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handle::TaskId;
use crate::lock::Permits;
use crate::node_index::NodeIndex;

use super::body::{Body, Gate, InputUse};
use super::{Graph, Order};

/// What a flow is made of: its tasks, what each depends on, and its groups; from
/// [`Flow::structure`](crate::Flow::structure) and [`Report::structure`](crate::Report::structure).
///
/// A flow has *nodes*, numbered from 0 in the order of declaration, so that every node comes
/// after its upstreams. Most are tasks. Some are *gates*, which have no function and no name: where
/// one group follows another, a gate stands for the end of the first, so that n + m dependencies do
/// instead of n × m; and where a task comes [after any](crate::TaskExt::after_any) of others, a
/// gate opens with the first of them.
///
/// ```
/// use asyncflow_core::{NodeKind, series, parallel};
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// # async fn a() {}
/// # fn b() {}
/// # async fn c() {}
/// flow.add(series![a, parallel![b, c]]);
/// let structure = flow.structure();
/// let names: Vec<_> = structure.nodes().filter_map(|node| node.name()).collect();
/// assert_eq!(names, ["a", "b", "c"]);
/// assert_eq!(structure.node(1).kind(), NodeKind::Plain);
/// assert_eq!(structure.node(1).upstreams().collect::<Vec<_>>(), [0]);
/// assert_eq!(structure.groups().count(), 2);
/// ```
#[derive(Clone)]
pub struct Structure(Arc<Graph>);

impl Structure {
    pub(crate) fn new(graph: Arc<Graph>) -> Self {
        Self(graph)
    }

    /// How many nodes there are, gates included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the flow has no tasks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every node, in the order of declaration.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        NodeIndex::all(self.0.len()).map(|index| self.at(index))
    }

    /// One node.
    ///
    /// # Panics
    ///
    /// If there is none with this number.
    #[track_caller]
    pub fn node(&self, number: usize) -> Node<'_> {
        assert!(
            number < self.len(),
            "the flow has {} nodes, so there is none with number {number}",
            self.len()
        );
        self.at(NodeIndex::new(number))
    }

    /// The node of a task.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow, or the task was added later.
    #[track_caller]
    pub fn task(&self, task: impl Into<TaskId>) -> Node<'_> {
        let task = task.into();
        assert!(
            task.flow == self.0.id(),
            "this is the structure of another flow than the task's"
        );
        self.node(task.index.get())
    }

    /// The groups, outer ones before the groups in them.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = GroupNodes> {
        self.0.groups().iter().map(|span| GroupNodes {
            kind: match span.order {
                Order::Series => GroupKind::Series,
                Order::Parallel => GroupKind::Parallel,
            },
            first: span.first,
            end: span.end,
        })
    }

    fn at(&self, index: NodeIndex) -> Node<'_> {
        Node {
            graph: &self.0,
            index,
        }
    }
}

impl fmt::Debug for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.nodes()).finish()
    }
}

/// A group, as the nodes that its members took: all from `first` to before `end`.
///
/// So a group lies in another if its nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupNodes {
    /// Whether its members run one after the other or side by side.
    pub kind: GroupKind,
    /// The number of its first node.
    pub first: usize,
    /// The number after that of its last node.
    pub end: usize,
}

/// The two kinds of group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupKind {
    /// A [`Series`](crate::Series).
    Series,
    /// A [`Parallel`](crate::Parallel).
    Parallel,
}

/// What a [`Node`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeKind {
    /// A function that returns a future.
    Async,
    /// A function that runs on a blocking thread.
    Plain,
    /// An input of the run.
    Input,
    /// A gate that opens when all of its upstreams have succeeded.
    AllOf,
    /// A gate that opens when one of its upstreams has succeeded.
    AnyOf,
}

impl NodeKind {
    /// Whether it is a task.
    pub fn is_task(self) -> bool {
        !matches!(self, Self::AllOf | Self::AnyOf)
    }
}

/// One node in a flow: a task or a gate. See [`Structure`].
#[derive(Clone, Copy)]
pub struct Node<'a> {
    graph: &'a Graph,
    index: NodeIndex,
}

impl<'a> Node<'a> {
    /// Its number.
    pub fn number(&self) -> usize {
        self.index.get()
    }

    /// What stands there.
    pub fn kind(&self) -> NodeKind {
        match &self.graph.node(self.index).body {
            Body::Async(_) => NodeKind::Async,
            Body::Plain(_) => NodeKind::Plain,
            Body::Input(_) => NodeKind::Input,
            Body::Gate(Gate::All) => NodeKind::AllOf,
            Body::Gate(Gate::Any) => NodeKind::AnyOf,
        }
    }

    /// The task's handle; `None` for a gate.
    pub fn id(&self) -> Option<TaskId> {
        let task = self.kind().is_task();
        task.then(|| self.graph.task_id(self.index))
    }

    /// The task's name, which no other task of the flow has; `None` for a gate.
    pub fn name(&self) -> Option<&'a str> {
        let task = self.kind().is_task();
        task.then(|| self.graph.name(self.index))
    }

    /// What it depends on; one that is named twice may come twice.
    pub fn upstreams(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        let upstreams = self.graph.upstreams(self.index);
        upstreams.iter().map(|index| index.get())
    }

    /// What depends on it.
    pub fn downstreams(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        let downstreams = self.graph.downstreams(self.index);
        downstreams.iter().map(|index| index.get())
    }

    /// Those of its upstreams whose outputs its function receives.
    pub fn inputs(&self) -> Vec<usize> {
        let mut inputs = Vec::new();
        if let Some(body) = self.graph.node(self.index).body() {
            body.visit_inputs(&mut |task, _: InputUse| inputs.push(task.index.get()));
        }
        inputs
    }

    /// The upstream that decides whether it runs; see [`run_if`](crate::TaskExt::run_if).
    pub fn condition(&self) -> Option<usize> {
        let condition = self.graph.node(self.index).condition();
        condition.map(|task| task.index.get())
    }

    /// Whether it runs once its upstreams have ended, however they ended; see
    /// [`always`](crate::TaskExt::always).
    pub fn always(&self) -> bool {
        self.graph.node(self.index).always()
    }

    /// What it must hold while it runs.
    pub fn permits(&self) -> &'a [Permits] {
        self.graph.node(self.index).permits()
    }

    /// The bound on each of its attempts.
    pub fn timeout(&self) -> Option<Duration> {
        self.graph.node(self.index).config.as_ref()?.timeout
    }

    /// Whether it is attempted again after a failure.
    pub fn retries(&self) -> bool {
        self.graph.node(self.index).retries()
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("number", &self.index)
            .field("kind", &self.kind())
            .field("name", &self.name())
            .field("upstreams", &self.graph.upstreams(self.index))
            .finish_non_exhaustive()
    }
}
