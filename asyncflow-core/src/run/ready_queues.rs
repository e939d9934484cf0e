//! Ready tasks: where they lie until a driver takes them.
//!
//! A driver looks at these places, in this order:
//!
//! * its *local queue*: a work-stealing queue, last in, first out for the driver itself, from which
//!   other drivers steal the oldest tasks, half of the queue at a time;
//! * the *injector*, for tasks from waiting drives and blocking threads, which have no local queue,
//!   and for what is left of an end that is announced in slices;
//! * the *roots*, claimed a chunk at a time with one counter instead of being pushed;
//! * the local queues of other drivers.

use std::collections::VecDeque;
use std::sync::OnceLock;

use crossbeam_deque::{Steal, Stealer, Worker};

use crate::node_index::NodeIndex;
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

use super::concurrency_limit::Slot;
use super::guard::RunGuard;
use super::settle::Announcements;

/// How many roots a driver claims at a time: enough to make the shared counter cheap, few enough
/// to leave some for other drivers.
const CHUNK: usize = 32;

/// What is injected for whichever driver comes first.
#[derive(Debug)]
pub(crate) enum Injected {
    /// A ready task, and its slot if it was given one.
    Task(NodeIndex, Option<Slot>),
    /// The rest of ends that are announced in slices.
    Announcements(Box<Announcements>),
}

pub(crate) struct ReadyQueues {
    /// One for each driver that there can be. Set when its local queue is first used.
    stealers: Box<[OnceLock<Stealer<NodeIndex>>]>,
    /// Local queues that no driver uses.
    unused: Mutex<Vec<Worker<NodeIndex>>>,
    /// How many local queues have been made.
    made: AtomicUsize,
    injector: Mutex<VecDeque<Injected>>,
    /// The length of the injector, so that looking needs no lock.
    injected: AtomicUsize,
    next_root: AtomicUsize,
}

impl ReadyQueues {
    pub(crate) fn new(drivers: usize) -> Self {
        Self {
            stealers: (0..drivers).map(|_| OnceLock::new()).collect(),
            unused: Mutex::new(Vec::new()),
            made: AtomicUsize::new(0),
            injector: Mutex::new(VecDeque::new()),
            injected: AtomicUsize::new(0),
            next_root: AtomicUsize::new(0),
        }
    }

    /// A local queue for a driver. At most as many are in use as there can be drivers.
    fn local_queue(&self) -> Worker<NodeIndex> {
        if let Some(queue) = lock(&self.unused).pop() {
            return queue;
        }
        let queue = Worker::new_lifo();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.stealers.get(number) {
            // The number is new, so the place is empty.
            let _ = place.set(queue.stealer());
        }
        queue
    }

    /// Gives back a local queue, which is empty.
    pub(crate) fn give_back(&self, queue: Worker<NodeIndex>) {
        lock(&self.unused).push(queue);
    }

    /// Puts something where any driver can take it.
    pub(crate) fn inject(&self, injected: Injected) {
        let mut injector = lock(&self.injector);
        injector.push_back(injected);
        self.injected.store(injector.len(), Ordering::Release);
    }

    /// Like [`inject`](Self::inject), several things in one go. Returns how many they are.
    pub(crate) fn inject_all(&self, injected: impl IntoIterator<Item = Injected>) -> usize {
        let mut injector = lock(&self.injector);
        let before = injector.len();
        injector.extend(injected);
        self.injected.store(injector.len(), Ordering::Release);
        injector.len() - before
    }

    pub(crate) fn take_injected(&self) -> Option<Injected> {
        if self.injected.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut injector = lock(&self.injector);
        let injected = injector.pop_front();
        self.injected.store(injector.len(), Ordering::Release);
        injected
    }

    /// Claims some roots: returns the first, and pushes the others to the local queue in such an
    /// order that they are taken in the order of declaration.
    fn claim_roots(&self, roots: &[NodeIndex], local: &mut LocalQueue<'_>) -> Option<NodeIndex> {
        if self.next_root.load(Ordering::Relaxed) >= roots.len() {
            return None;
        }
        let start = self.next_root.fetch_add(CHUNK, Ordering::Relaxed);
        let end = roots.len().min(start.saturating_add(CHUNK));
        let (first, rest) = roots.get(start..end)?.split_first()?;
        for task in rest.iter().rev() {
            local.push(*task);
        }
        Some(*first)
    }

    /// Steals from another driver: takes one task, and moves up to half of the others to the local
    /// queue.
    fn steal(&self, local: &mut LocalQueue<'_>) -> Option<NodeIndex> {
        for place in &self.stealers {
            let Some(stealer) = place.get() else { break };
            if stealer.is_empty() {
                continue;
            }
            loop {
                match stealer.steal_batch_and_pop(local.queue()) {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => break,
                    Steal::Retry => std::hint::spin_loop(),
                }
            }
        }
        None
    }

    /// Whether there is anything to take, for a driver whose local queue is empty.
    pub(crate) fn any(&self, roots: &[NodeIndex]) -> bool {
        self.injected.load(Ordering::Acquire) > 0
            || self.next_root.load(Ordering::Relaxed) < roots.len()
            || self
                .stealers
                .iter()
                .map_while(OnceLock::get)
                .any(|stealer| !stealer.is_empty())
    }
}

/// The local queue of a driver, made when it is first needed: a chain needs none.
pub(crate) struct LocalQueue<'a> {
    pub(crate) ready: &'a ReadyQueues,
    pub(crate) queue: &'a mut Option<Worker<NodeIndex>>,
}

impl LocalQueue<'_> {
    pub(crate) fn push(&mut self, task: NodeIndex) {
        self.queue().push(task);
    }

    /// Claims some roots, and invites another driver if there are more than one.
    pub(crate) fn claim_roots(&mut self, guard: &RunGuard) -> Option<Injected> {
        let task = self.ready.claim_roots(guard.roots(), self)?;
        Some(self.found(guard, task))
    }

    /// Steals from another driver, and invites another one if there is more to steal.
    pub(crate) fn steal(&mut self, guard: &RunGuard) -> Option<Injected> {
        let task = self.ready.steal(self)?;
        Some(self.found(guard, task))
    }

    fn found(&self, guard: &RunGuard, task: NodeIndex) -> Injected {
        // There may be more than this driver needs, in its queue or elsewhere.
        if self.queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
            guard.call_driver();
        }
        Injected::Task(task, None)
    }

    fn queue(&mut self) -> &Worker<NodeIndex> {
        self.queue.get_or_insert_with(|| self.ready.local_queue())
    }
}
