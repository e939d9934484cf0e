//! What the timelines show of a run, whatever the format.

use std::time::Duration;

use asyncflow_core::{NodeKind, Report, Structure, TaskStatus};

use super::lanes;
use crate::text::{self, LONG};

/// How many of a task's upstreams are told. A wide flow has more than anybody reads.
const UPSTREAMS: usize = 24;

/// How many gates are passed in search of them.
const GATES: usize = 64;

/// A run, as bars in lanes.
#[derive(Debug)]
pub(crate) struct Record {
    /// Whether there are times: without, there are only statuses.
    pub(crate) timed: bool,
    pub(crate) wall: u64,
    /// In the order of declaration.
    pub(crate) bars: Vec<Bar>,
    /// How many lanes the running tasks take.
    pub(crate) lanes: u32,
    pub(crate) totals: Totals,
}

/// A task. Moments are nanoseconds since the beginning of the run.
#[derive(Debug)]
pub(crate) struct Bar {
    /// Clean, but not escaped.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) status: TaskStatus,
    /// The task that a skipped one was skipped because of.
    pub(crate) because: Option<usize>,
    pub(crate) attempts: u32,
    pub(crate) ready: Option<u64>,
    pub(crate) permitted: Option<u64>,
    pub(crate) started: Option<u64>,
    pub(crate) ended: Option<u64>,
    /// If it was started.
    pub(crate) lane: Option<u32>,
    pub(crate) critical: bool,
    /// What it holds while it runs.
    pub(crate) holds: Vec<String>,
    /// Some of the tasks that it depends on, directly or through gates.
    pub(crate) upstreams: Vec<usize>,
    /// Whether there are more.
    pub(crate) more_upstreams: bool,
}

impl Bar {
    /// The class of its status, for its colour.
    pub(crate) fn class(&self) -> &'static str {
        match self.status {
            TaskStatus::Succeeded => "run",
            TaskStatus::Failed => "failed",
            TaskStatus::Panicked => "panicked",
            TaskStatus::TimedOut => "timedout",
            TaskStatus::Given => "given",
            TaskStatus::Cancelled => "cancelled",
            _ => "other",
        }
    }

    /// From its start to its end.
    pub(crate) fn ran(&self) -> Option<u64> {
        Some(self.ended?.saturating_sub(self.started?))
    }

    /// From being ready to its start, or to its end if it was never started.
    pub(crate) fn wait(&self) -> Option<(u64, u64)> {
        let until = self.started.or(self.ended)?;
        let ready = self.ready?;
        (ready < until).then_some((ready, until))
    }

    /// How much of the wait was for permits; the rest was for a slot or a thread.
    pub(crate) fn waited_for_permits(&self) -> u64 {
        if self.holds.is_empty() {
            return 0;
        }
        let Some((ready, until)) = self.wait() else {
            return 0;
        };
        match (self.started, self.permitted) {
            // Of several attempts, the moment is that of the last.
            (Some(_), Some(permitted)) => permitted.clamp(ready, until) - ready,
            (Some(_), None) => 0,
            (None, _) => until - ready,
        }
    }
}

/// What a run comes to.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Every task's running time together.
    pub(crate) work: u64,
    /// The length of the critical path: running, and waiting for permits, a slot or a thread.
    pub(crate) critical: u64,
    /// How much of it was running.
    pub(crate) critical_ran: u64,
    /// How many tasks are on it.
    pub(crate) critical_tasks: usize,
    /// Waiting for permits, all together.
    pub(crate) permits: u64,
    /// Waiting for a slot or a thread, all together.
    pub(crate) threads: u64,
    /// How many ran at the same time.
    pub(crate) peak: u32,
}

impl Record {
    pub(crate) fn new(report: &Report) -> Self {
        let structure = report.structure();
        let bar_of = bar_of(&structure);
        let mut bars: Vec<Bar> = report
            .tasks()
            .map(|task| bar(&structure, &bar_of, task))
            .collect();
        let wall = report.wall().map(nanos);
        let ran: Vec<usize> = (0..bars.len())
            .filter(|bar| bars[*bar].started.is_some())
            .collect();
        let wall = bars
            .iter()
            .filter_map(|bar| bar.ended)
            .chain(wall)
            .max()
            .unwrap_or(0);
        let spans: Vec<_> = ran
            .iter()
            .map(|&bar| {
                // A task of a run that goes on is running still.
                let started = bars[bar].started.unwrap_or(0);
                (started, bars[bar].ended.unwrap_or(wall).max(started))
            })
            .collect();
        let (assigned, lanes) = lanes::assign(&spans);
        for (bar, lane) in ran.into_iter().zip(assigned) {
            bars[bar].lane = Some(lane);
        }
        let mut totals = Totals {
            peak: lanes,
            ..Totals::default()
        };
        if let Some(path) = report.critical_path() {
            for task in path.tasks() {
                bars[bar_of[structure.task(task.id()).number()]].critical = true;
            }
            totals.critical = nanos(path.ran() + path.waited());
            totals.critical_ran = nanos(path.ran());
            totals.critical_tasks = path.tasks().len();
        }
        for bar in &bars {
            totals.work += bar.ran().unwrap_or(0);
            let permits = bar.waited_for_permits();
            totals.permits += permits;
            totals.threads += bar
                .wait()
                .map_or(0, |(ready, until)| until - ready - permits);
        }
        Self {
            timed: report.wall().is_some(),
            wall,
            bars,
            lanes,
            totals,
        }
    }

    /// `7 tasks succeeded`, `12 tasks: 10 succeeded, 2 failed`.
    pub(crate) fn title(&self) -> String {
        let statuses = self.statuses();
        let tasks = text::tasks(self.bars.len());
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

    /// How many tasks ran on average.
    pub(crate) fn parallelism(&self) -> f64 {
        self.totals.work as f64 / self.wall.max(1) as f64
    }

    /// How many tasks have each status, by the words for it, the most frequent first.
    pub(crate) fn statuses(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for bar in &self.bars {
            let word = bar.status.to_string();
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

/// The number among the tasks of every node; gates have that of the next task.
fn bar_of(structure: &Structure) -> Vec<usize> {
    let mut tasks = 0;
    let number = |node: asyncflow_core::Node<'_>| {
        tasks += usize::from(node.kind().is_task());
        tasks - usize::from(node.kind().is_task())
    };
    structure.nodes().map(number).collect()
}

fn bar(structure: &Structure, bar_of: &[usize], task: asyncflow_core::TaskReport<'_>) -> Bar {
    let node = structure.task(task.id());
    let times = task.times().unwrap_or_default();
    let (upstreams, more_upstreams) = upstreams(structure, node.number());
    Bar {
        name: text::clean(task.name(), LONG),
        kind: match node.kind() {
            NodeKind::Plain => "plain",
            NodeKind::Input => "input",
            _ => "async",
        },
        status: task.status(),
        because: match task.status() {
            TaskStatus::Skipped { because } => Some(bar_of[structure.task(because).number()]),
            _ => None,
        },
        attempts: task.attempts(),
        ready: times.ready.map(nanos),
        permitted: times.permitted.map(nanos),
        started: times.started.map(nanos),
        ended: times.ended.map(nanos),
        lane: None,
        critical: false,
        holds: node
            .permits()
            .iter()
            .map(|permits| text::clean(&permits.to_string(), LONG))
            .collect(),
        upstreams: upstreams.into_iter().map(|node| bar_of[node]).collect(),
        more_upstreams,
    }
}

/// The nodes of the tasks that a task depends on, directly or through gates: some of them, and
/// whether there are more.
fn upstreams(structure: &Structure, number: usize) -> (Vec<usize>, bool) {
    let mut found = Vec::new();
    let mut gates = vec![number];
    let mut next = 0;
    while next < gates.len() {
        for upstream in structure.node(gates[next]).upstreams() {
            let is_task = structure.node(upstream).kind().is_task();
            let (list, enough) = match is_task {
                true => (&mut found, UPSTREAMS),
                false => (&mut gates, GATES),
            };
            if list.contains(&upstream) {
                continue;
            }
            if list.len() == enough {
                return (found, true);
            }
            list.push(upstream);
        }
        next += 1;
    }
    (found, false)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
