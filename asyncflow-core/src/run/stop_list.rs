//! The stop list: which wakers to wake when a run stops.
//!
//! A task that finishes on its first poll is never listed. A task that waits leaves its waker here,
//! so that it is polled when the run stops, sees that, and drops its future.
//!
//! # Protocol
//!
//! A task that waits lists its waker *and then* checks whether the run has stopped. The thread that
//! stops the run sets the mode *and then* wakes every waker on the list. Both go through the lock of
//! the list in between. So either the waker is on the list when they are woken, or the task sees
//! the stop.

use std::task::Waker;

use slab::Slab;

use crate::node_index::NodeIndex;
use crate::sync::{Mutex, lock};
use crate::unwind;

/// How many lists there are, so that tasks on different threads seldom contend for one.
const LISTS: usize = 4;

#[derive(Debug)]
pub(crate) struct StopList([Mutex<Slab<Waker>>; LISTS]);

/// An entry of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopKey {
    list: usize,
    key: usize,
}

impl StopList {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(Slab::new())))
    }

    /// Lists the waker of a task, in place of the one that it has listed before.
    pub(crate) fn insert(&self, task: NodeIndex, key: &mut Option<StopKey>, waker: &Waker) {
        match *key {
            Some(StopKey { list, key }) => {
                let mut wakers = lock(&self.0[list]);
                if !wakers[key].will_wake(waker) {
                    let before = std::mem::replace(&mut wakers[key], waker.clone());
                    drop(wakers);
                    // Without the lock, because dropping a waker may run any code.
                    drop(before);
                }
            }
            None => {
                let list = task.get() % LISTS;
                let waker = waker.clone();
                let entry = lock(&self.0[list]).insert(waker);
                *key = Some(StopKey { list, key: entry });
            }
        }
    }

    pub(crate) fn remove(&self, key: StopKey) {
        let waker = lock(&self.0[key.list]).remove(key.key);
        drop(waker);
    }

    /// Wakes every waker. Called after the mode was set.
    pub(crate) fn wake_all(&self) {
        for list in &self.0 {
            let wakers: Vec<Waker> = lock(list).iter().map(|(_, waker)| waker.clone()).collect();
            for waker in wakers {
                // A waker that panics must not keep the others from being woken.
                unwind::contain(|| waker.wake());
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::{AtomicU8, Ordering};

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: StdArc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Proves the order on both sides. If the task checked before it is listed, or the wakers were
    /// woken before the mode is set, a task that waits would miss the stop.
    #[test]
    fn loom_stop_between_first_poll_and_listing_is_not_missed() {
        loom::model(|| {
            let shared = Arc::new((StopList::new(), AtomicU8::new(0)));
            let woken = StdArc::new(Flag(AtomicBool::new(false)));
            let waits = thread::spawn({
                let (shared, waker) = (shared.clone(), Waker::from(woken.clone()));
                move || {
                    let mut key = None;
                    shared.0.insert(NodeIndex::from_word(0), &mut key, &waker);
                    shared.1.load(Ordering::Acquire) != 0
                }
            });
            shared.1.store(1, Ordering::Release);
            shared.0.wake_all();
            let saw_it = waits.join().unwrap();
            assert!(
                saw_it || woken.0.load(Ordering::SeqCst),
                "the stop was missed"
            );
        });
    }
}
