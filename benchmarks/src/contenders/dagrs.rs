//! dagrs: each node is a task that waits on channels for its upstreams; run by `async_start`.

use std::sync::Arc;

use ::dagrs::{
    Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeId, NodeTable, OutChannels,
    Output, async_trait::async_trait,
};

use crate::contender::{Engine, Runnable, from_fn};
use crate::dagx_set::{Item, SetEngine};
use crate::job::{Body, Job};
use crate::plan::Plan;
use crate::runtime::{Runtime, Tokio};

/// The contender.
#[derive(Debug)]
pub(super) struct Dagrs;

impl Engine for Dagrs {
    type Runtime = Tokio;
    const NAME: &'static str = "dagrs";
    const REUSABLE: bool = false;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let mut graph = Building::default();
        let mut upstreams = Vec::new();
        for task in 0..plan.tasks {
            plan.upstreams(task, &mut upstreams);
            graph.add(Work(body.job(task)), &upstreams);
        }
        let mut graph = Some(graph.finish());
        from_fn(move || {
            let mut running = graph.take().expect("a dagrs graph is run once");
            let (ended, result) = Tokio::enter(async move {
                let result = running.async_start().await;
                (running, result)
            });
            result.expect("dagrs runs the graph");
            // Kept, so that dropping it is not part of the run.
            graph = Some(ended);
        })
    }
}

impl SetEngine for Dagrs {
    async fn life(item: Item) -> i32 {
        let mut graph = Building::default();
        let last = add_item(&mut graph, item);
        let last = graph.ids[last];
        let mut graph = graph.finish();
        graph.async_start().await.expect("dagrs runs the graph");
        let results = graph.get_results::<i32>();
        let result = results.get(&last).cloned().flatten();
        *result.expect("the last task has an output")
    }
}

/// Waits for its upstreams, does its work, and tells its downstreams. Without the waiting, dagrs
/// would not order anything.
struct Work<J>(J);

#[async_trait]
impl<J: Job> Action for Work<J> {
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

/// Calls a function with the outputs of its upstreams, and sends what it returns to its
/// downstreams.
struct Call<I, O>(Box<dyn Fn(Vec<Arc<I>>) -> O + Send + Sync>);

#[async_trait]
impl<I: Send + Sync + 'static, O: Send + Sync + 'static> Action for Call<I, O> {
    async fn run(
        &self,
        inputs: &mut InChannels,
        outputs: &mut OutChannels,
        _: Arc<EnvVar>,
    ) -> Output {
        let received = inputs
            .map(|content| content.ok().and_then(Content::into_inner::<I>))
            .await;
        let content = Content::new(self.0(received.into_iter().flatten().collect()));
        outputs.broadcast(content.clone()).await;
        Output::Out(Some(content))
    }
}

/// A graph that is being built. Its tasks are known by their index.
#[derive(Default)]
struct Building {
    table: NodeTable,
    graph: Graph,
    ids: Vec<NodeId>,
    downstreams: Vec<Vec<NodeId>>,
}

impl Building {
    fn add(&mut self, action: impl Action + 'static, upstreams: &[usize]) -> usize {
        let task = self.ids.len();
        let node = DefaultNode::with_action(task.to_string(), action, &mut self.table);
        let id = node.id();
        let added = self.graph.add_node(node);
        added.expect("every node has another name");
        for &upstream in upstreams {
            self.downstreams[upstream].push(id);
        }
        self.ids.push(id);
        self.downstreams.push(Vec::new());
        task
    }

    /// A task that calls `function` with the outputs of `upstreams`.
    fn call<I, O>(
        &mut self,
        upstreams: &[usize],
        function: impl Fn(Vec<Arc<I>>) -> O + Send + Sync + 'static,
    ) -> usize
    where
        I: Send + Sync + 'static,
        O: Send + Sync + 'static,
    {
        self.add(Call(Box::new(function)), upstreams)
    }

    /// A task without upstreams.
    fn source<O: Send + Sync + 'static>(
        &mut self,
        function: impl Fn() -> O + Send + Sync + 'static,
    ) -> usize {
        self.call(&[], move |_: Vec<Arc<()>>| function())
    }

    fn finish(mut self) -> Graph {
        // All edges of a node at once: adding them one by one is slower.
        for (from, to) in self.ids.into_iter().zip(self.downstreams) {
            if !to.is_empty() {
                let added = self.graph.add_edge(from, to);
                added.expect("both ends of an edge exist");
            }
        }
        self.graph.set_env(EnvVar::new(self.table));
        self.graph
    }
}

fn add_item(graph: &mut Building, item: Item) -> usize {
    let apply = |function: fn(i32) -> i32| move |x: Vec<Arc<i32>>| function(*x[0]);
    match item {
        Item::Chain5 => {
            let mut last = graph.source(|| 1);
            let steps: [fn(i32) -> i32; 4] = [|x| x + 1, |x| x * 2, |x| x - 1, |x| x * 3];
            for step in steps {
                last = graph.call(&[last], apply(step));
            }
            last
        }
        Item::Chain100 => {
            let mut last = graph.source(|| 0);
            for step in 1..100 {
                last = graph.call(&[last], move |x: Vec<Arc<i32>>| *x[0] + step);
            }
            last
        }
        Item::FanOut => {
            let first = graph.source(|| 42);
            let mut last = first;
            for step in 0..100 {
                last = graph.call(&[first], move |x: Vec<Arc<i32>>| *x[0] + step);
            }
            last
        }
        Item::Independent => {
            let mut last = graph.source(|| 0);
            for value in 1..10_000 {
                last = graph.source(move || value * 2);
            }
            last
        }
        Item::Diamond => {
            let first = graph.source(|| 10);
            let left = graph.call(&[first], apply(|x| x * 2));
            let right = graph.call(&[first], apply(|x| x + 5));
            let sum = |x: Vec<Arc<i32>>| x.iter().map(|x| **x).sum::<i32>();
            graph.call(&[left, right], sum)
        }
        Item::Etl => add_etl(graph),
    }
}

fn add_etl(graph: &mut Building) -> usize {
    type Lists = Vec<Arc<Vec<i32>>>;
    let transformed = [1, 6, 11].map(|first| {
        let extracted = graph.source(move || (first..first + 5).collect::<Vec<i32>>());
        let double = |x: Lists| x[0].iter().map(|x| x * 2).collect::<Vec<i32>>();
        graph.call(&[extracted], double)
    });
    let concatenate = |x: Lists| x.iter().flat_map(|list| list.iter().copied()).collect();
    let merged = graph.call::<Vec<i32>, Vec<i32>>(&transformed, concatenate);
    let positive = |x: Lists| {
        x[0].iter()
            .copied()
            .filter(|&x| x > 0)
            .collect::<Vec<i32>>()
    };
    let validated = graph.call(&[merged], positive);
    graph.call(&[validated], |x: Lists| x[0].iter().sum::<i32>())
}
