//! The work alone, without a graph: what no engine can beat.

use std::thread;

use crate::contender::{Engine, Runnable, Unfit, only_async};
use crate::job::{Body, Job, TokioClock};
use crate::plan::{Plan, Work};
use crate::runtime::WORKERS;
use crate::shape::Shape;

/// As many threads as workers, each with its share of the CPU work; one thread for a chain.
#[derive(Debug)]
pub(super) struct Ideal;

impl Engine for Ideal {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "ideal (no graph)";
    const REUSABLE: bool = true;

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        only_async(plan)?;
        match plan.work {
            Work::Spin(_) => Ok(()),
            _ => Err(Unfit::Unsupported("only measured with CPU work".to_owned())),
        }
    }

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        Box::new(Shares {
            jobs: (0..plan.tasks).map(|task| body.job(task)).collect(),
            threads: if plan.shape == Shape::Chain {
                1
            } else {
                WORKERS
            },
        })
    }

    fn is_engine(&self) -> bool {
        false
    }
}

struct Shares<J> {
    jobs: Vec<J>,
    threads: usize,
}

impl<J: Job> Runnable for Shares<J> {
    fn run(&mut self) {
        let share = self.jobs.len().div_ceil(self.threads);
        let work = |jobs: &[J]| jobs.iter().cloned().for_each(Job::call);
        thread::scope(|scope| {
            let mut shares = self.jobs.chunks(share);
            // This thread takes a share, too: one that slept meanwhile would leave its core free,
            // and the scheduler may start two new threads on the same core.
            let own = shares.next();
            for jobs in shares {
                scope.spawn(move || work(jobs));
            }
            own.into_iter().for_each(work);
        });
    }
}
