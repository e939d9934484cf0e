//! The graph as the hand-written contenders keep it.

use crate::plan::Plan;

/// Downstreams of every task in compressed sparse rows, and how many upstreams it waits for.
#[derive(Debug)]
pub(super) struct Wiring {
    /// Where the downstreams of each task begin in `targets`; one more entry than tasks.
    offsets: Vec<u32>,
    targets: Vec<u32>,
    /// How many upstreams each task has.
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
        // Upstreams have smaller numbers, so each task's level is final when the loop gets there.
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
