//! Whom to wake when a run stops.
//!
//! A task that finishes on its first poll is never listed here. One that waits leaves its waker,
//! so that it is polled when the run stops, sees that, and drops its future.
//!
//! # Protocol
//!
//! Who waits lists its waker *and then* looks whether the run has stopped. Who stops the run says
//! so *and then* wakes everyone on the list. Both sides go through the list's lock in between, so
//! either the waker is on the list by the time of the wake-up, or the waiting task sees the stop.

use std::task::Waker;

use slab::Slab;

use crate::sync::{Mutex, lock};

use super::unwind;

/// How many lists there are, so that waiting tasks on different threads seldom meet.
const LISTS: usize = 4;

#[derive(Debug)]
pub(crate) struct Waiting([Mutex<Slab<Waker>>; LISTS]);

/// A place on the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    list: usize,
    key: usize,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(Slab::new())))
    }

    /// Lists a waker, in the place that the task had before if it had one.
    pub(crate) fn list(&self, task: u32, place: &mut Option<Place>, waker: &Waker) {
        match *place {
            Some(Place { list, key }) => {
                let mut wakers = lock(&self.0[list]);
                if !wakers[key].will_wake(waker) {
                    let before = std::mem::replace(&mut wakers[key], waker.clone());
                    drop(wakers);
                    // Outside of the lock: dropping a waker may run anything.
                    drop(before);
                }
            }
            None => {
                let list = task as usize % LISTS;
                let waker = waker.clone();
                let key = lock(&self.0[list]).insert(waker);
                *place = Some(Place { list, key });
            }
        }
    }

    pub(crate) fn unlist(&self, place: Place) {
        let waker = lock(&self.0[place.list]).remove(place.key);
        drop(waker);
    }

    /// Wakes everyone; called after the run was said to stop.
    pub(crate) fn wake_all(&self) {
        for list in &self.0 {
            let wakers: Vec<Waker> = lock(list).iter().map(|(_, waker)| waker.clone()).collect();
            for waker in wakers {
                // One that panics keeps the others from hearing of it otherwise.
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

    /// Guards the order of both sides: if who waits looked before it is listed, or who stops woke
    /// before it said so, a task that waits would sleep through the stop.
    #[test]
    fn loom_stop_between_first_poll_and_listing_is_not_missed() {
        loom::model(|| {
            let shared = Arc::new((Waiting::new(), AtomicU8::new(0)));
            let woken = StdArc::new(Flag(AtomicBool::new(false)));
            let waits = thread::spawn({
                let (shared, waker) = (shared.clone(), Waker::from(woken.clone()));
                move || {
                    let mut place = None;
                    shared.0.list(0, &mut place, &waker);
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
