//! Timelines as a Chrome trace, for Perfetto and `chrome://tracing`.
//!
//! The format is the "JSON object format" of the Trace Event Format. One process holds the lanes in
//! which tasks ran, another those in which they waited, because what waits overlaps what runs.

use std::fmt::Write;

use super::lanes;
use super::record::{Bar, Record};
use crate::text::{self, json};

/// How many arrows are drawn. A viewer with more is slow and shows a cloud.
const ARROWS: usize = 20_000;

const RUNNING: u32 = 1;
const WAITING: u32 = 2;

pub(crate) fn write(record: &Record) -> String {
    let mut events = Vec::new();
    let mut arrows = Arrows::default();
    if record.timed {
        running(record, &mut events);
        waiting(record, &mut events);
        arrows.draw(record, &mut events);
    }
    let mut out = String::from("{\"traceEvents\":[\n");
    out.push_str(&events.join(",\n"));
    let note = match (record.timed, arrows.left_out) {
        (false, _) => "the run was not timed: execute it with .timed()",
        (true, false) => "each dependency is an arrow",
        (true, true) => "only some dependencies are arrows: there are too many",
    };
    let _ = write!(
        out,
        "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{{\"producer\":\"asyncflow\",\"tasks\":\"{}\",\"wall\":{},\"arrows\":\"{}\",\"note\":{}}}}}",
        record.bars.len(),
        json(&text::nanos(record.wall)),
        arrows.drawn,
        json(note)
    );
    out
}

fn running(record: &Record, events: &mut Vec<String>) {
    process(events, RUNNING, "running");
    for lane in 0..record.lanes {
        track(events, RUNNING, lane, &format!("lane {}", lane + 1));
    }
    for bar in &record.bars {
        let (Some(started), Some(lane)) = (bar.started, bar.lane) else {
            continue;
        };
        let ended = bar.ended.unwrap_or(record.wall).max(started);
        let mut category = bar.status.to_string().replace(' ', "-");
        if bar.critical {
            category.push_str(",critical");
        }
        events.push(complete(
            &bar.name,
            &category,
            RUNNING,
            lane,
            (started, ended),
            &details(bar),
        ));
    }
}

fn waiting(record: &Record, events: &mut Vec<String>) {
    let waits: Vec<(&Bar, (u64, u64))> = record
        .bars
        .iter()
        .filter_map(|bar| Some((bar, bar.wait()?)))
        .collect();
    if waits.is_empty() {
        return;
    }
    process(events, WAITING, "waiting for permits, a slot or a thread");
    let spans: Vec<_> = waits.iter().map(|(_, span)| *span).collect();
    let (assigned, lanes) = lanes::assign(&spans);
    for lane in 0..lanes {
        track(events, WAITING, lane, &format!("waiting {}", lane + 1));
    }
    for ((bar, span), lane) in waits.into_iter().zip(assigned) {
        events.push(complete(
            &bar.name,
            "wait",
            WAITING,
            lane,
            span,
            &details(bar),
        ));
    }
}

/// The arrows from the end of a task to the start of those that depend on it.
#[derive(Default)]
struct Arrows {
    drawn: usize,
    left_out: bool,
}

impl Arrows {
    fn draw(&mut self, record: &Record, events: &mut Vec<String>) {
        for bar in &record.bars {
            let (Some(to), Some(to_lane)) = (bar.started, bar.lane) else {
                continue;
            };
            self.left_out |= bar.more_upstreams;
            for upstream in bar.upstreams.iter().map(|upstream| &record.bars[*upstream]) {
                let (Some(started), Some(ended), Some(from_lane)) =
                    (upstream.started, upstream.ended, upstream.lane)
                else {
                    continue;
                };
                if self.drawn == ARROWS {
                    self.left_out = true;
                    return;
                }
                self.drawn += 1;
                // An arrow hangs on the slice around its moment, which the end is not part of.
                let from = ended.saturating_sub(1).max(started);
                let id = self.drawn;
                for (phase, lane, moment) in [("s", from_lane, from), ("f", to_lane, to.max(from))]
                {
                    let binding = if phase == "f" { ",\"bp\":\"e\"" } else { "" };
                    events.push(format!(
                        "{{\"ph\":\"{phase}\",\"id\":{id},\"name\":\"dependency\",\"cat\":\"dependency\",\"pid\":{RUNNING},\"tid\":{lane},\"ts\":{}{binding}}}",
                        micros(moment)
                    ));
                }
            }
        }
    }
}

fn process(events: &mut Vec<String>, pid: u32, name: &str) {
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{pid},\"tid\":0,\"args\":{{\"name\":{}}}}}",
        json(name)
    ));
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":{pid},\"tid\":0,\"args\":{{\"sort_index\":{pid}}}}}"
    ));
}

fn track(events: &mut Vec<String>, pid: u32, tid: u32, name: &str) {
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{pid},\"tid\":{tid},\"args\":{{\"name\":{}}}}}",
        json(name)
    ));
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":{pid},\"tid\":{tid},\"args\":{{\"sort_index\":{tid}}}}}"
    ));
}

fn complete(
    name: &str,
    category: &str,
    pid: u32,
    tid: u32,
    (from, to): (u64, u64),
    args: &str,
) -> String {
    format!(
        "{{\"ph\":\"X\",\"name\":{},\"cat\":\"{category}\",\"pid\":{pid},\"tid\":{tid},\"ts\":{},\"dur\":{},\"args\":{args}}}",
        json(name),
        micros(from),
        micros(to - from)
    )
}

fn details(bar: &Bar) -> String {
    let mut details = format!(
        "{{\"status\":{},\"kind\":\"{}\",\"attempts\":{}",
        json(&bar.status.to_string()),
        bar.kind,
        bar.attempts
    );
    if !bar.holds.is_empty() {
        let _ = write!(details, ",\"holds\":{}", json(&bar.holds.join(", ")));
    }
    let permits = bar.waited_for_permits();
    if permits > 0 {
        let _ = write!(
            details,
            ",\"waited for permits\":{}",
            json(&text::nanos(permits))
        );
    }
    details.push('}');
    details
}

/// Microseconds with all nanoseconds, as the format has them.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}
