//! An execution: what all threads of a run share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::bit_set::BitSet;
use crate::graph::storage::RunStorage;
use crate::graph::{Graph, Node};
use crate::node_index::NodeIndex;
use crate::number_map::NumberMap;
use crate::outcome::details::Details;
use crate::outcome::report::Report;
use crate::sort::sort_by_number;
use crate::sync::{Mutex, lock};
use crate::task::failure::{Cause, Failure};
use crate::task::outputs::Outputs;
use crate::task::statuses::{Status, Statuses};

use super::allocate::Prepared;
use super::backend::Backend;
use super::blocking_call::BlockingCall;
use super::blocking_thread_count::BlockingQueue;
use super::blocking_threads::on_blocking_thread;
use super::concurrency_limit::Limit;
use super::deadline::Deadline;
use super::guard::RunGuard;
use super::observers::Watch;
use super::pending::Pending;
use super::ready_queues::ReadyQueues;
use super::recording::Recording;
use super::scheduler::Scheduler;
use super::selection::Selection;
use super::stop::Alert;
use super::stop_handle::Attachment;
use super::stop_list::StopList;
use super::time_slice::Tasks;
use super::validate::{GivenValues, Outer, Plan};

pub(crate) struct Execution {
    /// The graph, outputs and statuses.
    pub(super) storage: Arc<RunStorage>,
    /// How many upstreams each node still waits for.
    pub(super) pending: Pending,
    /// The nodes that are part of this run, if not all of them are.
    selected: Option<Box<Selected>>,

    pub(crate) ready: ReadyQueues,
    pub(crate) scheduler: Arc<Scheduler>,
    /// What is known of how long its tasks take, from [the runs before](crate::graph::turn_cost).
    pub(super) tasks: Tasks,
    /// Whether at least half of what drivers do is to resume tasks, and these are
    /// [short](super::drive::SHARED). Then one does so alone, several at a time.
    short_resumes: AtomicBool,
    /// The longest turn of a driver so far, in nanoseconds.
    longest_turn: AtomicU64,
    pub(crate) blocking: BlockingQueue<BlockingCall>,
    /// Whether plain functions get threads that are not the runtime's; see
    /// [`on_blocking_thread`].
    pub(crate) own_threads: bool,

    /// Present if this run has a limit of its own.
    pub(crate) limit: Option<Box<Limit>>,
    /// Whether its tasks need slots, of its own limit or of that of an outer run.
    pub(crate) limited: bool,

    pub(super) alert: Alert,
    pub(super) stop_list: StopList,
    pub(super) deadline: Option<Box<Deadline>>,
    /// Its entries in the lists of stop handles.
    pub(super) attachments: Mutex<NumberMap<u64, Attachment>>,
    pub(super) keep_going: bool,
    /// Whether anything about the run takes a closer look at each task before it starts.
    pub(super) starts_with_care: bool,
    /// Whether the end of a task takes more than counting down its downstreams.
    pub(super) ends_with_care: bool,

    /// Values that were given and not used yet.
    pub(super) given: Mutex<GivenValues>,
    pub(super) details: Mutex<Option<Box<Details>>>,
    /// What was decided for tasks with a condition that is a function: the status of one that is not
    /// started.
    pub(super) decided: Mutex<NumberMap<NodeIndex, Option<Status>>>,
    pub(crate) watch: Option<Box<Watch>>,
    /// What the outputs of recorded tasks are recorded with.
    pub(super) recording: Option<Box<Recording>>,

    pub(super) outer: Option<Outer>,
    /// How many runs this one is a task of, at all levels.
    pub(crate) depth: u32,
}

/// The part of a graph that a run is of.
struct Selected {
    nodes: BitSet,
    /// Its roots, in place of the graph's.
    roots: Box<[NodeIndex]>,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").finish_non_exhaustive()
    }
}

impl Execution {
    pub(crate) fn new(
        prepared: Prepared,
        scheduler: Arc<Scheduler>,
        plan: Plan,
        deadline: Option<Box<Deadline>>,
    ) -> Self {
        let Prepared {
            mut storage,
            mut pending,
        } = prepared;
        let nested_in = plan.outer.as_ref().and_then(Outer::nested);
        let limited =
            plan.max_concurrency.is_some() || nested_in.is_some_and(|(outer, _)| outer.limited);
        let lent = plan.outer.as_ref().and_then(Outer::lent);
        let depth = nested_in.map_or(0, |(outer, _)| outer.depth + 1);
        let outer = plan.outer.as_ref().map(Outer::guard);
        let own_threads = on_blocking_thread() || outer.is_some_and(|outer| outer.own_threads);
        let partial = plan.selection.is_some();
        let watched = plan.watch.is_some();
        let mut selected = None;
        if let Some(selection) = plan.selection {
            if !plan.keep_outputs {
                selection.drop_outputs(alone(&mut storage));
            }
            let Selection {
                selected: nodes,
                mut roots,
                pending: counts,
                ..
            } = selection;
            pending = counts;
            sort_by_number(&mut roots, |root| storage.graph.rank(*root) as u64);
            selected = Some(Box::new(Selected { nodes, roots }));
        }
        let recorded = plan.recording.is_some();
        if recorded {
            alone(&mut storage).outputs.keep_records();
        }
        let turn_cost = &storage.graph.turn_cost;
        let tasks = match (turn_cost.is_long(), turn_cost.is_timed()) {
            (true, _) => Tasks::Unknown,
            (false, true) => Tasks::Short,
            (false, false) => Tasks::ShortAndUntimed,
        };
        Self {
            ends_with_care: storage.graph.has_gates || watched || partial,
            starts_with_care: limited || watched || partial || recorded || plan.replaces_functions,
            ready: ReadyQueues::new(scheduler.drivers.limit(), &storage.graph),
            tasks,
            storage,
            pending,
            selected,
            scheduler,
            short_resumes: AtomicBool::new(false),
            longest_turn: AtomicU64::new(0),
            blocking: BlockingQueue::new(),
            own_threads,
            limit: lent
                .or(plan.max_concurrency)
                .map(|limit| Box::new(Limit::new(limit))),
            limited,
            alert: Alert::new(),
            stop_list: StopList::new(),
            deadline,
            attachments: Mutex::new(NumberMap::new()),
            keep_going: plan.keep_going,
            given: Mutex::new(plan.given),
            details: Mutex::new(None),
            decided: Mutex::new(NumberMap::new()),
            watch: plan.watch,
            recording: plan.recording,
            depth,
            outer: plan.outer,
        }
    }

    /// Whether drivers are invited as soon as there is something for them, because the turns of this
    /// run are likely to be long.
    #[inline]
    pub(super) fn invites_early(&self) -> bool {
        self.tasks == Tasks::Unknown && !self.short_resumes()
    }

    #[inline]
    pub(super) fn short_resumes(&self) -> bool {
        self.short_resumes.load(Ordering::Relaxed)
    }

    pub(super) fn set_short_resumes(&self, short: bool) {
        if short != self.short_resumes() {
            self.short_resumes.store(short, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn backend(&self) -> &dyn Backend {
        &self.scheduler.backend
    }

    #[inline]
    pub(crate) fn graph(&self) -> &Graph {
        &self.storage.graph
    }

    #[inline]
    pub(crate) fn outputs(&self) -> Outputs<'_> {
        self.storage.outputs()
    }

    #[inline]
    pub(crate) fn statuses(&self) -> &Statuses {
        self.storage.statuses()
    }

    #[inline]
    pub(crate) fn node(&self, node: NodeIndex) -> &Node {
        self.graph().node(node)
    }

    pub(crate) fn roots(&self) -> &[NodeIndex] {
        match &self.selected {
            None => &self.graph().roots,
            Some(selected) => &selected.roots,
        }
    }

    /// Whether a node has no part in this run.
    pub(super) fn is_outside(&self, node: NodeIndex) -> bool {
        let selected = self.selected.as_ref();
        selected.is_some_and(|selected| !selected.nodes.contains(node))
    }

    /// The nodes that have no part in this run.
    pub(super) fn outside(&self) -> impl Iterator<Item = NodeIndex> {
        let nodes = match self.selected {
            Some(_) => self.graph().len(),
            None => 0,
        };
        NodeIndex::all(nodes).filter(|node| self.is_outside(*node))
    }

    /// The run that this one is a task of, or belongs to a task of.
    pub(super) fn nested_in(&self) -> Option<&RunGuard> {
        self.nested_in_task().map(|(outer, _)| outer)
    }

    /// The same with the task.
    pub(super) fn nested_in_task(&self) -> Option<(&RunGuard, NodeIndex)> {
        self.outer.as_ref().and_then(Outer::nested)
    }

    /// Takes note of how long a turn of a driver took.
    pub(super) fn note_turn(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if took > self.longest_turn.load(Ordering::Relaxed) {
            self.longest_turn.fetch_max(took, Ordering::Relaxed);
        }
    }

    /// The longest turn of a driver so far, if any was timed.
    pub(super) fn longest_turn(&self) -> Option<Duration> {
        let longest = self.longest_turn.load(Ordering::Relaxed);
        (longest > 0).then(|| Duration::from_nanos(longest))
    }

    /// Notes something of a task that is out of the ordinary. `change` runs no code of the user.
    fn note_details<T>(&self, change: impl FnOnce(&mut Details) -> T) -> T {
        change(lock(&self.details).get_or_insert_default())
    }

    pub(crate) fn note_attempts(&self, node: NodeIndex, attempts: u32) {
        self.note_details(|details| details.attempts.insert(node, attempts));
    }

    /// How often a task was attempted, if more than once.
    pub(super) fn attempts(&self, node: NodeIndex) -> Option<u32> {
        let details = lock(&self.details);
        details.as_ref()?.attempts.get(node).copied()
    }

    /// Keeps what a task has remarked on itself, in place of what it has remarked before.
    pub(crate) fn note(&self, node: NodeIndex, note: String) {
        if let Some(watch) = &self.watch {
            watch.noted(node, &note);
        }
        self.note_details(|details| details.notes.insert(node, note.into()));
    }

    /// Takes note of how far a task is.
    pub(crate) fn progress(&self, node: NodeIndex, done: u64, total: u64) {
        if let Some(watch) = &self.watch {
            watch.progress(node, done, total);
        }
    }

    /// How an attempt at a task failed.
    pub(super) fn failure(&self, node: NodeIndex, cause: Cause) -> Failure {
        let (id, name) = (self.graph().task_id(node), self.graph().name(node));
        Failure::new(id, name.to_owned(), cause)
    }

    /// Keeps how an attempt at a task failed, in place of the attempt before.
    pub(super) fn keep_failure(&self, failure: Failure) {
        let node = failure.task().index;
        let before = self.note_details(|details| details.failures.insert(node, Arc::new(failure)));
        // Without the mutex, because the drop of an error is code of the user.
        drop(before);
    }

    /// Drops how the attempts at a task failed, because another succeeded.
    pub(super) fn forget_failure(&self, node: NodeIndex) {
        let before = self.note_details(|details| details.failures.remove(node));
        drop(before);
    }

    /// The report of a run that goes on.
    pub(crate) fn report_so_far(&self) -> Report {
        let statuses = self.statuses().snapshot();
        for node in self.outside() {
            statuses.set(node, Status::NotSelected);
        }
        let measured = self.watch.as_ref().and_then(|watch| watch.measured());
        let details = lock(&self.details).as_deref().cloned();
        let graph = Arc::clone(&self.storage.graph);
        let storage = Arc::new(RunStorage::of_report(graph, statuses));
        Report::new(storage, details, measured)
    }
}

/// The storage of a run that has not begun.
fn alone(storage: &mut Arc<RunStorage>) -> &mut RunStorage {
    Arc::get_mut(storage).expect("the run has not begun, so nothing has a share in its storage")
}
