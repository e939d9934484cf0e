//! The critical path: the chain of tasks that made a run take as long as it did.

use std::fmt;
use std::time::Duration;

use crate::graph::body::{Body, Gate};
use crate::node_index::NodeIndex;
use crate::task::status::TaskStatus;

use super::report::{Report, TaskReport};
use super::table::{columns, printable};

/// The chain of tasks that made a run take as long as it did, from [`Report::critical_path`].
///
/// The last task of the path is the task that ended last. Each task before it is the upstream that
/// the next task waited for: the one that ended last or, if the next task comes
/// [after any](crate::TaskExt::after_any) of several, the first that succeeded. Between the time
/// when a task became ready and its start, it waited for permits, a slot or a thread;
/// [`TaskReport::waited`] tells how long.
///
/// `Display` writes one line for each task.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// # async fn fetch() {}
/// # async fn parse() {}
/// let fetch = flow.add(fetch);
/// flow.add(parse.after(fetch));
/// let run = flow.execute().timed().await?;
/// let path = run.report().critical_path().expect("the run was timed");
/// let names: Vec<_> = path.tasks().iter().map(|task| task.name()).collect();
/// assert_eq!(names, ["fetch", "parse"]);
/// assert!(path.ran() + path.waited() <= run.report().wall().unwrap());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CriticalPath<'a> {
    tasks: Vec<TaskReport<'a>>,
    wall: Duration,
}

impl<'a> CriticalPath<'a> {
    /// Returns the tasks on the path, in the order in which they ran. Empty if no task was started.
    pub fn tasks(&self) -> &[TaskReport<'a>] {
        &self.tasks
    }

    /// Returns how long these tasks ran, including all attempts and the pauses between them.
    pub fn ran(&self) -> Duration {
        self.tasks.iter().filter_map(TaskReport::ran).sum()
    }

    /// Returns how long these tasks waited for permits, slots and threads when they were ready.
    pub fn waited(&self) -> Duration {
        self.tasks.iter().filter_map(TaskReport::waited).sum()
    }
}

impl Report {
    /// Returns the chain of tasks that made the run take as long as it did. The run gets shorter
    /// only if one of these does.
    ///
    /// Returns `None` if the run was not [timed](crate::Execute::timed). See [`CriticalPath`] for
    /// an example.
    pub fn critical_path(&self) -> Option<CriticalPath<'_>> {
        let wall = self.wall()?;
        let ends = Ends::of(self);
        // Not a task that was not started, because it took no time.
        let mut at = NodeIndex::all(ends.0.len())
            .filter(|index| self.at(*index).ran().is_some())
            // The last one if several ended at the same time, because it may depend on the others.
            .max_by_key(|index| ends.get(*index));
        let mut tasks = Vec::new();
        while let Some(index) = at {
            let task = self.at(index);
            if task.ran().is_some() {
                tasks.push(task);
            }
            at = ends.awaited(self, index);
        }
        tasks.reverse();
        Some(CriticalPath { tasks, wall })
    }
}

impl fmt::Display for CriticalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // So that a line fits 80 columns.
        const WIDEST: usize = 32;
        let count = self.tasks.len();
        let tasks = if count == 1 { "task" } else { "tasks" };
        write!(
            f,
            "critical path: {count} {tasks}, ran {:.1?}, waited {:.1?}, of {:.1?}",
            self.ran(),
            self.waited(),
            self.wall
        )?;
        let names: Vec<String> = self
            .tasks
            .iter()
            .map(|task| printable(task.name(), WIDEST))
            .collect();
        let width = names.iter().map(|name| columns(name)).max();
        let width = width.unwrap_or(0);
        for (task, name) in self.tasks.iter().zip(names) {
            let ran = task.ran().unwrap_or_default();
            let padding = width - columns(&name);
            write!(
                f,
                "\n  {name}{:padding$}  ran {:>9}",
                "",
                format!("{ran:.1?}")
            )?;
            let waited = task.waited().unwrap_or_default();
            // A shorter wait is only the overhead of the engine.
            if waited >= self.wall / 100 && !waited.is_zero() {
                write!(f, ", waited {waited:.1?}")?;
            }
            if task.status() != TaskStatus::Succeeded {
                write!(f, ", {}", task.status())?;
            }
        }
        Ok(())
    }
}

/// When each node ended, gates included. `None` for a node that did not end.
struct Ends(Vec<Option<Duration>>);

impl Ends {
    /// Takes one pass, because every node comes after its upstreams.
    fn of(report: &Report) -> Self {
        let graph = report.graph();
        let mut ends = Self(Vec::with_capacity(graph.len()));
        for index in NodeIndex::all(graph.len()) {
            let end = match graph.node(index).is_gate() {
                true => ends
                    .awaited(report, index)
                    .and_then(|upstream| ends.get(upstream)),
                false => report.at(index).times().and_then(|times| times.ended),
            };
            ends.0.push(end);
        }
        ends
    }

    fn get(&self, index: NodeIndex) -> Option<Duration> {
        self.0[index.get()]
    }

    /// The upstream that a node waited for longest.
    fn awaited(&self, report: &Report, index: NodeIndex) -> Option<NodeIndex> {
        let graph = report.graph();
        let ended = graph
            .upstreams(index)
            .filter(|upstream| self.get(*upstream).is_some());
        if let Body::Gate(Gate::Any) = graph.node(index).body {
            let success = |upstream: &NodeIndex| report.at(*upstream).status().is_success();
            let opener = ended
                .clone()
                .filter(success)
                .min_by_key(|upstream| self.get(*upstream));
            if opener.is_some() {
                return opener;
            }
        }
        ended.max_by_key(|upstream| self.get(*upstream))
    }
}
