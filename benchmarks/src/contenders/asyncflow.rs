//! asyncflow on its three backends, through its public API alone.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use ::asyncflow::prelude::*;
use ::asyncflow::{AsyncStdRuntime, Flow, SmolRuntime, TokioRuntime};

use crate::contender::{Engine, Runnable, Unfit, from_fn};
use crate::dagx_set::{Item, SetEngine};
use crate::job::{Body, Job};
use crate::plan::{Permits, Plan};
use crate::runtime::{AsyncStd, Runtime, Smol, Tokio};

/// A backend of asyncflow.
pub(super) trait Backend: ::asyncflow::Runtime + Default {
    type Runtime: Runtime;
    const NAME: &'static str;
}

impl Backend for TokioRuntime {
    type Runtime = Tokio;
    const NAME: &'static str = "asyncflow-tokio";
}

impl Backend for AsyncStdRuntime {
    type Runtime = AsyncStd;
    const NAME: &'static str = "asyncflow-async-std";
}

impl Backend for SmolRuntime {
    type Runtime = Smol;
    const NAME: &'static str = "asyncflow-smol";
}

/// The contender, on the backend `B`.
#[derive(Debug)]
pub(super) struct On<B>(PhantomData<B>);

pub(super) const ON_TOKIO: On<TokioRuntime> = On(PhantomData);
pub(super) const ON_ASYNC_STD: On<AsyncStdRuntime> = On(PhantomData);
pub(super) const ON_SMOL: On<SmolRuntime> = On(PhantomData);

impl<B: Backend> Engine for On<B> {
    type Runtime = B::Runtime;
    const NAME: &'static str = B::NAME;
    const REUSABLE: bool = true;

    fn accepts(&self, _: &Plan) -> Result<(), Unfit> {
        Ok(())
    }

    fn build<T: Body>(&self, plan: &Plan, body: &T) -> Box<dyn Runnable> {
        let mut flow = Flow::<B>::new();
        add_tasks(&mut flow, plan, body);
        let flow = Arc::new(flow);
        from_fn(move || {
            let flow = flow.clone();
            let run = async move { flow.execute().await.map(drop) };
            B::Runtime::enter(run).expect("the flow succeeds");
        })
    }

    fn build_data(&self, plan: &Plan) -> Box<dyn Runnable> {
        let mut flow = Flow::<B>::new();
        let mut last = flow.add(async || 0usize);
        for _ in 1..plan.tasks {
            last = flow.add((async |value: &usize| *value + 1).inputs(last));
        }
        let flow = Arc::new(flow);
        let expected = plan.tasks - 1;
        from_fn(move || {
            let flow = flow.clone();
            let run = async move { flow.execute().await.map(|run| run[last]) };
            let value = B::Runtime::enter(run).expect("the flow succeeds");
            assert_eq!(value, expected);
        })
    }
}

/// Adds the tasks of `plan` to `flow`.
pub(crate) fn add_tasks<R, B>(flow: &mut Flow<R>, plan: &Plan, body: &B)
where
    R: ::asyncflow::Runtime,
    B: Body,
{
    let lock = Lock::new();
    let semaphore = match plan.permits {
        Permits::Semaphore(permits) => Semaphore::new(permits),
        _ => Semaphore::new(1),
    };
    let mut handles: Vec<Task<()>> = Vec::with_capacity(plan.tasks);
    let mut upstreams = Vec::new();
    // The handles of the upstreams, in a buffer that every task reuses.
    let mut after: Vec<Task<()>> = Vec::new();
    for task in 0..plan.tasks {
        plan.upstreams(task, &mut upstreams);
        after.clear();
        after.extend(upstreams.iter().map(|&upstream| handles[upstream]));
        let job = body.job(task);
        // The functions have different types, so a macro says what is the same for both.
        macro_rules! add {
            ($function:expr) => {
                match plan.permits {
                    Permits::None if after.is_empty() => flow.add($function),
                    Permits::None => flow.add($function.after(&after[..])),
                    Permits::Lock => flow.add($function.after(&after[..]).with_lock(&lock)),
                    Permits::Semaphore(_) => {
                        flow.add($function.after(&after[..]).with_lock(&semaphore))
                    }
                }
            };
        }
        handles.push(if plan.is_plain(task) {
            add!(move || job.clone().call())
        } else {
            add!(move || job.clone().run())
        });
    }
}

impl<B: Backend> SetEngine for On<B> {
    async fn life(item: Item) -> i32 {
        let mut flow = Flow::<B>::new();
        let last = add_item(&mut flow, item);
        let run = flow.execute().await.expect("the flow succeeds");
        run[last]
    }
}

fn add_item<R: ::asyncflow::Runtime>(flow: &mut Flow<R>, item: Item) -> Task<i32> {
    match item {
        Item::Chain5 => {
            let first = flow.add(async || 1);
            let added = flow.add((async |x: &i32| x + 1).inputs(first));
            let doubled = flow.add((async |x: &i32| x * 2).inputs(added));
            let subtracted = flow.add((async |x: &i32| x - 1).inputs(doubled));
            flow.add((async |x: &i32| x * 3).inputs(subtracted))
        }
        Item::Chain100 => {
            let mut last = flow.add(async || 0);
            for step in 1..100 {
                last = flow.add(add(step).inputs(last));
            }
            last
        }
        Item::FanOut => {
            let first = flow.add(async || 42);
            let mut last = first;
            for step in 0..100 {
                last = flow.add(add(step).inputs(first));
            }
            last
        }
        Item::Independent => {
            let mut last = flow.add(async || 0);
            for value in 1..10_000 {
                last = flow.add(move || async move { value * 2 });
            }
            last
        }
        Item::Diamond => {
            let first = flow.add(async || 10);
            let left = flow.add((async |x: &i32| x * 2).inputs(first));
            let right = flow.add((async |x: &i32| x + 5).inputs(first));
            flow.add((async |a: &i32, b: &i32| a + b).inputs((left, right)))
        }
        Item::Etl => add_etl(flow),
    }
}

// Not an async closure: one that captures a value does not implement `Fn`.
fn add(step: i32) -> impl Fn(&i32) -> Ready<i32> + Send + Sync + 'static {
    move |x: &i32| ready(x + step)
}

fn add_etl<R: ::asyncflow::Runtime>(flow: &mut Flow<R>) -> Task<i32> {
    let [a, b, c] = [1, 6, 11].map(|first| {
        let extracted = flow.add(move || async move { (first..first + 5).collect::<Vec<i32>>() });
        let double = async |list: &Vec<i32>| list.iter().map(|x| x * 2).collect::<Vec<i32>>();
        flow.add(double.inputs(extracted))
    });
    let merge = async |a: &Vec<i32>, b: &Vec<i32>, c: &Vec<i32>| [&a[..], b, c].concat();
    let merged = flow.add(merge.inputs((a, b, c)));
    let validate = async |list: &Vec<i32>| {
        let positive = list.iter().copied().filter(|&x| x > 0);
        positive.collect::<Vec<i32>>()
    };
    let validated = flow.add(validate.inputs(merged));
    flow.add((async |list: &Vec<i32>| list.iter().sum::<i32>()).inputs(validated))
}
