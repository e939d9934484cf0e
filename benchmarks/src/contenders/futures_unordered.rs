//! One `FuturesUnordered` in one task: cheap, but on one thread.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};

use super::wiring::Wiring;
use crate::contender::{Engine, Runnable};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender.
#[derive(Debug)]
pub(super) struct OneFuturesUnordered;

impl Engine for OneFuturesUnordered {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "futures-unordered";
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let function = |task| {
            let job = body.job(task);
            Box::new(move || Box::pin(job.clone().run()) as Future) as Function
        };
        Box::new(Arc::new(Graph {
            functions: (0..plan.tasks).map(function).collect(),
            wiring: Wiring::of(plan),
        }))
    }
}

type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;
type Function = Box<dyn Fn() -> Future + Send + Sync>;

struct Graph {
    functions: Vec<Function>,
    wiring: Wiring,
}

impl Graph {
    async fn execute(&self) {
        let start = |task: usize| {
            let future = self.functions[task]();
            async move {
                future.await;
                task
            }
        };
        let mut pending = self.wiring.upstreams.clone();
        let mut running: FuturesUnordered<_> = self.wiring.roots().map(start).collect();
        while let Some(task) = running.next().await {
            for &downstream in self.wiring.downstreams(task) {
                let downstream = downstream as usize;
                pending[downstream] -= 1;
                if pending[downstream] == 0 {
                    running.push(start(downstream));
                }
            }
        }
    }
}

impl Runnable for Arc<Graph> {
    fn run(&mut self) {
        let graph = self.clone();
        runtime::enter_tokio(async move { graph.execute().await });
    }
}
