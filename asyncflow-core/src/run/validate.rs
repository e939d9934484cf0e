//! Mistakes in what was asked of one execution: a limit of zero, an input that is not given, a `once`
//! task that is spent. What is found to be right becomes a [`Plan`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::graph::Graph;
use crate::graph::body::{claim, is_claimed, unclaim};
use crate::graph::refusal::Refusal;
use crate::handle::{FlowId, TaskId};
use crate::node_index::NodeIndex;
use crate::observer::Observer;
use crate::record::Opening;
use crate::sort::sort_by_number;
use crate::task::outputs::Outputs;

use super::attempt::{AttemptState, Owned};
use super::current::current;
use super::deadline::PlannedDeadline;
use super::guard::RunGuard;
use super::observers::Watch;
use super::recording::Recording;
use super::scheduler::Scheduler;
use super::selection::Selection;
use super::stop_handle::StopHandle;

/// What was asked of an execution, apart from the values that it was given.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) keep_going: bool,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) targets: Option<Vec<TaskId>>,
    pub(crate) keep_outputs: bool,
    pub(crate) deadline: Option<Duration>,
    /// When the execution began, if it has a deadline and was prepared in slices.
    pub(crate) began: Option<Instant>,
    pub(crate) stop_handles: Vec<StopHandle>,
    pub(crate) timed: bool,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    /// What this run belongs to, if it is inside of another.
    pub(crate) owner: Option<Owner>,
    /// Makes what its outputs are recorded with.
    pub(crate) opening: Option<Opening>,
    /// What was made.
    pub(crate) recording: Option<Box<Recording>>,
}

/// What a run belongs to that is inside of another.
#[derive(Debug)]
pub(crate) enum Owner {
    /// A task of the other run that is a flow.
    Task(RunGuard, NodeIndex),
    /// An attempt at a task that executes it through its context.
    Attempt(Arc<AttemptState>),
}

/// The run that another one is inside of, which therefore outlives it.
pub(crate) enum Outer {
    /// The inner run is a task of this one, whose slots it takes and whose failures it shares.
    Nested(RunGuard, NodeIndex),
    /// It belongs to an attempt at a task of this one, and is like a nested run.
    Owned(Owned),
    /// A task of this one executes the inner run by hand.
    ByHand(RunGuard),
}

impl Outer {
    pub(super) fn guard(&self) -> &RunGuard {
        match self {
            Self::Nested(guard, _) | Self::ByHand(guard) => guard,
            Self::Owned(owned) => owned.run(),
        }
    }

    /// Tells the outer run that the inner one is over. Gives back the share in it.
    pub(super) fn end(self) -> RunGuard {
        match self {
            Self::Nested(guard, _) | Self::ByHand(guard) => guard,
            Self::Owned(owned) => owned.end(),
        }
    }

    /// How many tasks of the inner run may run at a time, by what a function lends it.
    pub(super) fn lent(&self) -> Option<usize> {
        match self {
            Self::Owned(owned) => owned.limit(),
            _ => None,
        }
    }

    /// The outer run and the task in it, if the inner run is that task or belongs to it.
    pub(super) fn nested(&self) -> Option<(&RunGuard, NodeIndex)> {
        match self {
            Self::Nested(guard, task) => Some((guard, *task)),
            Self::Owned(owned) => Some((owned.run(), owned.task())),
            Self::ByHand(_) => None,
        }
    }
}

/// The value of a given task. Stores it as the task's output.
pub(crate) struct Given(Box<dyn FnOnce(Outputs<'_>) + Send>);

impl Given {
    fn new<T: Send + Sync + 'static>(task: NodeIndex, value: T) -> Self {
        Self(Box::new(move |outputs| outputs.set(task, value)))
    }

    pub(super) fn store(self, outputs: Outputs<'_>) {
        (self.0)(outputs);
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

/// What was asked of an execution, checked against its graph.
pub(crate) struct Plan {
    pub(super) keep_going: bool,
    pub(super) max_concurrency: Option<usize>,
    pub(super) selection: Option<Selection>,
    pub(super) keep_outputs: bool,
    pub(super) deadline: Option<PlannedDeadline>,
    pub(super) stop_handles: Vec<StopHandle>,
    pub(super) given: GivenValues,
    /// Whether a task is given that has a function.
    pub(super) replaces_functions: bool,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) outer: Option<Outer>,
    pub(super) recording: Option<Box<Recording>>,
}

impl Plan {
    /// How many drivers the run may have: as many as tasks may run at a time. With one slot, tasks ask
    /// for it in the order in which they are taken up.
    pub(super) fn drivers(&self) -> usize {
        let outer = self.outer.as_ref().and_then(Outer::nested);
        let outer = outer.map_or(usize::MAX, |(outer, _)| outer.scheduler.drivers.limit());
        self.max_concurrency.map_or(outer, |limit| limit.min(outer))
    }

    /// Finds the mistakes of one execution, and claims its `once` tasks.
    pub(crate) fn new(
        graph: &Arc<Graph>,
        scheduler: &Arc<Scheduler>,
        given: GivenValues,
        options: Options,
    ) -> Result<Self, Refusal> {
        let Options {
            keep_going,
            max_concurrency,
            targets,
            keep_outputs,
            deadline,
            began,
            stop_handles,
            timed,
            observers,
            owner,
            opening: _,
            recording,
        } = options;
        if max_concurrency == Some(0) {
            return Err(Refusal::ZeroConcurrency);
        }
        let given = in_order(graph, given)?;
        let selection = match targets {
            Some(targets) => Some(Selection::new(graph, &targets, &given)?),
            None => None,
        };
        let runs = |node: &NodeIndex| {
            let selection = selection.as_ref();
            !contains(&given, *node)
                && selection.is_none_or(|selection| selection.selected.contains(*node))
        };
        if let Some(input) = graph.inputs.iter().find(|node| runs(node)) {
            return Err(Refusal::NotGiven {
                task: graph.name(*input).to_owned(),
            });
        }
        // A run checks the flows that are tasks at every depth, so their runs need not.
        if !matches!(owner, Some(Owner::Task(..))) {
            for nested in graph.nested.iter().filter(|node| runs(node)) {
                check_nested(graph, *nested)?;
            }
        }
        let outer = match owner {
            Some(Owner::Task(guard, task)) => Some(Outer::Nested(guard, task)),
            Some(Owner::Attempt(attempt)) => Some(Outer::Owned(attempt.begin_run(graph)?)),
            None => current().map(Outer::ByHand),
        };
        // A flow that a task executes by hand may be executed several times by it, with different
        // results. So it is not recorded, unless it has a recorder of its own.
        let recording = recording.or_else(|| match &outer {
            Some(Outer::Nested(outer, task)) => outer.recording_inside(*task),
            _ => None,
        });
        let deadline = deadline.map(|limit| {
            let passed =
                began.map(|began| scheduler.backend.now().saturating_duration_since(began));
            let left = limit.saturating_sub(passed.unwrap_or_default());
            PlannedDeadline::new(&scheduler.backend, limit, left)
        });
        let deadline = deadline.transpose()?;
        // Last, since it cannot be refused any more then.
        claim_once(graph, runs)?;
        let nested = outer.as_ref().and_then(Outer::nested);
        let outer_watch =
            nested.and_then(|(outer, task)| outer.watch.as_deref().map(|watch| (watch, task)));
        let timed = timed || outer_watch.is_some_and(|(watch, _)| watch.is_timed());
        let watch = Watch::of_run(graph, timed.then_some(scheduler), observers, outer_watch);
        let replaces_functions = given
            .iter()
            .any(|(task, _)| graph.node(*task).has_function());
        Ok(Self {
            keep_going: keep_going || nested.is_some_and(|(outer, _)| outer.keep_going),
            max_concurrency,
            selection,
            keep_outputs,
            deadline,
            stop_handles,
            replaces_functions,
            given,
            watch,
            outer,
            recording,
        })
    }
}

/// Gives a task of a flow its output.
pub(crate) fn give<T: Send + Sync + 'static>(
    values: &mut GivenValues,
    flow: FlowId,
    task: TaskId,
    value: T,
) {
    let own = task.index_in(flow);
    values.push((task.index, own.map(|task| Given::new(task, value))));
}

/// Sorts the given values. Refuses two for one task.
fn in_order(graph: &Graph, mut values: GivenValues) -> Result<GivenValues, Refusal> {
    if values.iter().any(|(_, value)| value.is_none()) {
        return Err(Refusal::ForeignHandle { method: "given" });
    }
    sort_by_number(&mut values, |(task, _)| task.to_word().into());
    let twice = values.windows(2).find(|pair| pair[0].0 == pair[1].0);
    match twice {
        Some(pair) => Err(Refusal::GivenTwice {
            task: graph.name(pair[0].0).to_owned(),
        }),
        None => Ok(values),
    }
}

/// The given values, sorted by their tasks once they are checked. `None` where one was used, and before
/// the check where the task is of another flow.
pub(crate) type GivenValues = SmallVec<[(NodeIndex, Option<Given>); 2]>;

/// Whether the value of a task is among those that were given.
pub(crate) fn contains(values: &GivenValues, task: NodeIndex) -> bool {
    values
        .binary_search_by_key(&task, |(task, _)| *task)
        .is_ok()
}

/// Takes the value of a task.
pub(crate) fn remove(values: &mut GivenValues, task: NodeIndex) -> Option<Given> {
    let found = values.binary_search_by_key(&task, |(task, _)| *task);
    values[found.ok()?].1.take()
}

/// Claims every task of the run that can run only once, or none of them.
fn claim_once(graph: &Graph, runs: impl Fn(&NodeIndex) -> bool) -> Result<(), Refusal> {
    let mut claimed = Vec::new();
    for node in graph.once.iter().filter(|node| runs(node)) {
        let Some(flag) = graph.node(*node).body().and_then(|body| body.claim()) else {
            continue;
        };
        if !claim(flag) {
            claimed.into_iter().for_each(unclaim);
            return Err(Refusal::Spent {
                task: graph.name(*node).to_owned(),
            });
        }
        claimed.push(flag);
    }
    Ok(())
}

/// Checks that a nested flow, and all flows in it, can be executed now.
fn check_nested(graph: &Graph, task: NodeIndex) -> Result<(), Refusal> {
    let mut flows = vec![graph.node(task)];
    while let Some(flow) = flows.pop() {
        let Some(declared) = flow.nested() else {
            continue;
        };
        let inner = declared.compile()?;
        if let Some(input) = inner.inputs.first() {
            return Err(Refusal::NotGivenInside {
                flow: graph.name(task).to_owned(),
                input: inner.name(*input).to_owned(),
            });
        }
        // Its own execution claims them, and may still find that another was faster.
        for once in &inner.once {
            let flag = inner.node(*once).body().and_then(|body| body.claim());
            if flag.is_some_and(is_claimed) {
                return Err(Refusal::Spent {
                    task: inner.name(*once).to_owned(),
                });
            }
        }
        flows.extend(inner.nested.iter().map(|node| inner.node(*node)));
    }
    Ok(())
}
