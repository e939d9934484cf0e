//! The set on asyncflow.

use std::future::{Future, Ready, ready};

use ::asyncflow::prelude::*;
use ::asyncflow::{AsyncStdFlow, Flow, Runtime, SmolFlow, TokioFlow};

use super::{Item, SetEngine};
use crate::runtime::{Entry, enter_async_std_from, enter_smol_from};

/// On Tokio.
#[derive(Debug)]
pub(super) struct OnTokio;

/// On async-std.
#[derive(Debug)]
pub(super) struct OnAsyncStd;

/// On smol.
#[derive(Debug)]
pub(super) struct OnSmol;

impl SetEngine for OnTokio {
    const NAME: &'static str = "asyncflow-tokio";

    async fn life(item: Item) -> i32 {
        execute(TokioFlow::new(), item).await
    }
}

impl SetEngine for OnAsyncStd {
    const NAME: &'static str = "asyncflow-async-std";

    async fn life(item: Item) -> i32 {
        execute(AsyncStdFlow::new(), item).await
    }

    fn enter<T: Send + 'static>(
        future: impl Future<Output = T> + Send + 'static,
        entry: Entry,
    ) -> T {
        enter_async_std_from(entry, future)
    }
}

impl SetEngine for OnSmol {
    const NAME: &'static str = "asyncflow-smol";

    async fn life(item: Item) -> i32 {
        execute(SmolFlow::new(), item).await
    }

    fn enter<T: Send + 'static>(
        future: impl Future<Output = T> + Send + 'static,
        entry: Entry,
    ) -> T {
        enter_smol_from(entry, future)
    }
}

async fn execute<R: Runtime>(mut flow: Flow<R>, item: Item) -> i32 {
    let last = build(&mut flow, item);
    let run = flow.execute().await.expect("the flow succeeds");
    run[last]
}

fn build<R: Runtime>(flow: &mut Flow<R>, item: Item) -> Task<i32> {
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
        Item::Etl => etl(flow),
    }
}

// An async closure that captures something is no `Fn`, in today's Rust; this one is.
fn add(step: i32) -> impl Fn(&i32) -> Ready<i32> + Send + Sync + 'static {
    move |x: &i32| ready(x + step)
}

fn etl<R: Runtime>(flow: &mut Flow<R>) -> Task<i32> {
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
