//! The limit of `max_concurrency`: how many tasks of a run may run at a time.
//!
//! A task that finds no slot is parked here and holds nothing: no thread and no permit, and at first
//! no future. A slot that is given back goes to the task at the front. Tasks that became ready because
//! another ended are parked at the front, in the order of declaration, before that one gives back its
//! slot. So the consumers of an output come before further sources, and few outputs are alive at a
//! time.

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
    parked: VecDeque<Parked>,
}

/// What waits for a slot.
#[derive(Debug)]
enum Parked {
    /// A ready task, of the run itself or of a run inside of it.
    Task(Weak<Execution>, NodeIndex),
    /// A task whose future waits, for a further attempt or because it has waited for permits.
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
            parked: VecDeque::new(),
        }))
    }

    /// Takes a slot of the run `limiter` for a task of `guard`. If none is free, parks the task. It is
    /// injected when it has one.
    pub(crate) fn enter(
        &self,
        limiter: &RunGuard,
        guard: &RunGuard,
        task: NodeIndex,
    ) -> Option<Slot> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            state.parked.push_back(Parked::task(guard, task));
            return None;
        }
        state.free -= 1;
        Some(Slot(limiter.downgrade()))
    }

    /// Like [`enter`](Self::enter), for a task that has a future. If no slot is free, returns what to
    /// wait for.
    pub(crate) fn wait(
        &self,
        limiter: &RunGuard,
        guard: &RunGuard,
        task: NodeIndex,
    ) -> Result<Slot, oneshot::Receiver<Slot>> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            let (sender, receiver) = oneshot::channel();
            state.parked.push_back(Parked::Future(sender));
            return Err(receiver);
        }
        state.free -= 1;
        Ok(Slot(limiter.downgrade()))
    }

    /// Parks tasks at the front, in this order.
    fn park_first(&self, guard: &RunGuard, tasks: &[NodeIndex]) {
        let mut state = lock(&self.0);
        for task in tasks.iter().rev() {
            state.parked.push_front(Parked::task(guard, *task));
        }
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

    /// Settles a task that holds a slot, and gives the slot to a task that this made ready, if there
    /// is one that can take it.
    pub(super) fn settle_with_slot(&self, task: NodeIndex, end: End, slot: Option<Slot>) {
        let mut sink = CollectingSink::default();
        self.settle(task, end, &mut sink);
        let (ready, rest) = sink.finish();
        let limit = self.limiter().filter(|_| slot.is_some());
        let (parked, others): (Vec<NodeIndex>, Vec<NodeIndex>) = match limit {
            Some(_) => ready.into_iter().partition(|task| self.takes_slot(*task)),
            None => (Vec::new(), ready.into_vec()),
        };
        if let Some((_, limit)) = limit {
            if let Some(watch) = &self.watch {
                for task in &parked {
                    watch.waits_for_slot(*task);
                }
            }
            limit.park_first(self, &parked);
        }
        drop(slot);
        for task in others {
            self.inject(Injected::Task(task, None));
        }
        for rest in rest {
            self.inject(Injected::Announcements(Box::new(rest)));
        }
    }

    /// Whether a ready task will need a slot.
    fn takes_slot(&self, task: NodeIndex) -> bool {
        let node = self.node(task);
        node.body().is_some() && node.nested().is_none() && self.is_startable(task)
    }
}

impl Parked {
    fn task(guard: &RunGuard, task: NodeIndex) -> Self {
        Self::Task(guard.downgrade(), task)
    }

    fn take_slot(self, slot: Slot) -> Result<(), Slot> {
        match self {
            Self::Task(run, task) => match RunGuard::upgrade(&run) {
                Some(guard) => {
                    guard.inject(Injected::Task(task, Some(slot)));
                    Ok(())
                }
                None => Err(slot),
            },
            Self::Future(sender) => sender.send(slot),
        }
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
            let Some(next) = state.parked.pop_front() else {
                state.free += 1;
                return;
            };
            drop(state);
            match next.take_slot(Self(limiter.downgrade())) {
                Ok(()) => return,
                // It does not wait any more. The slot goes to the next.
                Err(mut unwanted) => drop(std::mem::take(&mut unwanted.0)),
            }
        }
    }
}
