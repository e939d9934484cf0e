//! One row for each task, with its name.

use std::fmt::Write;

use super::scale::Scale;
use super::{BAR_HEIGHT, HEADER, MARGIN, ROW_HEIGHT, WIDTH, rect, width};
use crate::text::{self, SHORT, nanos, xml};
use crate::timeline::model::{Bar, Timeline};

pub(super) fn rows(timeline: &Timeline, scale: &Scale) -> (String, f64) {
    let mut order: Vec<&Bar> = timeline.bars.iter().collect();
    order.sort_by_key(|bar| bar.started.or(bar.ready).or(bar.ended).unwrap_or(u64::MAX));
    let mut out = String::new();
    // Written before the rows, so that the links lie below the names.
    let mut links = String::new();
    let mut last_critical: Option<(f64, f64)> = None;
    for (row, bar) in order.iter().enumerate() {
        let top = HEADER + 4.0 + row as f64 * ROW_HEIGHT;
        let middle = top + BAR_HEIGHT / 2.0;
        let bottom = top + BAR_HEIGHT;
        let _ = write!(out, "<g><title>{}</title>", xml(&tooltip(bar)));
        let ready = bar.ready.or(bar.started).or(bar.ended);
        if let Some(ready) = ready.filter(|ready| scale.x(*ready) - MARGIN > 6.0) {
            let _ = write!(
                out,
                "<path class=\"before\" d=\"M{MARGIN} {middle:.1}H{:.1}\"/>",
                scale.x(ready) - 4.0
            );
        }
        // A narrower hatched bar cannot be recognized.
        let wait = bar.wait().map(|(from, to)| (scale.x(from), scale.x(to)));
        if let Some((from, to)) = wait.filter(|(from, to)| to - from > 1.5) {
            rect(&mut out, "wait", from, to, top + 2.0, BAR_HEIGHT - 4.0);
        }
        let mut end = bar.ended.map_or(MARGIN, |ended| scale.x(ended));
        let mut begin = ready.map_or(MARGIN, |ready| scale.x(ready));
        match bar.started {
            Some(started) => {
                let (from, to) = (
                    scale.x(started),
                    scale.x(bar.ended.unwrap_or(timeline.wall)),
                );
                end = to.max(from + 2.0);
                begin = begin.min(from);
                rect(&mut out, bar.class(), from, end, top, BAR_HEIGHT);
                if bar.critical {
                    let _ = write!(
                        out,
                        "<path class=\"critical\" d=\"M{from:.1} {bottom:.1}H{end:.1}\"/>"
                    );
                    if let Some((x, y)) = last_critical {
                        let _ = writeln!(
                            links,
                            "<path class=\"link\" d=\"M{x:.1} {y:.1}V{middle:.1}H{:.1}\"/>",
                            begin.max(x)
                        );
                    }
                    last_critical = Some((end, bottom));
                }
            }
            // Never started: a small ring at the moment when it ended.
            None => {
                let _ = write!(
                    out,
                    "<circle class=\"mark\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"3.5\"/>",
                    end.max(MARGIN + 4.0)
                );
                end = end.max(MARGIN + 4.0) + 5.0;
            }
        }
        let label = label(bar);
        let wide = width(&label);
        let (x, anchor, class) = match () {
            () if end + 8.0 + wide < WIDTH - MARGIN / 2.0 => (end + 7.0, "start", "name"),
            () if begin - 7.0 - wide > MARGIN => (begin - 7.0, "end", "name"),
            // No room on either side: the label is on the bar.
            () => (begin.max(MARGIN) + 6.0, "start", "on"),
        };
        let _ = writeln!(
            out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text></g>",
            middle + 4.2,
            xml(&label)
        );
    }
    (links + &out, order.len() as f64 * ROW_HEIGHT + 6.0)
}

/// The name, followed by the status unless the task succeeded.
fn label(bar: &Bar) -> String {
    let name = text::clean(&bar.name, SHORT);
    match bar.class() {
        "run" => name,
        _ => format!("{name} — {}", bar.status),
    }
}

fn tooltip(bar: &Bar) -> String {
    let mut parts = vec![bar.name.clone(), bar.status.to_string()];
    if let Some(ran) = bar.ran() {
        parts.push(format!("ran {}", nanos(ran)));
    }
    if let Some((from, to)) = bar.wait() {
        parts.push(format!("waited {}", nanos(to - from)));
    }
    if !bar.holds.is_empty() {
        parts.push(format!("holds {}", bar.holds.join(", ")));
    }
    parts.join(" · ")
}
