//! Slots: how many tasks of a run may run at a time, for `max_concurrency`.
//!
//! A task takes a slot last, after its permits. So the holders of slots wait for nothing but
//! their own functions, and no two tasks wait for each other. A task that finds no slot is parked
//! here, without a thread and, if it needs no permits, without a future; a slot that comes back
//! goes to the one that has waited longest.

use std::collections::VecDeque;
use std::fmt;
use std::ops::DerefMut;
use std::sync::Weak;

use futures_channel::oneshot;

use crate::sync::{Mutex, lock};

use super::agent::Agent;
use super::execution::Execution;
use super::ready::Sent;

#[derive(Debug)]
pub(crate) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    parked: VecDeque<Parked>,
}

#[derive(Debug)]
enum Parked {
    /// A ready task that needs nothing else.
    Task(u32),
    /// A task that holds permits.
    Holder(oneshot::Sender<Slot>),
}

/// The right to run; given back when dropped.
///
/// It does not keep the run alive, since it may lie in a queue of the run itself. Who holds it or
/// will take it from there does: a drive, or a thread of the crew.
pub(crate) struct Slot(Weak<Execution>);

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl Slots {
    pub(crate) fn new(free: usize) -> Self {
        Self(Mutex::new(State {
            free,
            parked: VecDeque::new(),
        }))
    }

    /// A slot for a task, or nothing: then it is parked, and sent when a slot is free.
    pub(crate) fn enter(&self, agent: &Agent, task: u32) -> Option<Slot> {
        let mut state = self.look(agent, task);
        if state.free == 0 {
            state.parked.push_back(Parked::Task(task));
            return None;
        }
        state.free -= 1;
        Some(Slot(agent.downgrade()))
    }

    /// A slot of the run `limiter` for a task that holds permits already, of this run or of one that
    /// is a task of it.
    pub(crate) fn wait(
        &self,
        limiter: &Agent,
        agent: &Agent,
        task: u32,
    ) -> Result<Slot, oneshot::Receiver<Slot>> {
        let mut state = self.look(agent, task);
        if state.free == 0 {
            let (sender, receiver) = oneshot::channel();
            state.parked.push_back(Parked::Holder(sender));
            return Err(receiver);
        }
        state.free -= 1;
        Ok(Slot(limiter.downgrade()))
    }

    /// Takes the lock; tells the observers first if it looks as if the task has to wait. After it
    /// was parked others may tell them something of it.
    fn look(&self, agent: &Agent, task: u32) -> impl DerefMut<Target = State> {
        let state = lock(&self.0);
        match &agent.watch {
            Some(watch) if state.free == 0 => {
                // Not while others wait for the lock: an observer may be slow.
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
        let Some(agent) = Agent::upgrade(&std::mem::take(&mut self.0)) else {
            return;
        };
        let Some(slots) = &agent.slots else { return };
        loop {
            let next = {
                let mut state = lock(&slots.0);
                let next = state.parked.pop_front();
                state.free += usize::from(next.is_none());
                next
            };
            match next {
                None => return,
                Some(Parked::Task(task)) => {
                    let slot = Some(Self(agent.downgrade()));
                    return agent.send(Sent::Task(task, slot));
                }
                Some(Parked::Holder(sender)) => match sender.send(Self(agent.downgrade())) {
                    Ok(()) => return,
                    // It was cancelled while it waited; the slot goes to the next.
                    Err(mut unwanted) => drop(std::mem::take(&mut unwanted.0)),
                },
            }
        }
    }
}
