//! Timelines as a Chrome trace, for Perfetto and `chrome://tracing`.
//!
//! The format is the "JSON object format" of the Trace Event Format. Tasks that ran are in the
//! lanes of one process, tasks that waited in those of another, because a task may run while others
//! wait. What ran inside of tasks is in a third one, with a counter of how many did at once.

use std::fmt::Write;

use super::inside::Inside;
use super::lanes;
use super::model::{Bar, Timeline};
use crate::text::{self, json};

/// The most arrows. With more, Perfetto gets slow and single arrows cannot be told apart.
const MAX_ARROWS: usize = 20_000;

/// The processes.
const RUNNING: u32 = 1;
const WAITING: u32 = 2;
const INSIDE: u32 = 3;

pub(crate) fn write(timeline: &Timeline) -> String {
    let mut events = Vec::new();
    let mut arrows = Arrows::default();
    if timeline.timed {
        running(timeline, &mut events);
        waiting(timeline, &mut events);
        inside(timeline, &mut events);
        arrows.draw(timeline, &mut events);
    }
    let mut out = String::from("{\"traceEvents\":[\n");
    out.push_str(&events.join(",\n"));
    let note = match (timeline.timed, arrows.left_out) {
        (false, _) => "the run was not timed: execute it with .timed()",
        (true, false) => "each dependency is an arrow",
        (true, true) => "only some dependencies are arrows: there are too many",
    };
    let _ = write!(
        out,
        "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{{\"producer\":\"asyncflow\",\"tasks\":\"{}\",\"wall\":{},\"arrows\":\"{}\",\"note\":{}}}}}",
        timeline.bars.len(),
        json(&text::nanos(timeline.wall)),
        arrows.drawn,
        json(note)
    );
    out
}

fn running(timeline: &Timeline, events: &mut Vec<String>) {
    process(events, RUNNING, "running");
    for lane in 0..timeline.lanes {
        lane_name(events, RUNNING, lane, &format!("lane {}", lane + 1));
    }
    for bar in &timeline.bars {
        let Some(lane) = bar.lane else {
            continue;
        };
        let mut category = bar.status.to_string().replace(' ', "-");
        if bar.critical {
            category.push_str(",critical");
        }
        // One for each attempt that had a pause before it.
        for run in bar.runs(timeline.wall) {
            let args = details(bar);
            events.push(slice(&bar.name, &category, RUNNING, lane, run, &args));
        }
    }
}

fn waiting(timeline: &Timeline, events: &mut Vec<String>) {
    let waits: Vec<(&Bar, (u64, u64))> = timeline
        .bars
        .iter()
        .flat_map(|bar| bar.waits().map(move |wait| (bar, wait)))
        .collect();
    if waits.is_empty() {
        return;
    }
    process(
        events,
        WAITING,
        "waiting for permits, a slot, a thread or the next attempt",
    );
    let spans: Vec<_> = waits.iter().map(|(_, span)| *span).collect();
    let (assigned, lanes) = lanes::assign(&spans);
    for lane in 0..lanes {
        lane_name(events, WAITING, lane, &format!("waiting {}", lane + 1));
    }
    for ((bar, span), lane) in waits.into_iter().zip(assigned) {
        events.push(slice(&bar.name, "wait", WAITING, lane, span, &details(bar)));
    }
}

fn inside(timeline: &Timeline, events: &mut Vec<String>) {
    let tasks = timeline.bars.iter();
    let tasks: Vec<(&Bar, &Inside)> = tasks
        .filter_map(|bar| Some((bar, bar.inside.as_ref()?)))
        .collect();
    if tasks.is_empty() {
        return;
    }
    process(events, INSIDE, "inside of tasks");
    let shown: Vec<&Bar> = tasks.iter().flat_map(|(_, inside)| &inside.shown).collect();
    let span = |bar: &&Bar| {
        let started = bar.started.unwrap_or(0);
        (started, bar.ended.unwrap_or(timeline.wall).max(started))
    };
    let spans: Vec<_> = shown.iter().map(span).collect();
    let (assigned, lanes) = lanes::assign(&spans);
    for lane in 0..lanes {
        lane_name(events, INSIDE, lane, &format!("inside {}", lane + 1));
    }
    for ((bar, span), lane) in shown.into_iter().zip(spans).zip(assigned) {
        let category = bar.status.to_string().replace(' ', "-");
        let args = details(bar);
        events.push(slice(&bar.name, &category, INSIDE, lane, span, &args));
    }
    for (bar, inside) in tasks {
        counter(events, bar, inside, timeline.wall);
    }
}

/// How many parts of a task ran at once.
fn counter(events: &mut Vec<String>, bar: &Bar, inside: &Inside, wall: u64) {
    let from = bar.started.unwrap_or(0);
    let to = bar.ended.unwrap_or(wall).max(from);
    let name = json(&format!("{}: {}", bar.name, inside.summary()));
    let steps = inside.levels.len();
    let levels = inside.levels.iter().copied().chain([0.0]);
    for (at, level) in levels.enumerate().filter(|_| steps > 0) {
        let moment = from + ((to - from) as f64 * at as f64 / steps as f64) as u64;
        events.push(format!(
            "{{\"ph\":\"C\",\"name\":{name},\"pid\":{INSIDE},\"ts\":{},\"args\":{{\"running\":{level:.2}}}}}",
            micros(moment)
        ));
    }
}

/// The arrows from the end of a task to the start of its downstreams.
#[derive(Default)]
struct Arrows {
    drawn: usize,
    left_out: bool,
}

impl Arrows {
    fn draw(&mut self, timeline: &Timeline, events: &mut Vec<String>) {
        for bar in &timeline.bars {
            let (Some(to), Some(to_lane)) = (bar.started, bar.lane) else {
                continue;
            };
            self.left_out |= bar.more_upstreams;
            for upstream in bar
                .upstreams
                .iter()
                .map(|upstream| &timeline.bars[*upstream])
            {
                let last = upstream.runs(timeline.wall).last();
                let (Some((started, ended)), Some(_), Some(from_lane)) =
                    (last, upstream.ended, upstream.lane)
                else {
                    continue;
                };
                if self.drawn == MAX_ARROWS {
                    self.left_out = true;
                    return;
                }
                self.drawn += 1;
                // A viewer attaches an arrow to the slice at its moment. The end is not in the
                // slice.
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

/// Names a process and gives it its position.
fn process(events: &mut Vec<String>, pid: u32, name: &str) {
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{pid},\"tid\":0,\"args\":{{\"name\":{}}}}}",
        json(name)
    ));
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":{pid},\"tid\":0,\"args\":{{\"sort_index\":{pid}}}}}"
    ));
}

/// Names a lane, which the format calls a thread, and gives it its position.
fn lane_name(events: &mut Vec<String>, pid: u32, tid: u32, name: &str) {
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{pid},\"tid\":{tid},\"args\":{{\"name\":{}}}}}",
        json(name)
    ));
    events.push(format!(
        "{{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":{pid},\"tid\":{tid},\"args\":{{\"sort_index\":{tid}}}}}"
    ));
}

/// A slice from one moment to another.
fn slice(
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
    if !bar.pauses.is_empty() {
        let paused = text::nanos(bar.paused());
        let _ = write!(details, ",\"waited between attempts\":{}", json(&paused));
    }
    if let Some(note) = &bar.note {
        let _ = write!(details, ",\"note\":{}", json(note));
    }
    if let Some(inside) = &bar.inside {
        let _ = write!(details, ",\"inside\":{}", json(&inside.summary()));
    }
    details.push('}');
    details
}

/// Nanoseconds in the unit of the format: microseconds, with three decimals.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}
