//! The structure of a flow, for diagrams and observers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handle::TaskId;
use crate::lock::Permits;
use crate::node_index::NodeIndex;
use crate::task::config::ConditionKind;

use super::body::{Body, Gate, InputUse};
use super::{Graph, Order};

/// The tasks of a flow, their dependencies and the groups, from
/// [`Flow::structure`](crate::Flow::structure) and [`Report::structure`](crate::Report::structure).
///
/// A flow consists of *nodes*, numbered from 0 in the order of declaration, so that every node comes
/// after its upstreams. Most nodes are tasks. Some are *gates*, which have no function and no name.
/// Where one group follows another, a gate is the end of the first group, so that n + m dependencies
/// are enough instead of n × m. Where a task comes [after any](crate::TaskExt::after_any) of several
/// others, a gate opens with the first of them that succeeds.
///
/// ```
/// use asyncflow::prelude::*;
/// use asyncflow::{NodeKind, TokioFlow};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// # async fn a() {}
/// # fn b() {}
/// # async fn c() {}
/// flow.add(series![a, parallel![b, c]]);
/// let structure = flow.structure();
/// let names: Vec<_> = structure.nodes().filter_map(|node| node.name()).collect();
/// assert_eq!(names, ["a", "b", "c"]);
/// assert_eq!(structure.node(1).kind(), NodeKind::Plain);
/// assert_eq!(structure.node(1).upstreams().collect::<Vec<_>>(), [0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Structure(Arc<Graph>);

impl Structure {
    pub(crate) fn new(graph: Arc<Graph>) -> Self {
        Self(graph)
    }

    /// Returns the number of nodes, gates included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns every node, in the order of declaration.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(parallel![|| 1, || 2]);
    /// let structure = flow.structure();
    /// // The third node is the gate at the end of the group.
    /// let tasks = structure.nodes().filter(|node| node.kind().is_task());
    /// assert_eq!((structure.len(), tasks.count()), (3, 2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        NodeIndex::all(self.0.len()).map(|index| self.at(index))
    }

    /// Returns the node with a number.
    ///
    /// # Panics
    ///
    /// Panics if there is no node with this number.
    #[track_caller]
    pub fn node(&self, number: usize) -> Node<'_> {
        assert!(
            number < self.len(),
            "the flow has {} nodes, so there is none with number {number}",
            self.len()
        );
        self.at(NodeIndex::new(number))
    }

    /// Returns the node of a task.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add((|| {}).named("fetch"));
    /// assert_eq!(flow.structure().task(fetch).name(), Some("fetch"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the handle belongs to another flow, or if the task was added later.
    #[track_caller]
    pub fn task(&self, task: impl Into<TaskId>) -> Node<'_> {
        let task = task.into();
        assert!(
            task.flow == self.0.id(),
            "the task belongs to another flow: use a handle that this flow's `add` returned"
        );
        self.node(task.index.get())
    }

    /// Returns the groups. A group comes before the groups in it.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    /// use asyncflow::{GroupKind, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(series![|| 1, parallel![|| 2, || 3]]);
    /// let structure = flow.structure();
    /// let groups: Vec<_> = structure.groups().collect();
    /// assert_eq!(groups[0].kind, GroupKind::Series);
    /// assert_eq!((groups[1].kind, groups[1].first), (GroupKind::Parallel, 1));
    /// # Ok(())
    /// # }
    /// ```
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

/// The nodes of a group: all from `first` up to but not including `end`.
///
/// A group is in another group if its nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupNodes {
    /// Whether the members run one after the other or at the same time.
    pub kind: GroupKind,
    /// The number of the first node.
    pub first: usize,
    /// One more than the number of the last node.
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
    /// A [value](crate::Flow::value) of the flow.
    Value,
    /// A gate that opens when all of its upstreams have succeeded.
    AllOf,
    /// A gate that opens when one of its upstreams has succeeded.
    AnyOf,
}

impl NodeKind {
    /// Returns `true` if the node is a task and not a gate.
    pub fn is_task(self) -> bool {
        !matches!(self, Self::AllOf | Self::AnyOf)
    }
}

/// A node of a flow: a task or a gate. See [`Structure`].
///
/// ```
/// use std::time::Duration;
///
/// use asyncflow::prelude::*;
/// use asyncflow::{NodeKind, TokioFlow};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let disk = Lock::named("disk");
/// let fetch = flow.add(async || 1);
/// let store = (|_: &i32| {}).inputs(fetch).with_lock(&disk).timeout(Duration::from_secs(1));
/// let store = flow.add(store.named("store"));
///
/// let structure = flow.structure();
/// let node = structure.task(store);
/// assert_eq!((node.number(), node.kind(), node.id()), (1, NodeKind::Plain, Some(store.id())));
/// assert_eq!(node.name(), Some("store"));
/// assert_eq!(node.upstreams().collect::<Vec<_>>(), node.inputs());
/// assert_eq!(structure.task(fetch).downstreams().collect::<Vec<_>>(), [1]);
/// assert_eq!(node.permits()[0].to_string(), "lock disk");
/// assert_eq!(node.timeout(), Some(Duration::from_secs(1)));
/// assert!(!node.always() && !node.retries() && node.conditions().len() == 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Node<'a> {
    graph: &'a Graph,
    index: NodeIndex,
}

impl<'a> Node<'a> {
    /// Returns the number of the node.
    pub fn number(&self) -> usize {
        self.index.get()
    }

    /// Returns the kind of the node.
    pub fn kind(&self) -> NodeKind {
        match &self.graph.node(self.index).body {
            Body::Async(_) => NodeKind::Async,
            Body::Each(body) if body.is_async() => NodeKind::Async,
            Body::Each(_) => NodeKind::Plain,
            Body::Plain(_) => NodeKind::Plain,
            Body::Input(_) => NodeKind::Input,
            Body::Value(_) => NodeKind::Value,
            Body::Gate(Gate::All) => NodeKind::AllOf,
            Body::Gate(Gate::Any) => NodeKind::AnyOf,
        }
    }

    /// Returns the handle of the task, or `None` for a gate.
    pub fn id(&self) -> Option<TaskId> {
        let task = self.kind().is_task();
        task.then(|| self.graph.task_id(self.index))
    }

    /// Returns the name of the task, which is unique in the flow, or `None` for a gate.
    pub fn name(&self) -> Option<&'a str> {
        let task = self.kind().is_task();
        task.then(|| self.graph.name(self.index))
    }

    /// Returns the numbers of the nodes that this one depends on. A node that was declared as an
    /// upstream twice may occur twice.
    pub fn upstreams(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        self.graph.upstreams(self.index).map(NodeIndex::get)
    }

    /// Returns the numbers of the nodes that depend on this one.
    pub fn downstreams(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        let downstreams = self.graph.downstreams(self.index);
        downstreams.iter().map(|edge| edge.node().get())
    }

    /// Returns the numbers of the upstreams whose outputs the function receives.
    pub fn inputs(&self) -> Vec<usize> {
        let mut inputs = Vec::new();
        if let Some(body) = self.graph.node(self.index).body() {
            body.visit_inputs(&mut |task, _: InputUse| inputs.push(task.index.get()));
        }
        inputs
    }

    /// Returns the numbers of the upstreams whose outputs decide whether the task runs, and how each
    /// does.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    /// use asyncflow::{ConditionKind, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let changed = flow.add(|| true);
    /// let upload = flow.add((async || {}).run_if(changed));
    /// let structure = flow.structure();
    /// let conditions: Vec<_> = structure.task(upload).conditions().collect();
    /// assert_eq!(conditions, [(0, ConditionKind::If)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn conditions(&self) -> impl ExactSizeIterator<Item = (usize, ConditionKind)> + use<'a> {
        let conditions = self.graph.node(self.index).conditions().iter();
        conditions.map(|condition| (condition.task.index.get(), condition.kind))
    }

    /// Returns `true` if the task runs once its upstreams have ended, however they ended; see
    /// [`always`](crate::TaskExt::always).
    pub fn always(&self) -> bool {
        self.graph.node(self.index).always()
    }

    /// Returns the permits that the task holds while it runs, in the order in which it takes them.
    pub fn permits(&self) -> &'a [Permits] {
        self.graph.node(self.index).permits()
    }

    /// Returns the [rate limits](crate::RateLimit) that space the starts of the task.
    pub fn rates(&self) -> &'a [Permits] {
        self.graph.node(self.index).rates()
    }

    /// Returns the time limit of each attempt; see [`timeout`](crate::TaskExt::timeout).
    pub fn timeout(&self) -> Option<Duration> {
        self.graph.node(self.index).config.as_ref()?.timeout
    }

    /// Returns `true` if the task is a function for [each](crate::each()) element of a list.
    pub fn is_each(&self) -> bool {
        matches!(self.graph.node(self.index).body, Body::Each(_))
    }

    /// Returns `true` if the task is attempted again after a failure; see
    /// [`retry`](crate::TaskExt::retry).
    pub fn retries(&self) -> bool {
        self.graph.node(self.index).retries()
    }

    /// Returns `true` if the task has a [`fallback`](crate::TaskExt::fallback).
    pub fn has_fallback(&self) -> bool {
        self.graph.node(self.index).has_fallback()
    }

    /// Returns `true` if the run goes on after a failure of the task; see
    /// [`allow_failure`](crate::TaskExt::allow_failure).
    pub fn allows_failure(&self) -> bool {
        self.graph.node(self.index).allows_failure()
    }

    /// Returns the [`priority`](crate::TaskExt::priority) of the task, 0 by default.
    pub fn priority(&self) -> i32 {
        let config = self.graph.node(self.index).config.as_ref();
        config.map_or(0, |config| config.priority)
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("number", &self.index)
            .field("kind", &self.kind())
            .field("name", &self.name())
            .field("upstreams", &self.upstreams().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
