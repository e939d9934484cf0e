//! The roster: how many drivers a run has, and who starts another.
//!
//! # Protocol
//!
//! A *driver* works through ready tasks. It is *running* from when it is started until it has left
//! for good; at most `limit` are. A driver that is *invited* is on its way: the runtime was asked
//! to poll it, but it holds on to nothing and may come too late, when the run is over.
//!
//! What must never happen is that a task lies in a queue and no running driver will look there.
//! Two rules make sure of it:
//!
//! * Whoever makes a task ready first puts it where any driver can take it, and *then* calls
//!   [`Roster::call`]. If no driver is running, that one starts a driver, which is running from
//!   that very moment.
//! * A driver that finds nothing calls [`Roster::leave`], and *then* looks at every queue once
//!   more. If there is something, it calls [`Roster::rejoin`] and goes on.
//!
//! Both sides write one thing and then read the other, so both need a sequentially consistent
//! fence in between (Dekker's pattern): of a task that is pushed and a driver that leaves at the
//! same time, either the pusher sees that the driver has left, or the driver sees the task.
//!
//! Only one driver is invited at a time. A driver that joins and finds more work than for itself
//! invites the next.

use crate::sync::{AtomicUsize, Ordering, fence};

/// One running driver, in the lower half of the word; one invited, in the upper half.
const RUNNING: usize = 1;
const INVITED: usize = 1 << (usize::BITS / 2);

#[derive(Debug)]
pub(crate) struct Roster {
    /// Both counts in one word, so that they change together.
    counts: AtomicUsize,
    limit: usize,
}

/// What a call for drivers came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nobody needs to come.
    Enough,
    /// The caller starts a driver that counts as running already.
    Start,
    /// The caller starts a driver that joins when it is first polled.
    Invite,
}

fn running(counts: usize) -> usize {
    counts & (INVITED - 1)
}

fn invited(counts: usize) -> usize {
    counts / INVITED
}

impl Roster {
    /// A roster for at most `limit` drivers, of which one is running.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            counts: AtomicUsize::new(RUNNING),
            limit: limit.clamp(1, INVITED / 4),
        }
    }

    /// Called after a task was put where any driver can take it.
    pub(crate) fn call(&self) -> Call {
        fence(Ordering::SeqCst);
        let mut counts = self.counts.load(Ordering::Relaxed);
        loop {
            let (change, call) = if running(counts) == 0 {
                (RUNNING, Call::Start)
            } else if invited(counts) == 0 && running(counts) < self.limit {
                (INVITED, Call::Invite)
            } else {
                return Call::Enough;
            };
            match self.counts.compare_exchange_weak(
                counts,
                counts + change,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return call,
                Err(current) => counts = current,
            }
        }
    }

    /// An invited driver is here; `false` when enough others are.
    pub(crate) fn join(&self) -> bool {
        self.step(|counts| match running(counts) < self.limit {
            true => (counts - INVITED + RUNNING, true),
            false => (counts - INVITED, false),
        })
    }

    /// An invited driver will never come.
    pub(crate) fn decline(&self) {
        self.counts.fetch_sub(INVITED, Ordering::AcqRel);
    }

    /// A driver has found nothing. It has to look once more afterwards.
    pub(crate) fn leave(&self) {
        self.counts.fetch_sub(RUNNING, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// A driver that left, or somebody who was none, runs; `false` when enough others do.
    pub(crate) fn rejoin(&self) -> bool {
        self.step(|counts| match running(counts) < self.limit {
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

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::run::ready::{Ready, Sent};

    /// What a run needs of its drivers, with the real roster and the real queue.
    struct Shared {
        roster: Roster,
        ready: Ready,
        done: AtomicUsize,
    }

    impl Shared {
        fn new(limit: usize) -> Arc<Self> {
            Arc::new(Self {
                roster: Roster::new(limit),
                ready: Ready::new(limit),
                done: AtomicUsize::new(0),
            })
        }

        /// A driver: takes tasks until there are none, leaves, and looks once more.
        fn drive(&self) {
            loop {
                while self.ready.receive().is_some() {
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
                self.roster.leave();
                if !(self.ready.any(&[]) && self.roster.rejoin()) {
                    return;
                }
            }
        }

        /// Somebody who is no driver makes a task ready. An invited driver comes too late.
        fn send(&self) {
            self.ready.send(Sent::Task(0, None));
            match self.roster.call() {
                Call::Start => self.drive(),
                Call::Invite => self.roster.decline(),
                Call::Enough => {}
            }
        }
    }

    /// Guards the second look in `leave`, and both fences: without any one of them a task is left
    /// in the queue when the last driver leaves while it is being sent.
    #[test]
    fn loom_last_driver_leaves_while_a_task_is_sent() {
        loom::model(|| {
            let shared = Shared::new(1);
            let sender = thread::spawn({
                let shared = shared.clone();
                move || shared.send()
            });
            shared.drive();
            sender.join().unwrap();
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                1,
                "a task was left behind"
            );
        });
    }

    /// The same with two who send, so that a driver that was just started leaves again.
    #[test]
    fn loom_driver_comes_and_goes_between_two_senders() {
        loom::model(|| {
            let shared = Shared::new(2);
            let senders = [(); 2].map(|()| {
                let shared = shared.clone();
                thread::spawn(move || shared.send())
            });
            shared.drive();
            for sender in senders {
                sender.join().unwrap();
            }
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                2,
                "a task was left behind"
            );
        });
    }

    /// Guards the limit in `join` and `rejoin`: if either forgot it, more drivers would run than
    /// there are desks.
    #[test]
    fn loom_never_more_drivers_than_the_limit() {
        loom::model(|| {
            let roster = Arc::new(Roster::new(2));
            let joins = [(); 2].map(|()| {
                let roster = roster.clone();
                thread::spawn(move || match roster.call() {
                    Call::Invite => roster.join(),
                    _ => roster.rejoin(),
                })
            });
            let joined = joins.map(|join| join.join().unwrap());
            let joined = joined.into_iter().filter(|joined| *joined).count();
            assert!(joined <= 1, "one was running already");
            assert_eq!(running(roster.counts.load(Ordering::Relaxed)), 1 + joined);
        });
    }
}
