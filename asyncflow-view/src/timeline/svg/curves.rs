//! Two curves: how many tasks ran and how many waited. For runs with too many tasks to draw each.

use std::fmt::Write;

use super::scale::Scale;
use super::{HEADER, MARGIN, WIDTH};
use crate::text;
use crate::timeline::density::levels;
use crate::timeline::model::{Bar, Timeline};

/// The height of the upper curve.
const HEIGHT: f64 = 180.0;

/// The number of steps of a curve: one for every two pixels.
const COLUMNS: usize = 416;

pub(super) fn curves(timeline: &Timeline, scale: &Scale) -> (String, f64) {
    let bars = timeline.bars.iter();
    let ran = bars.clone().flat_map(|bar| bar.runs(timeline.wall));
    let waited = bars.flat_map(Bar::waits);
    let mut out = String::new();
    let mut top = HEADER;
    for (what, class, levels, height) in [
        (
            "running",
            "run",
            levels(ran, (0, scale.wall), COLUMNS),
            HEIGHT,
        ),
        (
            "waiting",
            "wait",
            levels(waited, (0, scale.wall), COLUMNS),
            HEIGHT / 2.0,
        ),
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
