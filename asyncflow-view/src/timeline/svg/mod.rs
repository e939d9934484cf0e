//! Timelines as a static SVG image, without external resources, for light and dark pages.
//!
//! * [`rows`]: up to [`MAX_ROWS`] tasks have a row each, with their names;
//! * [`lanes`]: more tasks share lanes;
//! * [`curves`]: if there are too many lanes or tasks, only how many ran and how many waited.

mod curves;
mod lanes;
mod rows;
mod scale;

use std::fmt::Write;

use crate::text::{self, SHORT, nanos, xml};
use crate::timeline::model::Timeline;
use scale::{Scale, tick};

// Sizes in pixels.
const WIDTH: f64 = 880.0;
const MARGIN: f64 = 24.0;
/// Room for the title, the facts and the labels of the axis.
const HEADER: f64 = 92.0;
const ROW_HEIGHT: f64 = 23.0;
const BAR_HEIGHT: f64 = 15.0;
const LANE_HEIGHT: f64 = 11.0;

// Found by eye, with the example `gallery`: the picture is at most about 1000 pixels high.
const MAX_ROWS: usize = 40;
const MAX_LANES: u32 = 60;
/// The most tasks that are drawn one by one. It also bounds the size of the file.
const MAX_BARS: usize = 1500;

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;fill:#1d1f22}.name{paint-order:stroke;stroke:#fcfcfa;stroke-width:3.5px;stroke-linejoin:round}\
.page{fill:#fcfcfa;stroke:#dddcd6}.title{font-size:17px;font-weight:600}.dim{fill:#63676d}.grid{stroke:#e6e5e0}\
.run{fill:#8fb8d6}.failed{fill:#cf5a2e}.panicked{fill:#a0487f}.timedout{fill:#d09a2a}.recovered{fill:#c9c58e}.given{fill:#a9c6a0}.cancelled,.other{fill:#b9bcc0}\
.faint{opacity:.35}.hatch{stroke:#7d8289}.wait{fill:url(#hatch);stroke:#9a9ea4;stroke-width:.8}.before{stroke:#b4b7bb;stroke-dasharray:1 4;stroke-linecap:round}\
.on{fill:#101214}.critical{stroke:#1d1f22;stroke-width:2.5;fill:none}.link{stroke:#1d1f22;stroke-width:1.2;fill:none}.mark{fill:none;stroke:#63676d;stroke-width:1.4}\
@media(prefers-color-scheme:dark){text{fill:#e8e7e3}.page{fill:#17191c;stroke:#33363b}.name{stroke:#17191c}.on{fill:#f6f5f1}.dim{fill:#9da1a7}.grid{stroke:#2a2d31}\
.run{fill:#3f7199}.failed{fill:#e0693c}.panicked{fill:#b9619a}.timedout{fill:#c99328}.recovered{fill:#7d7a45}.given{fill:#56794f}.cancelled,.other{fill:#5f646b}\
.hatch{stroke:#8a8f96}.wait{stroke:#6b7077}.before{stroke:#5d6269}.critical,.link{stroke:#f0efeb}.mark{stroke:#9da1a7}}";

pub(crate) fn write(timeline: &Timeline) -> String {
    let scale = Scale::new(timeline.wall);
    let (body, height) = match timeline {
        Timeline { timed: false, .. } => untimed(timeline),
        _ if timeline.bars.len() <= MAX_ROWS => rows::rows(timeline, &scale),
        _ if in_lanes(timeline) => lanes::lanes(timeline, &scale),
        _ => curves::curves(timeline, &scale),
    };
    let bottom = HEADER + height;
    let (legend, lines) = match timeline.timed {
        true => legend(timeline, bottom + 28.0),
        false => (String::new(), 1),
    };
    let total = bottom + 26.0 + 18.0 * f64::from(lines);
    let mut out = String::new();
    let title = timeline.title();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {total:.0}\" width=\"{WIDTH}\" height=\"{total:.0}\" \
         role=\"img\" aria-labelledby=\"title facts\">\n<title id=\"title\">{0}</title><desc id=\"facts\">{1}</desc>\n\
         <style>{STYLE}</style>\n<defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V5\"/></pattern></defs>\n\
         <rect class=\"page\" x=\".5\" y=\".5\" width=\"{2}\" height=\"{3:.0}\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"36\">{0}</text><text class=\"dim\" x=\"{MARGIN}\" y=\"56\">{1}</text>\n",
        xml(&title),
        xml(&facts(timeline)),
        WIDTH - 1.0,
        total - 1.0,
    );
    if timeline.timed {
        axis(&mut out, &scale, bottom);
    }
    out.push_str(&legend);
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

fn facts(timeline: &Timeline) -> String {
    if !timeline.timed {
        return "Not timed: execute the flow with .timed() to get a timeline.".to_owned();
    }
    let totals = &timeline.totals;
    let mut facts = vec![
        format!("{} wall", nanos(timeline.wall)),
        format!("{} work", nanos(totals.work)),
    ];
    if totals.critical_tasks > 0 {
        facts.push(format!("{} critical path", nanos(totals.critical)));
    }
    facts.push(format!(
        "{:.1} running on average, {} at most",
        timeline.parallelism(),
        text::count(totals.peak as usize)
    ));
    if totals.permits > 0 {
        facts.push(format!("{} waited for permits", nanos(totals.permits)));
    }
    facts.join(" · ")
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
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {:.0}V{bottom:.0}\"/><text class=\"dim\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\" font-size=\"11\">{label}</text>",
            HEADER - 6.0,
            HEADER - 12.0
        );
        moment += scale.step;
    }
}

/// Whether every task is drawn, in lanes.
fn in_lanes(timeline: &Timeline) -> bool {
    timeline.lanes <= MAX_LANES && timeline.bars.len() <= MAX_BARS
}

/// Returns the legend, which explains only what occurs in this picture, and the number of its lines.
fn legend(timeline: &Timeline, mut y: f64) -> (String, u32) {
    let rows = timeline.bars.len() <= MAX_ROWS;
    let each_task = rows || in_lanes(timeline);
    let waits = timeline.bars.iter().any(|bar| bar.waits().next().is_some());
    let pauses = timeline.bars.iter().any(|bar| !bar.pauses.is_empty());
    let rect = |class: &str| {
        format!("<rect class=\"{class}\" x=\"0\" y=\"-10\" width=\"20\" height=\"11\" rx=\"1.5\"/>")
    };
    let line = |class: &str| format!("<path class=\"{class}\" d=\"M0 -4H20\"/>");
    let (mut out, mut lines) = (String::new(), 1);
    let mut x = MARGIN;
    for (occurs, sign, text) in [
        (rows, line("before"), "waiting for upstreams"),
        (
            waits && (rows || !each_task),
            rect("wait"),
            match pauses {
                true => "waiting for a permit, a slot, a thread or the next attempt",
                false => "ready, waiting for a permit, a slot or a thread",
            },
        ),
        (true, rect("run"), "running"),
        (
            rows && timeline.bars.iter().any(|bar| bar.inside.is_some()),
            format!(
                "{}<path class=\"run\" d=\"M0 1V-4H6V-8H14V-2H20V1Z\"/>",
                rect("run faint")
            ),
            "how many ran at once",
        ),
        (
            each_task && timeline.totals.critical_tasks > 0,
            line("critical"),
            "critical path",
        ),
    ] {
        if occurs {
            if x + 26.0 + width(text) > WIDTH - MARGIN {
                (x, y, lines) = (MARGIN, y + 18.0, lines + 1);
            }
            let _ = writeln!(
                out,
                "<g transform=\"translate({x:.0} {y:.0})\">{sign}<text class=\"dim\" x=\"26\" y=\"0\">{text}</text></g>"
            );
            x += 52.0 + width(text);
        }
    }
    (out, lines)
}

/// Estimates the width of a text: 6.2 pixels for a letter, twice that for East Asian characters.
fn width(text: &str) -> f64 {
    let wide = |c: char| if c > '\u{1100}' { 12.5 } else { 6.2 };
    text.chars().map(wide).sum()
}

fn rect(out: &mut String, class: &str, from: f64, to: f64, top: f64, height: f64) {
    let _ = write!(
        out,
        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height}\" rx=\"1.5\"/>",
        (to - from).max(0.8)
    );
}

fn untimed(timeline: &Timeline) -> (String, f64) {
    let mut out = String::new();
    let shown = timeline.bars.iter().take(MAX_ROWS);
    for (row, bar) in shown.enumerate() {
        let y = HEADER + 4.0 + row as f64 * ROW_HEIGHT;
        rect(&mut out, bar.class(), MARGIN, MARGIN + 14.0, y, BAR_HEIGHT);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\">{} <tspan class=\"dim\">{}</tspan></text>",
            MARGIN + 22.0,
            y + 12.0,
            xml(&text::clean(&bar.name, SHORT)),
            xml(&bar.status.to_string())
        );
    }
    let more = timeline.bars.len().saturating_sub(MAX_ROWS);
    let rows = timeline.bars.len().min(MAX_ROWS);
    if more > 0 {
        let _ = writeln!(
            out,
            "<text class=\"dim\" x=\"{MARGIN}\" y=\"{:.0}\">and {} more</text>",
            HEADER + 18.0 + rows as f64 * ROW_HEIGHT,
            text::count(more)
        );
    }
    (out, (rows as f64 + 1.0) * ROW_HEIGHT)
}
