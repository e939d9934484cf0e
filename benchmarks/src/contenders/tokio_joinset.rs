//! Level by level: each level's tasks in a `JoinSet`, which is drained before the next level.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::wiring::{Function, Wiring, function};
use crate::contender::{Engine, Runnable, from_fn};
use crate::job::Body;
use crate::plan::Plan;
use crate::runtime::{Runtime, Tokio};

/// The contender.
#[derive(Debug)]
pub(super) struct TokioJoinSet;

impl Engine for TokioJoinSet {
    type Runtime = Tokio;
    const NAME: &'static str = "tokio-joinset";
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let functions: Arc<[Function]> = (0..plan.tasks).map(|task| function(body, task)).collect();
        let levels = Arc::new(Wiring::of(plan).levels());
        from_fn(move || {
            let (functions, levels) = (functions.clone(), levels.clone());
            Tokio::enter(async move {
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
        })
    }
}
