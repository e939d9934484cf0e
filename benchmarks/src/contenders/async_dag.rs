//! async_dag: one future that polls all running ones with `select_all`.

use ::async_dag::{Graph, NodeIndex};

use crate::contender::{Engine, Runnable, Unfit, at_most_upstreams, only_async};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender.
#[derive(Debug)]
pub(super) struct AsyncDag;

impl Engine for AsyncDag {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "async_dag";
    const REUSABLE: bool = false;

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        only_async(&Plan {
            data: false,
            ..*plan
        })?;
        // async_dag itself takes up to 12; the shapes have none between 4 and 12.
        at_most_upstreams(plan, 12)
    }

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let mut graph = Graph::new();
        let mut nodes: Vec<NodeIndex> = Vec::with_capacity(plan.tasks);
        let mut upstreams = Vec::new();
        for task in 0..plan.tasks {
            plan.upstreams(task, &mut upstreams);
            let job = body.job(task);
            nodes.push(match upstreams[..] {
                [] => graph.add_task(move || job.run()),
                [upstream] => graph
                    .add_child_task(nodes[upstream], move |(): ()| job.run(), 0)
                    .expect("the upstream's output has the input's type"),
                [a, b, c, d] => {
                    let node = graph.add_task(move |(): (), (): (), (): (), (): ()| job.run());
                    for (index, upstream) in [a, b, c, d].into_iter().enumerate() {
                        graph
                            .update_dependency(nodes[upstream], node, index as u8)
                            .expect("the shapes have no cycles");
                    }
                    node
                }
                _ => unreachable!("no shape has {} upstreams", upstreams.len()),
            });
        }
        Box::new(Built(graph))
    }

    fn build_data(&self, plan: &Plan) -> Box<dyn Runnable> {
        let mut graph = Graph::new();
        let mut last = graph.add_task(|| async { 0usize });
        for _ in 1..plan.tasks {
            last = graph
                .add_child_task(last, |value: usize| async move { value + 1 }, 0)
                .expect("the upstream's output has the input's type");
        }
        Box::new(DataChain {
            graph,
            last,
            expected: plan.tasks - 1,
        })
    }
}

// The graph is not `Send`, so it cannot be run from a worker: it always runs in `block_on`.
struct Built(Graph<'static>);

impl Runnable for Built {
    fn run(&mut self) {
        runtime::tokio().block_on(self.0.run());
    }
}

struct DataChain {
    graph: Graph<'static>,
    last: NodeIndex,
    expected: usize,
}

impl Runnable for DataChain {
    fn run(&mut self) {
        runtime::tokio().block_on(self.graph.run());
        assert_eq!(self.graph.get_value(self.last), Some(self.expected));
    }
}
