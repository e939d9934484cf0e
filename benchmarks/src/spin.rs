//! CPU work of a known length.
//!
//! A task spins for a fixed number of rounds. If it spun until a deadline, time in which its thread
//! was preempted would count as work.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Spins for `rounds`. Each operation depends on the one before.
pub fn spin(rounds: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

/// How many rounds take `length` on this machine. Takes the fastest of several tries, because other
/// load only makes them slower.
pub fn calibrate(length: Duration) -> u64 {
    const ROUNDS: u64 = 200_000;
    let fastest = (0..20)
        .map(|_| {
            let start = Instant::now();
            spin(black_box(ROUNDS));
            start.elapsed()
        })
        .min()
        .unwrap_or(Duration::from_millis(1));
    let rounds = ROUNDS as f64 * length.as_secs_f64() / fastest.as_secs_f64();
    rounds as u64
}
