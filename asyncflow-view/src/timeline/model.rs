//! What a timeline shows in any format.

use std::time::Duration;

use asyncflow_core::{Node, NodeKind, Report, Structure, TaskReport, TaskStatus};

use super::inside::Inside;
use super::lanes;
use crate::text::{self, LONG};

/// The most upstreams that are kept for a task. It bounds the output for wide flows, where one task
/// can have thousands; nobody reads more.
const MAX_UPSTREAMS: usize = 24;

/// The most gates that the search for upstreams passes, which bounds its time.
const MAX_GATES: usize = 64;

/// A run, as bars in lanes. All moments and durations are in nanoseconds; moments count from the
/// start of the run.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Whether the run was timed. If not, there are only statuses.
    pub(crate) timed: bool,
    pub(crate) wall: u64,
    /// One bar for each task, in the order of declaration.
    pub(crate) bars: Vec<Bar>,
    /// The number of lanes of running tasks.
    pub(crate) lanes: u32,
    pub(crate) totals: Totals,
}

/// One task. The upstreams and `because` are indices of bars.
#[derive(Debug)]
pub(crate) struct Bar {
    /// [Cleaned](text::clean), but not escaped.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) status: TaskStatus,
    /// For a skipped task, the task that caused it.
    pub(crate) because: Option<usize>,
    pub(crate) attempts: u32,
    pub(crate) ready: Option<u64>,
    pub(crate) permitted: Option<u64>,
    pub(crate) started: Option<u64>,
    pub(crate) ended: Option<u64>,
    /// When it waited between its attempts, in order.
    pub(crate) pauses: Vec<(u64, u64)>,
    /// `None` if it was not started.
    pub(crate) lane: Option<u32>,
    pub(crate) critical: bool,
    /// The permits that it holds while it runs.
    pub(crate) holds: Vec<String>,
    /// The tasks that it depends on, directly or through gates; at most [`MAX_UPSTREAMS`].
    pub(crate) upstreams: Vec<usize>,
    /// Whether it has more upstreams than are listed.
    pub(crate) more_upstreams: bool,
    /// What it remarked on itself, cleaned.
    pub(crate) note: Option<String>,
    /// What ran inside of it.
    pub(crate) inside: Option<Inside>,
}

impl Bar {
    /// The class name of its status, which selects its colour.
    pub(crate) fn class(&self) -> &'static str {
        match self.status {
            TaskStatus::Succeeded => "run",
            TaskStatus::Recovered => "recovered",
            TaskStatus::Failed => "failed",
            TaskStatus::Panicked => "panicked",
            TaskStatus::TimedOut => "timedout",
            TaskStatus::Given | TaskStatus::Restored => "given",
            TaskStatus::Cancelled => "cancelled",
            _ => "other",
        }
    }

    /// Whether it is not a task of the run, but ran inside of one.
    pub(crate) fn is_part(&self) -> bool {
        self.kind == "part"
    }

    /// When its attempts ran, from its start to its end, or until now if it has not ended.
    pub(crate) fn runs(&self, now: u64) -> impl Iterator<Item = (u64, u64)> {
        let started = self.started.into_iter();
        let begins = started.chain(self.pauses.iter().map(|(_, end)| *end));
        let last = self.ended.unwrap_or(now);
        let ends = self.pauses.iter().map(|(begin, _)| *begin).chain([last]);
        let runs = begins.zip(ends).enumerate();
        // A task that was stopped in a pause has no attempt after it.
        let runs = runs.filter(|(number, (begin, end))| *number == 0 || begin < end);
        runs.map(|(_, (begin, end))| (begin, end.max(begin)))
    }

    /// When it waited: for its first start, and between its attempts.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (u64, u64)> {
        self.wait().into_iter().chain(self.pauses.iter().copied())
    }

    /// How long it waited between its attempts.
    pub(crate) fn paused(&self) -> u64 {
        self.pauses.iter().map(|(begin, end)| end - begin).sum()
    }

    /// How long it ran, from its start to its end, with the pauses between its attempts.
    pub(crate) fn ran(&self) -> Option<u64> {
        Some(self.ended?.saturating_sub(self.started?))
    }

    /// When it waited, from the moment it was ready to its start, or to its end if it was never
    /// started. `None` if it did not wait.
    pub(crate) fn wait(&self) -> Option<(u64, u64)> {
        let until = self.started.or(self.ended)?;
        let ready = self.ready?;
        (ready < until).then_some((ready, until))
    }

    /// How long it waited for permits. The rest of the wait was for a slot or a thread.
    pub(crate) fn waited_for_permits(&self) -> u64 {
        if self.holds.is_empty() {
            return 0;
        }
        let Some((ready, until)) = self.wait() else {
            return 0;
        };
        match (self.started, self.permitted) {
            // After several attempts, `permitted` is the moment of the last one.
            (Some(_), Some(permitted)) => permitted.clamp(ready, until) - ready,
            (Some(_), None) => 0,
            (None, _) => until - ready,
        }
    }
}

/// Sums over all tasks.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// The running time of all tasks, without the pauses between attempts.
    pub(crate) work: u64,
    /// The length of the critical path, which includes waiting for permits, a slot or a thread.
    pub(crate) critical: u64,
    /// The running time on the critical path.
    pub(crate) critical_ran: u64,
    /// The number of tasks on the critical path.
    pub(crate) critical_tasks: usize,
    /// How long all tasks waited for permits.
    pub(crate) permits: u64,
    /// How long all tasks waited for a slot or a thread.
    pub(crate) threads: u64,
    /// The most tasks that ran at the same time.
    pub(crate) peak: u32,
}

impl Timeline {
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
        let wall: u64 = bars
            .iter()
            .filter_map(|bar| bar.ended)
            .chain(wall)
            .max()
            .unwrap_or(0);
        let spans: Vec<_> = ran
            .iter()
            .map(|&bar| {
                // The report of an unfinished run has tasks that have not ended.
                let started = bars[bar].started.unwrap_or(0);
                (started, bars[bar].ended.unwrap_or(wall).max(started))
            })
            .collect();
        let (assigned, lanes) = lanes::assign(&spans);
        for (bar, lane) in ran.into_iter().zip(assigned) {
            bars[bar].lane = Some(lane);
        }
        let unfold = report.tasks().map(|task| task.parts().next().is_some());
        let unfold = unfold.filter(|inside| *inside).count();
        for (bar, task) in bars.iter_mut().zip(report.tasks()) {
            bar.inside = Inside::new(&task, bar, wall, unfold);
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
            totals.work += bar.ran().unwrap_or(0).saturating_sub(bar.paused());
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

    /// A title such as `7 tasks succeeded` or `12 tasks: 10 succeeded, 2 failed`.
    pub(crate) fn title(&self) -> String {
        let statuses = self.statuses();
        let tasks = text::tasks(self.bars.len());
        match statuses.as_slice() {
            [] => tasks,
            [(word, _)] => format!("{tasks} {word}"),
            several => {
                let counts: Vec<String> = several
                    .iter()
                    .map(|(word, count)| format!("{} {word}", text::count(*count)))
                    .collect();
                format!("{tasks}: {}", counts.join(", "))
            }
        }
    }

    /// The average number of running tasks.
    pub(crate) fn parallelism(&self) -> f64 {
        self.totals.work as f64 / self.wall.max(1) as f64
    }

    /// How many tasks have each status, the most frequent first.
    pub(crate) fn statuses(&self) -> Vec<(String, usize)> {
        text::statuses(self.bars.iter().map(|bar| bar.status))
    }
}

/// The index of the bar of each node. Gates have no bar; they get the index of the next one.
fn bar_of(structure: &Structure) -> Vec<usize> {
    let mut tasks = 0;
    let number = |node: Node<'_>| {
        tasks += usize::from(node.kind().is_task());
        tasks - usize::from(node.kind().is_task())
    };
    structure.nodes().map(number).collect()
}

fn bar(structure: &Structure, bar_of: &[usize], task: TaskReport<'_>) -> Bar {
    let node = structure.task(task.id());
    let times = task.times().unwrap_or_default();
    let (upstreams, more_upstreams) = upstreams(structure, node.number());
    Bar {
        name: text::clean(task.name(), LONG),
        kind: match node.kind() {
            NodeKind::Plain => "plain",
            NodeKind::Input => "input",
            NodeKind::Value => "value",
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
        pauses: task
            .pauses()
            .map(|pause| (nanos(pause.start), nanos(pause.end)))
            .collect(),
        lane: None,
        critical: false,
        holds: node
            .permits()
            .iter()
            .chain(node.rates())
            .map(|permits| text::clean(&permits.to_string(), LONG))
            .collect(),
        upstreams: upstreams.into_iter().map(|node| bar_of[node]).collect(),
        more_upstreams,
        note: task.note().map(|note| text::clean(note, LONG)),
        inside: None,
    }
}

/// The nodes of the tasks that a task depends on, directly or through gates. Returns at most
/// [`MAX_UPSTREAMS`], and whether there are more.
fn upstreams(structure: &Structure, number: usize) -> (Vec<usize>, bool) {
    let mut found = Vec::new();
    let mut gates = vec![number];
    let mut next = 0;
    while next < gates.len() {
        for upstream in structure.node(gates[next]).upstreams() {
            let is_task = structure.node(upstream).kind().is_task();
            let (list, max) = match is_task {
                true => (&mut found, MAX_UPSTREAMS),
                false => (&mut gates, MAX_GATES),
            };
            if list.contains(&upstream) {
                continue;
            }
            if list.len() == max {
                return (found, true);
            }
            list.push(upstream);
        }
        next += 1;
    }
    (found, false)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
