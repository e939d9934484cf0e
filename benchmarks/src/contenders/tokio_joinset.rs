//! Level by level: each level's tasks in a `JoinSet`, which is drained before the next level.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::wiring::Wiring;
use crate::contender::{Engine, Runnable};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender.
#[derive(Debug)]
pub(super) struct TokioJoinSet;

impl Engine for TokioJoinSet {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "tokio-joinset";
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let function = |task| {
            let job = body.job(task);
            Box::new(move || Box::pin(job.clone().run()) as Future) as Function
        };
        Box::new(Graph {
            functions: (0..plan.tasks).map(function).collect(),
            levels: Arc::new(Wiring::of(plan).levels()),
        })
    }
}

type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;
type Function = Box<dyn Fn() -> Future + Send + Sync>;

struct Graph {
    functions: Arc<[Function]>,
    levels: Arc<Vec<Vec<usize>>>,
}

impl Runnable for Graph {
    fn run(&mut self) {
        let (functions, levels) = (self.functions.clone(), self.levels.clone());
        runtime::enter_tokio(async move {
            let mut running = JoinSet::new();
            for level in levels.iter() {
                for &task in level {
                    running.spawn(functions[task]());
                }
                while let Some(ended) = running.join_next().await {
                    ended.expect("the benchmark's tasks do not panic");
                }
            }
        });
    }
}
