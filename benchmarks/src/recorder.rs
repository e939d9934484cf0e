//! Checks that an engine runs every task exactly once, and after its upstreams.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::plan::Plan;

/// Records when the tasks of one execution start and end.
#[derive(Debug)]
pub struct Recorder {
    plan: Plan,
    /// How many times each task has started.
    starts: Vec<AtomicU32>,
    /// Which tasks have ended. Stored with `Release` and loaded with `Acquire`, as a user's
    /// own flag would be.
    ended: Vec<AtomicBool>,
    /// How many tasks started before all of their upstreams had ended.
    early: AtomicUsize,
}

impl Recorder {
    /// A recorder for one execution of `plan`.
    pub fn new(plan: Plan) -> Arc<Recorder> {
        Arc::new(Recorder {
            plan,
            starts: (0..plan.tasks).map(|_| AtomicU32::new(0)).collect(),
            ended: (0..plan.tasks).map(|_| AtomicBool::new(false)).collect(),
            early: AtomicUsize::new(0),
        })
    }

    /// Records that `task` starts.
    pub fn start(&self, task: usize) {
        let mut upstreams = Vec::new();
        self.plan.upstreams(task, &mut upstreams);
        let legal = upstreams
            .iter()
            .all(|&upstream| self.ended[upstream].load(Ordering::Acquire));
        if !legal {
            self.early.fetch_add(1, Ordering::Relaxed);
        }
        self.starts[task].fetch_add(1, Ordering::Relaxed);
    }

    /// Records that `task` ends.
    pub fn end(&self, task: usize) {
        self.ended[task].store(true, Ordering::Release);
    }

    /// Checks what was recorded, after the execution has returned.
    ///
    /// # Errors
    /// How many tasks did not run, ran more than once, started too early or had not ended.
    pub fn verdict(&self) -> Result<(), String> {
        let starts = |test: fn(u32) -> bool| {
            let counts = self.starts.iter();
            counts
                .filter(|count| test(count.load(Ordering::Relaxed)))
                .count()
        };
        let ended = self.ended.iter().filter(|e| e.load(Ordering::Acquire));
        let mut faults = Vec::new();
        for (count, fault) in [
            (starts(|count| count == 0), "never ran"),
            (starts(|count| count > 1), "ran more than once"),
            (
                self.early.load(Ordering::Relaxed),
                "started before an upstream had ended",
            ),
            (
                self.plan.tasks - ended.count(),
                "had not ended when the execution returned",
            ),
        ] {
            if count > 0 {
                faults.push(format!("{count} of {} tasks {fault}", self.plan.tasks));
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn sees_a_task_that_starts_early() {
        let recorder = Recorder::new(Plan::new(Shape::Chain, 2));
        recorder.start(0);
        recorder.start(1);
        recorder.end(0);
        recorder.end(1);
        let fault = recorder.verdict().unwrap_err();
        assert_eq!(fault, "1 of 2 tasks started before an upstream had ended");
    }

    #[test]
    fn sees_missing_and_repeated_tasks() {
        let recorder = Recorder::new(Plan::new(Shape::Independent, 3));
        for task in [0, 0, 1] {
            recorder.start(task);
            recorder.end(task);
        }
        let fault = recorder.verdict().unwrap_err();
        assert!(fault.contains("1 of 3 tasks never ran"), "{fault}");
        assert!(fault.contains("1 of 3 tasks ran more than once"), "{fault}");
    }
}
