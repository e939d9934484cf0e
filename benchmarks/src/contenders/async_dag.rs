//! async_dag: one future polls all running tasks with `select_all`.

use ::async_dag::{Graph, NodeIndex};

use crate::contender::{Engine, Runnable, from_fn};
use crate::job::{Body, Job};
use crate::plan::Plan;
use crate::runtime::Tokio;

/// The contender.
#[derive(Debug)]
pub(super) struct AsyncDag;

impl Engine for AsyncDag {
    type Runtime = Tokio;
    const NAME: &'static str = "async_dag";
    const REUSABLE: bool = false;
    const DATA: bool = true;
    // The limit of async_dag. `build` has no cases between 4 and 12, because the shapes have none.
    const MOST_UPSTREAMS: usize = 12;

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
        from_fn(move || enter(&mut graph))
    }

    fn build_data(&self, plan: &Plan) -> Box<dyn Runnable> {
        let mut graph = Graph::new();
        let mut last = graph.add_task(|| async { 0usize });
        for _ in 1..plan.tasks {
            last = graph
                .add_child_task(last, |value: usize| async move { value + 1 }, 0)
                .expect("the upstream's output has the input's type");
        }
        let expected = plan.tasks - 1;
        from_fn(move || {
            enter(&mut graph);
            assert_eq!(graph.get_value(last), Some(expected));
        })
    }
}

// The graph is not `Send`, so a worker cannot run it: it always runs in `block_on`.
fn enter(graph: &mut Graph<'static>) {
    Tokio::block_on(graph.run());
}
