//! Ready tasks: where they lie until a driver takes them.
//!
//! Three places, in the order in which a driver looks:
//!
//! * the *desk* of the driver: a work-stealing queue, last in, first out for the driver itself,
//!   from which other drivers steal the oldest, half of it at a time;
//! * what was *sent* by those who have no desk: waiting tasks, and blocking threads; and what is
//!   left of an end that takes several goes;
//! * the *roots*, claimed a chunk at a time with one counter instead of being pushed.

use std::collections::VecDeque;
use std::sync::OnceLock;

use crossbeam_deque::{Steal, Stealer, Worker};

use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

use super::execution::Ending;
use super::slots::Slot;

/// How many roots a driver claims at a time: enough to make the shared counter cheap, few enough
/// to leave some for the others.
const CHUNK: usize = 32;

/// What is sent to whichever driver comes first.
#[derive(Debug)]
pub(crate) enum Sent {
    /// A ready task, and the slot that it was given if the run is limited.
    Task(u32, Option<Slot>),
    /// The rest of an end that is told in several goes.
    Ending(Box<Ending>),
}

pub(crate) struct Ready {
    /// One for each driver that there can be; set when its desk is first used.
    stealers: Box<[OnceLock<Stealer<u32>>]>,
    /// Desks that no driver sits at.
    vacant: Mutex<Vec<Worker<u32>>>,
    desks: AtomicUsize,
    sent: Mutex<VecDeque<Sent>>,
    /// How many were sent and not taken, so that looking needs no lock.
    sent_len: AtomicUsize,
    next_root: AtomicUsize,
}

impl Ready {
    pub(crate) fn new(drivers: usize) -> Self {
        Self {
            stealers: (0..drivers).map(|_| OnceLock::new()).collect(),
            vacant: Mutex::new(Vec::new()),
            desks: AtomicUsize::new(0),
            sent: Mutex::new(VecDeque::new()),
            sent_len: AtomicUsize::new(0),
            next_root: AtomicUsize::new(0),
        }
    }

    /// A desk for a driver; at most as many are out as there can be drivers.
    pub(crate) fn sit(&self) -> Worker<u32> {
        if let Some(desk) = lock(&self.vacant).pop() {
            return desk;
        }
        let desk = Worker::new_lifo();
        let number = self.desks.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.stealers.get(number) {
            // Taken only once, since the number is new.
            let _ = place.set(desk.stealer());
        }
        desk
    }

    /// Gives back a desk, which is empty.
    pub(crate) fn vacate(&self, desk: Worker<u32>) {
        lock(&self.vacant).push(desk);
    }

    /// Puts something where any driver can take it.
    pub(crate) fn send(&self, sent: Sent) {
        let mut queue = lock(&self.sent);
        queue.push_back(sent);
        self.sent_len.store(queue.len(), Ordering::Release);
    }

    pub(crate) fn receive(&self) -> Option<Sent> {
        if self.sent_len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut queue = lock(&self.sent);
        let sent = queue.pop_front();
        self.sent_len.store(queue.len(), Ordering::Release);
        sent
    }

    /// Claims some roots: pushes all but the first to the desk, the first of them last.
    pub(crate) fn claim_roots(&self, roots: &[u32], desk: &mut Desk<'_>) -> Option<u32> {
        if self.next_root.load(Ordering::Relaxed) >= roots.len() {
            return None;
        }
        let start = self.next_root.fetch_add(CHUNK, Ordering::Relaxed);
        let end = roots.len().min(start.saturating_add(CHUNK));
        let (first, rest) = roots.get(start..end)?.split_first()?;
        for task in rest.iter().rev() {
            desk.push(*task);
        }
        Some(*first)
    }

    /// Takes from another driver's desk: moves up to half of it to the own desk.
    pub(crate) fn steal(&self, desk: &mut Desk<'_>) -> Option<u32> {
        for place in &self.stealers {
            let Some(stealer) = place.get() else { break };
            if stealer.is_empty() {
                continue;
            }
            loop {
                match stealer.steal_batch_and_pop(desk.worker()) {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => break,
                    Steal::Retry => std::hint::spin_loop(),
                }
            }
        }
        None
    }

    /// Whether there is anything to take, for a driver with an empty desk.
    pub(crate) fn any(&self, roots: &[u32]) -> bool {
        self.sent_len.load(Ordering::Acquire) > 0
            || self.next_root.load(Ordering::Relaxed) < roots.len()
            || self
                .stealers
                .iter()
                .map_while(OnceLock::get)
                .any(|stealer| !stealer.is_empty())
    }
}

/// A driver's desk, taken only when it first has something to put there: a chain needs none.
pub(crate) struct Desk<'a> {
    pub(crate) ready: &'a Ready,
    pub(crate) worker: &'a mut Option<Worker<u32>>,
}

impl Desk<'_> {
    pub(crate) fn push(&mut self, task: u32) {
        self.worker().push(task);
    }

    fn worker(&mut self) -> &Worker<u32> {
        self.worker.get_or_insert_with(|| self.ready.sit())
    }
}
