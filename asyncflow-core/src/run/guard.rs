//! Run guards: what keeps a run alive, and how its end is found.
//!
//! Drivers, waiting tasks and blocking threads each hold a [`RunGuard`]. A run ends when the last
//! one is dropped, in whatever way: because its holder is done, by a panic, or by a runtime that
//! shuts down. There is no counter that every task would touch. A run whose guards are gone cannot
//! hang: what was left undone is seen then, and reported.
//!
//! # Protocol
//!
//! Several threads may drop guards at the same time. [`Arc::into_inner`] gives the run to exactly
//! one of them, the last, and orders everything that the others did before that. So the thread that
//! finishes a run sees everything that its tasks have written, and no other thread touches it any
//! more. A guard that is made from a `Weak` is a guard like any other, or the run is over and there
//! is none.
//!
//! A finished run drops its guard of the outer run, which may be the last one there, and so on. This
//! is done in a loop, since runs may be nested in any depth.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::attempt::Awaited;
use super::execution::Execution;
use super::ready_queues::Injected;
use super::validate::Outer;

/// A share in a run that keeps it from ending.
pub(crate) struct RunGuard(
    /// Present until it is dropped.
    Option<Arc<Execution>>,
);

impl RunGuard {
    pub(crate) fn new(execution: Execution) -> Self {
        Self(Some(Arc::new(execution)))
    }

    /// A guard of a run that another guard keeps alive at the moment.
    pub(crate) fn of(execution: &Arc<Execution>) -> Self {
        Self(Some(Arc::clone(execution)))
    }

    /// A share that does not keep the run from ending, for what is dropped before this guard.
    pub(crate) fn share(&self) -> Arc<Execution> {
        let execution = self.0.as_ref();
        Arc::clone(execution.expect("a guard has its share until it is dropped"))
    }

    pub(crate) fn downgrade(&self) -> Weak<Execution> {
        self.0.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// A guard of a run that is not over yet.
    pub(crate) fn upgrade(weak: &Weak<Execution>) -> Option<Self> {
        weak.upgrade().map(|execution| Self(Some(execution)))
    }

    /// Whether both are guards of the same run.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        std::ptr::eq::<Execution>(&**self, &**other)
    }

    /// Puts something where any driver can take it, and makes sure that there is a driver.
    pub(crate) fn inject(&self, injected: Injected) {
        self.inject_all([injected]);
    }

    /// Puts several things where any driver can take them, in one go.
    pub(crate) fn inject_all(&self, injected: impl IntoIterator<Item = Injected>) {
        if self.ready.inject(self.graph(), injected) > 0 {
            self.scheduler.call(self, self.invites_early());
        }
    }

    /// What the future of this run does for the attempt that the run belongs to, if to one.
    pub(super) fn awaited(&self) -> Option<Awaited> {
        match &self.outer {
            Some(Outer::Owned(owned)) => Some(owned.awaited(self)),
            _ => None,
        }
    }

    /// Invites another driver early if there are ready tasks. Called by a driver.
    #[inline]
    pub(super) fn invite_to_start(&self) {
        if self.invites_early() && self.ready.any(self.roots()) {
            self.scheduler.call(self, true);
        }
    }

    /// Invites another driver early if there are woken tasks. Called by a driver.
    #[inline]
    pub(super) fn invite_to_resume(&self) {
        if self.invites_early() && self.scheduler.woken() > 0 {
            self.scheduler.call(self, true);
        }
    }

    /// Whether there is more to do than one driver will do next.
    pub(super) fn has_more_work(&self) -> bool {
        self.ready.len(self.roots()) + self.scheduler.woken() > 1
    }

    /// Whether there is anything for a driver to do.
    pub(super) fn has_work(&self) -> bool {
        self.ready.any(self.roots()) || self.scheduler.woken() > 0
    }
}

impl Clone for RunGuard {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for RunGuard {
    type Target = Execution;

    fn deref(&self) -> &Execution {
        self.0
            .as_deref()
            .expect("a guard has its share until it is dropped")
    }
}

impl fmt::Debug for RunGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunGuard")
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        drop_share(self.0.take(), Arc::into_inner, |execution| {
            execution.finish().and_then(|mut outer| outer.0.take())
        });
    }
}

/// Drops a share. If it was the last one, finishes what it was a share in, and goes on with the
/// share that this gives back.
fn drop_share<S, T>(
    mut share: Option<S>,
    into_inner: impl Fn(S) -> Option<T>,
    finish: impl Fn(T) -> Option<S>,
) {
    while let Some(last) = share.and_then(&into_inner) {
        share = finish(last);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc;

    use loom::thread;

    use super::drop_share;
    use crate::sync::{AtomicUsize, Ordering, fence};

    /// A run: what its guards have written, how often it was finished, and its outer run.
    struct Run {
        written: [AtomicUsize; 3],
        finished: AtomicUsize,
        shares: AtomicUsize,
        outer: Option<Arc<Run>>,
    }

    /// A share in a run, with the orderings of `std`'s `Arc` and `Weak`. `loom`'s own `Arc` has
    /// neither `into_inner` nor `Weak`. The `Arc` in it only keeps the memory, and orders nothing.
    struct Share(Arc<Run>);

    impl Run {
        fn with_shares(shares: usize, outer: Option<Arc<Self>>) -> Arc<Self> {
            Arc::new(Self {
                written: std::array::from_fn(|_| AtomicUsize::new(0)),
                finished: AtomicUsize::new(0),
                shares: AtomicUsize::new(shares),
                outer,
            })
        }

        fn upgrade(self: &Arc<Self>) -> Option<Share> {
            let mut shares = self.shares.load(Ordering::Relaxed);
            while shares > 0 {
                match self.shares.compare_exchange(
                    shares,
                    shares + 1,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Some(Share(self.clone())),
                    Err(current) => shares = current,
                }
            }
            None
        }

        fn finish(self: Arc<Self>) -> Option<Share> {
            assert_eq!(self.shares.load(Ordering::Relaxed), 0, "a share is left");
            let written = self.written.iter().map(|w| w.load(Ordering::Relaxed));
            assert_eq!(written.sum::<usize>(), 3, "a write was not visible");
            self.finished.fetch_add(1, Ordering::Relaxed);
            self.outer.clone().map(Share)
        }
    }

    impl Share {
        fn into_inner(self) -> Option<Arc<Run>> {
            let last = self.0.shares.fetch_sub(1, Ordering::Release) == 1;
            last.then(|| {
                fence(Ordering::Acquire);
                self.0
            })
        }

        /// What the holder of a guard does.
        fn write(self, own: usize) {
            self.0.written[own].store(1, Ordering::Relaxed);
            drop_share(Some(self), Self::into_inner, Run::finish);
        }
    }

    /// Proves that the last of several guards finishes the run, once, and sees what all have
    /// written. If the count were read before it is decremented, as `Arc::try_unwrap` does, the run
    /// might not be finished. With `Relaxed` in place of `Release`, or without the fence, a write
    /// is missed.
    #[test]
    fn loom_last_guard_finishes_the_run() {
        loom::model(|| {
            let run = Run::with_shares(3, None);
            let guards = [1, 2].map(|own| {
                let share = Share(run.clone());
                thread::spawn(move || share.write(own))
            });
            Share(run.clone()).write(0);
            for guard in guards {
                guard.join().unwrap();
            }
            assert_eq!(run.finished.load(Ordering::Relaxed), 1);
        });
    }

    /// Proves that `upgrade` either returns a guard like any other, or finds that the run is over.
    /// If it returned a share without checking the count in the same step, a run would be finished
    /// twice, or while it is used.
    #[test]
    fn loom_upgraded_guard_comes_in_time_or_not_at_all() {
        loom::model(|| {
            let run = Run::with_shares(1, None);
            let upgraded = {
                let run = run.clone();
                thread::spawn(move || {
                    let share = run.upgrade();
                    let came = share.is_some();
                    drop_share(share, Share::into_inner, Run::finish);
                    came
                })
            };
            for written in &run.written[1..] {
                written.store(1, Ordering::Relaxed);
            }
            Share(run.clone()).write(0);
            upgraded.join().unwrap();
            assert_eq!(run.finished.load(Ordering::Relaxed), 1);
        });
    }

    /// Guards that a run that is a task of another gives its share back: if `drop_share` did not go on
    /// with it, the outer run would never be finished.
    #[test]
    fn loom_inner_run_ends_before_the_outer_one() {
        loom::model(|| {
            let outer = Run::with_shares(3, None);
            let inner = Run::with_shares(2, Some(outer.clone()));
            inner.written[2].store(1, Ordering::Relaxed);
            // One share in the outer run is held by the inner run, which writes here.
            outer.written[2].store(1, Ordering::Relaxed);
            let other = {
                let (inner, outer) = (Share(inner.clone()), Share(outer.clone()));
                thread::spawn(move || {
                    inner.write(1);
                    outer.write(1);
                })
            };
            Share(outer.clone()).write(0);
            Share(inner.clone()).write(0);
            other.join().unwrap();
            assert_eq!(inner.finished.load(Ordering::Relaxed), 1);
            assert_eq!(outer.finished.load(Ordering::Relaxed), 1);
        });
    }
}
