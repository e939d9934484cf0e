//! dagx: runs topological layers one after the other. Each task of a layer is spawned; a layer of
//! one task runs inline.

use std::sync::Arc;

use ::dagx::{DagRunner, TaskHandle, task_fn};

use crate::contender::{Engine, Runnable, from_fn};
use crate::dagx_set::{Item, SetEngine};
use crate::job::{Body, Job};
use crate::plan::Plan;
use crate::runtime::{Runtime, Tokio};

/// The contender, with `task_fn` and a number as output, as in dagx's own benchmarks.
#[derive(Debug)]
pub(super) struct Dagx;

impl Engine for Dagx {
    type Runtime = Tokio;
    const NAME: &'static str = "dagx";
    const REUSABLE: bool = false;
    const DATA: bool = true;
    // The limit of dagx. `build` has no cases between 4 and 8, because the shapes have none.
    const MOST_UPSTREAMS: usize = 8;

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
        let dag = Arc::new(dag);
        from_fn(move || enter(&dag))
    }

    fn build_data(&self, plan: &Plan) -> Box<dyn Runnable> {
        let dag = DagRunner::new();
        let mut last: TaskHandle<usize> = dag.add_task(task_fn(|_: ()| async { 0usize })).into();
        for _ in 1..plan.tasks {
            last = dag
                .add_task(task_fn(|value: usize| async move { value + 1 }))
                .depends_on(last);
        }
        let dag = Arc::new(dag);
        let expected = plan.tasks - 1;
        from_fn(move || {
            enter(&dag);
            assert_eq!(dag.get(last).ok(), Some(expected));
        })
    }
}

impl SetEngine for Dagx {
    async fn life(item: Item) -> i32 {
        let dag = DagRunner::new();
        let last = add_item(&dag, item);
        execute(&dag).await;
        dag.get(last).expect("the last task has an output")
    }
}

async fn one<J: Job>(job: J) -> u32 {
    job.run().await;
    1
}

async fn execute(dag: &DagRunner) {
    let spawn = |future| {
        tokio::spawn(future);
    };
    dag.run(spawn).await.expect("dagx runs the graph");
}

fn enter(dag: &Arc<DagRunner>) {
    let dag = dag.clone();
    Tokio::enter(async move { execute(&dag).await });
}

fn add_item(dag: &DagRunner, item: Item) -> TaskHandle<i32> {
    let source = |value: i32| -> TaskHandle<i32> {
        dag.add_task(task_fn(move |_: ()| async move { value }))
            .into()
    };
    match item {
        Item::Chain5 => {
            let add = dag.add_task(task_fn(|x: i32| async move { x + 1 }));
            let double = dag.add_task(task_fn(|x: i32| async move { x * 2 }));
            let subtract = dag.add_task(task_fn(|x: i32| async move { x - 1 }));
            let triple = dag.add_task(task_fn(|x: i32| async move { x * 3 }));
            let added = add.depends_on(source(1));
            let doubled = double.depends_on(added);
            let subtracted = subtract.depends_on(doubled);
            triple.depends_on(subtracted)
        }
        Item::Chain100 => {
            let mut last = source(0);
            for step in 1..100 {
                let add = task_fn(move |x: i32| async move { x + step });
                last = dag.add_task(add).depends_on(last);
            }
            last
        }
        Item::FanOut => {
            let first = source(42);
            let mut last = first;
            for step in 0..100 {
                let add = task_fn(move |x: i32| async move { x + step });
                last = dag.add_task(add).depends_on(first);
            }
            last
        }
        Item::Independent => {
            let mut last = source(0);
            for value in 1..10_000 {
                last = source(value * 2);
            }
            last
        }
        Item::Diamond => {
            let first = source(10);
            let double = dag.add_task(task_fn(|x: i32| async move { x * 2 }));
            let add = dag.add_task(task_fn(|x: i32| async move { x + 5 }));
            let (left, right) = (double.depends_on(first), add.depends_on(first));
            let sum = task_fn(|(a, b): (i32, i32)| async move { a + b });
            dag.add_task(sum).depends_on((&left, &right))
        }
        Item::Etl => add_etl(dag),
    }
}

fn add_etl(dag: &DagRunner) -> TaskHandle<i32> {
    let [a, b, c] = [1, 6, 11].map(|first| {
        let extract = task_fn(move |_: ()| async move { (first..first + 5).collect::<Vec<i32>>() });
        let extracted: TaskHandle<Vec<i32>> = dag.add_task(extract).into();
        let transform = task_fn(|list: Vec<i32>| async move {
            list.into_iter().map(|x| x * 2).collect::<Vec<i32>>()
        });
        dag.add_task(transform).depends_on(extracted)
    });
    let merge = task_fn(
        |(mut all, b, c): (Vec<i32>, Vec<i32>, Vec<i32>)| async move {
            all.extend(b);
            all.extend(c);
            all
        },
    );
    let merged = dag.add_task(merge).depends_on((&a, &b, &c));
    let validate = task_fn(|list: Vec<i32>| async move {
        list.into_iter().filter(|&x| x > 0).collect::<Vec<i32>>()
    });
    let validated = dag.add_task(validate).depends_on(merged);
    let load = task_fn(|list: Vec<i32>| async move { list.into_iter().sum::<i32>() });
    dag.add_task(load).depends_on(validated)
}
