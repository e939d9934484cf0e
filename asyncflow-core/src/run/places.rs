//! The places of the futures that wait in a run, and the queue of those that were woken.
//!
//! All of it is guarded by the lock of the [scheduler](super::scheduler).

use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use crate::graph::body::Job;
use crate::node_index::NodeIndex;
use crate::unwind;

/// A future that waits.
pub(crate) struct Waiting {
    pub(crate) task: NodeIndex,
    pub(crate) job: Job,
    /// Whether it ends by itself when the run stops. Any other is dropped.
    pub(crate) sees_stop: bool,
}

/// A future that was woken, taken out of its place.
pub(crate) struct Woken {
    pub(crate) place: u32,
    pub(crate) waiting: Waiting,
    pub(crate) waker: Waker,
}

impl Woken {
    pub(crate) fn poll(&mut self) -> Poll<<Job as Future>::Output> {
        let Self { waiting, waker, .. } = self;
        waiting.job.as_mut().poll(&mut Context::from_waker(waker))
    }
}

/// The places of futures that wait.
#[derive(Default)]
pub(crate) struct Places {
    /// The first ones, in place.
    first: SmallVec<[Place; IN_PLACE]>,
    /// Further ones, in parts, so that none becomes so large that to move it takes long.
    more: Vec<Vec<Place>>,
    occupied: u32,
    woken: List,
    vacant: List,
}

/// How many places need no allocation: as many tasks of a request wait at the same time.
const IN_PLACE: usize = 4;

/// What is known of a place that was just occupied.
const OCCUPIED: &str = "a place that is occupied is there";

/// Stands for no place.
const NO_PLACE: u32 = u32::MAX;

/// How many places a part has at most.
const PART: usize = 1024;

struct Place {
    state: PlaceState,
    /// The next place in the list that this one is in, or [`NO_PLACE`].
    next: u32,
    waiting: Option<Waiting>,
    /// Wakes this place, whichever future is in it. Kept for the next one.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlaceState {
    Vacant,
    /// Its future waits to be woken.
    Waits,
    /// It is queued, or will be by the driver that polled it last.
    Queued,
    /// A driver polls the future.
    Polled,
    /// The same, and the future was woken since.
    PolledAndWoken,
}

/// Places in a row, linked with each other: first in, first out.
struct List {
    /// [`NO_PLACE`] if it is empty.
    first: u32,
    last: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NO_PLACE,
            last: NO_PLACE,
            len: 0,
        }
    }
}

impl Places {
    fn get(&mut self, place: u32) -> Option<&mut Place> {
        let place = place as usize;
        match place.checked_sub(IN_PLACE) {
            None => self.first.get_mut(place),
            Some(place) => self.more.get_mut(place / PART)?.get_mut(place % PART),
        }
    }

    fn push(&mut self, list: fn(&mut Self) -> &mut List, place: u32) {
        let last = std::mem::replace(&mut list(self).last, place);
        match self.get(last) {
            Some(last) => last.next = place,
            None => list(self).first = place,
        }
        list(self).len += 1;
    }

    fn pop(&mut self, list: fn(&mut Self) -> &mut List) -> Option<u32> {
        let first = list(self).first;
        let next = std::mem::replace(&mut self.get(first)?.next, NO_PLACE);
        let list = list(self);
        list.first = next;
        if next == NO_PLACE {
            list.last = NO_PLACE;
        }
        list.len -= 1;
        Some(first)
    }

    pub(crate) fn queue(&mut self, place: u32) {
        self.push(|places| &mut places.woken, place);
    }

    /// Puts a future in a vacant place, which is queued.
    pub(crate) fn insert(&mut self, waiting: Waiting, waker: impl FnOnce(u32) -> Waker) {
        let number = self.occupy(waker);
        let place = self.get(number).expect(OCCUPIED);
        place.state = PlaceState::Queued;
        place.waiting = Some(waiting);
        self.queue(number);
    }

    /// Gives a future a vacant place, out of which it is taken.
    pub(crate) fn admit(&mut self, waiting: Waiting, waker: impl FnOnce(u32) -> Waker) -> Woken {
        let number = self.occupy(waker);
        let place = self.get(number).expect(OCCUPIED);
        place.state = PlaceState::Polled;
        Woken {
            place: number,
            waiting,
            waker: place.waker.take().expect("a vacant place has its waker"),
        }
    }

    /// A vacant place, which is vacant no more.
    fn occupy(&mut self, waker: impl FnOnce(u32) -> Waker) -> u32 {
        self.occupied += 1;
        match self.pop(|places| &mut places.vacant) {
            Some(place) => place,
            None => self.add(waker),
        }
    }

    /// How many are queued.
    pub(crate) fn woken(&self) -> usize {
        self.woken.len as usize
    }

    fn len(&self) -> usize {
        let more = match self.more.last() {
            None => 0,
            Some(last) => (self.more.len() - 1) * PART + last.len(),
        };
        self.first.len() + more
    }

    /// Adds a place, which is vacant.
    fn add(&mut self, waker: impl FnOnce(u32) -> Waker) -> u32 {
        // There are no more of them than nodes.
        let number = self.len() as u32;
        let place = Place {
            state: PlaceState::Vacant,
            next: NO_PLACE,
            waiting: None,
            waker: Some(waker(number)),
        };
        match self.more.last_mut() {
            None if self.first.len() < IN_PLACE => self.first.push(place),
            Some(part) if part.len() < PART => part.push(place),
            _ => self.more.push(vec![place]),
        }
        number
    }

    pub(crate) fn take_woken(&mut self) -> Option<Woken> {
        let number = self.pop(|places| &mut places.woken)?;
        let place = self.get(number)?;
        place.state = PlaceState::Polled;
        Some(Woken {
            place: number,
            waiting: place.waiting.take()?,
            waker: place.waker.take()?,
        })
    }

    /// Puts back a future that is pending. Returns its place if it was woken meanwhile, and is to be
    /// [queued](Self::queue).
    pub(crate) fn put_back(&mut self, woken: Woken) -> Option<u32> {
        let place = self.get(woken.place)?;
        let again = place.state == PlaceState::PolledAndWoken;
        place.state = match again {
            true => PlaceState::Queued,
            false => PlaceState::Waits,
        };
        place.waiting = Some(woken.waiting);
        place.waker = Some(woken.waker);
        again.then_some(woken.place)
    }

    /// Returns how many places are still occupied.
    pub(crate) fn vacate(&mut self, number: u32, waker: Waker) -> u32 {
        if let Some(place) = self.get(number) {
            place.state = PlaceState::Vacant;
            place.waker = Some(waker);
        }
        self.push(|places| &mut places.vacant, number);
        self.occupied -= 1;
        self.occupied
    }

    /// Queues a place if it waits. Returns whether it did.
    pub(crate) fn wake(&mut self, number: u32) -> bool {
        let Some(place) = self.get(number) else {
            return false;
        };
        match place.state {
            PlaceState::Waits => {
                place.state = PlaceState::Queued;
                self.queue(number);
                return true;
            }
            PlaceState::Polled => place.state = PlaceState::PolledAndWoken,
            PlaceState::Vacant | PlaceState::Queued | PlaceState::PolledAndWoken => {}
        }
        false
    }

    /// Queues all places that wait. Returns whether there were any.
    pub(crate) fn wake_all(&mut self) -> bool {
        let mut any = false;
        for number in 0..self.len() as u32 {
            any |= self.wake(number);
        }
        any
    }

    /// Forgets all places. Returns those whose futures wait, which are to be dropped without the lock.
    pub(crate) fn clear(&mut self) -> Option<Self> {
        if self.occupied > 0 {
            return Some(std::mem::take(self));
        }
        self.first.clear();
        self.more.clear();
        self.vacant = List::default();
        None
    }

    pub(crate) fn drop_all(self) {
        for place in self
            .first
            .into_iter()
            .chain(self.more.into_iter().flatten())
        {
            unwind::contain(|| drop(place.waiting));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Takes note that it is dropped, which panics if it is asked to.
    struct Dropped {
        count: Arc<AtomicUsize>,
        panics: bool,
    }

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.count.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a drop that panics");
        }
    }

    /// Futures in places, and how many were dropped.
    #[derive(Default)]
    struct Filled {
        places: Places,
        dropped: Arc<AtomicUsize>,
    }

    impl Filled {
        /// Puts in the futures of these tasks, which are queued.
        fn with(tasks: usize, panics: bool) -> Self {
            let mut this = Self::default();
            for task in NodeIndex::all(tasks) {
                this.insert(task, panics);
            }
            this
        }

        fn insert(&mut self, task: NodeIndex, panics: bool) {
            let count = Arc::clone(&self.dropped);
            let dropped = Dropped { count, panics };
            let job: Job = Box::pin(async move {
                let _dropped = dropped;
                pending().await
            });
            let waiting = Waiting {
                task,
                job,
                sees_stop: false,
            };
            self.places.insert(waiting, |_| Waker::noop().clone());
        }

        fn dropped(&self) -> usize {
            self.dropped.load(Ordering::Relaxed)
        }

        /// Takes all that are queued, in their order.
        fn take_all(&mut self) -> Vec<Woken> {
            std::iter::from_fn(|| self.places.take_woken()).collect()
        }

        /// Takes all that are queued, and drops their futures.
        fn vacate_all(&mut self) {
            for Woken { place, waker, .. } in self.take_all() {
                self.places.vacate(place, waker);
            }
        }
    }

    fn tasks(woken: &[Woken]) -> Vec<usize> {
        woken.iter().map(|woken| woken.waiting.task.get()).collect()
    }

    /// More than fit in the scheduler and in one part.
    const TASKS: usize = IN_PLACE + PART + 3;

    #[test]
    fn places_are_woken_in_order_wherever_they_lie() {
        let mut filled = Filled::with(TASKS, false);
        let all: Vec<usize> = (0..TASKS).collect();
        let woken = filled.take_all();
        assert_eq!(tasks(&woken), all);
        for woken in woken {
            assert_eq!(filled.places.put_back(woken), None);
        }
        assert!(filled.take_all().is_empty());
        let order = [TASKS - 1, IN_PLACE, 0, IN_PLACE + PART, IN_PLACE - 1];
        for place in order {
            assert!(filled.places.wake(place as u32));
            assert!(!filled.places.wake(place as u32), "it is queued already");
        }
        assert_eq!(tasks(&filled.take_all()), order);
    }

    #[test]
    fn a_place_that_is_vacant_is_used_again() {
        let mut filled = Filled::with(TASKS, false);
        filled.vacate_all();
        assert_eq!((filled.places.occupied, filled.dropped()), (0, TASKS));
        for task in NodeIndex::all(TASKS) {
            filled.insert(task, false);
        }
        assert_eq!(filled.places.len(), TASKS);
        let places: Vec<u32> = filled.take_all().iter().map(|woken| woken.place).collect();
        assert_eq!(places, Vec::from_iter(0..TASKS as u32));
    }

    #[test]
    fn what_waits_is_given_back_when_all_places_are_cleared() {
        let mut filled = Filled::with(TASKS, false);
        let waiting = filled.places.clear().expect("they are occupied");
        assert_eq!((filled.places.len(), filled.places.woken.len), (0, 0));
        assert_eq!(filled.dropped(), 0);
        waiting.drop_all();
        assert_eq!(filled.dropped(), TASKS);
    }

    #[test]
    fn vacant_places_are_forgotten_with_their_wakers() {
        let mut filled = Filled::with(TASKS, false);
        filled.vacate_all();
        assert!(filled.places.clear().is_none());
        assert_eq!((filled.places.len(), filled.places.vacant.len), (0, 0));
    }

    #[test]
    fn all_futures_are_dropped_though_their_drops_panic() {
        let Filled { places, dropped } = Filled::with(TASKS, true);
        places.drop_all();
        assert_eq!(dropped.load(Ordering::Relaxed), TASKS);
    }
}
