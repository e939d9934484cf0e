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
//! behind it if permits are free. A task that releases counts its permits as free *and then* looks who
//! waits. Here, too, one of the two sees the other. Whoever joins an empty list goes through its fence before
//! it leaves, and all who leave later come after that. So either the releaser sees that somebody waits, or
//! those who leave see that its permits are free. If it sees somebody, it takes the mutex, which orders the
//! two: it finds the next in line, or the one that leaves sees its permits. So a task is woken if there
//! may be permits for it, and not because one before it has taken the last.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use crate::number_map::NumberMap;
use crate::sync::{AtomicUsize, Mutex, Ordering, fence, lock};
use crate::unwind;

#[derive(Debug)]
pub(crate) struct WaitList {
    /// How many permits the lock has.
    capacity: usize,
    /// How many are taken. May be too many for a moment: a task gives permits back, counts them off, and
    /// then wakes the first that waits.
    taken: AtomicUsize,
    /// How many tasks wait, so that looking needs no lock.
    len: AtomicUsize,
    queue: Mutex<Queue>,
}

/// The turns of those that wait, in their order, each with a waker.
#[derive(Debug, Default)]
struct Queue {
    /// One line for each priority that waits, the highest first. None is empty.
    lines: NumberMap<LineNumber, Line>,
    len: usize,
}

/// Those of one priority, by number. So those that come now come last.
#[derive(Debug, Default)]
struct Line {
    /// One that has left has no waker. The first has one, and so have half of them at least.
    places: VecDeque<(u64, Option<Waker>)>,
    /// How many have a waker.
    len: usize,
}

/// When it is a task's turn: by priority, the highest first, then by when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    line: LineNumber,
    number: u64,
}

/// The line of the highest priority has the lowest number.
type LineNumber = u32;

impl Turn {
    /// The turn of a task that comes now.
    pub(crate) fn new(priority: i32) -> Self {
        /// Not one of `loom`'s, because it orders nothing.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            line: i32::MAX.abs_diff(priority),
            number: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        }
    }
}

impl WaitList {
    /// Of a lock that has this many permits, which are free.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            taken: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            queue: Mutex::new(Queue::default()),
        }
    }

    /// Whether a task may try the lock, because nobody waits whose turn is before its own.
    pub(crate) fn may_try(&self, turn: impl FnOnce() -> Turn) -> bool {
        if self.len.load(Ordering::Acquire) == 0 {
            return true;
        }
        let turn = turn();
        let queue = lock(&self.queue);
        queue.first().is_none_or(|(first, _)| turn < first)
    }

    /// Called after native permits were taken.
    pub(crate) fn took(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::Relaxed);
    }

    /// Called after native permits were given back.
    pub(crate) fn gave_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.wake_first();
    }

    fn wake_first(&self) {
        if self.len.load(Ordering::Relaxed) == 0 {
            return;
        }
        let queue = lock(&self.queue);
        let waker = queue.first().map(|(_, waker)| waker.clone());
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
        let before = queue.join(turn, cx.waker());
        self.len.store(queue.len, Ordering::Release);
        let is_first = queue.is_first(turn);
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
        let was_first = queue.is_first(turn);
        let waker = queue.leave(turn);
        self.len.store(queue.len, Ordering::Release);
        drop(queue);
        drop(waker);
        if was_first && self.taken.load(Ordering::Relaxed) < self.capacity {
            self.wake_first();
        }
    }
}

impl Queue {
    fn first(&self) -> Option<(Turn, &Waker)> {
        let (line, Line { places, .. }) = self.lines.first()?;
        let (number, waker) = places.front()?;
        let (line, number) = (*line, *number);
        Some((Turn { line, number }, waker.as_ref()?))
    }

    fn is_first(&self, turn: Turn) -> bool {
        self.first().is_some_and(|(first, _)| first == turn)
    }

    /// Has a turn wait with this waker. Returns the waker that it had, unless it was the same.
    fn join(&mut self, turn: Turn, waker: &Waker) -> Option<Waker> {
        let line = self.lines.get_mut(turn.line);
        match line.and_then(|line| line.get_mut(turn.number)) {
            Some(before) if before.will_wake(waker) => None,
            Some(before) => Some(std::mem::replace(before, waker.clone())),
            None => {
                // First, because it may panic.
                let waker = waker.clone();
                self.lines
                    .get_or_default(turn.line)
                    .insert(turn.number, waker);
                self.len += 1;
                None
            }
        }
    }

    /// Has a turn wait no longer. Returns its waker.
    fn leave(&mut self, turn: Turn) -> Option<Waker> {
        let line = self.lines.get_mut(turn.line)?;
        let waker = line.remove(turn.number)?;
        if line.len == 0 {
            self.lines.remove(turn.line);
        }
        self.len -= 1;
        Some(waker)
    }
}

impl Line {
    /// The place of a number, or where it belongs.
    fn find(&self, number: u64) -> Result<usize, usize> {
        match self.places.back() {
            Some((last, _)) if number <= *last => {
                self.places.binary_search_by_key(&number, |place| place.0)
            }
            _ => Err(self.places.len()),
        }
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Waker> {
        let place = self.find(number).ok()?;
        self.places[place].1.as_mut()
    }

    /// Inserts a number that has no waker.
    fn insert(&mut self, number: u64, waker: Waker) {
        match self.find(number) {
            Ok(place) => self.places[place].1 = Some(waker),
            Err(place) => self.places.insert(place, (number, Some(waker))),
        }
        self.len += 1;
    }

    fn remove(&mut self, number: u64) -> Option<Waker> {
        let place = self.find(number).ok()?;
        let waker = self.places[place].1.take()?;
        self.len -= 1;
        while let Some((_, None)) = self.places.front() {
            self.places.pop_front();
        }
        if self.places.len() > 2 * self.len {
            self.places.retain(|(_, waker)| waker.is_some());
        }
        Some(waker)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sync::Wakes;

    /// A task that waits.
    struct Waits {
        turn: Turn,
        wakes: Arc<Wakes>,
    }

    impl Waits {
        fn new(priority: i32) -> Self {
            Self {
                turn: Turn::new(priority),
                wakes: Arc::default(),
            }
        }

        /// Waits with a waker of its own. Returns whether it is first.
        fn polls(&mut self, list: &WaitList) -> bool {
            self.wakes = Arc::default();
            let waker = Waker::from(Arc::clone(&self.wakes));
            let mut first = false;
            let polled = list.poll_take(&mut Context::from_waker(&waker), self.turn, || {
                first = true;
                None::<()>
            });
            assert!(polled.is_pending());
            first
        }

        fn is_woken(&self) -> bool {
            self.wakes.count() > 0
        }
    }

    /// Which of them come first, one after the other.
    fn order(list: &WaitList, waits: &[Waits]) -> Vec<usize> {
        std::iter::from_fn(|| {
            let first = lock(&list.queue).first()?.0;
            list.leave(first);
            waits.iter().position(|waits| waits.turn == first)
        })
        .collect()
    }

    #[test]
    fn the_highest_priority_comes_first_and_then_the_lowest_number() {
        let list = WaitList::new(1);
        let mut waits = [0, 1, i32::MIN, 0, i32::MAX, 1, -1, 0].map(Waits::new);
        for place in [7, 3, 0, 6, 2, 5, 4, 1] {
            waits[place].polls(&list);
        }
        assert_eq!(order(&list, &waits), [4, 1, 5, 0, 3, 7, 6, 2]);
        assert_eq!(list.len.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn those_that_leave_are_passed_over_and_may_come_back() {
        let list = WaitList::new(1);
        let mut waits = [0; 5].map(Waits::new);
        for waits in &mut waits {
            waits.polls(&list);
        }
        for place in [1, 3, 0, 3] {
            list.leave(waits[place].turn);
        }
        assert_eq!(list.len.load(Ordering::Relaxed), 2);
        assert!(waits[2].polls(&list) && !waits[4].polls(&list));
        assert!(!waits[3].polls(&list));
        assert_eq!(list.len.load(Ordering::Relaxed), 3);
        assert_eq!(order(&list, &waits), [2, 3, 4]);
        // Nor is there a place for them when all have left.
        assert!(lock(&list.queue).lines.is_empty());
        assert!(waits[0].polls(&list));
    }

    /// Behind one that waits for long, many come and go.
    #[test]
    fn those_that_leave_take_no_room() {
        let (list, mut waits) = (WaitList::new(1), [0; 2].map(Waits::new));
        waits[0].polls(&list);
        for _ in 0..100 {
            let mut comes_and_goes = Waits::new(0);
            comes_and_goes.polls(&list);
            list.leave(comes_and_goes.turn);
        }
        waits[1].polls(&list);
        let queue = lock(&list.queue);
        let (_, line) = queue.lines.first().expect("two wait");
        assert!(line.places.len() <= 4, "{}", line.places.len());
        drop(queue);
        assert_eq!(order(&list, &waits), [0, 1]);
    }

    #[test]
    fn the_waker_of_the_last_poll_is_woken() {
        let (list, mut waits) = (WaitList::new(1), Waits::new(0));
        waits.polls(&list);
        let before = Arc::clone(&waits.wakes);
        waits.polls(&list);
        list.took(1);
        list.gave_back(1);
        assert!(waits.is_woken() && before.count() == 0);
    }

    #[test]
    fn a_task_may_try_before_those_whose_turn_is_later() {
        let (list, mut waits) = (WaitList::new(1), Waits::new(1));
        assert!(list.may_try(|| unreachable!("nobody waits")));
        waits.polls(&list);
        assert!(!list.may_try(|| Turn::new(1)));
        assert!(!list.may_try(|| waits.turn));
        assert!(list.may_try(|| Turn::new(2)));
    }

    /// Of three permits. Only the front wakes the next when it leaves, and only if one may be free.
    #[test]
    fn the_next_is_woken_if_a_permit_may_be_free() {
        for (taken, leaves, woken) in [(3, 0, false), (2, 0, true), (2, 1, false)] {
            let (list, mut waits) = (WaitList::new(3), [0; 2].map(Waits::new));
            for waits in &mut waits {
                waits.polls(&list);
            }
            list.took(taken);
            list.leave(waits[leaves].turn);
            assert_eq!(waits[1 - leaves].is_woken(), woken);
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::Wakes;

    /// A semaphore.
    struct Shared {
        list: WaitList,
        free: AtomicUsize,
    }

    impl Shared {
        /// With this many permits, of which one is taken.
        fn new(permits: usize) -> Arc<Self> {
            let list = WaitList::new(permits);
            list.took(1);
            let free = AtomicUsize::new(permits - 1);
            Arc::new(Self { list, free })
        }

        fn take(&self) -> Option<()> {
            let one_less = |free: usize| free.checked_sub(1);
            let taken = self
                .free
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_less);
            taken.ok()?;
            self.list.took(1);
            Some(())
        }

        fn release(&self) {
            self.free.fetch_add(1, Ordering::Release);
            self.list.gave_back(1);
        }

        /// Polls once. Returns whether a permit was taken, or else will be tried again.
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
            let shared = Shared::new(1);
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
            let shared = Shared::new(1);
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

    /// Proves that permits count as free before their giver looks who waits. If they did after that, a
    /// permit might be left to nobody: the task that leaves finds none free, and the giver has seen no
    /// other.
    #[test]
    fn loom_release_while_the_first_leaves_with_a_permit() {
        loom::model(|| {
            let shared = Shared::new(2);
            let releases = thread::spawn({
                let shared = shared.clone();
                move || shared.release()
            });
            let flags = [(); 2].map(|()| StdArc::new(Wakes::default()));
            let (first, second) = (Turn::new(0), Turn::new(0));
            assert!(shared.poll(first, &flags[0]));
            assert!(!shared.poll(second, &flags[1]));
            shared.list.leave(first);
            releases.join().unwrap();
            assert!(flags[1].count() > 0, "it was not woken");
        });
    }
}
