//! Wait lists: the tasks that wait for a lock or a semaphore, over all runs and flows of a backend.
//!
//! The native lock is only ever tried. A task that finds it taken waits here, as a waker. So it needs
//! no future and no task of the runtime for waiting, and it can wait without holding anything else.
//!
//! Each task has a *turn*: those with a higher priority come first, then those that have waited
//! longer, wherever they waited. As long as any task waits, one with a later turn queues behind it
//! instead of trying. Only the task at the *front* tries, when it is woken, and leaves the list once
//! it has the permits.
//!
//! # Protocol
//!
//! A task puts itself on the list *and then* tries the lock. A task that releases gives back the
//! native permits *and then* looks whether anybody waits. Both sides write one thing and then read
//! the other, so both need a sequentially consistent fence in between (Dekker's pattern). So either
//! the waiting task finds the permits, or it is woken.
//!
//! A task at the front that leaves, because it has its permits or because it gives up, wakes the one
//! behind it, which may find that there are more.

use std::cmp::Reverse;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use crate::number_map::NumberMap;
use crate::sync::{AtomicUsize, Mutex, Ordering, fence, lock};
use crate::unwind;

#[derive(Debug, Default)]
pub(crate) struct WaitList {
    /// How many tasks wait, so that looking needs no lock.
    len: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order in which they come.
    waiting: NumberMap<Turn, Waker>,
}

/// When it is a task's turn: by priority, the highest first, then by when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    priority: Reverse<i32>,
    number: u64,
}

impl Turn {
    /// The turn of a task that comes now.
    pub(crate) fn new(priority: i32) -> Self {
        /// Not one of `loom`'s, because it orders nothing.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            priority: Reverse(priority),
            number: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        }
    }
}

impl From<Turn> for u128 {
    /// In the order of turns.
    fn from(turn: Turn) -> Self {
        let priority = i32::MAX.abs_diff(turn.priority.0);
        Self::from(priority) << 64 | Self::from(turn.number)
    }
}

impl WaitList {
    /// Whether a task may try the lock, because nobody waits whose turn is before its own.
    pub(crate) fn may_try(&self, turn: impl FnOnce() -> Turn) -> bool {
        if self.len.load(Ordering::Acquire) == 0 {
            return true;
        }
        let turn = turn();
        let queue = lock(&self.queue);
        queue.first().is_none_or(|first| turn < first)
    }

    /// Called after native permits were given back.
    pub(crate) fn wake_first(&self) {
        fence(Ordering::SeqCst);
        if self.len.load(Ordering::Relaxed) == 0 {
            return;
        }
        let queue = lock(&self.queue);
        let first = queue.waiting.first();
        let waker = first.map(|(_, waker)| waker.clone());
        drop(queue);
        if let Some(waker) = waker {
            // Of some other run, whose waker may panic.
            unwind::contain(|| waker.wake());
        }
    }

    /// Waits for what `take` takes. The task is on the list until it [leaves](Self::leave).
    pub(crate) fn poll_take<T>(
        &self,
        cx: &mut Context<'_>,
        turn: Turn,
        take: impl FnOnce() -> Option<T>,
    ) -> Poll<T> {
        let mut queue = lock(&self.queue);
        let before = match queue.waiting.get_mut(turn) {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            Some(waker) => Some(std::mem::replace(waker, cx.waker().clone())),
            None => queue.waiting.insert(turn, cx.waker().clone()),
        };
        self.len.store(queue.waiting.len(), Ordering::Release);
        let is_first = queue.first() == Some(turn);
        drop(queue);
        // Without the lock, because dropping a waker may run any code.
        drop(before);
        if !is_first {
            return Poll::Pending;
        }
        fence(Ordering::SeqCst);
        take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Leaves the list, with what was waited for or without it.
    pub(crate) fn leave(&self, turn: Turn) {
        let mut queue = lock(&self.queue);
        let was_first = queue.first() == Some(turn);
        let waker = queue.waiting.remove(turn);
        self.len.store(queue.waiting.len(), Ordering::Release);
        drop(queue);
        drop(waker);
        if was_first {
            self.wake_first();
        }
    }
}

impl Queue {
    fn first(&self) -> Option<Turn> {
        self.waiting.first().map(|(first, _)| *first)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::Wakes;

    /// A lock, held at the start.
    struct Shared {
        list: WaitList,
        free: AtomicUsize,
    }

    impl Shared {
        fn held() -> Arc<Self> {
            Arc::new(Self {
                list: WaitList::default(),
                free: AtomicUsize::new(0),
            })
        }

        fn take(&self) -> Option<()> {
            let taken = self
                .free
                .compare_exchange(1, 0, Ordering::Acquire, Ordering::Relaxed);
            taken.ok().map(drop)
        }

        fn release(&self) {
            self.free.store(1, Ordering::Release);
            self.list.wake_first();
        }

        /// Polls once. Returns whether the lock was taken, or else will be tried again.
        fn poll(&self, turn: Turn, flag: &StdArc<Wakes>) -> bool {
            let waker = Waker::from(flag.clone());
            let mut cx = Context::from_waker(&waker);
            let polled = self.list.poll_take(&mut cx, turn, || self.take());
            polled.is_ready()
        }
    }

    /// Proves both fences, and the order on both sides. Without any one of them, a task waits for a
    /// lock that is free.
    #[test]
    fn loom_release_while_a_task_begins_to_wait() {
        loom::model(|| {
            let shared = Shared::held();
            let flag = StdArc::new(Wakes::default());
            let waits = thread::spawn({
                let (shared, flag) = (shared.clone(), flag.clone());
                move || shared.poll(Turn::new(0), &flag)
            });
            shared.release();
            let taken = waits.join().unwrap();
            assert!(taken || flag.count() > 0, "it was not woken");
        });
    }

    /// Proves that a task that gives up passes its wake-up on. If it did not, the one behind it would
    /// wait for a lock that is free.
    #[test]
    fn loom_release_while_the_first_gives_up() {
        loom::model(|| {
            let shared = Shared::held();
            let flags = [(); 2].map(|()| StdArc::new(Wakes::default()));
            let (first, second) = (Turn::new(0), Turn::new(0));
            assert!(!shared.poll(first, &flags[0]));
            assert!(!shared.poll(second, &flags[1]));
            let leaves = thread::spawn({
                let shared = shared.clone();
                move || shared.list.leave(first)
            });
            shared.release();
            leaves.join().unwrap();
            assert!(flags[1].count() > 0, "it was not woken");
            assert!(shared.poll(second, &flags[1]));
        });
    }
}
