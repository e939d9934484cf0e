//! The limit of `max_concurrency`: how many tasks of a run may run at a time.
//!
//! A task takes a slot last, after its permits. So a task that holds a slot waits for nothing but
//! its own function, and no two tasks wait for each other. A task that finds no slot is parked here,
//! without a thread and, if it needs no permits, without a future. A slot that is given back goes to
//! the task that has waited longest.

use std::collections::VecDeque;
use std::fmt;
use std::ops::DerefMut;
use std::sync::Weak;

use futures_channel::oneshot;

use crate::node_index::NodeIndex;
use crate::sync::{Mutex, lock};

use super::execution::Execution;
use super::guard::RunGuard;
use super::ready_queues::Injected;

#[derive(Debug)]
pub(crate) struct Limit(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    parked: VecDeque<Parked>,
}

#[derive(Debug)]
enum Parked {
    /// A ready task that needs nothing else.
    Task(NodeIndex),
    /// A task that holds permits.
    Holder(oneshot::Sender<Slot>),
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

    /// Takes a slot for a task. If none is free, parks the task; it is injected when it has one.
    pub(crate) fn enter(&self, guard: &RunGuard, task: NodeIndex) -> Option<Slot> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            state.parked.push_back(Parked::Task(task));
            return None;
        }
        state.free -= 1;
        Some(Slot(guard.downgrade()))
    }

    /// Takes a slot of the run `limiter` for a task that holds permits already, of this run or of a
    /// run inside of it. If none is free, returns what to wait for.
    pub(crate) fn wait(
        &self,
        limiter: &RunGuard,
        guard: &RunGuard,
        task: NodeIndex,
    ) -> Result<Slot, oneshot::Receiver<Slot>> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            let (sender, receiver) = oneshot::channel();
            state.parked.push_back(Parked::Holder(sender));
            return Err(receiver);
        }
        state.free -= 1;
        Ok(Slot(limiter.downgrade()))
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

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(guard) = RunGuard::upgrade(&std::mem::take(&mut self.0)) else {
            return;
        };
        let Some(limit) = &guard.limit else { return };
        loop {
            let next = {
                let mut state = lock(&limit.0);
                let next = state.parked.pop_front();
                state.free += usize::from(next.is_none());
                next
            };
            match next {
                None => return,
                Some(Parked::Task(task)) => {
                    let slot = Some(Self(guard.downgrade()));
                    return guard.inject(Injected::Task(task, slot));
                }
                Some(Parked::Holder(sender)) => match sender.send(Self(guard.downgrade())) {
                    Ok(()) => return,
                    // It was cancelled while it waited. The slot goes to the next.
                    Err(mut unwanted) => drop(std::mem::take(&mut unwanted.0)),
                },
            }
        }
    }
}
