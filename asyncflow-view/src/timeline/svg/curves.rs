//! Two curves: how many tasks ran and how many waited. For runs with too many tasks to draw each.

use std::fmt::Write;

use super::scale::Scale;
use super::{HEADER, MARGIN, WIDTH};
use crate::text;
use crate::timeline::model::Timeline;

/// The height of the upper curve.
const HEIGHT: f64 = 180.0;

/// The number of steps of a curve: one for every two pixels.
const COLUMNS: usize = 416;

pub(super) fn curves(timeline: &Timeline, scale: &Scale) -> (String, f64) {
    let ran = timeline.bars.iter().filter_map(|bar| {
        let started = bar.started?;
        Some((started, bar.ended.unwrap_or(timeline.wall).max(started)))
    });
    let waited = timeline.bars.iter().filter_map(|bar| bar.wait());
    let mut out = String::new();
    let mut top = HEADER;
    for (what, class, levels, height) in [
        ("running", "run", levels(ran, scale.wall), HEIGHT),
        ("waiting", "wait", levels(waited, scale.wall), HEIGHT / 2.0),
    ] {
        let peak = levels.iter().copied().fold(0.0, f64::max);
        // The tasks are too short to give a visible curve.
        if peak < 0.5 {
            continue;
        }
        let base = top + height;
        let mut path = format!("M{MARGIN} {base:.0}");
        for (at, level) in levels.iter().enumerate() {
            let x = |at: usize| MARGIN + (WIDTH - 2.0 * MARGIN) * at as f64 / COLUMNS as f64;
            let y = base - height * level / peak;
            let _ = write!(path, "V{y:.1}H{:.1}", x(at + 1));
        }
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"{path}V{base:.0}Z\"/><text class=\"name\" x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{what}, up to {} at once</text>",
            WIDTH - MARGIN - 4.0,
            top + 14.0,
            text::count(peak.ceil() as usize)
        );
        top = base + 18.0;
    }
    (out, top - HEADER - 8.0)
}

/// The average number of spans in each column.
fn levels(spans: impl Iterator<Item = (u64, u64)>, wall: u64) -> Vec<f64> {
    // Spans that begin or end in a column, by the part of it that they cover.
    let mut part = vec![0.0; COLUMNS + 1];
    // The change of the number of spans that cover the whole column.
    let mut change = vec![0.0; COLUMNS + 2];
    let column = |moment: u64| (moment as f64 / wall as f64 * COLUMNS as f64).min(COLUMNS as f64);
    for (from, to) in spans {
        let (from, to) = (column(from), column(to));
        let (first, last) = (from as usize, to as usize);
        if first == last {
            part[first] += to - from;
            continue;
        }
        part[first] += (first + 1) as f64 - from;
        part[last] += to - last as f64;
        change[first + 1] += 1.0;
        change[last] -= 1.0;
    }
    let mut level = 0.0;
    let average = |at: usize| {
        level += change[at];
        part[at] + level
    };
    (0..COLUMNS).map(average).collect()
}
