//! The limit of `max_concurrency`: how many tasks of a run may run at a time.
//!
//! A task that needs permits takes them and a slot together, and gives the slot back if it has to wait
//! for permits; see [`supervise`](super::supervise). So a task that holds a slot waits for nothing but
//! its own function, and no two tasks wait for each other. A task that finds no slot is parked here,
//! without a thread and, if it needs no permits, without a future. A slot that is given back goes to
//! the first one by priority. Of the same priority, tasks that became ready because another ended come
//! first, in the order of declaration. So the consumers of an output come before further sources, and
//! few outputs are alive at a time.

use std::cell::LazyCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::DerefMut;
use std::sync::Weak;

use crate::node_index::NodeIndex;
use crate::oneshot;
use crate::sync::{Mutex, lock};
use crate::task::end::End;
use crate::wait_list::Turn;

use super::execution::Execution;
use super::guard::RunGuard;
use super::permits::Held;
use super::ready_queues::Injected;
use super::settle::CollectingSink;

#[derive(Debug)]
pub(crate) struct Limit(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    parked: BinaryHeap<Place>,
    /// How many were parked at the front, and at the back.
    counts: (i64, i64),
}

/// What is parked, in its order. The greatest comes first.
#[derive(Debug)]
struct Place {
    priority: i32,
    /// Tasks that need permits, which they had or still have, come first.
    has_permits: bool,
    number: Reverse<i64>,
    parked: Parked,
}

impl Place {
    fn rank(&self) -> (i32, bool, Reverse<i64>) {
        (self.priority, self.has_permits, self.number)
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

impl State {
    fn next(&mut self) -> Option<Parked> {
        Some(self.parked.pop()?.parked)
    }

    fn push_back(&mut self, priority: i32, has_permits: bool, parked: Parked) {
        self.counts.1 += 1;
        self.insert(priority, has_permits, self.counts.1, parked);
    }

    fn push_front(&mut self, priority: i32, parked: Parked) {
        self.counts.0 += 1;
        self.insert(priority, false, -self.counts.0, parked);
    }

    fn insert(&mut self, priority: i32, has_permits: bool, number: i64, parked: Parked) {
        let place = Place {
            priority,
            has_permits,
            number: Reverse(number),
            parked,
        };
        self.parked.push(place);
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

impl Slot {
    /// Drops it without giving it back.
    fn forget(mut self) {
        self.0 = Weak::new();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl Limit {
    pub(crate) fn new(free: usize) -> Self {
        Self(Mutex::new(State {
            free,
            parked: BinaryHeap::new(),
            counts: (0, 0),
        }))
    }

    /// Takes a slot for a task of the run itself. If none is free, parks the task. It is injected when
    /// it has one.
    pub(crate) fn enter(&self, guard: &RunGuard, task: NodeIndex) -> Option<Slot> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            state.push_back(guard.node(task).priority(), false, Parked::Task(task));
            return None;
        }
        state.free -= 1;
        Some(Slot(guard.downgrade()))
    }

    /// Takes a slot of the run `limiter` for a task that has a future, of the run itself or of a run
    /// inside of it. If none is free, returns what to wait for.
    pub(crate) fn wait(
        &self,
        limiter: &RunGuard,
        guard: &RunGuard,
        task: NodeIndex,
        has_permits: bool,
    ) -> Result<Slot, oneshot::Receiver<Slot>> {
        let mut state = self.look(guard, task);
        if state.free == 0 {
            let (sender, receiver) = oneshot::channel();
            let priority = guard.node(task).priority();
            state.push_back(priority, has_permits, Parked::Future(sender));
            return Err(receiver);
        }
        state.free -= 1;
        Ok(Slot(limiter.downgrade()))
    }

    /// Parks tasks of the run itself that became ready at the front, in this order.
    fn park_front(&self, guard: &RunGuard, tasks: &[NodeIndex]) {
        if let Some(watch) = &guard.watch {
            let free = lock(&self.0).free;
            for task in tasks.iter().skip(free + 1) {
                watch.waits_for_slot(*task);
            }
        }
        let mut state = lock(&self.0);
        for task in tasks.iter().rev() {
            state.push_front(guard.node(*task).priority(), Parked::Task(*task));
        }
    }

    /// Gives a slot of the run `limiter`, and those that are free, to what is parked. Returns what is to
    /// be injected. A task whose permits are not all free gets no slot: it waits for them first. Nor do
    /// those behind it that need permits, or one of them would get the permits before it.
    fn hand_out(&self, limiter: &RunGuard, slot: Slot) -> Vec<Injected> {
        let (mut injected, mut slot) = (Vec::new(), Some(slot));
        let mut permits_are_free = true;
        loop {
            let mut state = lock(&self.0);
            if slot.is_none() && state.free == 0 {
                return injected;
            }
            let Some(next) = state.next() else {
                if let Some(slot) = slot {
                    slot.forget();
                    state.free += 1;
                }
                return injected;
            };
            let given = slot.take().unwrap_or_else(|| {
                state.free -= 1;
                Slot(limiter.downgrade())
            });
            drop(state);
            match next {
                Parked::Task(task) => {
                    let needs_permits = !limiter.node(task).permits().is_empty();
                    permits_are_free &= !needs_permits || limiter.permits_are_free(task);
                    if needs_permits && !permits_are_free {
                        injected.push(Injected::Task(task, None));
                        slot = Some(given);
                    } else {
                        injected.push(Injected::Task(task, Some(given)));
                    }
                }
                // It may have been cancelled while it waited.
                Parked::Future(sender) => slot = sender.send(given).err(),
            }
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

    /// Settles a task that holds a slot. Gives the slot to a task that this made ready, if there is one
    /// that needs it.
    pub(super) fn settle_with_slot(&self, task: NodeIndex, end: End, slot: Slot) {
        let mut sink = CollectingSink::default();
        self.settle(task, end, &mut sink);
        let (ready, rest) = sink.finish();
        let (first, others): (Vec<_>, Vec<_>) = match &self.limit {
            Some(limit) => {
                let (parked, others): (Vec<_>, Vec<_>) =
                    ready.into_iter().partition(|task| self.takes_slot(*task));
                limit.park_front(self, &parked);
                (limit.hand_out(self, slot), others)
            }
            // The slot is that of an outer run, which does not know the tasks of this one.
            None => {
                let takers = ready.iter().filter(|task| self.takes_slot(**task));
                let first = takers.min_by_key(|task| Reverse(self.node(**task).priority()));
                let first = first.copied();
                let others = ready.into_iter().filter(|task| Some(*task) != first);
                let first = first.map(|task| Injected::Task(task, Some(slot)));
                (first.into_iter().collect(), others.collect())
            }
        };
        let others = others.into_iter().map(|task| Injected::Task(task, None));
        let rest = rest
            .into_iter()
            .map(|rest| Injected::Announcements(Box::new(rest)));
        // In one go: a task that ends meanwhile would make way for one that was declared later.
        self.inject_all(first.into_iter().chain(others).chain(rest));
    }

    /// Whether a ready task needs a slot.
    fn takes_slot(&self, task: NodeIndex) -> bool {
        let node = self.node(task);
        node.has_function() && node.nested().is_none() && self.is_startable(task)
    }

    /// Whether a task would get its permits now.
    fn permits_are_free(&self, task: NodeIndex) -> bool {
        let node = self.node(task);
        let turn = LazyCell::new(|| Turn::new(node.priority()));
        let mut permits = node.permits().iter();
        permits.all(|permits| Held::try_acquire(self.backend(), permits, || *turn).is_some())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(limiter) = RunGuard::upgrade(&std::mem::take(&mut self.0)) else {
            return;
        };
        if let Some(limit) = &limiter.limit {
            let injected = limit.hand_out(&limiter, Self(limiter.downgrade()));
            limiter.inject_all(injected);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What is parked: at the back or the front, with its priority and whether it has permits, in the
    /// order in which it comes out.
    fn out_of(parked: &[(bool, i32, bool)]) -> Vec<usize> {
        let limit = Limit::new(0);
        let mut state = lock(&limit.0);
        for (number, (front, priority, has_permits)) in parked.iter().enumerate() {
            let task = Parked::Task(NodeIndex::new(number));
            match front {
                true => state.push_front(*priority, task),
                false => state.push_back(*priority, *has_permits, task),
            }
        }
        let next = || match state.next()? {
            Parked::Task(task) => Some(task.get()),
            Parked::Future(_) => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_is_parked_at_the_back_comes_out_in_order() {
        let order: Vec<usize> = (0..20).collect();
        assert_eq!(out_of(&[(false, 0, false); 20]), order);
    }

    #[test]
    fn what_is_parked_at_the_front_comes_out_in_the_reverse_order() {
        let order: Vec<usize> = (0..20).rev().collect();
        assert_eq!(out_of(&[(true, 0, false); 20]), order);
    }

    #[test]
    fn priority_comes_first_and_then_permits_and_then_the_front() {
        let parked = [
            (false, 0, false),
            (true, 0, false),
            (false, 0, true),
            (false, 1, false),
            (true, 1, false),
            (false, -1, true),
        ];
        assert_eq!(out_of(&parked), [4, 3, 2, 1, 0, 5]);
    }

    #[test]
    fn places_are_equal_if_neither_comes_first() {
        let place = |number| Place {
            priority: 0,
            has_permits: false,
            number: Reverse(number),
            parked: Parked::Task(NodeIndex::new(0)),
        };
        assert_eq!(place(1), place(1));
        assert_ne!(place(1), place(2));
    }
}
