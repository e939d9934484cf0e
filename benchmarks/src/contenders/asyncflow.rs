//! asyncflow on its three backends, through its public API alone.

use std::sync::Arc;

use ::asyncflow::prelude::*;
use ::asyncflow::{AsyncStdFlow, Flow, Runtime, SmolFlow, TokioFlow};

use crate::contender::{Engine, Runnable, Unfit};
use crate::job::{AsyncStdClock, Body, Job, SmolClock, TokioClock};
use crate::plan::{Permits, Plan};
use crate::runtime::{Entry, enter_async_std_from, enter_smol_from, enter_tokio};

/// On Tokio.
#[derive(Debug)]
pub(super) struct OnTokio;

/// On async-std.
#[derive(Debug)]
pub(super) struct OnAsyncStd;

/// On smol.
#[derive(Debug)]
pub(super) struct OnSmol;

/// Makes one backend a contender: its marker, name, flow, clock, and how its runtime is entered.
macro_rules! backend {
    ($marker:ident, $name:literal, $flow:ident, $clock:ident, $enter:expr) => {
        impl Engine for $marker {
            type Clock = $clock;
            const CLOCK: $clock = $clock;
            const NAME: &'static str = $name;
            const REUSABLE: bool = true;

            fn accepts(&self, _: &Plan) -> Result<(), Unfit> {
                Ok(())
            }

            fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
                let mut flow = $flow::new();
                add_tasks(&mut flow, plan, body);
                let flow = Arc::new(flow);
                Box::new(Built(move || {
                    let flow = flow.clone();
                    let run = async move { flow.execute().await.map(drop) };
                    $enter(run).expect("the flow succeeds");
                }))
            }

            fn build_data(&self, plan: &Plan) -> Box<dyn Runnable> {
                let mut flow = $flow::new();
                let last = add_data_chain(&mut flow, plan.tasks);
                let flow = Arc::new(flow);
                let expected = plan.tasks - 1;
                Box::new(Built(move || {
                    let flow = flow.clone();
                    let run = async move { flow.execute().await.map(|run| run[last]) };
                    let value = $enter(run).expect("the flow succeeds");
                    assert_eq!(value, expected);
                }))
            }
        }
    };
}

backend!(
    OnTokio,
    "asyncflow-tokio",
    TokioFlow,
    TokioClock,
    enter_tokio
);
backend!(
    OnAsyncStd,
    "asyncflow-async-std",
    AsyncStdFlow,
    AsyncStdClock,
    |run| enter_async_std_from(Entry::current(), run)
);
backend!(OnSmol, "asyncflow-smol", SmolFlow, SmolClock, |run| {
    enter_smol_from(Entry::current(), run)
});

struct Built<F>(F);

impl<F: FnMut()> Runnable for Built<F> {
    fn run(&mut self) {
        (self.0)();
    }
}

fn add_tasks<R: Runtime, B: Body>(flow: &mut Flow<R>, plan: &Plan, body: &B) {
    let lock = Lock::new();
    let semaphore = match plan.permits {
        Permits::Semaphore(permits) => Semaphore::new(permits),
        _ => Semaphore::new(1),
    };
    let mut handles: Vec<Task<()>> = Vec::with_capacity(plan.tasks);
    let mut upstreams = Vec::new();
    // What a task is after, in a buffer that is used again for every task.
    let mut after: Vec<Task<()>> = Vec::new();
    for task in 0..plan.tasks {
        plan.upstreams(task, &mut upstreams);
        after.clear();
        after.extend(upstreams.iter().map(|&upstream| handles[upstream]));
        let job = body.job(task);
        handles.push(if plan.is_plain(task) {
            let function = move || job.clone().call();
            match plan.permits {
                Permits::None if after.is_empty() => flow.add(function),
                Permits::None => flow.add(function.after(&after[..])),
                Permits::Lock => flow.add(function.after(&after[..]).with_lock(&lock)),
                Permits::Semaphore(_) => flow.add(function.after(&after[..]).with_lock(&semaphore)),
            }
        } else {
            let function = move || job.clone().run();
            match plan.permits {
                Permits::None if after.is_empty() => flow.add(function),
                Permits::None => flow.add(function.after(&after[..])),
                Permits::Lock => flow.add(function.after(&after[..]).with_lock(&lock)),
                Permits::Semaphore(_) => flow.add(function.after(&after[..]).with_lock(&semaphore)),
            }
        });
    }
}

fn add_data_chain<R: Runtime>(flow: &mut Flow<R>, tasks: usize) -> Task<usize> {
    let mut last = flow.add(async || 0usize);
    for _ in 1..tasks {
        last = flow.add((async |value: &usize| *value + 1).inputs(last));
    }
    last
}
