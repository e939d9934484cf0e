//! The report of a run: for every task what became of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::graph::Graph;
use crate::handle::TaskId;
use crate::run::fates::Fates;
use crate::run::watch::Times;
use crate::structure::Structure;

use super::status::TaskStatus;

/// For every task of a run its name, its status, its attempts, and when what happened if it was
/// executed with [`timed`](crate::Execute::timed).
///
/// `Display` is a readable table.
#[derive(Clone)]
pub struct Report {
    graph: Arc<Graph>,
    fates: Arc<Fates>,
    /// Of tasks that had more than one.
    attempts: HashMap<u32, u32>,
    times: Option<Arc<[Times]>>,
    wall: Option<Duration>,
}

impl Report {
    pub(crate) fn new(
        graph: Arc<Graph>,
        fates: Fates,
        attempts: HashMap<u32, u32>,
        watched: Option<(Duration, Option<Vec<Times>>)>,
    ) -> Self {
        let (wall, times) = match watched {
            Some((wall, times)) => (times.is_some().then_some(wall), times),
            None => (None, None),
        };
        Self {
            graph,
            fates: Arc::new(fates),
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
            task.flow == self.graph.id() && (task.index as usize) < self.graph.len(),
            "the report was asked about a task that is not part of its run: \
             use a handle that this flow's `add` returned before it was executed"
        );
        self.at(task.index)
    }

    /// What is reported of a place; a gate has a status, too.
    pub(crate) fn at(&self, index: u32) -> TaskReport<'_> {
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
    index: u32,
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
        self.report.fates.report(&self.report.graph, self.index)
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

    /// When what happened, if the run was timed.
    pub fn times(&self) -> Option<Times> {
        let times = self.report.times.as_ref()?;
        Some(times[self.index as usize])
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

/// As much of a name as a table has room for, and nothing in it that would break the table.
pub(crate) fn printable(name: &str, width: usize) -> String {
    let mut clean: String = name
        .chars()
        .take(width + 1)
        .map(|c| match c.is_control() || is_direction(c) {
            true => '\u{fffd}',
            false => c,
        })
        .collect();
    if clean.chars().count() > width {
        clean = clean.chars().take(width - 1).collect();
        clean.push('…');
    }
    clean
}

/// Characters that turn the direction of the text after them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDEST: usize = 32;
        let width = self
            .tasks()
            .map(|task| printable(task.name(), WIDEST).chars().count())
            .max()
            .unwrap_or(0)
            .max("task".len());
        write!(f, "{:width$}  {:12}  tries", "task", "status")?;
        if self.times.is_some() {
            write!(
                f,
                "  {:>10}  {:>10}  {:>10}",
                "waited/ms", "start/ms", "ran/ms"
            )?;
        }
        for task in self.tasks() {
            let name = printable(task.name(), WIDEST);
            let (status, attempts) = (task.status(), task.attempts());
            write!(f, "\n{name:width$}  {status:12}  {attempts:>5}")?;
            if let Some(times) = task.times() {
                let (waited, ran) = (millis(task.waited()), millis(task.ran()));
                let start = millis(times.started);
                write!(f, "  {waited:>10}  {start:>10}  {ran:>10}")?;
            }
            if let TaskStatus::Skipped { because } = task.status() {
                let culprit = printable(self.graph.name(because.index), WIDEST);
                write!(f, "  because of `{culprit}`")?;
            }
        }
        Ok(())
    }
}

/// One unit for all, so that a column can be compared by eye.
fn millis(duration: Option<Duration>) -> String {
    match duration {
        Some(duration) => format!("{:.3}", duration.as_secs_f64() * 1e3),
        None => "-".to_owned(),
    }
}
