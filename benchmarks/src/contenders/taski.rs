//! taski: one `FuturesUnordered`, with a trace and a label for each task.

use std::time::{Duration, Instant};

use ::taski::execution::Execution;
use ::taski::{Dependencies, Handle, PolicyExecutor, Schedule, dag::TaskId, make_guard};

use crate::contender::{Engine, Runnable};
use crate::job::{Body, Job};
use crate::plan::Plan;
use crate::runtime::Tokio;

/// The contender, with its first-in-first-out policy.
#[derive(Debug)]
pub(super) struct Taski;

impl Engine for Taski {
    type Runtime = Tokio;
    const NAME: &'static str = "taski";
    // A schedule cannot leave the scope of its guard, so each run builds its own; see `run_timed`.
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        Box::new(Recipe {
            plan: *plan,
            body: body.clone(),
        })
    }
}

/// The upstreams of a task, without their outputs. taski's own tuples have at most 8.
struct After<'id>(Vec<Handle<'id, ()>>);

impl<'id> Dependencies<'id, ()> for After<'id> {
    fn task_ids(&self) -> Vec<TaskId<'id>> {
        self.0.iter().map(|handle| handle.task_id()).collect()
    }

    fn inputs(&self, _: &Execution<'id>) -> Option<()> {
        Some(())
    }
}

struct Recipe<B> {
    plan: Plan,
    body: B,
}

impl<B: Body> Runnable for Recipe<B> {
    fn run(&mut self) {
        self.run_timed();
    }

    fn run_timed(&mut self) -> Duration {
        make_guard!(guard);
        let mut schedule: Schedule<'_, ()> = Schedule::new(guard);
        let mut handles: Vec<Handle<'_, ()>> = Vec::with_capacity(self.plan.tasks);
        let mut upstreams = Vec::new();
        for task in 0..self.plan.tasks {
            self.plan.upstreams(task, &mut upstreams);
            let job = self.body.job(task);
            let closure = move || async move {
                job.run().await;
                Ok(())
            };
            let after = After(
                upstreams
                    .iter()
                    .map(|&upstream| handles[upstream])
                    .collect(),
            );
            let handle = schedule.add_closure(closure, after);
            handles.push(handle.expect("the upstreams are in the same schedule"));
        }
        let mut executor = PolicyExecutor::fifo(schedule);

        let start = Instant::now();
        // The executor is not `Send`, so a worker cannot run it: it always runs in `block_on`.
        let report = Tokio::block_on(executor.run());
        let elapsed = start.elapsed();

        let report = report.expect("taski runs the schedule");
        assert_eq!(report.succeeded_tasks, self.plan.tasks);
        elapsed
    }
}
