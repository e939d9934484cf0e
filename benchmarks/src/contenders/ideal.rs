//! The CPU work alone, without a graph: a lower bound for every engine.

use std::thread;

use crate::contender::{Engine, Runnable, Unfit};
use crate::job::{Body, Job};
use crate::plan::{Plan, Work};
use crate::runtime::{Tokio, WORKERS};
use crate::shape::Shape;

/// As many threads as the others have workers, each with its share of the work; one thread for a
/// chain.
#[derive(Debug)]
pub(super) struct Ideal;

impl Engine for Ideal {
    type Runtime = Tokio;
    const NAME: &'static str = "ideal (no graph)";
    const REUSABLE: bool = true;

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
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
            // This thread takes a share, too. If it slept instead, the system might start two new
            // threads on one core.
            let own = shares.next();
            for jobs in shares {
                scope.spawn(move || work(jobs));
            }
            own.into_iter().for_each(work);
        });
    }
}
