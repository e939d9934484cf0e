//! The report of a run.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::graph::Graph;
use crate::graph::body::Body;
use crate::graph::storage::RunStorage;
use crate::graph::structure::Structure;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;
use crate::task::failure::Failure;
use crate::task::outputs::Columns;
use crate::task::status::TaskStatus;

use super::details::Details;
use super::parts::{Measured, Part, Parts};
use super::times::Times;

/// The report of a run: the name, status and attempts of every task and, if the run was
/// [timed](crate::Execute::timed), when it was ready, started and so on.
///
/// `Display` writes a table that fits 80 columns, with the status of each task. If the run was
/// timed, the table also shows how long each task ran, a small chart of when it waited and ran, and
/// a `*` at the tasks on the [critical path](Self::critical_path). Of a large flow, it shows 60
/// tasks, among them up to 20 that failed and the last 20 of the critical path, and counts the
/// others; `{:#}` shows all. What a task [noted](crate::TaskContext::note) is behind its row. Long names are shortened, and control characters in names are replaced.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add((|| Err::<(), _>("no luck")).named("fetch"));
/// flow.add((|| ()).after(fetch).named("parse"));
/// let error = flow.execute().await.unwrap_err();
/// assert_eq!(
///     error.report().unwrap().to_string(),
///     "2 tasks: 1 failed, 1 skipped\n  fetch  failed\n  parse  skipped  because of `fetch`"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Report {
    /// The graph and the statuses. The outputs have been taken out.
    storage: Arc<RunStorage>,
    details: Option<Arc<Details>>,
    /// Present if the run was timed.
    measured: Option<Arc<Measured>>,
}

impl Report {
    pub(crate) fn new(
        storage: Arc<RunStorage>,
        details: Option<Details>,
        measured: Option<Measured>,
    ) -> Self {
        Self {
            storage,
            details: details.map(Arc::new),
            measured: measured.map(Arc::new),
        }
    }

    /// Takes out the outputs of a run that is over, before anybody else has a share in the report.
    pub(crate) fn take_columns(&mut self) -> Columns {
        Arc::get_mut(&mut self.storage)
            .expect("nobody else has a share in the report yet")
            .outputs
            .take_columns()
    }

    /// Returns the status of a task.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add(async || {});
    /// let run = flow.execute().await?;
    /// assert_eq!(run.report().status(fetch), TaskStatus::Succeeded);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the handle belongs to another flow, or if the task was added after the run.
    #[track_caller]
    pub fn status(&self, task: impl Into<TaskId>) -> TaskStatus {
        self.task(task).status()
    }

    /// Returns the report of one task.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add((async || {}).named("fetch"));
    /// let run = flow.execute().await?;
    /// let fetch = run.report().task(fetch);
    /// assert_eq!((fetch.name(), fetch.attempts()), ("fetch", 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the handle belongs to another flow, or if the task was added after the run.
    #[track_caller]
    pub fn task(&self, task: impl Into<TaskId>) -> TaskReport<'_> {
        let task = task.into();
        assert!(
            task.flow == self.graph().id() && task.index.get() < self.graph().len(),
            "this handle is not of a task of this run: \
             use a handle that this flow's `add` returned before it was executed"
        );
        self.at(task.index)
    }

    /// The report of a node, which may be a gate. A gate has a status, too.
    pub(crate) fn at(&self, index: NodeIndex) -> TaskReport<'_> {
        TaskReport {
            report: self,
            index,
        }
    }

    /// Returns the report of every task, in the order of declaration.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add((|| {}).named("fetch"));
    /// flow.add((|| {}).named("parse"));
    /// let run = flow.execute().await?;
    /// let names: Vec<_> = run.report().tasks().map(|task| task.name()).collect();
    /// assert_eq!(names, ["fetch", "parse"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks(&self) -> impl Iterator<Item = TaskReport<'_>> {
        self.graph().tasks().map(|(index, _)| self.at(index))
    }

    /// Returns the structure that the flow had when it was executed.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(series![|| 1, || 2]);
    /// let run = flow.execute().await?;
    /// assert_eq!(run.report().structure().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn structure(&self) -> Structure {
        Structure::new(Arc::clone(&self.storage.graph))
    }

    /// Returns how long the run took, or `None` if it was not timed.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(async || {});
    /// assert!(flow.execute().await?.report().wall().is_none());
    /// assert!(flow.execute().timed().await?.report().wall().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wall(&self) -> Option<Duration> {
        self.measured.as_ref().map(|measured| measured.wall)
    }

    /// Returns the number of tasks whose status satisfies `matches`.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(series![|| 1, || 2]);
    /// let run = flow.execute().await?;
    /// assert_eq!(run.report().count(TaskStatus::is_success), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count(&self, matches: impl Fn(TaskStatus) -> bool) -> usize {
        self.tasks().filter(|task| matches(task.status())).count()
    }

    /// The failures that make the run an error, in the order of declaration.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &Failure> {
        let details = self.details.iter();
        details
            .flat_map(|details| details.failures.iter())
            .map(|(index, failure)| (self.at(*index), &**failure))
            .filter(|(task, _)| task.status().is_failure() && !task.allows_failure())
            .flat_map(|(_, failure)| failure.apart())
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.storage.graph
    }
}

/// The report of one task, from [`Report::task`] and [`Report::tasks`].
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add((async || {}).named("fetch"));
/// let run = flow.execute().timed().await?;
/// let fetch = run.report().task(fetch);
/// assert_eq!(fetch.name(), "fetch");
/// assert_eq!(fetch.status(), TaskStatus::Succeeded);
/// assert!(fetch.times().unwrap().started >= fetch.times().unwrap().ready);
/// assert!(fetch.ran().is_some() && fetch.waited().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct TaskReport<'a> {
    report: &'a Report,
    index: NodeIndex,
}

impl<'a> TaskReport<'a> {
    /// Returns the handle of the task.
    pub fn id(&self) -> TaskId {
        self.report.graph().task_id(self.index)
    }

    /// Returns the name of the task, which is unique in its flow.
    pub fn name(&self) -> &'a str {
        self.report.graph().name(self.index)
    }

    /// Returns the status of the task.
    pub fn status(&self) -> TaskStatus {
        self.report
            .storage
            .statuses()
            .report(self.report.graph().id(), self.index)
    }

    /// Returns how often its function was started.
    pub fn attempts(&self) -> u32 {
        let details = self.report.details.as_ref();
        match details.and_then(|details| details.attempts.get(self.index)) {
            Some(attempts) => *attempts,
            None => match self.status() {
                TaskStatus::Succeeded if self.is_value() => 0,
                TaskStatus::Succeeded
                | TaskStatus::Recovered
                | TaskStatus::Failed
                | TaskStatus::Panicked
                | TaskStatus::TimedOut => 1,
                _ => u32::from(self.times().is_some_and(|times| times.started.is_some())),
            },
        }
    }

    /// Whether it has a value in place of a function.
    fn is_value(&self) -> bool {
        let node = self.report.graph().node(self.index);
        matches!(node.body, Body::Value(_))
    }

    /// Returns how the task failed: the failure of its last attempt that failed.
    ///
    /// There is one if the task failed, if it [recovered](TaskStatus::Recovered), and if it was
    /// cancelled after a failed attempt, in the pause before the next one or during it. Returns `None` if no attempt failed. Returns `None`, too, if
    /// a later attempt succeeded: the error of an attempt is kept only until the next one succeeds or
    /// fails. [`attempts`](Self::attempts) still tells how many there were.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add((|| Err::<(), _>("no luck")).named("fetch"));
    /// let parse = flow.add((|| {}).after(fetch));
    /// let error = flow.execute().await.unwrap_err();
    /// let report = error.report().unwrap();
    /// let failure = report.task(fetch).failure().unwrap();
    /// assert_eq!(failure.to_string(), "task `fetch` failed: no luck");
    /// assert!(report.task(parse).failure().is_none(), "it was skipped");
    /// # Ok(())
    /// # }
    /// ```
    pub fn failure(&self) -> Option<&'a Failure> {
        let failures = &self.report.details.as_ref()?.failures;
        failures.get(self.index).map(|failure| &**failure)
    }

    /// Returns what the task last remarked on itself with
    /// [`TaskContext::note`](crate::TaskContext::note).
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let build = |cx: &TaskContext| cx.note("up to date");
    /// let build = flow.add(build.inputs(context()));
    /// let run = flow.execute().await?;
    /// assert_eq!(run.report().task(build).note(), Some("up to date"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn note(&self) -> Option<&'a str> {
        let notes = &self.report.details.as_ref()?.notes;
        notes.get(self.index).map(|note| &**note)
    }

    /// Returns how long the task took from its first start to its end, including all attempts and
    /// the pauses between them.
    ///
    /// Returns `None` if the run was not timed or the task was not started.
    pub fn ran(&self) -> Option<Duration> {
        let Times { started, ended, .. } = self.times()?;
        Some(ended?.saturating_sub(started?))
    }

    /// Returns when the task waited between its attempts, from the failure of an attempt to the start of the
    /// next, in order: the [pause](crate::TaskExt::retry), and the wait for permits, a slot or a thread after
    /// it. Moments are counted from the start of the run.
    ///
    /// Yields nothing if the run was not timed or the task had one attempt. Of more than a hundred pauses,
    /// those with the shortest attempts between them are joined, so that at most a hundred are left. The
    /// pauses between attempts at an element are not among them.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use asyncflow::TokioFlow;
    /// use asyncflow::backon::ConstantBuilder;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = |cx: &TaskContext| match cx.attempt() {
    ///     1 => Err("no luck"),
    ///     _ => Ok("a page"),
    /// };
    /// let policy = ConstantBuilder::default().with_delay(Duration::from_millis(2));
    /// let fetch = flow.add(fetch.inputs(context()).retry(policy));
    /// let run = flow.execute().timed().await?;
    /// let fetch = run.report().task(fetch);
    /// let paused: Duration = fetch.pauses().map(|pause| pause.end - pause.start).sum();
    /// assert!(paused >= Duration::from_millis(2) && paused <= fetch.ran().unwrap());
    /// # Ok(())
    /// # }
    /// ```
    pub fn pauses(&self) -> impl Iterator<Item = Range<Duration>> + use<'a> {
        let measured = self.report.measured.as_deref();
        let pauses = measured.and_then(|measured| {
            let ended = measured.times[self.index.get()].ended;
            let pauses = measured.pauses.get(self.index)?;
            Some(pauses.until(ended.unwrap_or(measured.wall)))
        });
        pauses.into_iter().flatten()
    }

    /// Returns how long the task waited for permits, a slot or a thread after it was ready.
    ///
    /// Returns `None` if the run was not timed or the task was not started.
    pub fn waited(&self) -> Option<Duration> {
        let Times { ready, started, .. } = self.times()?;
        Some(started?.saturating_sub(ready?))
    }

    /// Returns what ran inside of the task, if the run was timed: the elements of an
    /// [`each`](crate::each()) in the order of the list, and the tasks of nested flows and of what the task
    /// [executed](crate::TaskContext::execute), in the order in which they ended.
    ///
    /// What was not started is left out. Of the tasks of runs inside, there are at most the first 10,000
    /// and those at most 8 runs deep; [`parts_left_out`](Self::parts_left_out) counts what is beyond the first
    /// bound.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let words = flow.add(|| vec!["one", "three"]);
    /// let lengths = flow.add(each(async |word: &&str| word.len()).inputs(words));
    /// let run = flow.execute().timed().await?;
    /// let names: Vec<_> = run.report().task(lengths).parts().map(|part| part.name()).collect();
    /// assert_eq!(names, ["[0]", "[1]"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        self.own_parts().into_iter().flat_map(Parts::iter)
    }

    /// Returns how many tasks of runs inside ran beside those of [`parts`](Self::parts).
    pub fn parts_left_out(&self) -> usize {
        self.own_parts().map_or(0, Parts::left_out)
    }

    fn own_parts(&self) -> Option<&'a Parts> {
        self.report.measured.as_ref()?.parts.get(self.index)
    }

    pub(crate) fn allows_failure(&self) -> bool {
        self.report.graph().node(self.index).allows_failure()
    }

    #[cfg(feature = "serde")]
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = NodeIndex> + use<'a> {
        self.report.graph().upstreams(self.index)
    }

    /// Returns when the task became ready, started and so on, or `None` if the run was not timed.
    pub fn times(&self) -> Option<Times> {
        let measured = self.report.measured.as_ref()?;
        Some(measured.times[self.index.get()])
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
