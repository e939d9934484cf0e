//! The set on dagx.

use ::dagx::{DagRunner, TaskHandle, task_fn};

use super::{Item, SetEngine};

/// The contender.
#[derive(Debug)]
pub(super) struct Dagx;

impl SetEngine for Dagx {
    const NAME: &'static str = "dagx";

    async fn life(item: Item) -> i32 {
        let dag = DagRunner::new();
        let last = build(&dag, item);
        let spawn = |future| {
            tokio::spawn(future);
        };
        dag.run(spawn).await.expect("dagx runs the graph");
        dag.get(last).expect("the last task has an output")
    }
}

fn build(dag: &DagRunner, item: Item) -> TaskHandle<i32> {
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
        Item::Etl => etl(dag),
    }
}

fn etl(dag: &DagRunner) -> TaskHandle<i32> {
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
