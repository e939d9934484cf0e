//! One `FuturesUnordered` in one task: cheap, but on one thread.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};

use super::wiring::{Function, Wiring, function};
use crate::contender::{Engine, Runnable, from_fn};
use crate::job::Body;
use crate::plan::Plan;
use crate::runtime::{Runtime, Tokio};

/// The contender.
#[derive(Debug)]
pub(super) struct OneFuturesUnordered;

impl Engine for OneFuturesUnordered {
    type Runtime = Tokio;
    const NAME: &'static str = "futures-unordered";
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let graph = Arc::new(Graph {
            functions: (0..plan.tasks).map(|task| function(body, task)).collect(),
            wiring: Wiring::of(plan),
        });
        from_fn(move || {
            let graph = graph.clone();
            Tokio::enter(async move { graph.execute().await });
        })
    }
}

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
