//! When the tasks of a timed run waited between their attempts.

use std::ops::Range;
use std::time::Duration;

use super::parts::NEVER;

/// The most pauses that are kept for a task, which may be attempted any number of times.
const MAX_PAUSES: usize = 100;

/// The pauses of one task, from the failure of an attempt to the start of the next. Moments are
/// nanoseconds since the start of the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses(
    /// In order. The last one has no end while it lasts.
    Vec<(u64, u64)>,
);

impl Pauses {
    pub(crate) fn begin(&mut self, now: u64) {
        if self.0.len() == MAX_PAUSES {
            self.join_two();
        }
        self.0.push((now, NEVER));
    }

    /// The next attempt starts.
    pub(crate) fn end(&mut self, now: u64) {
        if let Some((_, end)) = self.0.last_mut() {
            *end = now;
        }
    }

    /// Makes one of the two pauses with the shortest attempt between them.
    fn join_two(&mut self) {
        let attempts = self.0.windows(2).map(|two| two[1].0 - two[0].1);
        let shortest = attempts.enumerate().min_by_key(|(_, attempt)| *attempt);
        if let Some((first, _)) = shortest {
            let (_, end) = self.0.remove(first + 1);
            self.0[first].1 = end;
        }
    }

    /// The pauses of a task that has ended at `ended`, or of one that goes on now.
    pub(super) fn until(&self, ended: Duration) -> impl Iterator<Item = Range<Duration>> {
        self.0.iter().map(move |(begin, end)| {
            let begin = Duration::from_nanos(*begin);
            begin..Duration::from_nanos(*end).min(ended).max(begin)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(begin: u64, end: u64) -> Range<Duration> {
        Duration::from_nanos(begin)..Duration::from_nanos(end)
    }

    #[test]
    fn the_last_pause_ends_with_the_task() {
        let mut pauses = Pauses::default();
        pauses.begin(10);
        pauses.end(20);
        pauses.begin(30);
        let until = |ended| {
            pauses
                .until(Duration::from_nanos(ended))
                .collect::<Vec<_>>()
        };
        assert_eq!(until(45), [range(10, 20), range(30, 45)]);
    }

    #[test]
    fn the_shortest_attempts_are_left_out_of_many() {
        let mut pauses = Pauses::default();
        for number in 0..1_000_u64 {
            pauses.begin(100 * number);
            // An attempt takes 10, every 25th takes 50.
            pauses.end(100 * number + if number % 25 == 24 { 50 } else { 90 });
        }
        let kept: Vec<_> = pauses.until(Duration::MAX).collect();
        assert_eq!(kept.len(), MAX_PAUSES);
        assert_eq!(
            (kept[0].start, kept[99].end),
            (Duration::ZERO, range(0, 99_950).end)
        );
        let between = |two: &[Range<Duration>]| (two[1].start - two[0].end).as_nanos();
        let attempts: Vec<_> = kept.windows(2).map(between).collect();
        assert!(attempts.iter().all(|attempt| [10, 50].contains(attempt)));
        assert_eq!(
            attempts.iter().filter(|attempt| **attempt == 50).count(),
            39
        );
    }
}
