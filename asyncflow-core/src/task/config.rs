//! What a user may ask of one task.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::handle::{Task, TaskId, TaskIds};
use crate::lock::{Permits, merge};
use crate::node_index::NodeIndex;

use super::failure::Failure;
use super::outputs::Outputs;

/// Everything that was asked of a task, apart from its inputs.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) upstreams: TaskIds,
    /// Upstreams whose end it waits for, however they end.
    pub(crate) awaited: TaskIds,
    /// One list for each call of `after_any`, since each needs a success of its own.
    pub(crate) any: Vec<TaskIds>,
    /// Where it was configured or added.
    pub(crate) place: Option<Place>,
    /// Boxed, because most tasks ask for nothing of it.
    pub(crate) config: Option<Box<Config>>,
}

impl Request {
    pub(crate) fn config(&mut self) -> &mut Config {
        self.config.get_or_insert_default()
    }
}

/// Where in the user's code a task was declared.
pub(crate) type Place = &'static Location<'static>;

/// What is kept of a task's configuration in the flow.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) name: Option<Box<str>>,
    /// In the order in which they are taken; see [`merge`](crate::lock::merge).
    pub(crate) permits: Vec<Permits>,
    /// Rate limits, in the same order.
    pub(crate) rates: Vec<Permits>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Box<Backoffs>>,
    /// Whether a failure may be followed by another attempt.
    pub(crate) retry_when: Option<Box<RetryWhen>>,
    pub(crate) fallback: Option<Fallback>,
    /// Whether its failure neither stops the run nor makes it an error.
    pub(crate) allow_failure: bool,
    /// Among ready tasks, the higher comes first.
    pub(crate) priority: i32,
    /// Starts once its upstreams have ended, however they ended.
    pub(crate) always: bool,
    /// Starts only if all of these hold. By task, in the order of declaration.
    pub(crate) conditions: Vec<Condition>,
    /// Its function receives a context.
    pub(crate) context: bool,
    /// Nothing but a name was asked for. Set when the task is added, for the hot path.
    pub(crate) only_named: bool,
}

/// Makes the pauses between the attempts of one execution.
pub(crate) type Backoffs = dyn Fn() -> Box<dyn Iterator<Item = Duration> + Send> + Send + Sync;

pub(crate) type RetryWhen = dyn Fn(&Failure) -> bool + Send + Sync;

/// Makes the output of a task from its failure, and stores it.
pub(crate) struct Fallback(Box<MakeFallback>);

type MakeFallback =
    dyn Fn(&Failure, Option<(Outputs<'_>, NodeIndex)>) -> Option<AnyOutput> + Send + Sync;

/// An output without its type.
pub(crate) type AnyOutput = Box<dyn Any + Send + Sync>;

impl Fallback {
    pub(crate) fn new<T: Any + Send + Sync>(
        make: impl Fn(&Failure) -> T + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(move |failure, place| {
            let output = make(failure);
            match place {
                Some((outputs, task)) => outputs.set(task, output),
                None => return Some(Box::new(output)),
            }
            None
        }))
    }

    /// Makes the output of a task, and stores it.
    pub(crate) fn store(&self, failure: &Failure, outputs: Outputs<'_>, task: NodeIndex) {
        (self.0)(failure, Some((outputs, task)));
    }

    /// Makes the output of an element.
    pub(crate) fn make(&self, failure: &Failure) -> AnyOutput {
        let output = (self.0)(failure, None);
        output.expect("it is returned unless there is a place for it")
    }
}

/// What the output of another task has to be.
pub(crate) struct Condition {
    pub(crate) task: TaskId,
    pub(crate) kind: ConditionKind,
    holds: Box<ConditionHolds>,
}

/// `None` if there is no output to decide by.
type ConditionHolds = dyn Fn(Outputs<'_>, NodeIndex) -> Option<bool> + Send + Sync;

/// How the output of a task decides whether another runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionKind {
    /// It must be `true`; see [`run_if`](crate::TaskExt::run_if).
    If,
    /// It must be `false`; see [`run_unless`](crate::TaskExt::run_unless).
    Unless,
    /// A function decides; see [`run_when`](crate::TaskExt::run_when).
    When,
}

impl Condition {
    pub(crate) fn new<T: Any + Send + Sync>(
        task: Task<T>,
        kind: ConditionKind,
        holds: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            task: task.id,
            kind,
            holds: Box::new(move |outputs, node| outputs.with(node, &holds)),
        }
    }

    /// Whether it holds. `None` if its task has no output.
    pub(crate) fn holds(&self, outputs: Outputs<'_>) -> Option<bool> {
        (self.holds)(outputs, self.task.index)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.kind, self.task)
    }
}

impl Config {
    /// Adds what the task needs to run.
    pub(crate) fn need(&mut self, permits: Permits) {
        let list = match permits.rate() {
            Some(_) => &mut self.rates,
            None => &mut self.permits,
        };
        merge(list, permits);
    }

    /// Adds a condition behind those of the same task and of tasks that were declared before it.
    pub(crate) fn add_condition(&mut self, condition: Condition) {
        let conditions = &mut self.conditions;
        let place = conditions.partition_point(|other| other.task <= condition.task);
        conditions.insert(place, condition);
    }

    /// Whether starting the task takes more than calling its function.
    pub(crate) fn supervised(&self) -> bool {
        !self.permits.is_empty() || self.needs_more_than_permits()
    }

    /// The same, apart from taking permits.
    pub(crate) fn needs_more_than_permits(&self) -> bool {
        !self.rates.is_empty() || self.timeout.is_some() || self.handles_failure() || self.context
    }

    /// Takes note of whether starting the task takes no more than without a configuration.
    pub(crate) fn seal(&mut self) {
        // Every field is named, so that a new one is not forgotten.
        self.only_named = matches!(
            self,
            Self {
                name: _,
                permits,
                rates,
                timeout: None,
                retry: None,
                retry_when: _,
                fallback: None,
                allow_failure: false,
                priority: 0,
                always: false,
                conditions,
                context: false,
                only_named: _,
            } if permits.is_empty() && rates.is_empty() && conditions.is_empty()
        );
    }

    /// Whether a failed attempt need not be the end of the task.
    pub(crate) fn handles_failure(&self) -> bool {
        self.retry.is_some() || self.fallback.is_some()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("permits", &self.permits)
            .field("rates", &self.rates)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry.is_some())
            .field("retry_when", &self.retry_when.is_some())
            .field("fallback", &self.fallback.is_some())
            .field("allow_failure", &self.allow_failure)
            .field("priority", &self.priority)
            .field("always", &self.always)
            .field("conditions", &self.conditions)
            .field("context", &self.context)
            .finish()
    }
}
