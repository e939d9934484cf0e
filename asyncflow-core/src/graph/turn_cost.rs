//! How long a driver is at work in one turn: a guess for the next run, from the runs before.
//!
//! To have another thread help takes the time of a wake-up. A run whose drivers are done sooner than
//! that is better off with one, and only earlier runs tell.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The longest turn of a run, in nanoseconds.
#[derive(Debug)]
pub(crate) struct TurnCost(AtomicU32);

/// There was no run so far. As long as any.
const UNKNOWN: u32 = u32::MAX;

/// How long a turn is for which it pays to have another thread help. A spawn and the wake-up of a thread
/// were measured to take 4 to 10 µs, and the two threads then share what is left.
pub(crate) const WAKE_UP: Duration = Duration::from_micros(30);

/// What is longer counts as this long, so that a thread that was preempted once is soon forgotten.
const MOST: u32 = 100_000;

impl Default for TurnCost {
    fn default() -> Self {
        Self(AtomicU32::new(UNKNOWN))
    }
}

impl TurnCost {
    /// Whether the turns of the next run are likely to be longer than it takes to have another driver
    /// come.
    pub(crate) fn is_long(&self) -> bool {
        u128::from(self.0.load(Ordering::Relaxed)) >= WAKE_UP.as_nanos()
    }

    /// Whether the turns of the next run are timed. Those of long ones are, and of one in eight others:
    /// two readings of the clock are a twentieth of a run of one task.
    pub(crate) fn is_timed(&self) -> bool {
        self.is_long() || one_in_eight()
    }

    /// Takes note of the longest turn of a run. Rises at once and falls slowly, because a thread that
    /// is missing costs more than one that comes in vain.
    pub(crate) fn note(&self, longest: Duration) {
        let longest = u32::try_from(longest.as_nanos()).unwrap_or(MOST).min(MOST);
        let before = self.0.load(Ordering::Relaxed);
        let guess = match before {
            UNKNOWN => longest,
            _ if longest > before => longest,
            _ => before - (before - longest) / 8,
        };
        // Most runs are like the one before, and all that go on share this.
        if guess.abs_diff(before) > before / 16 {
            self.0.store(guess, Ordering::Relaxed);
        }
    }
}

/// Whether this is a call of the one in eight that are drawn.
fn one_in_eight() -> bool {
    thread_local! {
        static STATE: Cell<u32> = const { Cell::new(1) };
    }
    // A linear congruential generator, so that flows that take turns are all drawn.
    let next = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let drawn = STATE.try_with(|state| state.replace(next(state.get())) >> 29 == 0);
    drawn.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_long_until_a_run_was_short() {
        let cost = TurnCost::default();
        assert!(cost.is_long());
        cost.note(Duration::from_micros(1));
        assert!(!cost.is_long());
    }

    #[test]
    fn a_long_turn_counts_at_once_and_is_forgotten_after_some_runs() {
        let cost = TurnCost::default();
        cost.note(Duration::from_micros(1));
        cost.note(Duration::from_secs(1));
        assert!(cost.is_long());
        for _ in 0..40 {
            cost.note(Duration::from_micros(1));
        }
        assert!(!cost.is_long());
    }

    #[test]
    fn one_in_eight_short_turns_is_timed_and_every_long_one() {
        let cost = TurnCost::default();
        assert!((0..100).all(|_| cost.is_timed()));
        cost.note(Duration::from_micros(1));
        let timed = (0..8_000).filter(|_| cost.is_timed()).count();
        assert!((900..1_100).contains(&timed), "{timed}");
    }

    #[test]
    fn one_short_run_after_a_long_one_is_not_believed() {
        let cost = TurnCost::default();
        cost.note(Duration::from_micros(1));
        cost.note(Duration::from_secs(1));
        cost.note(Duration::from_micros(1));
        assert!(cost.is_long());
    }

    #[test]
    fn runs_that_are_alike_change_nothing() {
        let cost = TurnCost::default();
        for nanos in [16_000, 16_000, 15_000, 17_000] {
            cost.note(Duration::from_nanos(nanos));
            assert_eq!(cost.0.load(Ordering::Relaxed), 16_000);
        }
        cost.note(Duration::from_nanos(17_001));
        assert_eq!(cost.0.load(Ordering::Relaxed), 17_001);
    }
}
