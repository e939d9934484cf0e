//! Lanes with several tasks each.

use std::fmt::Write;

use super::scale::Scale;
use super::{HEADER, LANE_HEIGHT, rect};
use crate::timeline::model::{Bar, Timeline};

pub(super) fn lanes(timeline: &Timeline, scale: &Scale) -> (String, f64) {
    let mut bars: Vec<&Bar> = timeline
        .bars
        .iter()
        .filter(|bar| bar.lane.is_some())
        .collect();
    bars.sort_by_key(|bar| (bar.lane, bar.started));
    let mut out = String::new();
    // Short bars of one class that are less than half a pixel apart are drawn as one.
    let mut open: Option<(u32, &str, f64, f64)> = None;
    let flush = |out: &mut String, open: Option<(u32, &str, f64, f64)>| {
        if let Some((lane, class, from, to)) = open {
            let top = HEADER + 4.0 + f64::from(lane) * LANE_HEIGHT;
            rect(out, class, from, to, top, LANE_HEIGHT - 2.0);
            out.push('\n');
        }
    };
    let runs = bars
        .iter()
        .flat_map(|bar| bar.runs(timeline.wall).map(move |run| (bar, run)));
    for (bar, (from, to)) in runs {
        let lane = bar.lane.unwrap_or(0);
        let from = scale.x(from);
        let to = scale.x(to).max(from + 0.5);
        let joins = |(open_lane, class, _, until): (u32, &str, f64, f64)| {
            open_lane == lane && class == bar.class() && from - until < 0.4 && to - from < 1.0
        };
        open = match open {
            Some(one) if joins(one) => Some((one.0, one.1, one.2, to)),
            one => {
                flush(&mut out, one);
                // Leaves a narrow gap between neighbours.
                Some((lane, bar.class(), from, (to - 0.4).max(from + 0.4)))
            }
        };
    }
    flush(&mut out, open);
    for bar in bars.iter().filter(|bar| bar.critical) {
        let y = HEADER + 4.0 + f64::from(bar.lane.unwrap_or(0)) * LANE_HEIGHT + LANE_HEIGHT - 2.0;
        let (from, to) = (
            scale.x(bar.started.unwrap_or(0)),
            scale.x(bar.ended.unwrap_or(timeline.wall)),
        );
        let _ = writeln!(
            out,
            "<path class=\"critical\" d=\"M{from:.1} {y:.1}H{:.1}\"/>",
            to.max(from + 1.0)
        );
    }
    (out, f64::from(timeline.lanes) * LANE_HEIGHT + 8.0)
}
