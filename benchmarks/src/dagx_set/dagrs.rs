//! The set on dagrs.

use std::collections::HashMap;
use std::sync::Arc;

use ::dagrs::{
    Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeId, NodeTable, OutChannels,
    Output, async_trait::async_trait,
};

use super::{Item, SetEngine};

/// The contender.
#[derive(Debug)]
pub(super) struct Dagrs;

impl SetEngine for Dagrs {
    const NAME: &'static str = "dagrs";

    async fn life(item: Item) -> i32 {
        let mut wiring = Wiring::new();
        let last = build(&mut wiring, item);
        let mut graph = wiring.finish();
        graph.async_start().await.expect("dagrs runs the graph");
        let results = graph.get_results::<i32>();
        let result = results.get(&last).cloned().flatten();
        *result.expect("the last task has an output")
    }
}

/// Calls a function with what came in, and sends what it returns to everything downstream.
struct Step<I, O>(Box<dyn Fn(Vec<Arc<I>>) -> O + Send + Sync>);

#[async_trait]
impl<I: Send + Sync + 'static, O: Send + Sync + 'static> Action for Step<I, O> {
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

/// A graph in the making.
struct Wiring {
    table: NodeTable,
    graph: Graph,
    edges: Vec<(NodeId, Vec<NodeId>)>,
    /// Where each node is in `edges`.
    index: HashMap<NodeId, usize>,
}

impl Wiring {
    fn new() -> Wiring {
        Wiring {
            table: NodeTable::new(),
            graph: Graph::new(),
            edges: Vec::new(),
            index: HashMap::new(),
        }
    }

    fn add<I, O>(
        &mut self,
        upstreams: &[NodeId],
        function: impl Fn(Vec<Arc<I>>) -> O + Send + Sync + 'static,
    ) -> NodeId
    where
        I: Send + Sync + 'static,
        O: Send + Sync + 'static,
    {
        let name = self.edges.len().to_string();
        let node = DefaultNode::with_action(name, Step(Box::new(function)), &mut self.table);
        let id = node.id();
        self.graph
            .add_node(node)
            .expect("nodes have names of their own");
        for upstream in upstreams {
            if let Some(&index) = self.index.get(upstream) {
                self.edges[index].1.push(id);
            }
        }
        self.index.insert(id, self.edges.len());
        self.edges.push((id, Vec::new()));
        id
    }

    /// A task without upstreams.
    fn source<O: Send + Sync + 'static>(
        &mut self,
        function: impl Fn() -> O + Send + Sync + 'static,
    ) -> NodeId {
        self.add(&[], move |_: Vec<Arc<()>>| function())
    }

    fn finish(mut self) -> Graph {
        for (from, to) in self.edges {
            if !to.is_empty() {
                let added = self.graph.add_edge(from, to);
                added.expect("both ends of an edge exist");
            }
        }
        self.graph.set_env(EnvVar::new(self.table));
        self.graph
    }
}

fn build(wiring: &mut Wiring, item: Item) -> NodeId {
    let apply = |function: fn(i32) -> i32| move |x: Vec<Arc<i32>>| function(*x[0]);
    match item {
        Item::Chain5 => {
            let mut last = wiring.source(|| 1);
            let steps: [fn(i32) -> i32; 4] = [|x| x + 1, |x| x * 2, |x| x - 1, |x| x * 3];
            for step in steps {
                last = wiring.add(&[last], apply(step));
            }
            last
        }
        Item::Chain100 => {
            let mut last = wiring.source(|| 0);
            for step in 1..100 {
                last = wiring.add(&[last], move |x: Vec<Arc<i32>>| *x[0] + step);
            }
            last
        }
        Item::FanOut => {
            let first = wiring.source(|| 42);
            let mut last = first;
            for step in 0..100 {
                last = wiring.add(&[first], move |x: Vec<Arc<i32>>| *x[0] + step);
            }
            last
        }
        Item::Independent => {
            let mut last = wiring.source(|| 0);
            for value in 1..10_000 {
                last = wiring.source(move || value * 2);
            }
            last
        }
        Item::Diamond => {
            let first = wiring.source(|| 10);
            let left = wiring.add(&[first], apply(|x| x * 2));
            let right = wiring.add(&[first], apply(|x| x + 5));
            let sum = |x: Vec<Arc<i32>>| x.iter().map(|x| **x).sum::<i32>();
            wiring.add(&[left, right], sum)
        }
        Item::Etl => etl(wiring),
    }
}

fn etl(wiring: &mut Wiring) -> NodeId {
    type Lists = Vec<Arc<Vec<i32>>>;
    let transformed = [1, 6, 11].map(|first| {
        let extracted = wiring.source(move || (first..first + 5).collect::<Vec<i32>>());
        let double = |x: Lists| x[0].iter().map(|x| x * 2).collect::<Vec<i32>>();
        wiring.add(&[extracted], double)
    });
    let concatenate = |x: Lists| x.iter().flat_map(|list| list.iter().copied()).collect();
    let merged = wiring.add::<Vec<i32>, Vec<i32>>(&transformed, concatenate);
    let positive = |x: Lists| {
        x[0].iter()
            .copied()
            .filter(|&x| x > 0)
            .collect::<Vec<i32>>()
    };
    let validated = wiring.add(&[merged], positive);
    wiring.add(&[validated], |x: Lists| x[0].iter().sum::<i32>())
}
