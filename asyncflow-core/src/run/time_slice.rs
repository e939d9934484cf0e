//! Slices of time: how long a driver or a blocking thread goes on before others get a turn.

use std::time::{Duration, Instant};

/// A length of time that repeats. Its end is found without reading the clock for each task: it is
/// read after one task, two, four and so on, as long as the tasks are short.
#[derive(Debug)]
pub(crate) struct TimeSlice {
    holder: Holder,
    /// `None` until the first reading if nobody asks how long the slice takes.
    start: Option<Instant>,
    tasks: u32,
    next_reading: u32,
}

/// Who has the slice.
#[derive(Clone, Copy, Debug)]
enum Holder {
    Driver,
    BlockingThread,
}

impl Holder {
    fn length(self) -> Duration {
        match self {
            Self::Driver => POLL_TIME,
            Self::BlockingThread => STAY,
        }
    }

    /// After how many tasks the slice is over in any case.
    fn most_tasks(self) -> u32 {
        match self {
            Self::Driver => BUDGET,
            Self::BlockingThread => u32::MAX,
        }
    }
}

/// After how long a driver gives the runtime a turn.
const POLL_TIME: Duration = Duration::from_millis(1);

/// After how many tasks it does in any case. Tokio lets a task do 128 operations on its resources,
/// which are then pending: with half of that, they rarely are.
const BUDGET: u32 = 64;

/// How long a thread of the runtime stays with a run. Long beside the 6 to 30 µs that a
/// `spawn_blocking` was measured to cost, short for what else waits for a thread.
const STAY: Duration = Duration::from_millis(5);

/// Up to how many tasks pass between two readings, and before the first one if the tasks are known to
/// be short: long tasks that follow short ones hold up others for this many of them at most.
pub(crate) const MOST_BETWEEN: u32 = 16;

impl TimeSlice {
    /// The budget of one poll of a driver, which begins now.
    pub(crate) fn of_driver(tasks: Tasks) -> Self {
        Self::new(Holder::Driver, tasks)
    }

    /// How long a blocking thread stays with a run.
    pub(crate) fn of_blocking_thread() -> Self {
        Self::new(Holder::BlockingThread, Tasks::Unknown)
    }

    fn new(holder: Holder, tasks: Tasks) -> Self {
        Self {
            holder,
            start: tasks.start(),
            tasks: 0,
            next_reading: tasks.first_reading(),
        }
    }

    /// Begins the next slice.
    pub(crate) fn begin(&mut self, tasks: Tasks) {
        self.start = tasks.start();
        self.next_reading = match self.tasks >= BUDGET {
            true => MOST_BETWEEN,
            false => tasks.first_reading(),
        };
        self.tasks = 0;
    }

    /// Has the clock read after the first task.
    pub(crate) fn read_soon(&mut self) {
        self.next_reading = 1;
    }

    /// How many tasks have run in this slice.
    #[inline]
    pub(crate) fn tasks(&self) -> u32 {
        self.tasks
    }

    /// How many tasks run until the clock is read, at least one.
    pub(crate) fn until_reading(&self) -> u32 {
        self.next_reading - self.tasks
    }

    /// Takes note that some tasks have run, fewer than until the clock is read.
    pub(crate) fn count_unread(&mut self, tasks: u32) {
        self.tasks += tasks;
    }

    /// How long it has taken so far, if it is known when it began.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        self.start.map(|start| start.elapsed())
    }

    /// Takes note that a task has run. Tells how long the slice has taken if the clock was read.
    #[inline]
    pub(crate) fn count(&mut self) -> Option<Reading> {
        self.tasks = self.tasks.saturating_add(1);
        (self.tasks >= self.next_reading).then(|| self.read())
    }

    /// Takes note that a task has run. Tells whether the slice is over.
    pub(crate) fn is_over(&mut self) -> bool {
        matches!(self.count(), Some(Reading::Over | Reading::Enough(_)))
    }

    #[cold]
    fn read(&mut self) -> Reading {
        let next = self.tasks.saturating_add(self.tasks.min(MOST_BETWEEN));
        self.next_reading = next.min(self.holder.most_tasks());
        let elapsed = self.start.get_or_insert_with(Instant::now).elapsed();
        if elapsed >= self.holder.length() {
            Reading::Over
        } else if self.tasks >= self.holder.most_tasks() {
            Reading::Enough(elapsed)
        } else {
            Reading::Since(elapsed)
        }
    }
}

/// What is known of the tasks of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tasks {
    /// They may be long.
    Unknown,
    /// They are short.
    Short,
    /// They are short, and nobody asks how long the slice takes. So most slices need no clock.
    ShortAndUntimed,
}

impl Tasks {
    fn start(self) -> Option<Instant> {
        (self != Self::ShortAndUntimed).then(Instant::now)
    }

    fn first_reading(self) -> u32 {
        match self {
            Self::Unknown => 1,
            Self::Short | Self::ShortAndUntimed => MOST_BETWEEN,
        }
    }
}

/// What a reading of the clock tells of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// It goes on, and has taken this long.
    Since(Duration),
    /// It is over, because of its tasks, which were short. It has taken this long.
    Enough(Duration),
    /// It is over.
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many tasks the clock is first read.
    fn first_reading(mut slice: TimeSlice) -> usize {
        1 + std::iter::repeat_with(|| slice.count())
            .take_while(Option::is_none)
            .count()
    }

    #[test]
    fn the_clock_is_read_later_if_tasks_are_short() {
        let first = |tasks| first_reading(TimeSlice::of_driver(tasks));
        assert_eq!(first(Tasks::Unknown), 1);
        assert_eq!(first(Tasks::Short), MOST_BETWEEN as usize);
        assert_eq!(first(Tasks::ShortAndUntimed), MOST_BETWEEN as usize);
    }

    #[test]
    fn tasks_that_run_together_are_counted() {
        let mut slice = TimeSlice::of_driver(Tasks::Short);
        assert_eq!(slice.until_reading(), MOST_BETWEEN);
        slice.count_unread(MOST_BETWEEN - 1);
        assert_eq!(
            (slice.until_reading(), slice.tasks()),
            (1, MOST_BETWEEN - 1)
        );
        assert!(slice.count().is_some());
    }

    #[test]
    fn a_slice_that_is_not_timed_begins_with_its_first_reading() {
        let mut slice = TimeSlice::of_driver(Tasks::ShortAndUntimed);
        for _ in 1..MOST_BETWEEN {
            assert!(slice.count().is_none());
            assert_eq!(slice.elapsed(), None);
        }
        assert!(matches!(slice.count(), Some(Reading::Since(_))));
        assert!(slice.elapsed().is_some());
        slice.begin(Tasks::ShortAndUntimed);
        assert_eq!(slice.elapsed(), None);
        slice.begin(Tasks::Short);
        assert!(slice.elapsed().is_some());
    }
}
