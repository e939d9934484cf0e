//! How many drivers a run has, and when another is started.
//!
//! # Protocol
//!
//! A *driver* works through ready tasks. It is *running* from the moment when it is started until it
//! has left for good; at most `limit` are. A driver that is *invited* is on its way: the runtime was
//! asked to poll it, but it does not keep the run alive, and may come when the run is over.
//!
//! A task must never lie in a queue while no running driver will look there. Two rules ensure that:
//!
//! * A thread that makes a task ready first puts it where any driver can take it, and *then* calls
//!   [`DriverCount::call`]. If no driver is running, that thread starts one, which is running from
//!   then on.
//! * A driver that finds nothing calls [`DriverCount::retire`], which counts it off, and *then* looks at
//!   every queue once more. If there is something, it counts the driver again, which goes on. A driver is
//!   [`Retired`] otherwise; its future cannot be ready without that.
//!
//! Both sides write one thing and then read the other, so both need a sequentially consistent fence
//! in between (Dekker's pattern). If a task is pushed while a driver leaves, either the pusher sees
//! that the driver has left, or the driver sees the task.
//!
//! A driver that is dropped, because its runtime shuts down, is counted off and *then* looks, too. If there is
//! something, the thread that drops it calls.
//!
//! A driver may also leave its work to others, with [`DriverCount::leave_to_others`]. It puts what it has
//! where any driver can take it, *and then* is counted off, in one step with the look whether another is
//! running. That one is counted off later, and looks at every queue after that.
//!
//! Only one driver is invited at a time. A driver that joins and finds more work than for itself
//! invites the next.

use crate::sync::{AtomicUsize, Ordering, fence};

/// One running driver, in the lower half of the word; one invited, in the upper half.
const RUNNING: usize = 1;
const INVITED: usize = 1 << (usize::BITS / 2);

#[derive(Debug)]
pub(crate) struct DriverCount {
    /// Both counts in one word, so that they change together.
    counts: AtomicUsize,
    limit: AtomicUsize,
}

/// What a caller of [`DriverCount::call`] has to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Nothing,
    /// A driver that is counted as running already.
    Driver,
    /// A driver that joins when it is first polled.
    Invitation,
}

/// That a driver has left after it had looked once more, or to another that will. Made by [`DriverCount`]
/// alone.
#[derive(Debug)]
pub(crate) struct Retired(());

fn running(counts: usize) -> usize {
    counts & (INVITED - 1)
}

fn invited(counts: usize) -> usize {
    counts / INVITED
}

impl DriverCount {
    /// At most `limit` drivers, of which one is running.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            counts: AtomicUsize::new(RUNNING),
            limit: AtomicUsize::new(limit),
        }
    }

    /// Changes the limit of a run that has not begun.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit
            .store(limit.clamp(1, INVITED / 4), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Called after a task was put where any driver can take it. Starts a driver if there is none, and
    /// otherwise may `invite` one.
    pub(crate) fn call(&self, invite: bool) -> Wanted {
        fence(Ordering::SeqCst);
        let mut counts = self.counts.load(Ordering::Relaxed);
        loop {
            let (change, wanted) = if running(counts) == 0 {
                (RUNNING, Wanted::Driver)
            } else if invite && invited(counts) == 0 && running(counts) < self.limit() {
                (INVITED, Wanted::Invitation)
            } else {
                return Wanted::Nothing;
            };
            match self.counts.compare_exchange_weak(
                counts,
                counts + change,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return wanted,
                Err(current) => counts = current,
            }
        }
    }

    /// Counts an invited driver as running. Returns `false` if enough others are.
    pub(crate) fn join(&self) -> bool {
        self.step(|counts| match running(counts) < self.limit() {
            true => (counts - INVITED + RUNNING, true),
            false => (counts - INVITED, false),
        })
    }

    /// Takes back the invitation of a driver that will never come.
    pub(crate) fn decline(&self) {
        self.counts.fetch_sub(INVITED, Ordering::AcqRel);
    }

    /// A driver that found nothing leaves, unless there is work after all and not enough others run.
    pub(crate) fn retire(&self, has_work: impl FnOnce() -> bool) -> Option<Retired> {
        self.leave();
        fence(Ordering::SeqCst);
        match has_work() && self.rejoin() {
            true => None,
            false => Some(Retired(())),
        }
    }

    /// A driver leaves although there may be work, unless no other is running.
    pub(crate) fn leave_to_others(&self) -> Option<Retired> {
        let leaves = self.step(|counts| match running(counts) {
            0 | 1 => (counts, false),
            _ => (counts - RUNNING, true),
        });
        leaves.then_some(Retired(()))
    }

    /// Counts off a driver that is dropped. Returns whether there is work, for which
    /// [`call`](Self::call) is called then.
    pub(crate) fn leave_behind(&self, has_work: impl FnOnce() -> bool) -> bool {
        self.leave();
        fence(Ordering::SeqCst);
        has_work()
    }

    /// Counts off a driver that will not look for tasks any more.
    pub(crate) fn leave(&self) {
        self.counts.fetch_sub(RUNNING, Ordering::AcqRel);
    }

    /// Counts a driver that left as running again. Returns `false` if enough others are.
    fn rejoin(&self) -> bool {
        self.step(|counts| match running(counts) < self.limit() {
            true => (counts + RUNNING, true),
            false => (counts, false),
        })
    }

    fn step(&self, change: impl Fn(usize) -> (usize, bool)) -> bool {
        let mut counts = self.counts.load(Ordering::Relaxed);
        loop {
            let (next, answer) = change(counts);
            match self.counts.compare_exchange_weak(
                counts,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return answer,
                Err(current) => counts = current,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(limit: usize) -> DriverCount {
        let drivers = DriverCount::new(1);
        drivers.set_limit(limit);
        drivers
    }

    fn counts(drivers: &DriverCount) -> (usize, usize) {
        let counts = drivers.counts.load(Ordering::Relaxed);
        (running(counts), invited(counts))
    }

    #[test]
    fn one_driver_is_invited_at_a_time_and_no_more_than_the_limit() {
        let drivers = of(3);
        assert_eq!(drivers.call(false), Wanted::Nothing, "it was not asked for");
        for running in 1..3 {
            assert_eq!(drivers.call(true), Wanted::Invitation);
            assert_eq!(drivers.call(true), Wanted::Nothing, "one is on its way");
            assert_eq!(counts(&drivers), (running, 1));
            assert!(drivers.join());
        }
        assert_eq!(drivers.call(true), Wanted::Nothing, "there is no place");
        assert_eq!(counts(&drivers), (3, 0));
    }

    #[test]
    fn a_driver_that_will_not_come_makes_way_for_another() {
        let drivers = of(2);
        assert_eq!(drivers.call(true), Wanted::Invitation);
        drivers.decline();
        assert_eq!(counts(&drivers), (1, 0));
        assert_eq!(drivers.call(true), Wanted::Invitation);
    }

    #[test]
    fn an_invited_driver_that_finds_its_place_taken_does_not_join() {
        let drivers = of(2);
        assert_eq!(drivers.call(true), Wanted::Invitation);
        assert!(drivers.rejoin());
        assert!(!drivers.join());
        assert_eq!(counts(&drivers), (2, 0));
    }

    #[test]
    fn a_driver_retires_unless_there_is_work_and_a_place_for_it() {
        let drivers = of(1);
        assert!(drivers.retire(|| true).is_none());
        assert_eq!(counts(&drivers), (1, 0));
        let meanwhile = || drivers.call(false) == Wanted::Driver;
        assert!(drivers.retire(meanwhile).is_some());
        assert_eq!(counts(&drivers), (1, 0));
        assert!(drivers.retire(|| false).is_some());
        assert_eq!(counts(&drivers), (0, 0));
        assert_eq!(drivers.call(false), Wanted::Driver);
    }

    #[test]
    fn a_driver_leaves_to_others_if_there_are_any() {
        let drivers = of(2);
        assert!(drivers.leave_to_others().is_none());
        assert_eq!(counts(&drivers), (1, 0));
        assert!(drivers.rejoin());
        assert!(drivers.leave_to_others().is_some());
        assert_eq!(counts(&drivers), (1, 0));
    }

    #[test]
    fn any_limit_fits() {
        for limit in [0, usize::MAX] {
            let drivers = of(limit);
            // Every driver and one that is invited have room in their halves of the word.
            assert!((1..INVITED / 2).contains(&drivers.limit()));
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// The real count, and a queue as it looks to drivers: how much is in it is known without a lock.
    struct Shared {
        drivers: DriverCount,
        ready: AtomicUsize,
        done: AtomicUsize,
    }

    impl Shared {
        fn new(limit: usize) -> Arc<Self> {
            Arc::new(Self {
                drivers: DriverCount::new(limit),
                ready: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
            })
        }

        fn take(&self) -> bool {
            let less = |ready: usize| ready.checked_sub(1);
            let taken = self
                .ready
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
            taken.is_ok()
        }

        /// A driver: takes tasks until there are none.
        fn drive(&self) -> Retired {
            loop {
                while self.take() {
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
                let has_work = || self.ready.load(Ordering::Acquire) > 0;
                if let Some(retired) = self.drivers.retire(has_work) {
                    return retired;
                }
            }
        }

        /// A thread that is no driver makes a task ready. An invited driver comes too late.
        fn inject(&self) {
            self.ready.fetch_add(1, Ordering::Release);
            match self.drivers.call(true) {
                Wanted::Driver => drop(self.drive()),
                Wanted::Invitation => self.drivers.decline(),
                Wanted::Nothing => {}
            }
        }
    }

    /// Proves that the second look of `retire` and both fences are needed. Without any one of them
    /// a task is left in the queue if the last driver leaves while it is being injected.
    #[test]
    fn loom_last_driver_leaves_while_a_task_is_injected() {
        loom::model(|| {
            let shared = Shared::new(1);
            let injecting = thread::spawn({
                let shared = shared.clone();
                move || shared.inject()
            });
            shared.drive();
            injecting.join().unwrap();
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                1,
                "a task was left behind"
            );
        });
    }

    /// The same with two threads that inject, so that a driver that was just started leaves again.
    #[test]
    fn loom_driver_comes_and_goes_between_two_injections() {
        loom::model(|| {
            let shared = Shared::new(2);
            let injecting = [(); 2].map(|()| {
                let shared = shared.clone();
                thread::spawn(move || shared.inject())
            });
            shared.drive();
            for thread in injecting {
                thread.join().unwrap();
            }
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                2,
                "a task was left behind"
            );
        });
    }

    /// Proves that what a driver leaves to another is not left behind. It would be if the driver
    /// looked for another before it is counted off, or put its work in the queue after that.
    #[test]
    fn loom_driver_leaves_its_work_to_another() {
        loom::model(|| {
            let shared = Shared::new(2);
            assert!(shared.drivers.rejoin());
            let other = thread::spawn({
                let shared = shared.clone();
                move || drop(shared.drive())
            });
            shared.ready.fetch_add(1, Ordering::Release);
            if shared.drivers.leave_to_others().is_none() {
                shared.drive();
            }
            other.join().unwrap();
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                1,
                "a task was left behind"
            );
        });
    }

    /// Proves the fence of `leave_behind`. Without it, a task is left in the queue if the last driver is
    /// dropped while it is being injected.
    #[test]
    fn loom_last_driver_is_dropped_while_a_task_is_injected() {
        loom::model(|| {
            let shared = Shared::new(1);
            let injecting = thread::spawn({
                let shared = shared.clone();
                move || shared.inject()
            });
            let has_work = || shared.ready.load(Ordering::Acquire) > 0;
            if shared.drivers.leave_behind(has_work) {
                if let Wanted::Driver = shared.drivers.call(false) {
                    shared.drive();
                }
            }
            injecting.join().unwrap();
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                1,
                "a task was left behind"
            );
        });
    }

    /// Proves that `join` and `rejoin` keep the limit. If either did not, more drivers would run than
    /// there are local queues.
    #[test]
    fn loom_never_more_drivers_than_the_limit() {
        loom::model(|| {
            let drivers = Arc::new(DriverCount::new(2));
            let joins = [(); 2].map(|()| {
                let drivers = drivers.clone();
                thread::spawn(move || match drivers.call(true) {
                    Wanted::Invitation => drivers.join(),
                    _ => drivers.rejoin(),
                })
            });
            let joined = joins.map(|join| join.join().unwrap());
            let joined = joined.into_iter().filter(|joined| *joined).count();
            assert!(joined <= 1, "one was running already");
            assert_eq!(running(drivers.counts.load(Ordering::Relaxed)), 1 + joined);
        });
    }
}
