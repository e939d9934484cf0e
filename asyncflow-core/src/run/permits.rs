//! Permits: how a task takes the locks and semaphores that it needs, and gives them back.
//!
//! A native lock is tried, and never waited for: a task that finds it taken waits on a [`WaitList`]
//! of our own. So what it waits for need not be spawned, and it may give back what it holds first.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::lock::Permits;
use crate::runtime::{RuntimeLock, RuntimeSemaphore};
use crate::unwind;
use crate::wait_list::{Turn, WaitList};

use super::backend::Backend;

/// A lock or semaphore of a runtime, without its type, and those that wait for it.
pub(crate) trait NativeLock: Send + Sync {
    fn try_acquire(&self, count: usize) -> Option<Box<dyn Send>>;
    fn waiting(&self) -> &WaitList;
}

pub(super) struct LockOf<L> {
    native: Arc<L>,
    waiting: WaitList,
}

pub(super) struct SemaphoreOf<S> {
    native: Arc<S>,
    waiting: WaitList,
}

impl<L: RuntimeLock> LockOf<L> {
    pub(super) fn new() -> Self {
        Self {
            native: Arc::new(L::new()),
            waiting: WaitList::new(1),
        }
    }
}

impl<S: RuntimeSemaphore> SemaphoreOf<S> {
    pub(super) fn new(permits: usize) -> Self {
        Self {
            native: Arc::new(S::new(permits)),
            waiting: WaitList::new(permits),
        }
    }
}

impl<L: RuntimeLock> NativeLock for LockOf<L> {
    fn try_acquire(&self, _count: usize) -> Option<Box<dyn Send>> {
        Some(Box::new(self.native.try_acquire()?))
    }

    fn waiting(&self) -> &WaitList {
        &self.waiting
    }
}

impl<S: RuntimeSemaphore> NativeLock for SemaphoreOf<S> {
    fn try_acquire(&self, count: usize) -> Option<Box<dyn Send>> {
        Some(Box::new(self.native.try_acquire(count)?))
    }

    fn waiting(&self) -> &WaitList {
        &self.waiting
    }
}

/// Permits that a task holds. Given back when dropped.
pub(crate) struct Held {
    /// Present until it is dropped.
    permits: Option<Box<dyn Send>>,
    count: usize,
    lock: Arc<dyn NativeLock>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl Held {
    fn take(lock: &Arc<dyn NativeLock>, count: usize) -> Option<Self> {
        let permits = Some(lock.try_acquire(count)?);
        lock.waiting().took(count);
        Some(Self {
            permits,
            count,
            lock: Arc::clone(lock),
        })
    }

    /// Takes permits if they are free, and nobody waits for them whose turn is before.
    pub(super) fn try_acquire(
        backend: &dyn Backend,
        permits: &Permits,
        turn: impl FnOnce() -> Turn,
    ) -> Option<Self> {
        let lock = backend.lock(permits);
        match lock.waiting().may_try(turn) {
            true => Self::take(&lock, permits.count()),
            false => None,
        }
    }

    /// Waits for permits, holding nothing of them until it has all. Dropping the future gives up the
    /// place in the queue.
    pub(super) async fn acquire(backend: &dyn Backend, permits: &Permits, turn: Turn) -> Self {
        let place = Place::new(backend, permits, turn);
        poll_fn(|cx| place.poll(cx)).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The runtime's, which may panic.
        let permits = self.permits.take();
        unwind::contain(|| drop(permits));
        self.lock.waiting().gave_back(self.count);
    }
}

/// A place on a wait list, from the first poll on. It is left when this is dropped.
pub(super) struct Place {
    lock: Arc<dyn NativeLock>,
    count: usize,
    turn: Turn,
}

impl Place {
    pub(super) fn new(backend: &dyn Backend, permits: &Permits, turn: Turn) -> Self {
        Self {
            lock: backend.lock(permits),
            count: permits.count(),
            turn,
        }
    }

    /// Takes the permits if it is the turn of this place, and they are free.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Held> {
        let take = || Held::take(&self.lock, self.count);
        self.lock.waiting().poll_take(cx, self.turn, take)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lock.waiting().leave(self.turn);
    }
}
