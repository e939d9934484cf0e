//! Agents: who keeps a run alive, and how its end is found.
//!
//! Drivers, waiting tasks and blocking threads each hold an [`Agent`]. A run ends when the last of
//! them is dropped, in whatever way: by leaving, by a panic, by a runtime that shuts down. There
//! is no counter of tasks that every task would touch, and nothing can make a run hang whose
//! agents are gone: what they left undone is then seen, and reported.
//!
//! # Protocol
//!
//! Agents may be dropped by several threads at the same time. [`Arc::into_inner`] gives the run to
//! exactly one of them, the last, and orders all that the others did before that; so whoever
//! finishes a run sees everything that its tasks have written, and nobody else is left to touch
//! it. Those who find their way back to a run from a `Weak` have a share in it like any other, or
//! it is over and they get none.
//!
//! A finished run gives back the share in the run that it was a task of, which may be the last one
//! there, and so on outwards: a loop, since runs may be nested in any depth.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::execution::Execution;

/// A share in a run.
pub(crate) struct Agent(
    /// Always there, until it is dropped.
    Option<Arc<Execution>>,
);

impl Agent {
    pub(crate) fn new(execution: Execution) -> Self {
        Self(Some(Arc::new(execution)))
    }

    /// A share in the run of which one has a plain reference.
    pub(crate) fn of(execution: &Arc<Execution>) -> Self {
        Self(Some(Arc::clone(execution)))
    }

    /// A plain reference, for what is dropped before this agent is.
    pub(crate) fn share(&self) -> Arc<Execution> {
        let execution = self.0.as_ref();
        Arc::clone(execution.expect("an agent has its share until it is dropped"))
    }

    /// A way back to the run that does not keep it alive.
    pub(crate) fn downgrade(&self) -> Weak<Execution> {
        self.0.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// A share in a run that is not over yet.
    pub(crate) fn upgrade(weak: &Weak<Execution>) -> Option<Self> {
        weak.upgrade().map(|execution| Self(Some(execution)))
    }
}

impl Clone for Agent {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Agent {
    type Target = Execution;

    fn deref(&self) -> &Execution {
        self.0
            .as_deref()
            .expect("an agent has its share until it is dropped")
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let_go(self.0.take(), Arc::into_inner, |execution| {
            execution.finish().and_then(|mut outer| outer.0.take())
        });
    }
}

/// Drops a share; finishes what nobody else has a share in, and goes on with the share that this
/// gives back.
fn let_go<S, T>(
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

    use super::let_go;
    use crate::sync::{AtomicUsize, Ordering, fence};

    /// A run: what its agents have written, how often it was finished, and what it is a task of.
    struct Run {
        written: [AtomicUsize; 3],
        finished: AtomicUsize,
        shares: AtomicUsize,
        outer: Option<Arc<Run>>,
    }

    /// A share in a run, with what `std` does in `Arc` and `Weak`; `loom`'s own `Arc` lacks
    /// both `into_inner` and `Weak`. What keeps the memory is apart from it, and orders nothing.
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
            assert_eq!(self.shares.load(Ordering::Relaxed), 0, "somebody is left");
            let written = self.written.iter().map(|w| w.load(Ordering::Relaxed));
            assert_eq!(written.sum::<usize>(), 3, "not all was visible");
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

        /// What an agent does.
        fn write(self, own: usize) {
            self.0.written[own].store(1, Ordering::Relaxed);
            let_go(Some(self), Self::into_inner, Run::finish);
        }
    }

    /// Guards that the last of several agents finishes the run, once, and sees what all have
    /// written: with a look at the count before it is taken down, as `Arc::try_unwrap` does,
    /// nobody finishes it; with `Relaxed` in place of `Release`, or no fence, not all is seen.
    #[test]
    fn loom_last_agent_finishes_the_run() {
        loom::model(|| {
            let run = Run::with_shares(3, None);
            let agents = [1, 2].map(|own| {
                let share = Share(run.clone());
                thread::spawn(move || share.write(own))
            });
            Share(run.clone()).write(0);
            for agent in agents {
                agent.join().unwrap();
            }
            assert_eq!(run.finished.load(Ordering::Relaxed), 1);
        });
    }

    /// Guards that who comes back to a run either is part of it or finds it over: if `upgrade` gave
    /// a share without looking at the count in the same step, a run would be finished twice, or
    /// under an agent's feet.
    #[test]
    fn loom_invited_agent_comes_in_time_or_not_at_all() {
        loom::model(|| {
            let run = Run::with_shares(1, None);
            let invited = {
                let run = run.clone();
                thread::spawn(move || {
                    let share = run.upgrade();
                    let came = share.is_some();
                    let_go(share, Share::into_inner, Run::finish);
                    came
                })
            };
            for written in &run.written[1..] {
                written.store(1, Ordering::Relaxed);
            }
            Share(run.clone()).write(0);
            invited.join().unwrap();
            assert_eq!(run.finished.load(Ordering::Relaxed), 1);
        });
    }

    /// Guards that a run that is a task of another gives its share back: if `let_go` did not go on
    /// with it, the outer run would never be finished.
    #[test]
    fn loom_inner_run_ends_before_the_outer_one() {
        loom::model(|| {
            let outer = Run::with_shares(3, None);
            let inner = Run::with_shares(2, Some(outer.clone()));
            inner.written[2].store(1, Ordering::Relaxed);
            // One share of the outer run is the inner run's. What that writes, it writes here.
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
