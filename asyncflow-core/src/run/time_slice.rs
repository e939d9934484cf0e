//! Slices of time: how long a driver or a blocking thread goes on before others get a turn.

use std::time::{Duration, Instant};

/// A length of time that repeats. Its end is found without reading the clock for each task: it is
/// read after one task, two, four and so on, as long as the tasks are short.
#[derive(Debug)]
pub(crate) struct TimeSlice {
    length: Duration,
    /// After how many tasks the slice is over in any case.
    most_tasks: u32,
    start: Instant,
    tasks: u32,
    next_reading: u32,
}

/// After how long a driver gives the runtime a turn.
const POLL_TIME: Duration = Duration::from_millis(1);

/// After how many tasks it does in any case. Tokio lets a task do 128 operations on its resources,
/// which are then pending: with half of that, they rarely are.
const BUDGET: u32 = 64;

/// How long a thread of the runtime stays with a run. Long beside the 6 to 30 µs that a
/// `spawn_blocking` was measured to cost, short for what else waits for a thread.
const STAY: Duration = Duration::from_millis(5);

/// How many tasks pass before the first reading, if the tasks of the slice before were short: long
/// tasks that follow short ones hold up others for this many of them at most.
const AFTER_SHORT: u32 = 16;

/// Up to how many tasks pass between two readings.
const MOST_BETWEEN: u32 = 64;

impl TimeSlice {
    /// The budget of one poll of a driver.
    pub(crate) fn of_driver() -> Self {
        Self::new(POLL_TIME, BUDGET)
    }

    /// How long a blocking thread stays with a run.
    pub(crate) fn of_blocking_thread() -> Self {
        Self::new(STAY, u32::MAX)
    }

    fn new(length: Duration, most_tasks: u32) -> Self {
        Self {
            length,
            most_tasks,
            start: Instant::now(),
            tasks: 0,
            next_reading: 1,
        }
    }

    /// Begins the next slice.
    pub(crate) fn begin(&mut self) {
        self.start = Instant::now();
        self.next_reading = match self.tasks {
            ..MOST_BETWEEN => 1,
            _ => AFTER_SHORT,
        };
        self.tasks = 0;
    }

    /// How many tasks have run in this slice.
    #[inline]
    pub(crate) fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Takes note that a task has run. Returns whether the slice is over.
    #[inline]
    pub(crate) fn is_over(&mut self) -> bool {
        self.tasks = self.tasks.saturating_add(1);
        self.tasks >= self.next_reading && self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        let next = self.tasks.saturating_add(self.tasks.min(MOST_BETWEEN));
        self.next_reading = next.min(self.most_tasks);
        self.tasks >= self.most_tasks || self.start.elapsed() >= self.length
    }
}
