//! Faults, rows 8 to 10: locks and semaphores under pressure, asked for in every order, shared,
//! and waited for by those who go away.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::TaskRef;
use asyncflow::prelude::*;
use asyncflow_tests::{
    Gate, Guards, Log, eventually, hold, on_every_backend, poll_times, yield_now,
};

/// Counts who is inside at the same time, and the most that ever were.
#[derive(Clone, Default)]
struct Inside(Arc<(AtomicUsize, AtomicUsize, AtomicUsize)>);

impl Inside {
    fn enter(&self, permits: usize) -> Leave {
        let inside = self.0.0.fetch_add(permits, Ordering::SeqCst) + permits;
        self.0.1.fetch_max(inside, Ordering::SeqCst);
        self.0.2.fetch_add(1, Ordering::SeqCst);
        Leave(self.clone(), permits)
    }

    /// The most that were inside at the same time.
    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    /// How many were inside in all.
    fn visits(&self) -> usize {
        self.0.2.load(Ordering::SeqCst)
    }

    /// An async task that is inside while it yields.
    fn yields(
        &self,
        permits: usize,
    ) -> impl Fn() -> futures::future::BoxFuture<'static, ()> + use<> {
        let inside = self.clone();
        move || {
            let inside = inside.clone();
            Box::pin(async move {
                let _leave = inside.enter(permits);
                yield_now().await;
            })
        }
    }

    /// A plain task that is inside.
    fn plain(&self, permits: usize) -> impl Fn() + use<> {
        let inside = self.clone();
        move || {
            let _leave = inside.enter(permits);
            std::thread::yield_now();
        }
    }
}

struct Leave(Inside, usize);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

/// Counts the threads that the process has.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

on_every_backend! {
    // Far more than any pool has threads, and no thread waits for the lock.
    async fn plain_functions_far_beyond_the_pool_on_one_lock<R>() {
        let (mut flow, lock, inside) = (Flow::<R>::new(), Lock::new(), Inside::default());
        for _ in 0..3000 {
            flow.add(inside.plain(1).with_lock(&lock));
        }
        flow.execute().await.unwrap();
        assert_eq!((inside.most(), inside.visits()), (1, 3000));
    }

    async fn plain_functions_far_beyond_the_pool<R>() {
        let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
        for _ in 0..3000 {
            flow.add(inside.plain(1));
        }
        flow.execute().await.unwrap();
        assert_eq!(inside.visits(), 3000);
        flow.execute().max_concurrency(2).await.unwrap();
        assert_eq!(inside.visits(), 6000);
    }

    // Plain functions, async ones, and ones with a limit take turns.
    async fn one_lock_for_tasks_of_all_kinds<R>() {
        let (mut flow, lock, inside) = (Flow::<R>::new(), Lock::new(), Inside::default());
        for _ in 0..100 {
            flow.add(inside.plain(1).with_lock(&lock));
            flow.add(inside.yields(1).with_lock(&lock));
            flow.add(inside.plain(1).with_lock(&lock).timeout(Duration::from_secs(60)));
            flow.add(inside.yields(1).with_lock(&lock).timeout(Duration::from_secs(60)));
        }
        flow.execute().await.unwrap();
        assert_eq!((inside.most(), inside.visits()), (1, 400));
        for limit in [1, 2, 50] {
            flow.execute().max_concurrency(limit).await.unwrap();
        }
        assert_eq!((inside.most(), inside.visits()), (1, 1600));
    }

    // Whatever the order in which they are asked for.
    async fn locks_in_opposite_order<R>() {
        let locks: Vec<Semaphore> = (0..4).map(|_| Semaphore::new(3)).collect();
        let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
        for index in 0..200 {
            let (a, b, c) = (&locks[index % 4], &locks[(index / 4) % 4], &locks[(index / 16) % 4]);
            let (a, b, c) = (a.permits(1 + index % 3), b.permits(1 + index / 3 % 3), c.permits(3));
            match index % 2 {
                0 => flow.add(inside.yields(1).with_lock(a).with_lock(b).with_lock(c)),
                _ => flow.add(inside.plain(1).with_lock(c).with_lock(b).with_lock(a)),
            };
        }
        flow.execute().await.unwrap();
        flow.execute().max_concurrency(1).await.unwrap();
        flow.execute().max_concurrency(3).await.unwrap();
        let (first, second) = futures::join!(flow.execute(), flow.execute().max_concurrency(2));
        first.unwrap();
        second.unwrap();
        assert_eq!(inside.visits(), 1000);
    }

    async fn the_same_lock_twice_on_a_task<R>() {
        let (lock, semaphore) = (Lock::new(), Semaphore::new(3));
        let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
        let both = inside.plain(1).with_lock(&lock).with_lock(lock.clone());
        flow.add(both);
        // The larger number of permits: two more fit beside it, and not three.
        let most = inside.yields(1).with_lock(semaphore.permits(2)).with_lock(&semaphore);
        flow.add(most.with_lock(&lock));
        // On a group and on a member of it.
        flow.add(with_lock(parallel![
            with_lock(inside.plain(1), &lock),
            with_lock(series![inside.yields(1), inside.plain(1).with_lock(&semaphore)], &semaphore),
        ], &lock));
        flow.execute().await.unwrap();
        assert_eq!((inside.most(), inside.visits()), (1, 5));
    }

    // Never more permits than there are, whatever the sizes, and nobody starves.
    async fn semaphore_with_permits_of_all_sizes<R>() {
        for capacity in [1, 2, 5] {
            let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
            let semaphore = Semaphore::new(capacity);
            for index in 0..120 {
                let permits = 1 + index % capacity;
                let needed = semaphore.permits(permits);
                match index % 2 {
                    0 => flow.add(inside.yields(permits).with_lock(needed)),
                    _ => flow.add(inside.plain(permits).with_lock(needed)),
                };
            }
            flow.execute().await.unwrap();
            assert_eq!(inside.visits(), 120);
            assert!(inside.most() <= capacity, "{} of {capacity}", inside.most());
        }
    }

    // Both permits are in use at the same time: the first holder waits for the second.
    async fn semaphore_lets_as_many_in_as_it_has_permits<R>() {
        let (mut flow, semaphore) = (Flow::<R>::new(), Semaphore::new(2));
        let gates = [Gate::new(), Gate::new()];
        for own in 0..2 {
            let gates = gates.clone();
            flow.add((move || {
                let gates = gates.clone();
                async move {
                    gates[own].open();
                    gates[1 - own].pass().await;
                }
            }).with_lock(&semaphore));
        }
        flow.execute().await.unwrap();
    }

    async fn more_permits_than_there_are_is_refused<R>() {
        let log = Log::new();
        for (semaphore, permits) in [(Semaphore::new(2), 3), (Semaphore::new(0), 1), (Semaphore::new(1), usize::MAX)] {
            for plain in [false, true] {
                let mut flow = Flow::<R>::new();
                flow.add(log.note("never"));
                match plain {
                    false => flow.add(log.note("never").with_lock(semaphore.permits(permits)).named("greedy")),
                    true => flow.add(log.note_blocking("never").with_lock(semaphore.permits(permits)).named("greedy")),
                };
                let error = flow.execute().await.unwrap_err();
                assert!(error.report().is_none());
                let text = error.to_string();
                assert!(text.contains("`greedy`") && text.contains(&permits.to_string()), "{text}");
            }
        }
        // A semaphore of none, as it is.
        let (mut flow, none) = (Flow::<R>::new(), Semaphore::new(0));
        flow.add(log.note("never").with_lock(&none).named("greedy"));
        assert!(flow.execute().await.unwrap_err().to_string().contains("`greedy`"));
        // No permits of one.
        let mut flow = Flow::<R>::new();
        flow.add(log.note("never").with_lock(Semaphore::new(3).permits(0)).named("modest"));
        assert!(flow.execute().await.unwrap_err().to_string().contains("`modest`"));
        assert_eq!(log.events().len(), 0);
    }

    async fn no_concurrency_is_refused<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        flow.add(log.note("never"));
        let error = flow.execute().max_concurrency(0).await.unwrap_err();
        assert!(error.report().is_none());
        assert!(error.to_string().contains("max_concurrency(0)"), "{error}");
        assert_eq!(log.events().len(), 0);
        flow.execute().max_concurrency(usize::MAX).await.unwrap();
    }

    async fn max_concurrency_holds<R>() {
        for limit in [1, 2, 3, 7] {
            let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
            let lock = Lock::new();
            for index in 0..60 {
                match index % 4 {
                    0 => flow.add(inside.plain(1)),
                    1 => flow.add(inside.yields(1)),
                    2 => flow.add(inside.yields(1).with_lock(&lock)),
                    _ => flow.add(inside.plain(1).with_lock(&lock).timeout(Duration::from_secs(60))),
                };
            }
            flow.execute().max_concurrency(limit).await.unwrap();
            assert_eq!(inside.visits(), 60);
            assert!(inside.most() <= limit, "{} of {limit}", inside.most());
        }
    }

    // Waiting for a lock is not running: with one slot, the holder is in another flow.
    async fn waiting_for_a_lock_takes_no_slot<R>() {
        let (lock, go, log) = (Lock::new(), Gate::new(), Log::new());
        let holder = hold::<R>(&lock, &go).await;
        let mut flow = Flow::<R>::new();
        flow.add(log.note("first").with_lock(&lock));
        flow.add(log.note_blocking("second").with_lock(&lock));
        let free = flow.add(log.note("free"));
        flow.add({
            let go = go.clone();
            (move || {
                go.open();
                std::future::ready(())
            })
            .after(free)
        });
        flow.execute().max_concurrency(1).await.unwrap();
        holder.await.unwrap();
        assert_eq!(log.events().len(), 3);
        assert_eq!(log.place("free"), 0);
    }

    async fn lock_shared_by_flows_and_runs<R>() {
        static LOCK: Lock = Lock::new();
        // Of its own in each instance of this test.
        let (own, inside) = (Lock::new(), Inside::default());
        let flow = |count: usize| {
            let mut flow = Flow::<R>::new();
            for index in 0..count {
                match index % 2 {
                    0 => flow.add(inside.yields(1).with_lock(own.clone()).with_lock(&LOCK)),
                    _ => flow.add(inside.plain(1).with_lock(&own)),
                };
            }
            flow
        };
        let (a, b) = (flow(40), flow(50));
        let (x, y, z) = futures::join!(a.execute(), b.start(), a.execute().max_concurrency(2));
        let (x, y, z) = (x.unwrap(), y.unwrap(), z.unwrap());
        assert_eq!((inside.most(), inside.visits()), (1, 130));
        drop((x, y, z));
        // Also one after the other, and after a run that failed.
        let mut bad = flow(10);
        bad.add((|| -> () { panic!() }).with_lock(&own));
        bad.execute().await.unwrap_err();
        a.execute().await.unwrap();
        assert_eq!(inside.most(), 1);
    }

    // Those who wait in the queue and go away pass the lock on: the last one gets it.
    async fn acquire_that_is_dropped_while_it_is_queued<R>() {
        for how in 0..3 {
            let (lock, semaphore) = (Lock::new(), Semaphore::new(3));
            let permits = |count: usize| match how {
                0 => asyncflow::Lockable::to_permits(&lock),
                1 => semaphore.permits(3),
                _ => semaphore.permits(1 + count % 3),
            };
            let go = Gate::new();
            let all = if how == 0 { permits(0) } else { semaphore.permits(3) };
            let holder = hold::<R>(all, &go).await;

            let log = Log::new();
            let mut waiting = vec![];
            for index in 0..12 {
                let mut flow = Flow::<R>::new();
                match index % 2 {
                    0 => flow.add(log.note("got it").with_lock(permits(index))),
                    _ => flow.add(log.note_blocking("got it").with_lock(permits(index))),
                };
                let waits = Arc::new(Waits::default());
                let mut running = Box::pin(flow.execute().observe(Observing(Arc::clone(&waits))).start());
                // Really in the queue.
                eventually::<R>("to wait for the lock", || waits.0.is_open()).await;
                assert!(poll_times(running.as_mut(), 1).await.is_none());
                waiting.push(running);
            }
            // Two out of three go: before the lock is free, and at the moment that it is.
            let mut index = 0;
            waiting.retain(|_| { index += 1; index % 3 != 1 });
            go.open();
            holder.await.unwrap();
            index = 0;
            let before = waiting.len();
            let mut left = vec![];
            for running in waiting {
                index += 1;
                match index % 2 {
                    0 => left.push(running),
                    _ => drop(running),
                }
            }
            assert_eq!((before, left.len()), (8, 4));
            for running in left {
                running.await.unwrap();
            }
            assert!(log.events().len() >= 4);
            // All permits are back.
            let mut last = Flow::<R>::new();
            last.add((|| ()).with_lock(&lock).with_lock(semaphore.permits(3)));
            last.execute().await.unwrap();
        }
    }

    // The same within one run: a failure sends those in the queue home.
    async fn queue_of_a_run_that_fails<R>() {
        let (lock, guards) = (Lock::new(), Guards::new());
        for _ in 0..20 {
            let mut flow = Flow::<R>::new();
            let first = flow.add((async || { yield_now().await; Err::<(), _>("no") }).with_lock(&lock));
            for _ in 0..20 {
                let guards = guards.clone();
                flow.add((move || drop(guards.guard())).with_lock(&lock));
                flow.add((async || yield_now().await).with_lock(&lock));
            }
            let clean = flow.add((|| ()).after(first).with_lock(&lock).always());
            let error = flow.execute().await.unwrap_err();
            assert!(error.report().unwrap().status(clean).is_success());
        }
        assert_eq!(guards.live(), 0);
        let mut other = Flow::<R>::new();
        other.add((|| ()).with_lock(&lock));
        other.execute().await.unwrap();
    }

    // A permit is taken before a thread is: while one task holds the lock, those who wait for it
    // leave the only blocking thread to others.
    async fn waiting_for_a_lock_takes_no_thread<R>() {
        let (mut flow, lock) = (Flow::<R>::new(), Lock::new());
        let (held, go) = (Gate::new(), Gate::new());
        flow.add({
            let (held, go) = (held.clone(), go.clone());
            (move || {
                let (held, go) = (held.clone(), go.clone());
                async move { held.open(); go.pass().await }
            }).with_lock(&lock)
        });
        for _ in 0..2000 {
            flow.add((|| ()).with_lock(&lock));
        }
        let waits = flow.add(move || {
            let held = held.clone();
            async move { held.pass().await }
        });
        #[cfg(target_os = "linux")]
        let before = threads();
        flow.add((move || {
            #[cfg(target_os = "linux")]
            assert!(threads() < before + 100, "{} threads, {before} before", threads());
            go.open()
        }).after(waits));
        flow.execute().await.unwrap();
    }
}

/// Opened when a task waits for permits.
#[derive(Default)]
struct Waits(Gate);

struct Observing(Arc<Waits>);

impl asyncflow::Observer for Observing {
    fn task_waiting(&self, _: TaskRef<'_>, _: &asyncflow::Permits) {
        self.0.0.open();
    }
}
