//! Moments as x coordinates, and the ticks of the axis.

use super::{MARGIN, WIDTH};

pub(super) struct Scale {
    pub(super) wall: u64,
    /// The time between two ticks.
    pub(super) step: u64,
}

impl Scale {
    pub(super) fn new(wall: u64) -> Self {
        let mut step = 1;
        // 1, 2, 5, 10, 20, … until there are at most eight steps, whose labels fit side by side.
        for factor in [2, 5, 10].iter().cycle() {
            if wall / step <= 8 {
                break;
            }
            let decade = step_decade(step);
            step = decade.saturating_mul(*factor);
        }
        Self {
            wall: wall.max(1),
            step,
        }
    }

    pub(super) fn x(&self, moment: u64) -> f64 {
        MARGIN + (WIDTH - 2.0 * MARGIN) * moment as f64 / self.wall as f64
    }
}

/// The greatest power of ten that is at most `step`.
fn step_decade(step: u64) -> u64 {
    10_u64.pow(step.max(1).ilog10())
}

/// The label of a tick, with no more digits than the step needs.
pub(super) fn tick(moment: u64, step: u64) -> String {
    let (unit, name) = match step {
        0..=999 => (1, "ns"),
        1000..=999_999 => (1000, "µs"),
        1_000_000..=499_999_999 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let value = moment as f64 / unit as f64;
    match value.fract() == 0.0 {
        true => format!("{value:.0} {name}"),
        false => format!("{value:.1} {name}"),
    }
}
