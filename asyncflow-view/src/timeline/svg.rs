//! A still picture of a run: one SVG that needs nothing else, on a light page and on a dark one.
//!
//! Few tasks have a row each, with their names. More share lanes. If there are more lanes than fit,
//! two curves remain: how many tasks ran, and how many waited.

use std::fmt::Write;
use std::time::Duration;

use super::record::{Bar, Record};
use crate::text::{self, SHORT, xml};

const WIDTH: f64 = 880.0;
const MARGIN: f64 = 24.0;
const HEAD: f64 = 92.0;
const ROW: f64 = 23.0;
const BAR: f64 = 15.0;
const LANE: f64 = 11.0;
/// The most rows with names, and the most lanes.
const ROWS: usize = 40;
const LANES: u32 = 60;
/// The height of the curves.
const CURVES: f64 = 180.0;

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;fill:#1d1f22}\
.page{fill:#fcfcfa;stroke:#dddcd6}.title{font-size:17px;font-weight:600}.dim{fill:#63676d}.grid{stroke:#e6e5e0}\
.run{fill:#8fb8d6}.failed{fill:#cf5a2e}.panicked{fill:#a0487f}.timedout{fill:#d09a2a}.given{fill:#a9c6a0}.cancelled,.other{fill:#b9bcc0}\
.hatch{stroke:#7d8289}.wait{fill:url(#hatch);stroke:#9a9ea4;stroke-width:.8}.before{stroke:#b4b7bb;stroke-dasharray:1 4;stroke-linecap:round}\
.critical{stroke:#1d1f22;stroke-width:2.5;fill:none}.link{stroke:#1d1f22;stroke-width:1.2;fill:none}.mark{fill:none;stroke:#63676d;stroke-width:1.4}\
@media(prefers-color-scheme:dark){text{fill:#e8e7e3}.page{fill:#17191c;stroke:#33363b}.dim{fill:#9da1a7}.grid{stroke:#2a2d31}\
.run{fill:#3f7199}.failed{fill:#e0693c}.panicked{fill:#b9619a}.timedout{fill:#c99328}.given{fill:#56794f}.cancelled,.other{fill:#5f646b}\
.hatch{stroke:#8a8f96}.wait{stroke:#6b7077}.before{stroke:#5d6269}.critical,.link{stroke:#f0efeb}.mark{stroke:#9da1a7}}";

pub(crate) fn write(record: &Record) -> String {
    let scale = Scale::new(record.wall);
    let (body, height) = match record {
        Record { timed: false, .. } => untimed(record),
        _ if record.bars.len() <= ROWS => rows(record, &scale),
        _ if record.lanes <= LANES => lanes(record, &scale),
        _ => curves(record, &scale),
    };
    let bottom = HEAD + height;
    let total = bottom + 44.0;
    let mut out = String::new();
    let title = title(record);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {total:.0}\" width=\"{WIDTH}\" height=\"{total:.0}\" \
         role=\"img\" aria-labelledby=\"title facts\">\n<title id=\"title\">{0}</title><desc id=\"facts\">{1}</desc>\n\
         <style>{STYLE}</style>\n<defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V5\"/></pattern></defs>\n\
         <rect class=\"page\" x=\".5\" y=\".5\" width=\"{2}\" height=\"{3:.0}\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"36\">{0}</text><text class=\"dim\" x=\"{MARGIN}\" y=\"56\">{1}</text>\n",
        xml(&title),
        xml(&facts(record)),
        WIDTH - 1.0,
        total - 1.0,
    );
    if record.timed {
        axis(&mut out, &scale, bottom);
        legend(&mut out, record, bottom + 28.0);
    }
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

/// `7 tasks succeeded`, `12 tasks: 10 succeeded, 2 failed`.
pub(crate) fn title(record: &Record) -> String {
    let statuses = record.statuses();
    let tasks = text::tasks(record.bars.len());
    match statuses.as_slice() {
        [] => tasks,
        [(word, _)] => format!("{tasks} {word}"),
        several => {
            let told: Vec<String> = several
                .iter()
                .map(|(word, count)| format!("{} {word}", text::count(*count)))
                .collect();
            format!("{tasks}: {}", told.join(", "))
        }
    }
}

fn facts(record: &Record) -> String {
    if !record.timed {
        return "Not timed: execute with .timed() to see when what happened.".to_owned();
    }
    let totals = &record.totals;
    let mut facts = vec![
        format!("{} wall", nanos(record.wall)),
        format!("{} work", nanos(totals.work)),
    ];
    if totals.critical_tasks > 0 {
        facts.push(format!("{} critical path", nanos(totals.critical)));
    }
    facts.push(format!(
        "{:.1} running on average, {} at most",
        parallelism(record),
        text::count(totals.peak as usize)
    ));
    if totals.permits > 0 {
        facts.push(format!("{} waited for permits", nanos(totals.permits)));
    }
    facts.join(" · ")
}

/// How many tasks ran on average.
pub(crate) fn parallelism(record: &Record) -> f64 {
    record.totals.work as f64 / record.wall.max(1) as f64
}

pub(crate) fn nanos(nanos: u64) -> String {
    text::duration(Duration::from_nanos(nanos))
}

/// The class of a task's status, for its colour.
pub(crate) fn class(bar: &Bar) -> &'static str {
    use asyncflow_core::TaskStatus::{Cancelled, Failed, Given, Panicked, Succeeded, TimedOut};
    match bar.status {
        Succeeded => "run",
        Failed => "failed",
        Panicked => "panicked",
        TimedOut => "timedout",
        Given => "given",
        Cancelled => "cancelled",
        _ => "other",
    }
}

struct Scale {
    wall: u64,
    /// Between two ticks.
    step: u64,
}

impl Scale {
    fn new(wall: u64) -> Self {
        let mut step = 1;
        // 1, 2, 5, 10, 20, … until there are at most eight.
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

    fn x(&self, moment: u64) -> f64 {
        MARGIN + (WIDTH - 2.0 * MARGIN) * moment as f64 / self.wall as f64
    }
}

/// The power of ten at or below a step.
fn step_decade(step: u64) -> u64 {
    10_u64.pow(step.max(1).ilog10())
}

fn axis(out: &mut String, scale: &Scale, bottom: f64) {
    let mut moment = 0;
    while moment <= scale.wall {
        let x = scale.x(moment);
        let anchor = match moment {
            0 => "start",
            _ if x > WIDTH - 60.0 => "end",
            _ => "middle",
        };
        let label = if moment == 0 {
            "0".to_owned()
        } else {
            tick(moment, scale.step)
        };
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {:.0}V{bottom:.0}\"/><text class=\"dim\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\" font-size=\"11\">{label}</text>\n",
            HEAD - 6.0,
            HEAD - 12.0
        );
        moment += scale.step;
    }
}

/// A moment on the axis, without more digits than its step has.
fn tick(moment: u64, step: u64) -> String {
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

fn legend(out: &mut String, record: &Record, y: f64) {
    let mut x = MARGIN;
    let mut entry = |sign: String, text: &str, width: f64| {
        let _ = write!(
            out,
            "<g transform=\"translate({x:.0} {y:.0})\">{sign}<text class=\"dim\" x=\"26\" y=\"0\">{text}</text></g>\n"
        );
        x += width;
    };
    let rect = |class: &str| {
        format!("<rect class=\"{class}\" x=\"0\" y=\"-10\" width=\"20\" height=\"11\" rx=\"1.5\"/>")
    };
    entry(rect("run"), "running", 90.0);
    entry(
        rect("wait"),
        "ready: waits for a permit, a slot or a thread",
        290.0,
    );
    if record.bars.len() <= ROWS {
        entry(
            "<path class=\"before\" d=\"M0 -4H20\"/>".to_owned(),
            "waits for upstreams",
            150.0,
        );
    }
    if record.totals.critical_tasks > 0 && record.lanes <= LANES {
        entry(
            "<path class=\"critical\" d=\"M0 -4H20\"/>".to_owned(),
            "critical path",
            120.0,
        );
    }
}

fn rows(record: &Record, scale: &Scale) -> (String, f64) {
    let mut order: Vec<&Bar> = record.bars.iter().collect();
    order.sort_by_key(|bar| bar.started.or(bar.ready).or(bar.ended).unwrap_or(u64::MAX));
    let mut out = String::new();
    let mut last_critical: Option<(f64, f64)> = None;
    for (row, bar) in order.iter().enumerate() {
        let top = HEAD + 4.0 + row as f64 * ROW;
        let middle = top + BAR / 2.0;
        let bottom = top + BAR;
        let _ = write!(out, "<g><title>{}</title>", xml(&tooltip(bar)));
        let ready = bar.ready.or(bar.started).or(bar.ended);
        if let Some(ready) = ready.filter(|ready| scale.x(*ready) - MARGIN > 6.0) {
            let _ = write!(
                out,
                "<path class=\"before\" d=\"M{MARGIN} {middle:.1}H{:.1}\"/>",
                scale.x(ready) - 4.0
            );
        }
        if let Some((from, to)) = bar.wait() {
            rect(
                &mut out,
                "wait",
                scale.x(from),
                scale.x(to),
                top + 2.0,
                BAR - 4.0,
            );
        }
        let mut end = bar.ended.map_or(MARGIN, |ended| scale.x(ended));
        let mut begin = ready.map_or(MARGIN, |ready| scale.x(ready));
        match bar.started {
            Some(started) => {
                let (from, to) = (scale.x(started), scale.x(bar.ended.unwrap_or(record.wall)));
                end = to.max(from + 2.0);
                begin = begin.min(from);
                rect(&mut out, class(bar), from, end, top, BAR);
                if bar.critical {
                    let _ = write!(
                        out,
                        "<path class=\"critical\" d=\"M{from:.1} {bottom:.1}H{end:.1}\"/>"
                    );
                    if let Some((x, y)) = last_critical {
                        let turn = from.max(x);
                        let _ = write!(
                            out,
                            "<path class=\"link\" d=\"M{x:.1} {y:.1}V{middle:.1}H{turn:.1}\"/>"
                        );
                    }
                    last_critical = Some((end, bottom));
                }
            }
            // It was never started: a small ring where that was settled.
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
        let width = width(&label);
        let (x, anchor) = match end + 8.0 + width < WIDTH - MARGIN / 2.0 {
            true => (end + 7.0, "start"),
            false => (begin - 7.0, "end"),
        };
        // Too long for either side: on the bar itself.
        let (x, anchor) = match anchor == "end" && x - width < MARGIN {
            true => (scale.x(bar.started.unwrap_or(0)).max(MARGIN) + 6.0, "start"),
            false => (x, anchor),
        };
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text></g>",
            middle + 4.2,
            xml(&label)
        );
    }
    (out, order.len() as f64 * ROW + 6.0)
}

/// The name, with the status if it is not the usual one.
fn label(bar: &Bar) -> String {
    let name = text::clean(&bar.name, SHORT);
    match class(bar) {
        "run" => name,
        _ => format!("{name} — {}", bar.status),
    }
}

/// About how wide a text is.
fn width(text: &str) -> f64 {
    let wide = |c: char| if c > '\u{1100}' { 12.5 } else { 6.6 };
    text.chars().map(wide).sum()
}

fn tooltip(bar: &Bar) -> String {
    let mut told = vec![bar.name.clone(), bar.status.to_string()];
    if let Some(ran) = bar.ran() {
        told.push(format!("ran {}", nanos(ran)));
    }
    if let Some((from, to)) = bar.wait() {
        told.push(format!("waited {}", nanos(to - from)));
    }
    if !bar.holds.is_empty() {
        told.push(format!("holds {}", bar.holds.join(", ")));
    }
    told.join(" · ")
}

fn rect(out: &mut String, class: &str, from: f64, to: f64, top: f64, height: f64) {
    let _ = write!(
        out,
        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height}\" rx=\"1.5\"/>",
        (to - from).max(0.8)
    );
}

fn lanes(record: &Record, scale: &Scale) -> (String, f64) {
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
            on == lane && class_of == class(bar) && from - until < 0.4 && to - from < 1.0
        };
        open = match open {
            Some(one) if joins(one) => Some((one.0, one.1, one.2, to)),
            one => {
                flush(&mut out, one);
                // A hair's breadth between neighbours.
                Some((lane, class(bar), from, (to - 0.4).max(from + 0.4)))
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

fn curves(record: &Record, scale: &Scale) -> (String, f64) {
    const COLUMNS: usize = 416;
    let column = |moment: u64| ((moment as f64 / scale.wall as f64) * COLUMNS as f64) as usize;
    let mut running = vec![0_i64; COLUMNS + 2];
    let mut waiting = running.clone();
    for bar in &record.bars {
        if let Some(started) = bar.started {
            running[column(started)] += 1;
            running[column(bar.ended.unwrap_or(record.wall)) + 1] -= 1;
        }
        if let Some((from, to)) = bar.wait() {
            waiting[column(from)] += 1;
            waiting[column(to) + 1] -= 1;
        }
    }
    let mut out = String::new();
    for (what, class, changes, top) in [
        ("running", "run", running, HEAD),
        ("waiting", "wait", waiting, HEAD + CURVES + 26.0),
    ] {
        let mut level = 0;
        let levels: Vec<i64> = changes
            .iter()
            .map(|change| {
                level += change;
                level
            })
            .collect();
        let peak = levels.iter().copied().max().unwrap_or(0);
        if peak == 0 {
            continue;
        }
        let height = if class == "run" { CURVES } else { CURVES / 2.0 };
        let base = top + height;
        let mut path = format!("M{MARGIN} {base:.0}");
        for (at, level) in levels.iter().take(COLUMNS + 1).enumerate() {
            let x = MARGIN + (WIDTH - 2.0 * MARGIN) * at as f64 / COLUMNS as f64;
            let _ = write!(
                path,
                "L{x:.1} {:.1}",
                base - height * *level as f64 / peak as f64
            );
        }
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"{path}V{base:.0}Z\"/><text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{what}, at most {} at once</text>",
            WIDTH - MARGIN - 4.0,
            top + 14.0,
            text::count(peak as usize)
        );
    }
    (out, CURVES * 1.5 + 32.0)
}

fn untimed(record: &Record) -> (String, f64) {
    let mut out = String::new();
    let shown = record.bars.iter().take(ROWS);
    for (row, bar) in shown.enumerate() {
        let y = HEAD + 4.0 + row as f64 * ROW;
        rect(&mut out, class(bar), MARGIN, MARGIN + 14.0, y, BAR);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\">{} <tspan class=\"dim\">{}</tspan></text>",
            MARGIN + 22.0,
            y + 12.0,
            xml(&text::clean(&bar.name, SHORT)),
            xml(&bar.status.to_string())
        );
    }
    let more = record.bars.len().saturating_sub(ROWS);
    let rows = record.bars.len().min(ROWS);
    if more > 0 {
        let _ = writeln!(
            out,
            "<text class=\"dim\" x=\"{MARGIN}\" y=\"{:.0}\">and {} more</text>",
            HEAD + 18.0 + rows as f64 * ROW,
            text::count(more)
        );
    }
    (out, (rows as f64 + 1.0) * ROW)
}
