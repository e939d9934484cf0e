//! One row for each task, with its name.

use std::fmt::Write;

use super::scale::Scale;
use super::{BAR_HEIGHT, HEADER, MARGIN, MAX_ROWS, ROW_HEIGHT, WIDTH, rect, width};
use crate::text::{self, SHORT, nanos, xml};
use crate::timeline::inside::Inside;
use crate::timeline::model::{Bar, Timeline};

pub(super) fn rows(timeline: &Timeline, scale: &Scale) -> (String, f64) {
    let rows = rows_of(timeline);
    let mut out = String::new();
    // Written before the rows, so that the links lie below the names.
    let mut links = String::new();
    let mut last_critical: Option<(f64, f64)> = None;
    for (row, bar) in rows.iter().enumerate() {
        let top = HEADER + 4.0 + row as f64 * ROW_HEIGHT;
        let middle = top + BAR_HEIGHT / 2.0;
        let bottom = top + BAR_HEIGHT;
        let _ = write!(out, "<g><title>{}</title>", xml(&tooltip(bar)));
        let ready = bar.ready.or(bar.started).or(bar.ended);
        let waited = ready.filter(|ready| !bar.is_part() && scale.x(*ready) - MARGIN > 6.0);
        if let Some(ready) = waited {
            let _ = write!(
                out,
                "<path class=\"before\" d=\"M{MARGIN} {middle:.1}H{:.1}\"/>",
                scale.x(ready) - 4.0
            );
        }
        // A narrower hatched bar cannot be recognized.
        let waits = bar.waits().map(|(from, to)| (scale.x(from), scale.x(to)));
        for (from, to) in waits.filter(|(from, to)| to - from > 1.5) {
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
                match &bar.inside {
                    Some(inside) => band(&mut out, bar.class(), inside, (from, end), top),
                    None if bar.is_part() => {
                        rect(
                            &mut out,
                            bar.class(),
                            from,
                            end,
                            top + 3.0,
                            BAR_HEIGHT - 6.0,
                        );
                    }
                    None => {
                        for (from, to) in bar.runs(timeline.wall) {
                            let from = scale.x(from);
                            let to = scale.x(to).max(from + 2.0);
                            rect(&mut out, bar.class(), from, to, top, BAR_HEIGHT);
                        }
                    }
                }
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
    (links + &out, rows.len() as f64 * ROW_HEIGHT + 6.0)
}

/// The tasks in the order in which they started, each followed by the tasks of the runs inside of it if
/// there is room for all of those.
fn rows_of(timeline: &Timeline) -> Vec<&Bar> {
    let mut tasks: Vec<&Bar> = timeline.bars.iter().collect();
    tasks.sort_by_key(|bar| bar.started.or(bar.ready).or(bar.ended).unwrap_or(u64::MAX));
    let inner = |bar: &Bar| -> usize { inner_tasks(bar).len() };
    let unfolds = tasks.len() + tasks.iter().map(|bar| inner(bar)).sum::<usize>() <= MAX_ROWS;
    let rows = tasks.into_iter().flat_map(|bar| {
        let inner = if unfolds { inner_tasks(bar) } else { &[] };
        std::iter::once(bar).chain(inner)
    });
    rows.collect()
}

/// The tasks of the runs inside of a task, if all of them are known. Elements have no rows of their own.
fn inner_tasks(bar: &Bar) -> &[Bar] {
    match &bar.inside {
        Some(inside) if !inside.elements && inside.shows_all() => &inside.shown,
        _ => &[],
    }
}

/// Draws a bar in which the height of the curve is how many ran.
fn band(out: &mut String, class: &str, inside: &Inside, (from, to): (f64, f64), top: f64) {
    rect(out, &format!("{class} faint"), from, to, top, BAR_HEIGHT);
    let bottom = top + BAR_HEIGHT;
    let mut path = format!("M{from:.1} {bottom:.1}");
    let mut drawn = String::new();
    let steps = inside.levels.len() as f64;
    for (at, height) in inside.heights().enumerate() {
        let y = bottom - BAR_HEIGHT * height;
        let y = format!("V{y:.1}");
        // A level that stays takes no more room.
        if y != drawn {
            let _ = write!(path, "H{:.1}{y}", from + (to - from) * at as f64 / steps);
            drawn = y;
        }
    }
    let _ = write!(
        out,
        "<path class=\"{class}\" d=\"{path}H{to:.1}V{bottom:.1}Z\"/>"
    );
}

/// The name, followed by the status unless the task succeeded, by what ran inside, and by its note.
fn label(bar: &Bar) -> String {
    let mut label = text::clean(&bar.name, SHORT);
    if bar.class() != "run" {
        let _ = write!(label, " — {}", bar.status);
    }
    if let Some(inside) = &bar.inside {
        let _ = write!(label, " · {}", inside.summary());
    }
    if let Some(note) = &bar.note {
        let _ = write!(label, " · {}", text::clean(note, SHORT));
    }
    label
}

fn tooltip(bar: &Bar) -> String {
    let mut parts = vec![bar.name.clone(), bar.status.to_string()];
    if let Some(ran) = bar.ran() {
        parts.push(format!("ran {}", nanos(ran)));
    }
    if let Some((from, to)) = bar.wait() {
        parts.push(format!("waited {}", nanos(to - from)));
    }
    if !bar.pauses.is_empty() {
        let attempts = format!("{} attempts", text::count(bar.attempts as usize));
        parts.push(format!("{attempts}, {} between them", nanos(bar.paused())));
    }
    if let Some(inside) = &bar.inside {
        parts.push(inside.summary());
        let count = |(word, count): &(String, usize)| format!("{} {word}", text::count(*count));
        let counts: Vec<String> = inside.statuses.iter().map(count).collect();
        parts.push(counts.join(", "));
    }
    parts.extend(bar.note.clone());
    if !bar.holds.is_empty() {
        parts.push(format!("holds {}", bar.holds.join(", ")));
    }
    parts.join(" · ")
}
