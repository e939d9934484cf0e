//! Lanes that tasks share.

use std::fmt::Write;

use super::scale::Scale;
use super::{HEAD, LANE, rect};
use crate::timeline::record::{Bar, Record};

pub(super) fn lanes(record: &Record, scale: &Scale) -> (String, f64) {
    let mut bars: Vec<&Bar> = record
        .bars
        .iter()
        .filter(|bar| bar.lane.is_some())
        .collect();
    bars.sort_by_key(|bar| (bar.lane, bar.started));
    let mut out = String::new();
    // Bars of one kind that would be less than a pixel apart are drawn as one.
    let mut open: Option<(u32, &str, f64, f64)> = None;
    let flush = |out: &mut String, open: Option<(u32, &str, f64, f64)>| {
        if let Some((lane, class, from, to)) = open {
            let top = HEAD + 4.0 + f64::from(lane) * LANE;
            rect(out, class, from, to, top, LANE - 2.0);
            out.push('\n');
        }
    };
    for bar in &bars {
        let lane = bar.lane.unwrap_or(0);
        let from = scale.x(bar.started.unwrap_or(0));
        let to = scale.x(bar.ended.unwrap_or(record.wall)).max(from + 0.5);
        let joins = |(on, class_of, _, until): (u32, &str, f64, f64)| {
            on == lane && class_of == bar.class() && from - until < 0.4 && to - from < 1.0
        };
        open = match open {
            Some(one) if joins(one) => Some((one.0, one.1, one.2, to)),
            one => {
                flush(&mut out, one);
                // A hair's breadth between neighbours.
                Some((lane, bar.class(), from, (to - 0.4).max(from + 0.4)))
            }
        };
    }
    flush(&mut out, open);
    for bar in bars.iter().filter(|bar| bar.critical) {
        let y = HEAD + 4.0 + f64::from(bar.lane.unwrap_or(0)) * LANE + LANE - 2.0;
        let (from, to) = (
            scale.x(bar.started.unwrap_or(0)),
            scale.x(bar.ended.unwrap_or(record.wall)),
        );
        let _ = writeln!(
            out,
            "<path class=\"critical\" d=\"M{from:.1} {y:.1}H{:.1}\"/>",
            to.max(from + 1.0)
        );
    }
    (out, f64::from(record.lanes) * LANE + 8.0)
}
