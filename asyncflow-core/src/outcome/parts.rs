//! What ran inside of the tasks of a timed run.

use std::borrow::Cow;
use std::time::Duration;

use crate::node_index::NodeIndex;
use crate::number_map::NumberMap;
use crate::task::status::TaskStatus;
use crate::task::statuses::Status;

use super::pauses::Pauses;
use super::times::Times;

/// Stands for what has not happened.
pub(crate) const NEVER: u64 = u64::MAX;

/// The most tasks of runs inside that are kept for a task. A loop may execute any number of runs, so
/// they need a bound.
const MAX_INNER_TASKS: usize = 10_000;

/// What was measured of a timed run.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) wall: Duration,
    /// Of each node.
    pub(crate) times: Vec<Times>,
    pub(crate) parts: NumberMap<NodeIndex, Parts>,
    /// Of tasks that were attempted again.
    pub(crate) pauses: NumberMap<NodeIndex, Pauses>,
}

/// What ran inside of one task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// By their indices. Those that did not start have no times.
    elements: Vec<Span<Status>>,
    inner_tasks: Vec<(Box<str>, Span<TaskStatus>)>,
    left_out: usize,
}

/// Moments are nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<S> {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) status: S,
}

impl Parts {
    /// An attempt at an element starts. The first counts.
    pub(crate) fn element_started(&mut self, index: usize, now: u64) {
        if index >= self.elements.len() {
            let none = Span {
                started: NEVER,
                ended: NEVER,
                status: Status::Unfinished,
            };
            self.elements.resize(index + 1, none);
        }
        let element = &mut self.elements[index];
        element.started = element.started.min(now);
    }

    /// An element ends, which may not have started.
    pub(crate) fn element_ended(&mut self, index: usize, now: u64, status: Status) {
        if let Some(element) = self.elements.get_mut(index) {
            element.ended = now;
            element.status = status;
        }
    }

    /// A task of a run inside has ended.
    pub(crate) fn inner_task_ended(&mut self, name: &str, task: Span<TaskStatus>) {
        match self.inner_tasks.len() < MAX_INNER_TASKS {
            true => self.inner_tasks.push((name.into(), task)),
            false => self.left_out += 1,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Part<'_>> {
        let elements = self.elements.iter().enumerate();
        let elements = elements.filter(|(_, element)| element.started != NEVER);
        let elements = elements.map(|(index, element)| {
            let status = element.status.of_element();
            Part::new(PartName::Element(index), *element, status)
        });
        let inner_tasks = self.inner_tasks.iter();
        let inner_tasks =
            inner_tasks.map(|(name, task)| Part::new(PartName::Task(name), *task, task.status));
        elements.chain(inner_tasks)
    }

    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }
}

/// What ran inside of a task of a timed run: an element of an [`each`](crate::each()), or a task of a run
/// that the task executed. From [`TaskReport::parts`](crate::TaskReport::parts).
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let numbers = flow.add(|| vec![3, 4]);
/// let squares = flow.add(each(async |number: &i32| number * number).inputs(numbers));
/// let run = flow.execute().timed().await?;
/// for part in run.report().task(squares).parts() {
///     println!("{} {} after {:?}", part.name(), part.status(), part.ran());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    name: PartName<'a>,
    status: TaskStatus,
    started: Duration,
    ended: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum PartName<'a> {
    Element(usize),
    Task(&'a str),
}

impl<'a> Part<'a> {
    fn new<S>(name: PartName<'a>, span: Span<S>, status: TaskStatus) -> Self {
        Self {
            name,
            status,
            started: Duration::from_nanos(span.started),
            ended: (span.ended != NEVER).then(|| Duration::from_nanos(span.ended)),
        }
    }

    /// Returns the name of the task in its own flow, with the tasks before it that it is inside of, as in
    /// `build › compile`; or the index of the element, as in `[17]`.
    pub fn name(&self) -> Cow<'a, str> {
        match self.name {
            PartName::Element(index) => format!("[{index}]").into(),
            PartName::Task(name) => name.into(),
        }
    }

    /// Returns the index of the element in the list, or `None` if it is a task of a run inside.
    pub fn element(&self) -> Option<usize> {
        match self.name {
            PartName::Element(index) => Some(index),
            PartName::Task(_) => None,
        }
    }

    /// Returns its status.
    pub fn status(&self) -> TaskStatus {
        self.status
    }

    /// Returns when its function was first called, counted from the start of the run that was timed.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// Returns when it got its status, counted from the start of the run that was timed. Returns `None` if
    /// it runs.
    pub fn ended(&self) -> Option<Duration> {
        self.ended
    }

    /// Returns how long it ran, or `None` if it still runs.
    pub fn ran(&self) -> Option<Duration> {
        Some(self.ended?.saturating_sub(self.started))
    }
}
