//! A semaphore of which one acquisition takes any number of permits.
//!
//! It needs no runtime. Backends use it where the runtime has no semaphore of its own, or one that
//! cannot count as far as `usize`.
//!
//! # Protocol
//!
//! Under one lock are the number of free permits and a queue of those that wait, in the order in which
//! they came. All changes are made under this lock, so it also orders what one holder of permits wrote
//! before what the next one reads.
//!
//! An acquisition is in one of these stages:
//!
//! * *New*: it was not polled yet, and is not in the queue. Its first poll takes the permits if they are
//!   free and the queue is empty. Otherwise it joins the queue at the end. Both are decided under the lock,
//!   so permits that come back are either found free, or find it in the queue.
//! * *Queued, and in the queue*: it waits. A further poll replaces its waker.
//! * *Queued, and no longer in the queue*: it was admitted, which means that its permits have been
//!   counted off for it. The next poll hands them over.
//! * *Over*: its permits were handed over.
//!
//! A thread that gives permits back, or takes an acquisition out of the queue, *admits* from the front:
//! while there are permits enough for the first in the queue, it counts them off and removes the first.
//! So when the lock is free, the permits do not suffice for the first in the queue, and those behind
//! it wait as well. So an acquisition of many permits does not starve.
//!
//! An acquisition that is dropped while it is queued removes itself, and learns in the same step
//! whether it was still there. If it was not, the permits are its own, and it gives them back. In both
//! cases it then admits: others may have waited only because they were behind it.
//!
//! Wakers are cloned, woken and dropped without the lock, because all of that may run any code.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use crate::number_map::NumberMap;
use crate::runtime::RuntimeSemaphore;
use crate::sync::{Mutex, lock};
use crate::unwind;

/// A semaphore for runtimes that have none, or none that counts as far as `usize`.
///
/// One acquisition takes any number of permits, and costs the same for any number. Acquisitions get
/// their permits in the order in which they were first polled, and
/// [`try_acquire`](RuntimeSemaphore::try_acquire) does not overtake those that wait.
///
/// An acquisition for more permits than the semaphore has never ends, and neither do those behind
/// it. A flow refuses such a task before anything starts.
///
/// # Cancel safety
///
/// An acquisition may be dropped at any time. It then leaves the queue, and passes permits that it was
/// given on to others.
///
/// ```
/// use std::sync::Arc;
///
/// use asyncflow::runtime::{RuntimeSemaphore, WeightedSemaphore};
///
/// # #[tokio::main]
/// # async fn main() {
/// let bytes = Arc::new(WeightedSemaphore::new(8 << 20));
/// let five = bytes.acquire(5 << 20).await;
/// assert!(bytes.try_acquire(5 << 20).is_none());
/// drop(five);
/// assert!(bytes.try_acquire(8 << 20).is_some());
/// # }
/// ```
#[derive(Debug)]
pub struct WeightedSemaphore(Mutex<State>);

/// Permits of a [`WeightedSemaphore`]. Gives them back when it is dropped.
#[derive(Debug)]
pub struct WeightedPermits {
    semaphore: Arc<WeightedSemaphore>,
    count: usize,
}

impl RuntimeSemaphore for WeightedSemaphore {
    type Permits = WeightedPermits;

    fn new(permits: usize) -> Self {
        Self(Mutex::new(State {
            free: permits,
            queue: NumberMap::new(),
            next_place: 0,
        }))
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<WeightedPermits> {
        let taken = lock(&self.0).take(count);
        taken.then(|| self.permits(count))
    }

    fn acquire(
        self: &Arc<Self>,
        count: usize,
    ) -> impl Future<Output = WeightedPermits> + Send + 'static {
        Acquire {
            semaphore: Arc::clone(self),
            count,
            stage: Stage::New,
        }
    }
}

impl WeightedSemaphore {
    /// Permits that have been counted off.
    fn permits(self: &Arc<Self>, count: usize) -> WeightedPermits {
        WeightedPermits {
            semaphore: Arc::clone(self),
            count,
        }
    }
}

impl Drop for WeightedPermits {
    fn drop(&mut self) {
        let mut state = lock(&self.semaphore.0);
        state.free += self.count;
        let admitted = state.admit();
        drop(state);
        wake(admitted);
    }
}

#[derive(Debug)]
struct State {
    /// Permits that have not been counted off. With the others, they are as many as the semaphore has,
    /// so giving back never overflows.
    free: usize,
    /// Those that wait. Their places grow, so the first entry is the one that came first.
    queue: NumberMap<u64, Waiter>,
    /// The place of the next that joins. No place is used twice, so one that has left the queue is
    /// never taken for another.
    next_place: u64,
}

#[derive(Debug)]
struct Waiter {
    count: usize,
    waker: Waker,
}

/// Seldom more than one is admitted at a time.
type Admitted = SmallVec<[Waker; 1]>;

impl State {
    /// Counts permits off if they are free and the queue is empty.
    fn take(&mut self, count: usize) -> bool {
        let takes = self.queue.is_empty() && count <= self.free;
        if takes {
            self.free -= count;
        }
        takes
    }

    fn join(&mut self, waiter: Waiter) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        self.queue.insert(place, waiter);
        place
    }

    /// Counts permits off for those at the front of the queue for whom they suffice. Returns their
    /// wakers, to be woken without the lock.
    fn admit(&mut self) -> Admitted {
        let mut admitted = Admitted::new();
        while let Some(&(place, ref first)) = self.queue.first() {
            if first.count > self.free {
                break;
            }
            self.free -= first.count;
            let first = self.queue.remove(place);
            admitted.extend(first.map(|first| first.waker));
        }
        admitted
    }
}

fn wake(admitted: Admitted) {
    for waker in admitted {
        // A waker that panics must not keep the others from being woken.
        unwind::contain(|| waker.wake());
    }
}

/// Waits for permits.
#[derive(Debug)]
struct Acquire {
    semaphore: Arc<WeightedSemaphore>,
    count: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    New,
    /// Joined the queue at this place. If it is not there any more, it was admitted.
    Queued(u64),
    Over,
}

impl Future for Acquire {
    type Output = WeightedPermits;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<WeightedPermits> {
        let acquire = self.get_mut();
        let count = acquire.count;
        let waker = cx.waker().clone();

        let mut state = lock(&acquire.semaphore.0);
        let (stage, unused) = match acquire.stage {
            Stage::New if state.take(count) => (Stage::Over, waker),
            Stage::New => {
                acquire.stage = Stage::Queued(state.join(Waiter { count, waker }));
                return Poll::Pending;
            }
            Stage::Queued(place) => match state.queue.get_mut(place) {
                Some(waiter) => (acquire.stage, mem::replace(&mut waiter.waker, waker)),
                None => (Stage::Over, waker),
            },
            Stage::Over => panic!("an acquisition is not polled after it was ready"),
        };
        drop(state);

        acquire.stage = stage;
        let poll = match stage {
            Stage::Over => Poll::Ready(acquire.semaphore.permits(count)),
            _ => Poll::Pending,
        };
        // Last: if that panics, the permits are given back.
        drop(unused);
        poll
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Stage::Queued(place) = self.stage else {
            return;
        };
        let mut state = lock(&self.semaphore.0);
        let waiter = state.queue.remove(place);
        if waiter.is_none() {
            // Admitted, and not polled since.
            state.free += self.count;
        }
        let admitted = state.admit();
        drop(state);
        wake(admitted);
        drop(waiter);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;
    use std::task::Wake;

    use super::*;
    use crate::sync::Wakes;

    type Boxed = Pin<Box<dyn Future<Output = WeightedPermits> + Send>>;

    fn semaphore(permits: usize) -> Arc<WeightedSemaphore> {
        Arc::new(WeightedSemaphore::new(permits))
    }

    fn acquire(semaphore: &Arc<WeightedSemaphore>, count: usize) -> Boxed {
        Box::pin(semaphore.acquire(count))
    }

    /// Polls once, with a waker that does nothing.
    fn poll(acquire: &mut Boxed) -> Option<WeightedPermits> {
        poll_with(acquire, Waker::noop())
    }

    fn poll_with(acquire: &mut Boxed, waker: &Waker) -> Option<WeightedPermits> {
        match acquire.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(permits) => Some(permits),
            Poll::Pending => None,
        }
    }

    /// An acquisition that waits.
    fn waits(semaphore: &Arc<WeightedSemaphore>, count: usize) -> Boxed {
        let mut acquire = acquire(semaphore, count);
        assert!(poll(&mut acquire).is_none(), "{count} were free");
        acquire
    }

    #[test]
    fn counts_as_far_as_usize() {
        for capacity in [
            1,
            u32::MAX as usize,
            u32::MAX as usize / 2 + 1,
            usize::MAX / 8,
            usize::MAX - 1,
            usize::MAX,
        ] {
            let semaphore = semaphore(capacity);
            for _ in 0..3 {
                let all = semaphore.try_acquire(capacity).unwrap();
                assert!(semaphore.try_acquire(1).is_none());
                let mut one = waits(&semaphore, 1);
                let mut all_again = waits(&semaphore, capacity);
                drop(all);
                let one = poll(&mut one).unwrap();
                assert!(poll(&mut all_again).is_none());
                drop(one);
                drop(poll(&mut all_again).unwrap());
            }
            let most = capacity / 8 * 5 + 1;
            let held = poll(&mut acquire(&semaphore, most)).unwrap();
            let waits = waits(&semaphore, most);
            drop((held, waits));
            assert!(semaphore.try_acquire(capacity).is_some());
        }
    }

    #[test]
    fn more_than_there_are_is_never_given() {
        let semaphore = semaphore(4);
        assert!(semaphore.try_acquire(5).is_none());
        assert!(semaphore.try_acquire(usize::MAX).is_none());
        drop(waits(&semaphore, usize::MAX));
        assert!(semaphore.try_acquire(4).is_some());
    }

    #[test]
    fn none_of_none() {
        let semaphore = semaphore(0);
        assert!(semaphore.try_acquire(1).is_none());
        assert!(semaphore.try_acquire(0).is_some());
        assert!(poll(&mut acquire(&semaphore, 0)).is_some());
    }

    #[test]
    fn in_the_order_in_which_they_came() {
        let semaphore = semaphore(4);
        let three = semaphore.try_acquire(3).unwrap();
        let mut four = waits(&semaphore, 4);
        let mut one = waits(&semaphore, 1);
        // The free one is not for an acquisition that comes later.
        assert!(semaphore.try_acquire(1).is_none());
        drop(three);
        assert!(poll(&mut one).is_none());
        let four = poll(&mut four).unwrap();
        assert!(poll(&mut one).is_none());
        drop(four);
        assert!(poll(&mut one).is_some());
    }

    #[test]
    fn an_acquisition_that_was_not_polled_has_no_place() {
        let semaphore = semaphore(2);
        let unpolled = acquire(&semaphore, 2);
        let both = semaphore.try_acquire(2).unwrap();
        drop(unpolled);
        assert!(semaphore.try_acquire(1).is_none());
        drop(both);
        assert!(semaphore.try_acquire(2).is_some());
    }

    #[test]
    fn one_that_is_dropped_in_front_lets_the_next_ones_in() {
        let semaphore = semaphore(4);
        let two = semaphore.try_acquire(2).unwrap();
        let (woken, all) = (Arc::<Wakes>::default(), waits(&semaphore, 4));
        let [mut one, mut other] = [1, 1].map(|count| {
            let mut acquire = acquire(&semaphore, count);
            assert!(poll_with(&mut acquire, &woken.clone().into()).is_none());
            acquire
        });
        drop(all);
        assert_eq!(woken.count(), 2);
        let held = [poll(&mut one).unwrap(), poll(&mut other).unwrap()];
        drop((two, held));
        assert!(semaphore.try_acquire(4).is_some());
    }

    #[test]
    fn one_that_is_dropped_after_it_was_admitted_gives_back() {
        let semaphore = semaphore(2);
        let both = semaphore.try_acquire(2).unwrap();
        let (woken, admitted) = (Arc::<Wakes>::default(), waits(&semaphore, 2));
        let mut next = acquire(&semaphore, 2);
        assert!(poll_with(&mut next, &woken.clone().into()).is_none());
        drop(both);
        assert_eq!(woken.count(), 0);
        drop(admitted);
        assert_eq!(woken.count(), 1);
        assert!(poll(&mut next).is_some());
        assert!(semaphore.try_acquire(2).is_some());
    }

    #[test]
    fn the_last_waker_is_woken() {
        let semaphore = semaphore(1);
        let one = semaphore.try_acquire(1).unwrap();
        let (first, last) = (Arc::<Wakes>::default(), Arc::<Wakes>::default());
        let mut acquire = acquire(&semaphore, 1);
        assert!(poll_with(&mut acquire, &first.clone().into()).is_none());
        assert!(poll_with(&mut acquire, &last.clone().into()).is_none());
        drop(one);
        assert_eq!((first.count(), last.count()), (0, 1));
        assert_eq!(Arc::strong_count(&first), 1);
        assert!(poll(&mut acquire).is_some());
    }

    #[test]
    fn wakers_run_without_the_lock() {
        /// Uses the semaphore when it is woken and when it is dropped, and then panics.
        struct Uses(Arc<WeightedSemaphore>);

        impl Wake for Uses {
            fn wake(self: Arc<Self>) {
                assert!(self.0.try_acquire(5).is_none());
                panic!("woken");
            }
        }

        impl Drop for Uses {
            fn drop(&mut self) {
                assert!(self.0.try_acquire(5).is_none());
            }
        }

        let semaphore = semaphore(4);
        let all = semaphore.try_acquire(4).unwrap();
        let woken = Arc::<Wakes>::default();
        let mut waiting = Vec::new();
        for _ in 0..2 {
            for waker in [
                Arc::new(Uses(semaphore.clone())).into(),
                Waker::from(woken.clone()),
            ] {
                let mut acquire = acquire(&semaphore, 1);
                assert!(poll_with(&mut acquire, &waker).is_none());
                // The same again, in its place.
                assert!(poll_with(&mut acquire, &waker).is_none());
                waiting.push(acquire);
            }
        }
        drop(waiting.remove(0));
        // Prints that the other one panics.
        drop(all);
        assert_eq!(woken.count(), 2);
        drop(waiting);
        assert!(semaphore.try_acquire(4).is_some());
    }

    /// Does what comes by chance to the semaphore, and the same to a plain list. They agree about who
    /// has permits, after every step.
    #[test]
    fn agrees_with_a_plain_list() {
        let mut random = 1_u64;
        let mut below = |limit: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % limit
        };
        let mut given = 0;
        for capacity in [1, 3, 10, usize::MAX / 10 * 10] {
            let semaphore = semaphore(capacity);
            let unit = capacity.div_ceil(10);
            let mut held: Vec<WeightedPermits> = Vec::new();
            // In order; whether the list has admitted it.
            let mut waiting: VecDeque<(Boxed, usize, bool)> = VecDeque::new();
            let mut free = capacity;
            for _ in 0..5000 {
                match below(4) {
                    0 if waiting.len() < 6 => {
                        let count = (1 + below(10)) * unit;
                        let count = count.min(capacity);
                        let fits =
                            count <= free && waiting.iter().all(|(_, _, admitted)| *admitted);
                        let mut acquire = acquire(&semaphore, count);
                        let permits = match below(2) {
                            0 => semaphore.try_acquire(count),
                            _ => poll(&mut acquire),
                        };
                        assert_eq!(permits.is_some(), fits);
                        match permits {
                            Some(permits) => {
                                free -= count;
                                held.push(permits);
                            }
                            // Already has its place, or gets it now.
                            None => {
                                assert!(poll(&mut acquire).is_none());
                                waiting.push_back((acquire, count, false));
                            }
                        }
                    }
                    1 if !held.is_empty() => {
                        let permits = held.swap_remove(below(held.len()));
                        free += permits.count;
                    }
                    2 if !waiting.is_empty() => {
                        let place = below(waiting.len());
                        let (mut acquire, count, admitted) = waiting.remove(place).unwrap();
                        match poll(&mut acquire) {
                            Some(permits) => {
                                assert!(admitted, "{count} were given too early");
                                given += 1;
                                held.push(permits);
                            }
                            None => {
                                assert!(!admitted, "{count} were not given");
                                waiting.insert(place, (acquire, count, false));
                            }
                        }
                    }
                    3 if !waiting.is_empty() && below(3) == 0 => {
                        let place = below(waiting.len());
                        let (_, count, admitted) = waiting.remove(place).unwrap();
                        free += if admitted { count } else { 0 };
                    }
                    _ => {}
                }
                for (_, count, admitted) in waiting.iter_mut().filter(|waiter| !waiter.2) {
                    match *count <= free {
                        true => free -= *count,
                        false => break,
                    }
                    *admitted = true;
                }
                assert_eq!(lock(&semaphore.0).free, free);
            }
            drop((held, waiting));
            assert!(semaphore.try_acquire(capacity).is_some());
        }
        assert!(given > 500, "only {given} that waited were given permits");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::Wakes;

    type Boxed = Pin<Box<dyn Future<Output = WeightedPermits> + Send>>;

    /// An acquisition that was polled once, what it was given, and whether it was woken since.
    fn polled(
        semaphore: &Arc<WeightedSemaphore>,
        count: usize,
    ) -> (Boxed, Option<WeightedPermits>, Arc<Wakes>) {
        let mut acquire: Boxed = Box::pin(semaphore.acquire(count));
        let woken = Arc::new(Wakes::default());
        let given = poll(&mut acquire, &woken);
        (acquire, given, woken)
    }

    fn poll(acquire: &mut Boxed, flag: &Arc<Wakes>) -> Option<WeightedPermits> {
        let waker = Waker::from(flag.clone());
        match acquire.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(permits) => Some(permits),
            Poll::Pending => None,
        }
    }

    /// Asserts that an acquisition that waited was woken, is given its permits now, and that then
    /// all come back.
    fn assert_gets_them((mut acquire, given, woken): (Boxed, Option<WeightedPermits>, Arc<Wakes>)) {
        let permits = match given {
            Some(permits) => permits,
            None => {
                assert!(woken.count() > 0, "it is never woken");
                poll(&mut acquire, &woken).expect("permits were lost")
            }
        };
        let semaphore = permits.semaphore.clone();
        drop(permits);
        assert!(semaphore.try_acquire(2).is_some(), "permits were lost");
    }

    /// Proves that leaving the queue, and learning whether the permits were counted off already, are
    /// one step. If an acquisition that is dropped looked whether it is in the queue, and left it
    /// under the lock only later, permits that come back in between would be lost.
    #[test]
    fn loom_acquire_is_dropped_while_permits_come_back() {
        loom::model(|| {
            let semaphore = Arc::new(WeightedSemaphore::new(2));
            let both = semaphore.try_acquire(2).unwrap();
            let (dropped, given, _) = polled(&semaphore, 2);
            assert!(given.is_none());
            let waits = polled(&semaphore, 2);
            let drops = thread::spawn(move || drop(dropped));
            drop(both);
            drops.join().unwrap();
            assert_gets_them(waits);
        });
    }

    /// Proves that both admit: giving permits back, and leaving the queue. The first in the queue needs
    /// more than there will be, and leaves. The one behind it needs what comes back. If the first leaves
    /// last, only it can admit the other.
    #[test]
    fn loom_first_of_the_queue_is_dropped_while_permits_come_back() {
        loom::model(|| {
            let semaphore = Arc::new(WeightedSemaphore::new(3));
            let _kept = semaphore.try_acquire(1).unwrap();
            let both = semaphore.try_acquire(2).unwrap();
            let (dropped, given, _) = polled(&semaphore, 3);
            assert!(given.is_none());
            let waits = polled(&semaphore, 2);
            let drops = thread::spawn(move || drop(dropped));
            drop(both);
            drops.join().unwrap();
            assert_gets_them(waits);
        });
    }

    /// Proves that finding too few permits, and joining the queue, are one step. If the lock were
    /// given up in between, permits that come back there would find no waker.
    #[test]
    fn loom_first_poll_while_permits_come_back() {
        loom::model(|| {
            let semaphore = Arc::new(WeightedSemaphore::new(2));
            let both = semaphore.try_acquire(2).unwrap();
            let returns = thread::spawn(move || drop(both));
            let waits = polled(&semaphore, 2);
            returns.join().unwrap();
            assert_gets_them(waits);
        });
    }

    /// Proves that replacing the waker, and learning whether the permits were counted off already,
    /// are one step. If they were not, the former waker could be woken, to no effect.
    #[test]
    fn loom_further_poll_while_permits_come_back() {
        loom::model(|| {
            let semaphore = Arc::new(WeightedSemaphore::new(2));
            let both = semaphore.try_acquire(2).unwrap();
            let (mut acquire, given, _) = polled(&semaphore, 2);
            assert!(given.is_none());
            let returns = thread::spawn(move || drop(both));
            let woken = Arc::new(Wakes::default());
            let given = poll(&mut acquire, &woken);
            returns.join().unwrap();
            assert_gets_them((acquire, given, woken));
        });
    }
}
