//! dagx: topological layers, each task of a layer spawned, single-task layers inline.

use std::sync::Arc;

use ::dagx::{DagRunner, TaskHandle, task_fn};

use crate::contender::{Engine, Runnable, Unfit, at_most_upstreams, only_async};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender, with `task_fn` and a number as output, as in dagx's own benchmarks.
#[derive(Debug)]
pub(super) struct Dagx;

impl Engine for Dagx {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "dagx";
    const REUSABLE: bool = false;

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        only_async(&Plan {
            data: false,
            ..*plan
        })?;
        // dagx itself takes up to 8; the shapes have none between 4 and 8.
        at_most_upstreams(plan, 8)
    }

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let dag = DagRunner::new();
        let mut handles: Vec<TaskHandle<u32>> = Vec::with_capacity(plan.tasks);
        let mut upstreams = Vec::new();
        for task in 0..plan.tasks {
            plan.upstreams(task, &mut upstreams);
            let job = body.job(task);
            handles.push(match upstreams[..] {
                [] => dag.add_task(task_fn(move |_: ()| one(job.clone()))).into(),
                [a] => dag
                    .add_task(task_fn(move |_: u32| one(job.clone())))
                    .depends_on(handles[a]),
                [a, b, c, d] => dag
                    .add_task(task_fn(move |_: (u32, u32, u32, u32)| one(job.clone())))
                    .depends_on((&handles[a], &handles[b], &handles[c], &handles[d])),
                _ => unreachable!("no shape has {} upstreams", upstreams.len()),
            });
        }
        Box::new(Graph(Arc::new(dag)))
    }

    fn build_data(&self, plan: &Plan) -> Box<dyn Runnable> {
        let dag = DagRunner::new();
        let mut last: TaskHandle<usize> = dag.add_task(task_fn(|_: ()| async { 0usize })).into();
        for _ in 1..plan.tasks {
            last = dag
                .add_task(task_fn(|value: usize| async move { value + 1 }))
                .depends_on(last);
        }
        Box::new(DataChain {
            dag: Arc::new(dag),
            last,
            expected: plan.tasks - 1,
        })
    }
}

async fn one<J: Job>(job: J) -> u32 {
    job.run().await;
    1
}

fn execute(dag: &Arc<DagRunner>) {
    let dag = dag.clone();
    let result = runtime::enter_tokio(async move {
        let spawn = |future| {
            tokio::spawn(future);
        };
        dag.run(spawn).await
    });
    result.expect("dagx runs the graph");
}

struct Graph(Arc<DagRunner>);

impl Runnable for Graph {
    fn run(&mut self) {
        execute(&self.0);
    }
}

struct DataChain {
    dag: Arc<DagRunner>,
    last: TaskHandle<usize>,
    expected: usize,
}

impl Runnable for DataChain {
    fn run(&mut self) {
        execute(&self.dag);
        assert_eq!(self.dag.get(self.last).ok(), Some(self.expected));
    }
}
