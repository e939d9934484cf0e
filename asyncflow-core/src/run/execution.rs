//! An execution: what all threads of a run share, and how a task that ended makes others ready.
//!
//! # How a task becomes ready
//!
//! Each node has a count of [pending](super::pending) upstreams. Every upstream that ends, however
//! it ends, takes one off; who takes off the last has made the node ready, and is the only one who
//! may pass it on. An upstream that did not succeed leaves *blame* on its successors before it takes one off,
//! so whoever takes up the ready task sees all of it: blamed tasks are skipped instead of started.
//! Skipping is ending, too, so it goes on in the same way, one task at a time, however many there
//! are.
//!
//! # How a run stops
//!
//! A [`Mode`] other than `Go` lets no task start that is not meant for clean-up; those that are
//! ready are ended as cancelled, so that the clean-up behind them becomes ready. Waiting tasks are
//! woken to see it; see [`super::waiting`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use futures_channel::oneshot;

use smallvec::{SmallVec, smallvec};

use crate::backend::Backend;
use crate::bits::Bits;
use crate::column::AnyColumn;
use crate::declare::function::{Body, Gate};
use crate::graph::{Graph, Node};
use crate::outcome::report::Report;
use crate::outcome::status::TaskStatus;
use crate::sync::{AtomicU8, Mutex, Ordering, lock};

use super::agent::Agent;
use super::blank::Blank;
use super::blocking::{Call, on_crew};
use super::crew::Crew;
use super::drive::{Drive, Invited};
use super::end::{End, Status};
use super::fates::{Blame, Fates};
use super::ledger::Ledger;
use super::pending::Pending;
use super::ready::{Ready, Sent};
use super::roster::{self, Roster};
use super::slots::Slots;
use super::unwind;
use super::waiting::{Place, Waiting};
use super::watch::{Times, Watch};

/// Whether tasks may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Mode {
    /// All that are ready.
    Go = 0,
    /// Only those for clean-up: a task failed, or the run was cancelled by a call.
    Stopping = 1,
    /// None: nobody waits for the run any more.
    Dropped = 2,
}

/// Set in the same byte as the mode once any task bears blame.
const BLAMED: u8 = 4;

/// What to do with a ready task.
pub(crate) enum Step {
    /// Poll its future.
    Poll,
    /// Poll its future, and tell who watches.
    PollWatched,
    /// Call its function on a blocking thread.
    Call,
    /// Start it with permits, a time limit or several attempts.
    Supervise,
    /// It has ended without being started.
    End(Status),
}

/// Takes the tasks that became ready because another ended.
pub(crate) trait Pass {
    fn pass(&mut self, task: u32);

    /// Called after many successors were told that a task has ended: now something else should get
    /// a turn. The rest, if there is any, is for [`Execution::go_on`].
    fn pause(&mut self, rest: Ending);
}

/// Nodes that have ended, and how many of the successors of each have not been told.
pub(crate) type Ending = SmallVec<[(u32, Status, usize); 1]>;

/// How many successors are told in one go that a task has ended: well below a millisecond's worth.
const SLICE: usize = 10_000;

/// After how many successors the runtime gets a turn, if it is one task that has so many.
const MANY: usize = 1000;

/// How an execution differs from a plain one.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) keep_going: bool,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) selection: Option<Selection>,
    /// The values of tasks that are given.
    pub(crate) given: HashMap<u32, Give>,
    pub(crate) watch: Option<Watch>,
    /// A share in the run that this one is a task of.
    pub(crate) outer: Option<Agent>,
}

/// Stores a given value in the place of its task's output.
pub(crate) type Give = Box<dyn FnOnce(&Ledger) + Send>;

/// The part of a graph that a run for some targets needs.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) selected: Bits,
    pub(crate) targets: Bits,
    /// Selected nodes with no selected upstream.
    pub(crate) roots: Box<[u32]>,
    /// For each node, how many selected upstreams it waits for.
    pub(crate) pending: Pending,
}

#[doc(hidden)]
pub struct Execution {
    ledger: Ledger,
    pub(crate) backend: Arc<dyn Backend>,
    pending: Pending,
    /// The nodes that are part of this run; all of them if there is no selection.
    selected: Option<Bits>,
    /// Roots of a selection, in place of the graph's.
    roots: Option<Box<[u32]>>,
    pub(crate) ready: Ready,
    pub(crate) roster: Roster,
    pub(crate) crew: Crew<Call>,
    /// Whether plain functions get threads that are none of the runtime's.
    pub(crate) own_threads: bool,
    pub(crate) slots: Option<Slots>,
    /// Whether tasks need slots, be it those of a run that this one is a task of.
    pub(crate) limited: bool,
    waiting: Waiting,
    /// A [`Mode`], and [`BLAMED`]: one byte that tells whether anything is out of the ordinary.
    alert: AtomicU8,
    keep_going: bool,
    /// Whether anything about this run needs a closer look at each task.
    special: bool,
    /// Whether the end of a task takes more than counting down its successors.
    ends_with_care: bool,
    given: Mutex<HashMap<u32, Give>>,
    troubles: Mutex<Vec<Trouble>>,
    /// Attempts of tasks that had more than one.
    attempts: Mutex<HashMap<u32, u32>>,
    pub(crate) watch: Option<Box<Watch>>,
    done: oneshot::Sender<Finished>,
    /// A share in the run that this one is a task of, which so outlives it.
    outer: Option<Agent>,
    /// How many runs this one is inside of.
    pub(crate) depth: u32,
}

/// A task that failed, and how.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) index: u32,
    pub(crate) end: End,
}

/// What is left of a run when its last agent is gone.
pub(crate) struct Finished {
    pub(crate) graph: Arc<Graph>,
    pub(crate) fates: Fates,
    pub(crate) columns: Box<[AnyColumn]>,
    /// In the order of declaration.
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) attempts: HashMap<u32, u32>,
    /// How long it took, and the times of each node, as far as they were measured.
    pub(crate) watched: Option<(Duration, Option<Vec<Times>>)>,
    pub(crate) mode: Mode,
    /// Whether there is nothing to look at closely.
    pub(crate) all_succeeded: bool,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").finish_non_exhaustive()
    }
}

impl Execution {
    pub(crate) fn new(
        blank: Blank,
        backend: Arc<dyn Backend>,
        plan: Plan,
        done: oneshot::Sender<Finished>,
    ) -> Self {
        let drivers = backend.parallelism();
        let limited = plan.max_concurrency.is_some()
            || plan.outer.as_ref().is_some_and(|outer| outer.limited);
        let special =
            limited || plan.watch.is_some() || !plan.given.is_empty() || plan.selection.is_some();
        let Blank {
            mut ledger,
            pending,
            ..
        } = blank;
        let ends_with_care =
            ledger.graph.has_gates || plan.watch.is_some() || plan.selection.is_some();
        let (pending, selected, roots) = match plan.selection {
            Some(Selection {
                selected,
                targets,
                roots,
                pending,
            }) => {
                ledger.keep_only(targets, &selected);
                (pending, Some(selected), Some(roots))
            }
            None => (pending, None, None),
        };
        Self {
            ledger,
            backend,
            pending,
            selected,
            roots,
            ready: Ready::new(drivers),
            roster: Roster::new(drivers),
            crew: Crew::new(),
            own_threads: on_crew(),
            slots: plan.max_concurrency.map(Slots::new),
            limited,
            waiting: Waiting::new(),
            alert: AtomicU8::new(Mode::Go as u8),
            keep_going: plan.keep_going,
            special,
            ends_with_care,
            given: Mutex::new(plan.given),
            troubles: Mutex::new(Default::default()),
            attempts: Mutex::new(Default::default()),
            watch: plan.watch.map(Box::new),
            done,
            depth: plan.outer.as_ref().map_or(0, |outer| outer.depth + 1),
            outer: plan.outer,
        }
    }

    #[inline]
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    #[inline]
    pub(crate) fn graph(&self) -> &Graph {
        &self.ledger.graph
    }

    #[inline]
    pub(crate) fn node(&self, index: u32) -> &Node {
        self.graph().node(index)
    }

    pub(crate) fn roots(&self) -> &[u32] {
        self.roots.as_deref().unwrap_or(&self.graph().roots)
    }

    /// Decides what to do with a ready task.
    #[inline]
    pub(crate) fn step(&self, index: u32) -> Step {
        let node = self.node(index);
        let ordinary = self.alert.load(Ordering::Relaxed) == 0 && !self.special;
        match &node.body {
            Body::Async(_) if ordinary && node.config.is_none() => Step::Poll,
            Body::Plain(_) if ordinary && node.config.is_none() => Step::Call,
            _ => self.step_with_care(index, node),
        }
    }

    #[cold]
    fn step_with_care(&self, index: u32, node: &Node) -> Step {
        if let Some(status) = self.refused(index, node) {
            return Step::End(status);
        }
        let give = match self.special {
            true => lock(&self.given).remove(&index),
            false => None,
        };
        if let Some(give) = give {
            give(&self.ledger);
            return Step::End(Status::Given);
        }
        let config = node.config.as_ref();
        let supervised = self.limited && node.nested().is_none()
            || config.is_some_and(|config| config.supervised());
        match &node.body {
            Body::Async(_) | Body::Plain(_) if supervised => Step::Supervise,
            Body::Async(_) if self.watch.is_some() => Step::PollWatched,
            Body::Async(_) => Step::Poll,
            Body::Plain(_) => Step::Call,
            Body::Input(_) => unreachable!("inputs that are not given are refused at the start"),
            Body::Gate(_) => Step::End(Status::Succeeded),
        }
    }

    /// Why a ready task is not started, if it is not.
    fn refused(&self, index: u32, node: &Node) -> Option<Status> {
        let always = node.always();
        let blame = self.ledger.fates.blame(index);
        if let (Some(blame), false) = (blame, always) {
            return Some(blame.status());
        }
        if self.stops(always) {
            return Some(Status::Cancelled);
        }
        // A task that is given may be part of a run that leaves its condition out.
        let flag = node.condition().filter(|flag| !self.outside(flag.index))?;
        match self.ledger.flag(flag.index) {
            Some(true) => None,
            Some(false) => {
                let fates = &self.ledger.fates;
                fates.set_blame(index, Blame::Task(flag.index));
                Some(Status::Skipped)
            }
            // Only clean-up gets here after its condition failed; it has nothing to go by.
            None => Some(blame.map_or(Status::Cancelled, Blame::status)),
        }
    }

    /// Whether a ready task will be started, as it looks at the moment.
    fn is_startable(&self, index: u32) -> bool {
        let node = self.node(index);
        self.refused(index, node).is_none() && !lock(&self.given).contains_key(&index)
    }

    /// Tells the observers of the start, and of what is known by then.
    pub(crate) fn tell_start(&self) {
        let Some(watch) = &self.watch else { return };
        watch.run_started();
        if self.selected.is_some() {
            let nodes = 0..self.graph().len() as u32;
            for outside in nodes.filter(|index| self.outside(*index)) {
                watch.not_selected(outside);
            }
        }
        for root in self.roots() {
            self.tell_ready(*root, watch);
        }
    }

    /// Whether a task may not start, or go on waiting, because of how the run stands.
    pub(crate) fn stops(&self, always: bool) -> bool {
        match self.mode() {
            Mode::Go => false,
            Mode::Stopping => !always,
            Mode::Dropped => true,
        }
    }

    pub(crate) fn stops_task(&self, index: u32) -> bool {
        self.alert.load(Ordering::Acquire) & !BLAMED != 0 && self.stops(self.node(index).always())
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.alert.load(Ordering::Acquire) & !BLAMED {
            0 => Mode::Go,
            1 => Mode::Stopping,
            _ => Mode::Dropped,
        }
    }

    /// Lets no more tasks start, and wakes those that wait to tell them.
    pub(crate) fn stop(&self, mode: Mode) {
        let mut before = self.alert.load(Ordering::Relaxed);
        loop {
            let stronger = (before & !BLAMED).max(mode as u8) | before & BLAMED;
            match self.alert.compare_exchange_weak(
                before,
                stronger,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(current) => before = current,
            }
        }
        if before & !BLAMED < mode as u8 {
            self.waiting.wake_all();
        }
    }

    /// Takes note of how a task ended. Gives every task that is ready because of it to `ready`.
    pub(crate) fn settle(&self, index: u32, end: End, ready: &mut impl Pass) {
        let status = match end {
            End::Done => Status::Succeeded,
            End::Cancelled => Status::Cancelled,
            End::HandedOver => return,
            End::Failed(_) => Status::Failed,
            End::Panicked(_) => Status::Panicked,
            End::TimedOut(_) => Status::TimedOut,
        };
        if matches!(status, Status::Failed | Status::Panicked | Status::TimedOut) {
            self.note_trouble(index, end);
        }
        self.end(index, status, ready);
    }

    #[cold]
    fn note_trouble(&self, index: u32, end: End) {
        if let Some(watch) = &self.watch {
            let attempts = lock(&self.attempts).get(&index).copied();
            watch.attempt_failed(index, attempts.unwrap_or(1), &end);
        }
        lock(&self.troubles).push(Trouble { index, end });
        if !self.keep_going {
            self.stop(Mode::Stopping);
        }
    }

    /// Takes note that a task has succeeded. Gives every task that is ready because of it to
    /// `ready`.
    #[inline]
    pub(crate) fn succeed(&self, index: u32, ready: &mut impl Pass) {
        self.end(index, Status::Succeeded, ready);
    }

    /// Takes note of a task's status. Gives every task that is ready because of it to `ready`.
    #[inline]
    pub(crate) fn end(&self, index: u32, status: Status, ready: &mut impl Pass) {
        if self.ends_with_care {
            return self.end_with_care(index, status, ready);
        }
        self.ledger.fates.set(index, status);
        let successors = self.graph().successors(index);
        if successors.len() > MANY {
            return self.tell(index, status, ready);
        }
        // In reverse: see `Drive::passing`.
        for successor in successors.iter().rev() {
            if !status.is_success() {
                self.blame(index, status, *successor);
            }
            if self.pending.countdown(*successor) {
                ready.pass(*successor);
            }
        }
    }

    /// Like [`Self::end`] where somebody watches, not all tasks are part of the run, or successors
    /// may be gates, which are ended on the spot.
    #[cold]
    fn end_with_care(&self, index: u32, status: Status, ready: &mut impl Pass) {
        self.record(index, status);
        self.tell(index, status, ready);
    }

    /// Tells the successors of a node that it has ended.
    #[cold]
    fn tell(&self, index: u32, status: Status, ready: &mut impl Pass) {
        let successors = self.graph().successors(index).len();
        // Without gates there is never more than the one.
        self.go_on(smallvec![(index, status, successors)], ready);
    }

    /// Tells some more successors that what they waited for has ended.
    pub(crate) fn go_on(&self, mut ending: Ending, ready: &mut impl Pass) {
        let mut told = 0;
        while told < SLICE {
            let Some((index, status, left)) = ending.pop() else {
                break;
            };
            let put_off = left.saturating_sub(SLICE - told);
            if put_off > 0 {
                ending.push((index, status, put_off));
            }
            told += left - put_off;
            for successor in self.graph().successors(index)[put_off..left].iter().rev() {
                let status = match self.node(*successor).body {
                    Body::Gate(Gate::Any) => self.any_ended(index, status, *successor),
                    Body::Gate(Gate::All) => self
                        .upstream_ended(index, status, *successor)
                        .then(|| self.gate_status(*successor)),
                    _ => {
                        if self.upstream_ended(index, status, *successor) {
                            self.pass(*successor, ready);
                        }
                        None
                    }
                };
                if let Some(status) = status {
                    self.ledger.fates.set(*successor, status);
                    let successors = self.graph().successors(*successor).len();
                    ending.push((*successor, status, successors));
                }
            }
        }
        if told > MANY || !ending.is_empty() {
            ready.pause(ending);
        }
    }

    fn record(&self, index: u32, status: Status) {
        self.ledger.fates.set(index, status);
        self.ledger.consumed(index);
        if let Some(watch) = &self.watch {
            watch.ended(index, self.ledger.fates.report(self.graph(), index));
        }
    }

    fn pass(&self, index: u32, ready: &mut impl Pass) {
        if let Some(watch) = &self.watch {
            self.tell_ready(index, watch);
        }
        ready.pass(index);
    }

    #[cold]
    fn tell_ready(&self, index: u32, watch: &Watch) {
        watch.ready(index, || self.is_startable(index));
    }

    /// One upstream of `successor` has ended; whether it was the last.
    fn upstream_ended(&self, upstream: u32, status: Status, successor: u32) -> bool {
        if self.outside(successor) {
            return false;
        }
        if !status.is_success() {
            self.blame(upstream, status, successor);
        }
        self.pending.countdown(successor)
    }

    fn outside(&self, index: u32) -> bool {
        self.selected
            .as_ref()
            .is_some_and(|selected| !selected.contains(index))
    }

    /// One upstream of a gate for any has ended; the gate's status if that opened or shut it.
    fn any_ended(&self, upstream: u32, status: Status, gate: u32) -> Option<Status> {
        if self.outside(gate) {
            return None;
        }
        if status.is_success() {
            return self.pending.open(gate).then_some(Status::Succeeded);
        }
        self.blame(upstream, status, gate);
        self.pending.shut(gate).then(|| self.gate_status(gate))
    }

    /// The status of a gate whose upstreams have all ended.
    fn gate_status(&self, gate: u32) -> Status {
        let blame = self.ledger.fates.blame(gate);
        blame.map_or(Status::Succeeded, Blame::status)
    }

    /// Leaves blame on a successor for what became of one of its upstreams.
    #[cold]
    fn blame(&self, upstream: u32, status: Status, successor: u32) {
        // Whether there is blame already does not tell: that of a condition stays with its own task.
        if self.alert.load(Ordering::Relaxed) & BLAMED == 0 {
            self.alert.fetch_or(BLAMED, Ordering::AcqRel);
        }
        self.ledger.fates.blame_on(upstream, status, successor);
    }

    /// The report of a run that is still going on.
    pub(crate) fn report_so_far(&self) -> Report {
        let fates = self.ledger.fates.snapshot();
        if let Some(selected) = &self.selected {
            let nodes = 0..self.graph().len() as u32;
            for outside in nodes.filter(|index| !selected.contains(*index)) {
                fates.set(outside, Status::NotSelected);
            }
        }
        let graph = Arc::clone(&self.ledger.graph);
        let watched = self.watch.as_ref().map(|watch| watch.times());
        Report::new(graph, fates, lock(&self.attempts).clone(), watched)
    }

    /// Whether a task's future ends by itself when the run stops.
    pub(crate) fn sees_stop(&self, index: u32) -> bool {
        match &self.node(index).body {
            Body::Async(body) => body.sees_stop(),
            _ => false,
        }
    }

    pub(crate) fn note_attempts(&self, index: u32, attempts: u32) {
        lock(&self.attempts).insert(index, attempts);
    }

    /// Lists a waker to be woken when the run stops; `true` if it has already.
    pub(crate) fn wait(&self, index: u32, place: &mut Option<Place>, waker: &Waker) -> bool {
        self.waiting.list(index, place, waker);
        self.stops_task(index)
    }

    pub(crate) fn wait_no_more(&self, place: Place) {
        self.waiting.unlist(place);
    }

    /// The last agent is gone, and with it everything that ran. Gives back the share in the run that
    /// this one is a task of: only now may that end.
    pub(crate) fn finish(mut self) -> Option<Agent> {
        let mode = self.mode();
        let all_succeeded = self.ledger.fates.all_succeeded();
        if !all_succeeded {
            self.settle_the_rest();
        }
        if let Some(watch) = &self.watch {
            watch.run_ended();
        }
        let (graph, fates, mut columns) = self.ledger.close();
        if !all_succeeded {
            // What a task stored that ended otherwise in the end is nobody's business.
            for index in 0..graph.len() as u32 {
                if let (Some(slot), false) = (graph.slot(index), fates.status(index).is_success()) {
                    graph.clear(&mut columns, slot);
                }
            }
        }
        let into = |mutex: Mutex<Vec<Trouble>>| {
            mutex
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        let mut troubles = into(self.troubles);
        troubles.sort_by_key(|trouble| trouble.index);
        let attempts = std::mem::take(&mut *lock(&self.attempts));
        // Values that were given and not used go before the run is said to be over.
        let given = std::mem::take(&mut *lock(&self.given));
        for (_, unused) in given {
            unwind::contain(|| drop(unused));
        }
        let finished = Finished {
            graph,
            fates,
            columns,
            troubles,
            attempts,
            watched: self.watch.map(|watch| watch.finish()),
            mode,
            all_succeeded,
        };
        // Wakes whoever executes the flow, by a waker of theirs.
        match unwind::catch(|| self.done.send(finished).err()) {
            Ok(None) => {}
            Ok(Some(unwanted)) => unwanted.discard(),
            Err(payload) => unwind::discard(payload),
        }
        self.outer
    }

    /// Gives a status to the nodes that nobody settled.
    fn settle_the_rest(&self) {
        for index in 0..self.graph().len() as u32 {
            if self.ledger.fates.status(index) != Status::Open {
                continue;
            }
            let status = match (self.outside(index), self.node(index).is_gate()) {
                (true, _) => Status::NotSelected,
                // Nobody waited for it.
                (false, true) => Status::Succeeded,
                // The run was dropped, or the runtime went away.
                (false, false) => Status::Cancelled,
            };
            self.ledger.fates.set(index, status);
            if let (Some(watch), Status::Cancelled) = (&self.watch, status) {
                watch.ended(index, TaskStatus::Cancelled);
            }
        }
    }
}

impl Finished {
    /// Drops everything, whatever the outputs, errors and functions do in their `Drop`.
    pub(crate) fn discard(self) {
        for trouble in self.troubles {
            trouble.end.discard();
        }
        // The flow may be gone already; then its functions go with the graph.
        unwind::contain(|| drop(self.graph));
    }
}

impl Agent {
    /// The run whose slots the tasks of this one take: itself, or one that it is a task of.
    pub(crate) fn limiter(&self) -> Option<(&Self, &Slots)> {
        let mut run = Some(self);
        while let Some(agent) = run {
            if let Some(slots) = &agent.slots {
                return Some((agent, slots));
            }
            run = agent.outer.as_ref();
        }
        None
    }

    /// Puts a ready task where a driver will take it, and sees to it that there is one.
    pub(crate) fn send(&self, sent: Sent) {
        self.ready.send(sent);
        self.call_driver();
    }

    /// Called after a task was put where any driver can take it.
    pub(crate) fn call_driver(&self) {
        match self.roster.call() {
            roster::Call::Enough => {}
            roster::Call::Start => self.spawn(Drive::driver(self.clone())),
            roster::Call::Invite => {
                let invited = Invited::new(self);
                unwind::contain(|| self.backend.drive_invited(invited));
            }
        }
    }

    /// Has the runtime poll a drive. If it cannot, the drive is dropped, which is noticed.
    pub(crate) fn spawn(&self, drive: Drive) {
        unwind::contain(|| self.backend.drive(drive));
    }
}
