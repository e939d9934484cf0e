//! The limit of `max_concurrency`: how many tasks of a run may run at a time.
//!
//! A task that needs permits takes them and a slot together, and gives the slot back if it has to wait
//! for permits; see [`supervise`](super::supervise). So a task that holds a slot waits for nothing but
//! its own function, and no two tasks wait for each other. A task that finds no slot is parked here,
//! without a thread and, if it needs no permits, without a future. A slot that is given back goes to
//! the task at the front. Tasks that became ready because another ended are parked at the front, in
//! the order of declaration, before that one gives back its slot. So the consumers of an output come
//! before further sources, and few outputs are alive at a time.

use std::collections::VecDeque;
use std::fmt;
use std::ops::DerefMut;
use std::sync::Weak;

use futures_channel::oneshot;

use crate::node_index::NodeIndex;
use crate::sync::{Mutex, lock};
use crate::task::end::End;

use super::execution::Execution;
use super::guard::RunGuard;
use super::ready_queues::Injected;
use super::settle::CollectingSink;

#[derive(Debug)]
pub(crate) struct Limit(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Tasks that need permits, which they had or still have. They come before all that is parked.
    first: VecDeque<oneshot::Sender<Slot>>,
    parked: VecDeque<Parked>,
}

impl State {
    fn next(&mut self) -> Option<Parked> {
        let first = self.first.pop_front().map(Parked::Future);
        first.or_else(|| self.parked.pop_front())
    }
}

/// What waits for a slot.
#[derive(Debug)]
enum Parked {
    /// A ready task of the run itself that holds nothing.
    Task(NodeIndex),
    /// A task that has a future: it makes a further attempt, or is in a run inside of this one.
    Future(oneshot::Sender<Slot>),
}

/// The right to run. Given back when dropped.
///
/// It does not keep the run alive, since it may lie in a queue of the run itself. The drive or
/// thread that holds it, or will take it from there, does.
pub(crate) struct Slot(Weak<Execution>);

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl Limit {
    pub(crate) fn new(free: usize) -> Self {
        Self(Mutex::new(State {
            free,
            first: VecDeque::new(),
            parked: VecDeque::new(),
        }))
    }

    /// Takes a slot for a task of the run itself. If none is free, parks the task. It is injected when
    /// it has one.
    pub(crate) fn enter(&self, guard: &RunGuard, task: NodeIndex) -> Option<Slot> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            state.parked.push_back(Parked::Task(task));
            return None;
        }
        state.free -= 1;
        Some(Slot(guard.downgrade()))
    }

    /// Takes a slot of the run `limiter` for a task that has a future, of the run itself or of a run
    /// inside of it. If none is free, returns what to wait for. A task that comes `first` does
    /// not wait for those that do not.
    pub(crate) fn wait(
        &self,
        limiter: &RunGuard,
        guard: &RunGuard,
        task: NodeIndex,
        first: bool,
    ) -> Result<Slot, oneshot::Receiver<Slot>> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            let (sender, receiver) = oneshot::channel();
            match first {
                true => state.first.push_back(sender),
                false => state.parked.push_back(Parked::Future(sender)),
            }
            return Err(receiver);
        }
        state.free -= 1;
        Ok(Slot(limiter.downgrade()))
    }

    /// Gives the slot of a task that ended, and those that are free, to tasks of the run itself which
    /// that made ready, in this order. Parks the others at the front. If there are none, gives the
    /// slot back.
    fn hand_on(
        &self,
        guard: &RunGuard,
        slot: Slot,
        tasks: Vec<NodeIndex>,
    ) -> Vec<(NodeIndex, Slot)> {
        let mut tasks = tasks.into_iter();
        let Some(first) = tasks.next() else {
            return Vec::new();
        };
        let mut started = vec![(first, slot)];
        if let Some(watch) = &guard.watch {
            let free = lock(&self.0).free;
            for task in tasks.as_slice().iter().skip(free) {
                watch.waits_for_slot(*task);
            }
        }
        let mut state = lock(&self.0);
        let free = state.free.min(tasks.len());
        state.free -= free;
        let more = tasks.by_ref().take(free);
        started.extend(more.map(|task| (task, Slot(guard.downgrade()))));
        for task in tasks.rev() {
            state.parked.push_front(Parked::Task(task));
        }
        started
    }

    /// Takes the lock. Tells the observers first if it looks as if the task has to wait: once it is
    /// parked, other threads may tell them something of it.
    fn look(&self, guard: &RunGuard, task: NodeIndex) -> impl DerefMut<Target = State> {
        let state = lock(&self.0);
        match &guard.watch {
            Some(watch) if state.free == 0 => {
                // Without the lock, because an observer may be slow.
                drop(state);
                watch.waits_for_slot(task);
                lock(&self.0)
            }
            _ => state,
        }
    }
}

impl RunGuard {
    /// The run whose slots the tasks of this one take: itself, or an outer one.
    pub(super) fn limiter(&self) -> Option<(&Self, &Limit)> {
        let mut run = Some(self);
        while let Some(guard) = run {
            if let Some(limit) = &guard.limit {
                return Some((guard, limit));
            }
            run = guard.nested_in();
        }
        None
    }

    /// Settles a task that holds a slot. Gives the slot to a task that this made ready, if there is one
    /// that needs it.
    pub(super) fn settle_with_slot(&self, task: NodeIndex, end: End, slot: Slot) {
        let mut sink = CollectingSink::default();
        self.settle(task, end, &mut sink);
        let (ready, rest) = sink.finish();
        let first_ready = ready.first().copied();
        let takes_slot = |task: &NodeIndex| self.takes_slot(*task, Some(*task) == first_ready);
        let (first, others) = match &self.limit {
            Some(limit) => {
                let (first, others) = ready.into_iter().partition(takes_slot);
                (limit.hand_on(self, slot, first), others)
            }
            // The slot is that of an outer run, which does not know the tasks of this one.
            None => {
                let mut others = ready.into_vec();
                let first = others.iter().position(takes_slot);
                let first = first.map(|place| (others.remove(place), slot));
                (first.into_iter().collect(), others)
            }
        };
        let first = first
            .into_iter()
            .map(|(task, slot)| Injected::Task(task, Some(slot)));
        let others = others.into_iter().map(|task| Injected::Task(task, None));
        let rest = rest
            .into_iter()
            .map(|rest| Injected::Announcements(Box::new(rest)));
        // In one go: a task that ends meanwhile would make way for one that was declared later.
        self.inject_all(first.chain(others).chain(rest));
    }

    /// Whether a slot is handed to a ready task. Of those that need permits, only the first of all gets
    /// one, so that it comes before what is parked: the next one may need the same permits.
    fn takes_slot(&self, task: NodeIndex, is_first: bool) -> bool {
        let node = self.node(task);
        let takes = match is_first {
            true => node.nested().is_none(),
            false => node.needs_slot_alone(),
        };
        takes && node.body().is_some() && self.is_startable(task)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(limiter) = RunGuard::upgrade(&std::mem::take(&mut self.0)) else {
            return;
        };
        let Some(limit) = &limiter.limit else { return };
        loop {
            let mut state = lock(&limit.0);
            let Some(next) = state.next() else {
                state.free += 1;
                return;
            };
            drop(state);
            let slot = Self(limiter.downgrade());
            match next {
                Parked::Task(task) => return limiter.inject(Injected::Task(task, Some(slot))),
                Parked::Future(sender) => match sender.send(slot) {
                    Ok(()) => return,
                    // It was cancelled while it waited. The slot goes to the next.
                    Err(mut unwanted) => drop(std::mem::take(&mut unwanted.0)),
                },
            }
        }
    }
}
