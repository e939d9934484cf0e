//! taski: one `FuturesUnordered`, with a trace and a label of every task.

use std::time::{Duration, Instant};

use ::taski::execution::Execution;
use ::taski::{Dependencies, Handle, PolicyExecutor, Schedule, dag::TaskId, make_guard};

use crate::contender::{Engine, Runnable};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender, with its first-in-first-out policy.
#[derive(Debug)]
pub(super) struct Taski;

impl Engine for Taski {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "taski";
    // A schedule is tied to the scope of its guard, so that each run builds its own.
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        Box::new(Recipe {
            plan: *plan,
            body: body.clone(),
        })
    }
}

/// Everything upstream of a task, without its outputs. taski's own tuples end at 8.
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
        // It is not `Send`, so it cannot be run from a worker: it always runs in `block_on`.
        let report = runtime::tokio().block_on(executor.run());
        let elapsed = start.elapsed();

        let report = report.expect("taski runs the schedule");
        assert_eq!(report.succeeded_tasks, self.plan.tasks);
        elapsed
    }
}
