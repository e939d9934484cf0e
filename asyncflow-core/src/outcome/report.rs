//! The report of a run: for every task what became of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::graph::Graph;
use crate::graph::structure::Structure;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;
use crate::task::status::TaskStatus;
use crate::task::statuses::Statuses;

use super::times::Times;

/// For every task of a run its name, its status, its attempts, and when what happened if it was
/// executed with [`timed`](crate::Execute::timed).
///
/// `Display` is a table that fits 80 columns: what became of each task, and if the run was timed how
/// long it ran, a small chart of when it waited and ran, and a `*` at those on the
/// [critical path](Self::critical_path). Of a large flow it writes 60 tasks, among them up to 20
/// that failed and the end of the critical path, and counts the others; `{:#}` writes all. Names are
/// shortened, and nothing in them has an effect on a terminal.
///
/// ```
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}, prelude::*};
/// # let mut flow = Flow::<Inline>::new();
/// let fetch = flow.add((|| Err::<(), _>("no luck")).named("fetch"));
/// flow.add((|| ()).after(fetch).named("parse"));
/// let error = block_on(async { flow.execute().await }).unwrap_err();
/// assert_eq!(
///     error.report().unwrap().to_string(),
///     "2 tasks: 1 failed, 1 skipped\n  fetch  failed\n  parse  skipped  because of `fetch`"
/// );
/// ```
#[derive(Clone)]
pub struct Report {
    graph: Arc<Graph>,
    statuses: Arc<Statuses>,
    /// Of tasks that had more than one.
    attempts: HashMap<NodeIndex, u32>,
    times: Option<Arc<[Times]>>,
    wall: Option<Duration>,
}

impl Report {
    pub(crate) fn new(
        graph: Arc<Graph>,
        statuses: Statuses,
        attempts: HashMap<NodeIndex, u32>,
        watched: Option<(Duration, Option<Vec<Times>>)>,
    ) -> Self {
        let (wall, times) = match watched {
            Some((wall, times)) => (times.is_some().then_some(wall), times),
            None => (None, None),
        };
        Self {
            graph,
            statuses: Arc::new(statuses),
            attempts,
            times: times.map(Arc::from),
            wall,
        }
    }

    /// What became of a task.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow, or the task was added after the run.
    #[track_caller]
    pub fn status(&self, task: impl Into<TaskId>) -> TaskStatus {
        self.task(task).status()
    }

    /// What is reported of one task.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another flow, or the task was added after the run.
    #[track_caller]
    pub fn task(&self, task: impl Into<TaskId>) -> TaskReport<'_> {
        let task = task.into();
        assert!(
            task.flow == self.graph.id() && task.index.get() < self.graph.len(),
            "the report was asked about a task that is not part of its run: \
             use a handle that this flow's `add` returned before it was executed"
        );
        self.at(task.index)
    }

    /// What is reported of a node; a gate has a status, too.
    pub(crate) fn at(&self, index: NodeIndex) -> TaskReport<'_> {
        TaskReport {
            report: self,
            index,
        }
    }

    /// What is reported of every task, in the order of declaration.
    pub fn tasks(&self) -> impl Iterator<Item = TaskReport<'_>> {
        self.graph.tasks().map(|(index, _)| self.at(index))
    }

    /// What the flow was made of when it was executed.
    pub fn structure(&self) -> Structure {
        Structure::new(Arc::clone(&self.graph))
    }

    /// How long the run took, if it was timed.
    pub fn wall(&self) -> Option<Duration> {
        self.wall
    }

    /// How many tasks have a status.
    pub fn count(&self, matches: impl Fn(TaskStatus) -> bool) -> usize {
        self.tasks().filter(|task| matches(task.status())).count()
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }
}

/// What is reported of one task.
#[derive(Clone, Copy)]
pub struct TaskReport<'a> {
    report: &'a Report,
    index: NodeIndex,
}

impl<'a> TaskReport<'a> {
    /// The handle of the task.
    pub fn id(&self) -> TaskId {
        self.report.graph.task_id(self.index)
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.report.graph.name(self.index)
    }

    /// What became of it.
    pub fn status(&self) -> TaskStatus {
        self.report
            .statuses
            .report(self.report.graph.id(), self.index)
    }

    /// How often its function was started.
    pub fn attempts(&self) -> u32 {
        match self.report.attempts.get(&self.index) {
            Some(attempts) => *attempts,
            None => match self.status() {
                TaskStatus::Succeeded
                | TaskStatus::Failed
                | TaskStatus::Panicked
                | TaskStatus::TimedOut => 1,
                _ => u32::from(self.times().is_some_and(|times| times.started.is_some())),
            },
        }
    }

    /// How long it ran, from its first start to its end, with all its attempts and the pauses
    /// between them; if the run was timed, and it was started.
    pub fn ran(&self) -> Option<Duration> {
        let Times { started, ended, .. } = self.times()?;
        Some(ended?.saturating_sub(started?))
    }

    /// How long it waited for permits, a slot or a thread after it was ready; if the run was
    /// timed, and it was started.
    pub fn waited(&self) -> Option<Duration> {
        let Times { ready, started, .. } = self.times()?;
        Some(started?.saturating_sub(ready?))
    }

    #[cfg(feature = "serde")]
    pub(crate) fn upstreams(&self) -> &'a [NodeIndex] {
        self.report.graph.upstreams(self.index)
    }

    /// When what happened, if the run was timed.
    pub fn times(&self) -> Option<Times> {
        let times = self.report.times.as_ref()?;
        Some(times[self.index.get()])
    }
}

impl fmt::Debug for TaskReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskReport")
            .field("name", &self.name())
            .field("status", &self.status())
            .field("attempts", &self.attempts())
            .field("times", &self.times())
            .finish()
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tasks()).finish()
    }
}
