//! The scheduler of a run: which tasks wait, and who polls them when they are woken.
//!
//! A future that is pending stays here, in a *place* with a waker of its own. When it is woken, its
//! place is queued, and a driver takes it, polls it and puts it back. So a task that waits costs no
//! spawn, and a task that is woken is polled alone, however many others wait.
//!
//! The *home* of a run is the future that polls its first driver: the caller's, or a task of the
//! runtime if the run was [started](crate::Execute::start). When no driver is left, the home is
//! *parked*: its waker is here, and the thread that makes something ready calls it. Further drivers are
//! [invited](super::driver_count) while there is work for them.
//!
//! # What keeps the run alive
//!
//! As long as any task waits, the scheduler holds a guard of the run, the *keeper*. A future in a
//! place may hold guards, too. The run owns a share in the scheduler, so this is a circle. It ends
//! with the last task that waits, or when the home is dropped: then all that wait are dropped.
//!
//! # Protocol
//!
//! A thread that makes something ready first puts it where drivers look, and *then* calls
//! [`DriverCount::call`]; see there why nothing is left behind. The call that finds no driver counts
//! one, and hands it a guard, under the lock: a home that is parked is woken, and one that is about
//! to park finds the call instead. A run whose home is gone needs no driver, for nothing may start.
//!
//! A task that waits is put in its place *and then* looks whether the run has stopped. The thread
//! that stops the run sets the mode *and then* wakes every place. Both go through the lock in
//! between. So either the place is woken, or the task sees the stop when it is next polled, which is
//! at once: a new place is queued as woken, or its future is polled by the driver that has admitted it.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::unwind;

use super::backend::{Backend, Spawned};
use super::current::is_left_to_driver;
use super::drive::Invited;
use super::driver_count::{DriverCount, Wanted};
use super::finish::Finished;
use super::guard::RunGuard;
use super::places::{Places, Waiting, Woken};

pub(crate) struct Scheduler<B: ?Sized = dyn Backend> {
    pub(crate) drivers: DriverCount,
    shared: Mutex<Shared>,
    /// How many places are queued, so that looking needs no lock.
    woken: AtomicUsize,
    /// What the run runs on. Here, so that it needs no allocation of its own.
    pub(crate) backend: B,
}

struct Shared {
    places: Places,
    /// Keeps the run from ending while any task waits.
    keeper: Option<RunGuard>,
    home: Home<RunGuard>,
    /// Whether the home is gone. Then no task waits here any more.
    closed: bool,
    /// Whether the run is over.
    over: bool,
    result: Option<Finished>,
    /// Whether nobody waits for the result.
    unwanted: bool,
    /// Waits for the result, if it is not the home.
    caller: Option<Waker>,
}

/// Where the home is. `G` is a guard of its run.
enum Home<G> {
    /// It is being polled, or will be without being called. Left by a call, and by the home when it
    /// parks.
    Working,
    /// It will be polled, as a driver that is counted, with this guard. Left by the home.
    Called(G),
    /// It waits to be called. Left by a call.
    Parked(Waker),
}

impl<G> Home<G> {
    /// Hands a driver, which has been counted, to the home. Returns the waker that the home waits by.
    fn call(&mut self, guard: G) -> Option<Waker> {
        match std::mem::replace(self, Self::Called(guard)) {
            Self::Parked(waker) => Some(waker),
            Self::Working | Self::Called(_) => None,
        }
    }

    /// The home has no driver: returns the guard of one if it was called, and parks otherwise. Also
    /// returns a waker that is to be dropped without the lock.
    fn arrive(&mut self, waker: &Waker) -> (Option<G>, Option<Waker>) {
        match std::mem::replace(self, Self::Working) {
            Self::Called(guard) => (Some(guard), None),
            Self::Parked(before) if before.will_wake(waker) => {
                *self = Self::Parked(before);
                (None, None)
            }
            Self::Parked(before) => {
                *self = Self::Parked(waker.clone());
                (None, Some(before))
            }
            Self::Working => {
                *self = Self::Parked(waker.clone());
                (None, None)
            }
        }
    }
}

/// What the home is to do.
pub(crate) enum Arrival {
    /// Work as a driver that has been counted.
    Drive(RunGuard),
    /// Nothing for now. Its waker is kept.
    Park,
    /// The run is over.
    Over,
}

/// What a caller of a driver has to do, without the lock.
#[must_use]
enum Call {
    Nothing,
    Wake(Waker),
    Invite(RunGuard),
}

impl Call {
    fn make(self) {
        match self {
            Self::Nothing => {}
            // A waker of the caller's, which may panic.
            Self::Wake(waker) => unwind::contain(|| waker.wake()),
            Self::Invite(guard) => {
                let invited = Invited::new(&guard);
                unwind::contain(|| guard.backend().spawn(Spawned::Invited(invited)));
            }
        }
    }
}

impl<B> Scheduler<B> {
    /// The scheduler of a run with one driver, its home.
    #[inline]
    pub(crate) fn new(backend: B) -> Self {
        Self {
            drivers: DriverCount::new(1),
            shared: Mutex::new(Shared {
                places: Places::default(),
                keeper: None,
                home: Home::Working,
                closed: false,
                over: false,
                result: None,
                unwanted: false,
                caller: None,
            }),
            woken: AtomicUsize::new(0),
            backend,
        }
    }
}

impl Scheduler {
    /// How many tasks are woken.
    #[inline]
    pub(crate) fn woken(&self) -> usize {
        self.woken.load(Ordering::Acquire)
    }

    /// Makes sure that there is a driver, and invites one more if that is worth it. Called after
    /// something was put where any driver can take it.
    pub(crate) fn call(&self, guard: &RunGuard, invite: bool) {
        let call = match self.drivers.call(invite) {
            Wanted::Nothing => return,
            Wanted::Invitation => Call::Invite(guard.clone()),
            Wanted::Driver => lock(&self.shared).call_home(guard, &self.drivers),
        };
        call.make();
    }

    /// Gives a future a place. It is queued at once, because it has left another waker with what it
    /// waits for. Drops it if the home is gone.
    pub(crate) fn insert(self: &Arc<Self>, guard: &RunGuard, waiting: Waiting) {
        self.fill(guard, waiting, |places, waiting, waker| {
            places.insert(waiting, waker);
        });
    }

    /// Gives a future a place before its first poll, for which it is returned. Drops it if the home is
    /// gone.
    pub(crate) fn admit(self: &Arc<Self>, guard: &RunGuard, waiting: Waiting) -> Option<Woken> {
        self.fill(guard, waiting, |places, waiting, waker| {
            places.admit(waiting, waker)
        })
    }

    fn fill<T>(
        self: &Arc<Self>,
        guard: &RunGuard,
        waiting: Waiting,
        fill: impl FnOnce(&mut Places, Waiting, &dyn Fn(u32) -> Waker) -> T,
    ) -> Option<T> {
        let mut shared = lock(&self.shared);
        if shared.closed {
            drop(shared);
            drop_refused(waiting);
            return None;
        }
        if shared.keeper.is_none() {
            shared.keeper = Some(guard.clone());
        }
        let filled = fill(&mut shared.places, waiting, &|place| {
            Waker::from(Arc::new(TaskWaker {
                scheduler: Arc::clone(self),
                place,
            }))
        });
        self.count_woken(&shared);
        Some(filled)
    }

    /// Takes out a future that was woken.
    pub(crate) fn take_woken(&self) -> Option<Woken> {
        let mut shared = lock(&self.shared);
        let woken = shared.places.take_woken();
        self.count_woken(&shared);
        woken
    }

    /// Takes out up to so many futures that were woken.
    pub(crate) fn take_several(&self, most: usize, several: &mut impl Extend<Woken>) {
        let mut shared = lock(&self.shared);
        several.extend(std::iter::from_fn(|| shared.places.take_woken()).take(most));
        self.count_woken(&shared);
    }

    /// Puts back a future that is pending. Drops it if the home is gone. Returns its place if it was woken
    /// while it was polled: it is to be [queued](Self::queue) again when the runtime has had a turn.
    pub(crate) fn put_back(&self, woken: Woken) -> Option<u32> {
        let mut shared = lock(&self.shared);
        if shared.closed {
            drop(shared);
            drop_refused(woken.waiting);
            return None;
        }
        shared.places.put_back(woken)
    }

    /// The same, of several. Adds the places of those that were woken meanwhile to `yielded`.
    pub(crate) fn put_back_several(
        &self,
        several: impl IntoIterator<Item = Woken>,
        yielded: &mut impl Extend<u32>,
    ) {
        let several = several.into_iter();
        let mut shared = lock(&self.shared);
        if shared.closed {
            drop(shared);
            several.for_each(|woken| drop_refused(woken.waiting));
            return;
        }
        yielded.extend(several.filter_map(|woken| shared.places.put_back(woken)));
    }

    /// Queues futures that woke themselves.
    pub(crate) fn queue(&self, places: impl IntoIterator<Item = u32>) {
        let mut shared = lock(&self.shared);
        if !shared.closed {
            for place in places {
                shared.places.queue(place);
            }
            self.count_woken(&shared);
        }
    }

    /// Vacates the place of a future that is done, which is returned.
    pub(crate) fn vacate(&self, woken: Woken) -> Waiting {
        let Woken {
            place,
            waiting,
            waker,
        } = woken;
        let mut shared = lock(&self.shared);
        if !shared.closed && shared.places.vacate(place, waker) == 0 {
            let keeper = shared.keeper.take();
            // Without the lock. The caller has a guard, so it is not the last.
            drop(shared);
            drop(keeper);
        }
        waiting
    }

    /// Queues every future that waits. Called after the mode was set.
    pub(crate) fn wake_all(&self) {
        self.wake_places(Places::wake_all);
    }

    fn wake(&self, place: u32) {
        self.wake_places(|places| places.wake(place));
    }

    /// Queues some places, and makes sure that there is a driver if there were any.
    fn wake_places(&self, wake: impl FnOnce(&mut Places) -> bool) {
        let mut shared = lock(&self.shared);
        if !wake(&mut shared.places) {
            return;
        }
        self.count_woken(&shared);
        let Some(keeper) = &shared.keeper else { return };
        // If there is nothing else to do, that driver takes it next.
        let goes_on = is_left_to_driver(keeper)
            && shared.places.woken() == 1
            && !keeper.ready.any(keeper.roots());
        let call = match self.drivers.call(keeper.invites_early() && !goes_on) {
            Wanted::Nothing => Call::Nothing,
            Wanted::Invitation => Call::Invite(keeper.clone()),
            Wanted::Driver => {
                let guard = keeper.clone();
                shared.call_home(&guard, &self.drivers)
            }
        };
        drop(shared);
        call.make();
    }

    fn count_woken(&self, shared: &Shared) {
        self.woken.store(shared.places.woken(), Ordering::Release);
    }

    /// The home is polled and has no driver. Keeps its waker if there is nothing to do for it.
    pub(crate) fn arrive(&self, waker: &Waker) -> Arrival {
        let mut shared = lock(&self.shared);
        if shared.over {
            return Arrival::Over;
        }
        let (guard, before) = shared.home.arrive(waker);
        drop(shared);
        // Without the lock, because dropping a waker may run any code.
        drop(before);
        guard.map_or(Arrival::Park, Arrival::Drive)
    }

    /// The result, if the run is over. Keeps the waker of a caller that is not the home.
    pub(crate) fn poll_result(&self, waker: &Waker) -> Poll<Finished> {
        let mut shared = lock(&self.shared);
        if let Some(finished) = shared.result.take() {
            return Poll::Ready(finished);
        }
        let before = match &shared.caller {
            Some(before) if before.will_wake(waker) => None,
            _ => shared.caller.replace(waker.clone()),
        };
        drop(shared);
        drop(before);
        Poll::Pending
    }

    pub(crate) fn take_result(&self) -> Option<Finished> {
        lock(&self.shared).result.take()
    }

    /// Drops the result, now or when there is one.
    pub(crate) fn refuse_result(&self) {
        let mut shared = lock(&self.shared);
        shared.unwanted = true;
        let result = shared.result.take();
        let caller = shared.caller.take();
        drop(shared);
        drop(caller);
        if let Some(result) = result {
            result.discard();
        }
    }

    /// Takes the result of the run, which is over.
    pub(crate) fn finish(&self, finished: Finished) {
        let mut shared = lock(&self.shared);
        // Their wakers have shares in this.
        let places = shared.places.clear();
        shared.over = true;
        let unwanted = match shared.unwanted {
            true => Some(finished),
            false => shared.result.replace(finished),
        };
        let home = std::mem::replace(&mut shared.home, Home::Working);
        let caller = shared.caller.take();
        drop(shared);
        drop(places);
        if let Some(unwanted) = unwanted {
            unwanted.discard();
        }
        if let Home::Parked(waker) = home {
            unwind::contain(|| waker.wake());
        }
        if let Some(caller) = caller {
            unwind::contain(|| caller.wake());
        }
    }

    /// Whether the run is over.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.shared).over
    }

    /// The home is gone: drops all futures that wait. From now on, none may wait.
    pub(crate) fn close(&self) {
        let mut shared = lock(&self.shared);
        if shared.over {
            return;
        }
        shared.closed = true;
        let places = std::mem::take(&mut shared.places);
        self.count_woken(&shared);
        let keeper = shared.keeper.take();
        let home = std::mem::replace(&mut shared.home, Home::Working);
        drop(shared);
        places.drop_all();
        if let Home::Called(_) = home {
            self.drivers.leave();
        }
        drop((home, keeper));
    }
}

impl Shared {
    /// Hands a driver, which has been counted, to the home. Without one, the run is dropped, and
    /// needs no driver.
    fn call_home(&mut self, guard: &RunGuard, drivers: &DriverCount) -> Call {
        if self.closed {
            drivers.leave();
            return Call::Nothing;
        }
        self.home
            .call(guard.clone())
            .map_or(Call::Nothing, Call::Wake)
    }
}

/// Drops a future that cannot wait because the home is gone, as those that waited then were dropped.
/// Its task gets its status with the end of the run: a blocking thread may still call its function.
#[cold]
fn drop_refused(waiting: Waiting) {
    unwind::contain(|| drop(waiting));
}

/// The waker of one place.
struct TaskWaker {
    scheduler: Arc<Scheduler>,
    place: u32,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.scheduler.wake(self.place);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::Wakes;

    /// A run with one driver, its home.
    struct Shared {
        drivers: DriverCount,
        home: Mutex<Home<()>>,
        ready: AtomicUsize,
        done: AtomicUsize,
    }

    impl Shared {
        /// What a thread does that makes a task ready.
        fn inject(&self) {
            self.ready.fetch_add(1, Ordering::Release);
            if let Wanted::Driver = self.drivers.call(false) {
                let waker = lock(&self.home).call(());
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }

        /// Polls the home, which has a driver at first or not. Returns when it has parked.
        fn poll(&self, mut driver: bool, waker: &Waker) {
            loop {
                if driver {
                    self.drive();
                }
                let (called, _) = lock(&self.home).arrive(waker);
                if called.is_none() {
                    return;
                }
                driver = true;
            }
        }

        fn drive(&self) {
            loop {
                while self.ready.load(Ordering::Acquire) > 0 {
                    self.ready.fetch_sub(1, Ordering::AcqRel);
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
                let has_work = || self.ready.load(Ordering::Acquire) > 0;
                if self.drivers.retire(has_work).is_some() {
                    return;
                }
            }
        }
    }

    /// Proves that a home that parks while it is called either finds the call or is woken. If the
    /// call only woke a waker that is there, or the home parked without looking for a call, a task
    /// would be left behind.
    #[test]
    fn loom_home_parks_while_it_is_called() {
        loom::model(|| {
            let shared = Arc::new(Shared {
                drivers: DriverCount::new(1),
                home: Mutex::new(Home::Working),
                ready: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
            });
            let flag = StdArc::new(Wakes::default());
            let waker = Waker::from(flag.clone());
            let injecting = thread::spawn({
                let shared = shared.clone();
                move || shared.inject()
            });
            shared.poll(true, &waker);
            injecting.join().unwrap();
            if shared.done.load(Ordering::Relaxed) == 0 {
                assert!(flag.count() > 0, "it was not woken");
                shared.poll(false, &waker);
            }
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                1,
                "a task was left behind"
            );
        });
    }
}
