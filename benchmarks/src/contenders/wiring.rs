//! A graph as the hand-written contenders keep it.

use std::future::Future;
use std::pin::Pin;

use crate::job::{Body, Job};
use crate::plan::Plan;

/// The function of an async task, its type erased, as any graph of different functions needs it.
pub(super) type Function = Box<dyn Fn() -> BoxFuture + Send + Sync>;

pub(super) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The async function of `task`.
pub(super) fn function<B: Body>(body: &B, task: usize) -> Function {
    let job = body.job(task);
    Box::new(move || Box::pin(job.clone().run()))
}

/// The downstreams of each task, in compressed sparse rows, and its number of upstreams.
#[derive(Debug)]
pub(super) struct Wiring {
    /// Where the downstreams of each task begin in `targets`; one entry more than there are tasks.
    offsets: Vec<u32>,
    targets: Vec<u32>,
    /// The number of upstreams of each task.
    pub(super) upstreams: Vec<u32>,
}

impl Wiring {
    pub(super) fn of(plan: &Plan) -> Wiring {
        let mut buffer = Vec::new();
        let mut offsets = vec![0; plan.tasks + 1];
        let mut counts = Vec::with_capacity(plan.tasks);
        for task in 0..plan.tasks {
            plan.upstreams(task, &mut buffer);
            counts.push(buffer.len() as u32);
            for &upstream in &buffer {
                offsets[upstream + 1] += 1;
            }
        }
        for task in 0..plan.tasks {
            offsets[task + 1] += offsets[task];
        }
        let mut next = offsets.clone();
        let mut targets = vec![0; offsets[plan.tasks] as usize];
        for task in 0..plan.tasks {
            plan.upstreams(task, &mut buffer);
            for &upstream in &buffer {
                targets[next[upstream] as usize] = task as u32;
                next[upstream] += 1;
            }
        }
        Wiring {
            offsets,
            targets,
            upstreams: counts,
        }
    }

    pub(super) fn tasks(&self) -> usize {
        self.upstreams.len()
    }

    pub(super) fn downstreams(&self, task: usize) -> &[u32] {
        &self.targets[self.offsets[task] as usize..self.offsets[task + 1] as usize]
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = usize> {
        (0..self.tasks()).filter(|&task| self.upstreams[task] == 0)
    }

    /// The tasks by level: each level depends only on those before it.
    pub(super) fn levels(&self) -> Vec<Vec<usize>> {
        let mut level = vec![0; self.tasks()];
        let mut levels: Vec<Vec<usize>> = Vec::new();
        // Upstreams have smaller numbers, so the level of a task is final when the loop reaches it.
        for task in 0..self.tasks() {
            if levels.len() <= level[task] {
                levels.resize(level[task] + 1, Vec::new());
            }
            levels[level[task]].push(task);
            for &downstream in self.downstreams(task) {
                let downstream = downstream as usize;
                level[downstream] = level[downstream].max(level[task] + 1);
            }
        }
        levels
    }
}
