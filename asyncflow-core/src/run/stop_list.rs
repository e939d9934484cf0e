//! The stop list: which wakers to wake when a run stops, beside those of its tasks.
//!
//! A function that waits for [the stop](crate::TaskContext::stopping) leaves its waker here, and so
//! does a run that belongs to a plain function, which is stopped apart from it.
//!
//! # Protocol
//!
//! Whoever waits lists its waker *and then* checks whether the run has stopped. The thread that stops
//! the run sets the mode *and then* wakes every waker on the list. Both go through the lock of the
//! list in between. So either the waker is on the list when they are woken, or the stop is seen.

use std::task::Waker;

use crate::number_map::NumberMap;
use crate::sync::{Mutex, lock};
use crate::unwind;

#[derive(Debug)]
pub(crate) struct StopList(Mutex<NumberMap<u64, Waker>>);

/// An entry of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopKey(u64);

impl StopList {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(NumberMap::new()))
    }

    /// Lists a waker, in place of the one that was listed before.
    pub(crate) fn insert(&self, key: &mut Option<StopKey>, waker: &Waker) {
        match *key {
            Some(StopKey(key)) => {
                let mut wakers = lock(&self.0);
                if wakers
                    .get(key)
                    .is_none_or(|listed| !listed.will_wake(waker))
                {
                    let before = wakers.insert(key, waker.clone());
                    drop(wakers);
                    // Without the lock, because dropping a waker may run any code.
                    drop(before);
                }
            }
            None => {
                let waker = waker.clone();
                let entry = lock(&self.0).push(waker);
                *key = Some(StopKey(entry));
            }
        }
    }

    pub(crate) fn remove(&self, key: StopKey) {
        let waker = lock(&self.0).remove(key.0);
        drop(waker);
    }

    /// Wakes every waker. Called after the mode was set.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> = {
            let wakers = lock(&self.0);
            wakers.iter().map(|(_, waker)| waker.clone()).collect()
        };
        for waker in wakers {
            // A waker that panics must not keep the others from being woken.
            unwind::contain(|| waker.wake());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sync::Wakes;

    #[test]
    fn the_waker_that_was_listed_last_is_woken_until_it_is_removed() {
        let wakers: [Arc<Wakes>; 2] = Default::default();
        let woken = || wakers.each_ref().map(|waker| waker.count());
        let (list, mut key) = (StopList::new(), None);
        for waker in &wakers {
            list.insert(&mut key, &Waker::from(Arc::clone(waker)));
        }
        list.wake_all();
        assert_eq!(woken(), [0, 1]);
        list.remove(key.expect("it was listed"));
        list.wake_all();
        assert_eq!(woken(), [0, 1]);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::{AtomicU8, Ordering, Wakes};

    /// Proves the order on both sides. If the task checked before it is listed, or the wakers were
    /// woken before the mode is set, a task that waits would miss the stop.
    #[test]
    fn loom_stop_between_first_poll_and_listing_is_not_missed() {
        loom::model(|| {
            let shared = Arc::new((StopList::new(), AtomicU8::new(0)));
            let woken = StdArc::new(Wakes::default());
            let waits = thread::spawn({
                let (shared, waker) = (shared.clone(), Waker::from(woken.clone()));
                move || {
                    let mut key = None;
                    shared.0.insert(&mut key, &waker);
                    shared.1.load(Ordering::Acquire) != 0
                }
            });
            shared.1.store(1, Ordering::Release);
            shared.0.wake_all();
            let saw_it = waits.join().unwrap();
            assert!(saw_it || woken.count() > 0, "the stop was missed");
        });
    }
}
