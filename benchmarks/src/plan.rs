//! What is executed: the shape and size of a graph, and what its tasks do.

use std::fmt;

use crate::shape::{SKEWED_LEVELS, Shape};

/// What each task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// Nothing, which leaves the cost of the engine.
    Nothing,
    /// CPU work: this many rounds of [`spin`](crate::spin::spin).
    Spin(u64),
    /// Sleeps for this many milliseconds, on the timer of the contender's runtime.
    Sleep(u64),
    /// Sleeps for this many milliseconds in one task of each chain of [`Shape::Skewed`], and not in
    /// the others.
    SkewedSleep(u64),
    /// Yields to the runtime this many times.
    Yield(u64),
}

/// What kind of functions the tasks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Functions {
    /// Async functions, on the executor.
    Async,
    /// Plain functions, on blocking threads.
    Plain,
    /// Both, alternating.
    Mixed,
}

/// What the tasks hold while they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permits {
    /// Nothing.
    None,
    /// One lock, the same for all.
    Lock,
    /// One permit each of a semaphore with this many, the same for all.
    Semaphore(usize),
}

/// What is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// How the tasks depend on each other.
    pub shape: Shape,
    /// The number of tasks.
    pub tasks: usize,
    /// What each task does.
    pub work: Work,
    /// What kind of functions the tasks are.
    pub functions: Functions,
    /// What the tasks hold while they run.
    pub permits: Permits,
    /// Whether each task receives a `usize` from its upstream and returns the next number. Only for
    /// chains.
    pub data: bool,
}

impl Plan {
    /// A plan with async functions that do nothing.
    pub fn new(shape: Shape, tasks: usize) -> Plan {
        Plan {
            shape,
            tasks,
            work: Work::Nothing,
            functions: Functions::Async,
            permits: Permits::None,
            data: false,
        }
    }

    /// The same plan with this work in each task.
    pub fn work(self, work: Work) -> Plan {
        Plan { work, ..self }
    }

    /// The same plan with this kind of functions.
    pub fn functions(self, functions: Functions) -> Plan {
        Plan { functions, ..self }
    }

    /// The same plan with tasks that hold these permits.
    pub fn permits(self, permits: Permits) -> Plan {
        Plan { permits, ..self }
    }

    /// The same plan with a `usize` passed along.
    pub fn data(self) -> Plan {
        Plan { data: true, ..self }
    }

    /// The same plan at another size.
    pub fn resized(self, tasks: usize) -> Plan {
        Plan { tasks, ..self }
    }

    /// Whether `task` is a plain function.
    pub fn is_plain(&self, task: usize) -> bool {
        match self.functions {
            Functions::Async => false,
            Functions::Plain => true,
            Functions::Mixed => task % 2 == 1,
        }
    }

    /// Whether `task` is the slow task of its chain in [`Shape::Skewed`].
    pub fn is_slow(&self, task: usize) -> bool {
        let chains = (self.tasks / SKEWED_LEVELS).max(1);
        let (level, chain) = (task / chains, task % chains);
        level == chain % SKEWED_LEVELS
    }

    /// Replaces the contents of `upstreams` by the upstreams of `task`.
    pub fn upstreams(&self, task: usize, upstreams: &mut Vec<usize>) {
        self.shape.upstreams(task, self.tasks, upstreams);
    }

    /// Parses what [`Display`](fmt::Display) writes: plans are arguments of child processes.
    pub fn parse(text: &str) -> Option<Plan> {
        let mut fields = text.split(':');
        let mut next = || fields.next();
        Some(Plan {
            shape: Shape::parse(next()?)?,
            tasks: next()?.parse().ok()?,
            work: match next()?.split_once('=')? {
                ("nothing", _) => Work::Nothing,
                ("spin", rounds) => Work::Spin(rounds.parse().ok()?),
                ("sleep", millis) => Work::Sleep(millis.parse().ok()?),
                ("skewed-sleep", millis) => Work::SkewedSleep(millis.parse().ok()?),
                ("yield", times) => Work::Yield(times.parse().ok()?),
                _ => return None,
            },
            functions: match next()? {
                "async" => Functions::Async,
                "plain" => Functions::Plain,
                "mixed" => Functions::Mixed,
                _ => return None,
            },
            permits: match next()?.split_once('=')? {
                ("none", _) => Permits::None,
                ("lock", _) => Permits::Lock,
                ("semaphore", permits) => Permits::Semaphore(permits.parse().ok()?),
                _ => return None,
            },
            data: next()? == "data",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.shape, self.tasks)?;
        match self.work {
            Work::Nothing => write!(f, "nothing=:")?,
            Work::Spin(rounds) => write!(f, "spin={rounds}:")?,
            Work::Sleep(millis) => write!(f, "sleep={millis}:")?,
            Work::SkewedSleep(millis) => write!(f, "skewed-sleep={millis}:")?,
            Work::Yield(times) => write!(f, "yield={times}:")?,
        }
        f.write_str(match self.functions {
            Functions::Async => "async:",
            Functions::Plain => "plain:",
            Functions::Mixed => "mixed:",
        })?;
        match self.permits {
            Permits::None => write!(f, "none=:")?,
            Permits::Lock => write!(f, "lock=:")?,
            Permits::Semaphore(permits) => write!(f, "semaphore={permits}:")?,
        }
        f.write_str(if self.data { "data" } else { "unit" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_parses() {
        let plan = Plan::new(Shape::Layers, 1000);
        for plan in [
            plan,
            plan.work(Work::Yield(10)).functions(Functions::Mixed),
            plan.work(Work::SkewedSleep(3))
                .permits(Permits::Semaphore(4)),
            plan.work(Work::Spin(9)).permits(Permits::Lock).data(),
        ] {
            assert_eq!(Plan::parse(&plan.to_string()), Some(plan));
        }
    }

    #[test]
    fn each_skewed_chain_has_one_slow_task() {
        let plan = Plan::new(Shape::Skewed, 500);
        for chain in 0..50 {
            let slow = (0..10).filter(|level| plan.is_slow(level * 50 + chain));
            assert_eq!(slow.count(), 1);
        }
    }
}
