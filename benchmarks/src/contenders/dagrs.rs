//! dagrs: nodes that wait on channels, so that their edges order them, and `async_start`.

use std::sync::Arc;

use ::dagrs::{
    Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeTable, OutChannels, Output,
    async_trait::async_trait,
};

use crate::contender::{Engine, Runnable};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender.
#[derive(Debug)]
pub(super) struct Dagrs;

impl Engine for Dagrs {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "dagrs";
    const REUSABLE: bool = false;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let mut table = NodeTable::new();
        let mut graph = Graph::new();
        let mut ids = Vec::with_capacity(plan.tasks);
        let mut downstreams = vec![Vec::new(); plan.tasks];
        let mut upstreams = Vec::new();
        for task in 0..plan.tasks {
            let action = Step(body.job(task));
            let node = DefaultNode::with_action(task.to_string(), action, &mut table);
            ids.push(node.id());
            graph.add_node(node).expect("nodes have names of their own");
            plan.upstreams(task, &mut upstreams);
            for &upstream in &upstreams {
                downstreams[upstream].push(ids[task]);
            }
        }
        // All edges of a node at once: adding them one by one is slower.
        for (task, downstreams) in downstreams.into_iter().enumerate() {
            if !downstreams.is_empty() {
                let added = graph.add_edge(ids[task], downstreams);
                added.expect("both ends of an edge exist");
            }
        }
        graph.set_env(EnvVar::new(table));
        Box::new(Built(Some(graph)))
    }
}

/// Waits for its inputs, does its work, and tells its downstreams.
struct Step<J>(J);

#[async_trait]
impl<J: Job> Action for Step<J> {
    async fn run(
        &self,
        inputs: &mut InChannels,
        outputs: &mut OutChannels,
        _: Arc<EnvVar>,
    ) -> Output {
        inputs.map(drop).await;
        self.0.clone().run().await;
        outputs.broadcast(Content::new(())).await;
        Output::empty()
    }
}

struct Built(Option<Graph>);

impl Runnable for Built {
    fn run(&mut self) {
        let mut graph = self.0.take().expect("a dagrs graph is run once");
        let (graph, result) = runtime::enter_tokio(async move {
            let result = graph.async_start().await;
            (graph, result)
        });
        result.expect("dagrs runs the graph");
        // Kept, so that its drop is not part of the run.
        self.0 = Some(graph);
    }
}
