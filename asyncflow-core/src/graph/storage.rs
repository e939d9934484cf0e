//! The storage of a run: what its tasks read and write.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::node_index::NodeIndex;
use crate::task::outputs::{OutputStore, Outputs};
use crate::task::statuses::Statuses;

use super::Graph;
use super::body::Body;

/// The outputs and statuses of one run, with its graph. The future of a task owns a share in it.
pub struct RunStorage {
    pub(crate) graph: Arc<Graph>,
    pub(crate) outputs: OutputStore,
    /// The run, for tasks that need to know it. A weak reference, because the run owns this.
    run: OnceLock<Weak<dyn Any + Send + Sync>>,
}

impl fmt::Debug for RunStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStorage").finish_non_exhaustive()
    }
}

impl RunStorage {
    /// The storage of a run of `graph`, with no room yet.
    pub(crate) fn new(graph: Arc<Graph>) -> Self {
        Self {
            outputs: OutputStore::new(graph.len(), &graph.layout),
            graph,
            run: OnceLock::new(),
        }
    }

    /// The storage of a report of a run that goes on.
    pub(crate) fn of_report(graph: Arc<Graph>, statuses: Statuses) -> Self {
        Self {
            outputs: OutputStore::of_report(statuses),
            graph,
            run: OnceLock::new(),
        }
    }

    /// Keeps only what is left of a run that is over: its statuses, and the outputs that stayed.
    pub(crate) fn close(&mut self, all_succeeded: bool) {
        self.run = OnceLock::new();
        self.outputs.close(&self.graph.layout, all_succeeded);
    }

    /// Makes room for up to `slice` more nodes, and as many outputs of each type. Returns whether
    /// that is done.
    pub(crate) fn grow(&mut self, slice: usize) -> bool {
        let Self { graph, outputs, .. } = self;
        outputs.grow(graph.len(), &graph.layout, slice)
    }

    #[inline]
    pub(crate) fn outputs(&self) -> Outputs<'_> {
        Outputs {
            layout: &self.graph.layout,
            store: &self.outputs,
        }
    }

    pub(crate) fn statuses(&self) -> &Statuses {
        &self.outputs.statuses
    }

    /// The body of an async task, which has the type `B`.
    #[inline]
    pub(crate) fn async_body<B: Any>(&self, node: NodeIndex) -> &B {
        let Body::Async(body) = &self.graph.node(node).body else {
            unreachable!("a job is started by the async body of its own task");
        };
        body.as_any()
            .downcast_ref()
            .expect("a job is started by the body of its own task")
    }

    /// The body of a task that is many, which has the type `B`.
    pub(crate) fn each_body<B: Any>(&self, node: NodeIndex) -> &B {
        let Body::Each(body) = &self.graph.node(node).body else {
            unreachable!("elements are those of their own task");
        };
        body.as_any()
            .downcast_ref()
            .expect("elements are made by the body of their own task")
    }

    /// Tells the tasks which run they are in; called before the first one starts.
    pub(crate) fn set_run(&self, run: Weak<dyn Any + Send + Sync>) {
        // Called once, so there is none yet.
        let _ = self.run.set(run);
    }

    /// The run, for a task of it that is being polled.
    pub(crate) fn run<R: Any + Send + Sync>(&self) -> Arc<R> {
        let run = self.run.get().and_then(Weak::upgrade);
        let run = run.expect("a run goes on while a task of it is polled");
        run.downcast().expect("all runs have the same type")
    }
}
