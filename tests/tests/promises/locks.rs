//! Locks and semaphores hold over tasks, runs and flows, and permits come back on every way out.

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Lockable, Member, Observer, Permits, Runtime, TaskRef};
use asyncflow_tests::{
    Gate, Guards, Inside, Job, LONG, Log, Meeting, again, hold, on_every_backend,
    on_every_backend_in_child, opens, passes, poll_times, turns, waits, yield_now,
};

/// Opens its gate when a task waits for permits.
struct Waits(Gate);

impl Observer for Waits {
    fn task_waiting(&self, _: TaskRef<'_>, _: &Permits) {
        self.0.open();
    }
}

/// Two tasks that end only if both run at once.
fn two() -> [impl Fn() -> Job + Send + Sync + use<>; 2] {
    let meeting = Meeting::of(2);
    [meeting.task(), meeting.task()]
}

mod lock {
    use super::*;

    on_every_backend! {
        // Plain functions, async ones, and ones with a limit take turns, in any number at a time.
        async fn one_at_a_time<R>() {
            let (mut flow, lock, inside) = (Flow::<R>::new(), Lock::new(), Inside::new());
            for _ in 0..50 {
                flow.add(inside.plain(1).with_lock(&lock));
                flow.add(with_lock(inside.task(1), &lock));
                flow.add(inside.plain(1).with_lock(&lock).timeout(LONG));
                flow.add(inside.task(1).with_lock(&lock).timeout(LONG));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 200);
            for limit in [1, 2, 50] {
                flow.execute().max_concurrency(limit).await.unwrap();
            }
            inside.assert(1, 800);
        }

        // What has no lock runs beside what has one.
        async fn holds_up_no_others<R>() {
            let (mut flow, lock, other) = (Flow::<R>::new(), Lock::new(), Lock::new());
            let [one, two] = two();
            let gate = Gate::new();
            let both = flow.add(parallel![one.with_lock(&lock), two.with_lock(&other)]);
            flow.add(passes(&gate).with_lock(&lock).after(both));
            flow.add(opens(&gate).after(both));
            flow.execute().await.unwrap();
        }

        async fn of_each_kind_in_order_of_upstreams<R>() {
            let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
            let a = flow.add(log.note("a").with_lock(&lock));
            let b = flow.add(log.note_blocking("b").with_lock(&lock).after(a));
            let c = flow.add((async || turns(9).await).with_lock(&lock).after(b));
            flow.add(log.note("c").with_lock(&lock).after(c));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["a", "b", "c"]);
        }

        // In executions of both at the same time, and after one that failed.
        async fn one_in_two_flows<R>() {
            let (inside, lock) = (Inside::new(), Lock::new());
            let flow = || {
                let mut flow = Flow::<R>::new();
                for _ in 0..20 {
                    flow.add(inside.task(1).with_lock(&lock));
                    flow.add(inside.plain(1).with_lock(lock.clone()));
                }
                flow
            };
            let (one, two) = (flow(), flow());
            let (a, b, c) = futures::join!(one.execute(), two.start(), one.execute().max_concurrency(2));
            a.unwrap();
            b.unwrap();
            c.unwrap();
            inside.assert(1, 120);
            let mut fails = Flow::<R>::new();
            fails.add((|| -> () { panic!() }).with_lock(&lock));
            fails.execute().await.unwrap_err();
            one.execute().await.unwrap();
            inside.assert(1, 160);
        }

        async fn one_in_executions_of_one_flow<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            for _ in 0..10 {
                flow.add(inside.task(1).with_lock(&lock));
                flow.add(inside.plain(1).with_lock(&lock));
            }
            let runs = futures::future::join_all((0..5).map(|_| flow.start())).await;
            assert!(runs.iter().all(Result::is_ok));
            inside.assert(1, 100);
            flow.execute().await.unwrap();
            inside.assert(1, 120);
        }

        async fn one_in_a_flow_in_the_flow<R>() {
            let (inside, lock) = (Inside::new(), Lock::new());
            let inner = || {
                let tasks = (0..10).map(|_| Member::new(inside.task(1).with_lock(&lock)));
                Arc::new(Flow::<R>::from(tasks.collect::<Parallel>()))
            };
            let mut flow = Flow::<R>::new();
            flow.add(inner());
            flow.add(inner());
            flow.add(parallel![inside.task(1), inside.plain(1), inside.task(1)].with_lock(&lock));
            flow.execute().await.unwrap();
            inside.assert(1, 23);
        }

        async fn a_static<R>() {
            static LOCK: Lock = Lock::new();
            static TWO: Semaphore = Semaphore::new(2);
            let (mut flow, inside, both) = (Flow::<R>::new(), Inside::new(), Inside::new());
            for _ in 0..20 {
                flow.add(inside.task(1).with_lock(&LOCK));
                flow.add(inside.plain(1).with_lock(&LOCK));
                flow.add(both.task(1).with_lock(&TWO));
                flow.add(both.task(2).with_lock(TWO.permits(2)));
            }
            let (one, two) = futures::join!(flow.execute(), flow.execute());
            one.unwrap();
            two.unwrap();
            inside.assert(1, 80);
            both.assert(2, 80);
        }

        async fn clones_share<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            // A clone from before its first use, and clones of clones.
            let early = lock.clone();
            let late = early.clone();
            for _ in 0..20 {
                for lock in [&lock, &early, &late] {
                    flow.add(inside.task(1).with_lock(lock));
                }
                flow.add(inside.task(1).with_lock(late.clone()));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 80);

            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(2));
            let clone = semaphore.clone();
            for _ in 0..20 {
                flow.add(inside.task(1).with_lock(&semaphore));
                flow.add(inside.task(1).with_lock(&clone));
                flow.add(inside.task(2).with_lock(clone.permits(2)));
            }
            flow.execute().await.unwrap();
            inside.assert(2, 60);
        }

        // Two that are not clones are independent.
        async fn each_is_its_own<R>() {
            let [one, two] = two();
            let mut flow = Flow::<R>::new();
            flow.add(one.with_lock(Lock::new()));
            flow.add(two.with_lock(Lock::default()));
            flow.execute().await.unwrap();
        }
    }
}

mod semaphore {
    use super::*;

    on_every_backend! {
        // They meet in pairs, in the order in which they come: two are inside each time.
        async fn two_at_once_and_never_three<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(2));
            let meeting = Meeting::of(2);
            for _ in 0..40 {
                let (inside, meeting) = (inside.clone(), meeting.clone());
                flow.add(again!((inside, meeting) {
                    let _visit = inside.enter(1);
                    meeting.meet().await;
                    turns(5).await;
                }).with_lock(&semaphore));
            }
            flow.execute().await.unwrap();
            inside.assert(2, 40);
            assert_eq!(inside.most(), 2);
        }

        async fn never_more_than_it_has<R>() {
            for permits in [1, 3, 8] {
                let (mut flow, inside) = (Flow::<R>::new(), Inside::new());
                let semaphore = Semaphore::new(permits);
                for _ in 0..40 {
                    flow.add(inside.task(1).with_lock(&semaphore));
                    flow.add(inside.plain(1).with_lock(&semaphore));
                }
                flow.execute().await.unwrap();
                inside.assert(permits, 80);
            }
        }

        // Never more permits than there are, whatever the sizes, and nothing starves.
        async fn by_weight<R>() {
            for capacity in [1, 2, 5] {
                let (mut flow, inside) = (Flow::<R>::new(), Inside::new());
                let semaphore = Semaphore::new(capacity);
                for n in 0..120 {
                    let weight = n * 7 % capacity + 1;
                    let needed = semaphore.permits(weight);
                    match n % 2 {
                        0 => flow.add(inside.task(weight).with_lock(needed)),
                        _ => flow.add(inside.plain(weight).with_lock(needed)),
                    };
                }
                flow.execute().await.unwrap();
                inside.assert(capacity, 120);
            }
        }

        // Three and two permits fit, twice three do not.
        async fn three_and_two_of_five<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(5));
            let [one, two] = two();
            let both = flow.add(parallel![
                one.with_lock(semaphore.permits(3)),
                two.with_lock(semaphore.permits(2)),
            ]);
            for _ in 0..20 {
                flow.add(inside.task(1).with_lock(semaphore.permits(3)).after(both));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 20);
        }

        async fn all_of_it<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(1000));
            for _ in 0..20 {
                flow.add(inside.task(1).with_lock(semaphore.permits(1000)));
                flow.add(inside.plain(1).with_lock(semaphore.permits(501)));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 40);
        }
    }
}

mod several {
    use super::*;

    /// Adds a task that is inside of each of `places` in `order`, with their locks in this order.
    fn add<R: Runtime, const N: usize>(
        flow: &mut Flow<R>,
        order: [usize; N],
        locks: &[&dyn Lockable],
        places: &[Inside],
        plain: bool,
    ) {
        let places = order.map(|n| places[n].clone());
        let enter = move || places.clone().map(|place| place.enter(1));
        match plain {
            true => {
                let task = move || {
                    let _visits = enter();
                    std::thread::yield_now();
                };
                let locks = order.iter().map(|n| locks[*n]);
                flow.add(locks.fold(task.after(()), |task, lock| task.with_lock(lock)));
            }
            false => {
                let task = move || {
                    let visits = enter();
                    async move {
                        turns(3).await;
                        drop(visits);
                    }
                };
                let locks = order.iter().map(|n| locks[*n]);
                flow.add(locks.fold(task.after(()), |task, lock| task.with_lock(lock)));
            }
        }
    }

    /// The same for a slot.
    struct Queues(Gate);

    impl Observer for Queues {
        fn task_queued(&self, _: TaskRef<'_>) {
            self.0.open();
        }
    }

    on_every_backend! {
        // Two flows at a time, and with limits, under which what waits must not keep a slot.
        async fn in_opposite_orders<R>() {
            let (lock, other) = (Lock::new(), Lock::new());
            let (semaphore, four) = (Semaphore::new(2), Semaphore::new(4));
            let three = four.permits(3);
            let locks: [&dyn Lockable; 4] = [&lock, &semaphore, &other, &three];
            let places: [Inside; 4] = Default::default();
            let (mut flow, mut second) = (Flow::<R>::new(), Flow::<R>::new());
            for n in 0..20 {
                for flow in [&mut flow, &mut second] {
                    add(flow, [0, 1], &locks, &places, false);
                    add(flow, [1, 0], &locks, &places, n % 5 == 0);
                    add(flow, [2, 0], &locks, &places, n % 5 == 1);
                    add(flow, [0, 2], &locks, &places, false);
                    add(flow, [3, 2, 1, 0], &locks, &places, false);
                    add(flow, [0, 3, 1, 2], &locks, &places, n % 5 == 2);
                    add(flow, [1, 2, 3], &locks, &places, false);
                }
            }
            let (one, two) = futures::join!(flow.execute(), second.execute());
            one.unwrap();
            two.unwrap();
            flow.execute().max_concurrency(1).await.unwrap();
            let (one, two) = futures::join!(flow.execute().max_concurrency(3), flow.execute().max_concurrency(2));
            one.unwrap();
            two.unwrap();
            for (place, (most, visits)) in places.iter().zip([(1, 120), (2, 100), (1, 100), (1, 60)]) {
                place.assert(most, 5 * visits);
            }
        }

        // A task that waits for one of its locks is in nobody's way: other tasks get the rest.
        async fn all_or_none<R>() {
            let locks = [Lock::new(), Lock::new(), Lock::new()];
            for taken in 0..3 {
                let ([go, waits, beside], log) = ([(); 3].map(|()| Gate::new()), Log::new());
                let holder = hold::<R>(&locks[taken], &go).await;
                let mut flow = Flow::<R>::new();
                let all = log.note("all").with_lock(&locks[0]).with_lock(&locks[1]);
                flow.add(all.with_lock(&locks[2]));
                // It gives back the one slot, too.
                flow.add(opens(&beside));
                let running = flow.execute().max_concurrency(1).observe(Waits(waits.clone())).start();
                waits.pass().await;
                beside.pass().await;
                for (index, lock) in locks.iter().enumerate() {
                    if index != taken {
                        let mut other = Flow::<R>::new();
                        other.add(log.note("other").with_lock(lock));
                        other.execute().await.unwrap();
                    }
                }
                assert_eq!(log.events(), ["other"; 2]);
                go.open();
                holder.await.unwrap();
                running.await.unwrap();
                assert_eq!(log.events(), ["other", "other", "all"]);
            }
        }

        // Nor does one that has its lock at last, and waits for a slot now.
        async fn no_lock_while_it_waits_for_a_slot<R>() {
            let (lock, release, log) = (Lock::new(), Gate::new(), Log::new());
            let holder = hold::<R>(&lock, &release).await;
            let [waits, runs, go, queued] = [(); 4].map(|()| Gate::new());
            let mut flow = Flow::<R>::new();
            flow.add(log.note("locked").with_lock(&lock));
            let (starts, ends) = (runs.clone(), go.clone());
            flow.add(again!((starts, ends) {
                starts.open();
                ends.pass().await;
            }));
            let execute = flow.execute().max_concurrency(1);
            let execute = execute.observe(Waits(waits.clone())).observe(Queues(queued.clone()));
            let running = execute.start();
            waits.pass().await;
            runs.pass().await;
            release.open();
            holder.await.unwrap();
            queued.pass().await;
            let mut other = Flow::<R>::new();
            other.add(log.note("other").with_lock(&lock));
            other.execute().await.unwrap();
            go.open();
            running.await.unwrap();
            log.assert_order(&["other", "locked"]);
        }

        async fn the_same_twice_is_once<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            for _ in 0..10 {
                flow.add(inside.task(1).with_lock(&lock).with_lock(&lock));
                flow.add(with_lock(inside.plain(1).with_lock(lock.clone()), &lock));
                flow.add(series![inside.task(1).with_lock(&lock)].with_lock(&lock).with_lock(&lock));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 30);
        }

        // Of two demands on one semaphore the larger counts, in either order.
        async fn the_larger_of_two<R>() {
            let semaphore = Semaphore::new(3);
            let [one, two] = two();
            let (mut flow, inside) = (Flow::<R>::new(), Inside::new());
            let both = flow.add(parallel![
                one.with_lock(&semaphore).with_lock(&semaphore).with_lock(&semaphore),
                two.with_lock(&semaphore).with_lock(semaphore.permits(2)),
            ]);
            for _ in 0..10 {
                flow.add(inside.task(1).with_lock(semaphore.permits(2)).with_lock(&semaphore).after(both));
                flow.add(inside.task(1).with_lock(&semaphore).with_lock(semaphore.permits(3)).after(both));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 20);
        }
    }
}

mod groups {
    use super::*;

    on_every_backend! {
        async fn every_member<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            let many = (0..20).map(|_| Member::new(inside.task(1)));
            flow.add(with_lock(many.collect::<Parallel>(), &lock));
            flow.add(with_lock(
                series![
                    inside.task(1),
                    parallel![],
                    parallel![inside.plain(1), inside.task(1), series![inside.task(1), inside.task(1)]],
                    inside.task(1),
                ],
                &lock,
            ));
            flow.add(parallel![with_lock(inside.task(1), &lock), with_lock(series![inside.task(1)], &lock)]);
            flow.execute().await.unwrap();
            inside.assert(1, 28);
        }

        // Two members run at once, so the group does not hold what one of them needs.
        async fn members_take_it_one_by_one<R>() {
            let (mut flow, semaphore) = (Flow::<R>::new(), Semaphore::new(2));
            let [one, two] = two();
            flow.add(with_lock(parallel![one, series![two]], &semaphore));
            flow.execute().await.unwrap();
        }

        // Between two members of a series, another task takes the lock.
        async fn is_free_between_members<R>() {
            let (mut flow, log, lock, gate) = (Flow::<R>::new(), Log::new(), Lock::new(), Gate::new());
            let opened = flow.add(passes(&gate));
            let between = flow.add(log.note("between").after(opened).with_lock(&lock));
            flow.add(with_lock(
                series![opens(&gate), log.note("last").after(between)],
                &lock,
            ));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["between", "last"]);
        }

        // A task beside the group is no member, and needs no lock.
        async fn not_a_task_beside_the_group<R>() {
            let (mut flow, lock, gate) = (Flow::<R>::new(), Lock::new(), Gate::new());
            flow.add(parallel![with_lock(parallel![passes(&gate)], &lock), opens(&gate)]);
            flow.execute().await.unwrap();
        }

        async fn of_several_levels<R>() {
            let (mut flow, lock, semaphore) = (Flow::<R>::new(), Lock::new(), Semaphore::new(2));
            let (alone, pairs) = (Inside::new(), Inside::new());
            let in_both = || {
                let (alone, task) = (alone.clone(), pairs.task(1));
                move || {
                    let (visit, work) = (alone.enter(1), task());
                    async move {
                        work.await;
                        drop(visit);
                    }
                }
            };
            flow.add(
                parallel![
                    parallel![in_both(), in_both(), in_both().with_lock(&semaphore)].with_lock(&lock),
                    series![parallel![pairs.task(1), pairs.task(1), pairs.task(1)], pairs.task(1)],
                    (0..10).map(|_| Member::new(in_both())).collect::<Series>().with_lock(&lock),
                ]
                .with_lock(&semaphore),
            );
            flow.execute().await.unwrap();
            alone.assert(1, 13);
            pairs.assert(2, 17);
        }
    }
}

mod waiting {
    use super::*;

    on_every_backend! {
        // Far more than any pool has threads, and no thread waits for the lock.
        async fn plain_functions_far_beyond_the_pool<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            let all: Vec<_> = (0..3000).map(|_| flow.add(inside.plain(1).with_lock(&lock))).collect();
            let count = inside.clone();
            let count = flow.add((move || count.visits()).after(all));
            assert_eq!(flow.execute().await.unwrap()[count], 3000);
            inside.assert(1, 3000);
        }

        // The permit is not held while the task waits for its upstream, which needs it, too.
        async fn for_upstreams_without_a_permit<R>() {
            for plain in [false, true] {
                let (mut flow, log, lock, gate) = (Flow::<R>::new(), Log::new(), Lock::new(), Gate::new());
                let upstream = flow.add(passes(&gate));
                match plain {
                    true => flow.add(log.note_blocking("last").after(upstream).with_lock(&lock)),
                    false => flow.add(log.note("last").after(upstream).with_lock(&lock)),
                };
                let other = flow.add(log.note("first").with_lock(&lock));
                flow.add(opens(&gate).with_lock(&lock).after(other));
                flow.execute().await.unwrap();
                assert_eq!(log.events(), ["first", "last"]);
            }
        }

        async fn a_thousand_on_one<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            for _ in 0..1000 {
                flow.add(inside.task(1).with_lock(&lock));
            }
            flow.execute().max_concurrency(3).await.unwrap();
            inside.assert(1, 1000);
        }

        // What waits in the queue and is dropped passes the lock on: the last one gets it.
        async fn acquire_that_is_dropped_while_it_is_queued<R>() {
            for how in 0..3 {
                let (lock, semaphore) = (Lock::new(), Semaphore::new(3));
                let permits = |count: usize| match how {
                    0 => Permits::from(&lock),
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
                    let queued = Gate::new();
                    let mut running = Box::pin(flow.execute().observe(Waits(queued.clone())).start());
                    queued.pass().await;
                    assert!(poll_times(running.as_mut(), 1).await.is_none());
                    waiting.push(running);
                }
                // Two of three are dropped: before the lock is free, and when it becomes free.
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

        // The same within one run: a failure cancels what is in the queue.
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
    }

    on_every_backend_in_child! {
        // Plain functions wait for the permit before they occupy a thread: another function gets a
        // thread, and only that lets the holder end.
        async fn takes_no_thread<R>() {
            let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
            let (held, gate) = (Gate::new(), Gate::new());
            let (hold, open) = (held.clone(), gate.clone());
            flow.add(again!((hold, open) {
                hold.open();
                open.pass().await;
            }).with_lock(&lock));
            let held = flow.add(passes(&held));
            for _ in 0..2000 {
                flow.add(log.note_blocking("waited").with_lock(&lock).after(held));
            }
            let notes = log.clone();
            let turn = flow.add((async || turns(20).await).after(held));
            let before = threads();
            flow.add((move || {
                notes.push("opened");
                let now = threads();
                assert!(now < before + 100, "{now} threads, {before} before");
                gate.open();
            }).after(turn));
            flow.execute().await.unwrap();
            let events = log.events();
            assert_eq!(events.len(), 2001);
            assert_eq!(events[0], "opened");
        }
    }

    /// How many threads this process has; none where the system does not tell.
    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
    }
}

mod comes_back {
    use super::*;

    on_every_backend! {
        // Every way to fail; the next execution gets the permit, and so does another flow.
        async fn after_an_error_and_a_panic<R>() {
            for how in 0..6 {
                for semaphore in [false, true] {
                    let (lock, three) = (Lock::new(), Semaphore::new(3));
                    let permits = if semaphore { three.permits(2) } else { Permits::from(&lock) };
                    let mut flow = Flow::<R>::new();
                    let failing = flow.input::<bool>("failing");
                    let failed = match how {
                        0 => flow.add((|fails: &bool| ready(if *fails { Err("no") } else { Ok(()) }))
                            .inputs(failing).with_lock(&permits)),
                        1 => flow.add((|fails: &bool| if *fails { Err("no") } else { Ok(()) })
                            .inputs(failing).with_lock(&permits)),
                        2 => flow.add((async |fails: &bool| { turns(2).await; assert!(!fails) })
                            .inputs(failing).with_lock(&permits)),
                        3 => flow.add((|fails: &bool| assert!(!fails)).inputs(failing).with_lock(&permits)),
                        4 => flow.add((|fails: &bool| { assert!(!fails); ready(()) })
                            .inputs(failing).with_lock(&permits)),
                        _ => flow.add((async |fails: &bool| if *fails { pending().await })
                            .inputs(failing).with_lock(&permits).timeout(Duration::from_millis(100))),
                    };
                    flow.execute().given(failing, true).await.unwrap_err();
                    let run = flow.execute().given(failing, false).await.unwrap();
                    assert_eq!(run.report().status(failed), TaskStatus::Succeeded);
                    let another = Flow::<R>::from(series![|| (), async || ()].with_lock(&permits));
                    another.execute().await.unwrap();
                }
            }
        }

        // From tasks that fail, to others of the same execution.
        async fn while_it_keeps_going<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            for _ in 0..10 {
                flow.add((|| Err::<(), _>("no")).with_lock(&lock));
                flow.add((async || -> () { panic!("no") }).with_lock(&lock));
                flow.add((|| -> () { panic!("no") }).with_lock(&lock));
                flow.add(inside.task(1).with_lock(&lock));
                flow.add(inside.plain(1).with_lock(&lock));
            }
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 30);
            inside.assert(1, 20);
        }

        // From those that hold it and those that wait for it when the run is dropped.
        async fn after_a_drop<R>() {
            let (mut flow, lock, held) = (Flow::<R>::new(), Lock::new(), Gate::new());
            for _ in 0..5 {
                flow.add(waits(&Guards::new(), &held).with_lock(&lock));
            }
            let held_by_one = flow.add(passes(&held));
            flow.add((|| ()).with_lock(&lock).after(held_by_one));
            let execute = flow.start();
            held.pass().await;
            turns(10).await;
            drop(execute);
            let inside = Inside::new();
            let next = Flow::<R>::from(parallel![inside.task(1), inside.plain(1)].with_lock(&lock));
            next.execute().await.unwrap();
            inside.assert(1, 2);
        }

        // From those that were cancelled because another task failed.
        async fn after_a_cancel<R>() {
            let (mut flow, lock, held) = (Flow::<R>::new(), Lock::new(), Gate::new());
            flow.add(waits(&Guards::new(), &held).with_lock(&lock));
            let held = flow.add(passes(&held));
            flow.add((|| ()).with_lock(&lock).after(held));
            flow.add((async || ()).with_lock(&lock).after(held));
            let turn = flow.add((async || turns(10).await).after(held));
            flow.add((|| Err::<(), _>("no")).after(turn));
            flow.execute().await.unwrap_err();
            Flow::<R>::from(series![|| (), async || ()].with_lock(&lock)).execute().await.unwrap();
        }
    }
}

/// Permits in numbers that 32 bits do not hold, and in numbers that would take long to count one by
/// one.
mod many_permits {
    use super::*;
    use asyncflow::RuntimeSemaphore;

    const MI: usize = 1 << 20;
    const GI: usize = 1 << 30;

    on_every_backend! {
        async fn five_and_five_of_eight_gi_exclude_each_other<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(8 * GI));
            let [one, two] = two();
            let both = flow.add(parallel![
                one.with_lock(semaphore.permits(5 * GI)),
                two.with_lock(semaphore.permits(3 * GI)),
            ]);
            for _ in 0..10 {
                flow.add(inside.task(1).with_lock(semaphore.permits(5 * GI)).after(both));
                flow.add(inside.plain(1).with_lock(semaphore.permits(5 * GI)).after(both));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 20);
        }

        // On both sides of the numbers that a semaphore of a runtime may stop at.
        async fn all_of_it<R>() {
            let bits_32 = u32::MAX as usize;
            for capacity in [bits_32, bits_32 + 1, usize::MAX / 8, usize::MAX / 8 + 1, usize::MAX] {
                let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(capacity));
                let [one, two] = two();
                let both = flow.add(parallel![
                    one.with_lock(semaphore.permits(capacity - 1)),
                    two.with_lock(&semaphore),
                ]);
                for _ in 0..5 {
                    flow.add(inside.task(1).with_lock(semaphore.permits(capacity)).after(both));
                    flow.add(inside.plain(1).with_lock(semaphore.permits(capacity)).after(both));
                    flow.add(inside.task(1).with_lock(semaphore.permits(capacity / 2 + 1)).after(both));
                }
                flow.execute().await.unwrap();
                inside.assert(1, 15);
            }
        }

        async fn never_more_than_it_has<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(20 * GI));
            for n in 0..100 {
                let weight = (n * 7 % 20 + 1) * GI;
                flow.add(inside.task(weight).with_lock(semaphore.permits(weight)));
            }
            flow.execute().await.unwrap();
            inside.assert(20 * GI, 100);
        }

        // One guard for each permit would be 16 Gi guards in all.
        async fn sixteen_mi_a_thousand_times<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::new(), Semaphore::new(16 * MI));
            for _ in 0..1000 {
                flow.add(inside.task(1).with_lock(semaphore.permits(16 * MI)));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 1000);
        }

        async fn in_the_order_of_asking<R>() {
            for capacity in [4, 16 * MI, 8 * GI, usize::MAX] {
                let semaphore = Arc::new(R::Semaphore::new(capacity));
                let all = semaphore.try_acquire(capacity).unwrap();
                let half = capacity / 2;
                let [mut one, mut other, mut whole, mut last] =
                    [half, half, capacity, 1].map(|count| Box::pin(semaphore.acquire(count)));
                for acquire in [&mut one, &mut other, &mut whole, &mut last] {
                    assert!(poll_times(acquire.as_mut(), 1).await.is_none());
                }
                drop(all);
                // One of an odd number is free, but not for the last: the whole is before it.
                assert!(poll_times(last.as_mut(), 1).await.is_none());
                assert!(semaphore.try_acquire(1).is_none());
                let other = poll_times(other.as_mut(), 1).await.unwrap();
                let one = poll_times(one.as_mut(), 1).await.unwrap();
                assert!(poll_times(whole.as_mut(), 1).await.is_none());
                drop((one, other));
                assert!(poll_times(last.as_mut(), 1).await.is_none());
                drop(poll_times(whole.as_mut(), 1).await.unwrap());
                drop(poll_times(last.as_mut(), 1).await.unwrap());
                assert!(semaphore.try_acquire(capacity).is_some());
            }
        }

        // Before it has its permits, and after it was given them and before it took them.
        async fn acquire_that_is_dropped<R>() {
            for capacity in [4, 16 * MI, 8 * GI, usize::MAX] {
                let semaphore = Arc::new(R::Semaphore::new(capacity));
                let most = semaphore.try_acquire(capacity - 1).unwrap();
                let [mut whole, mut last] =
                    [capacity, 1].map(|count| Box::pin(semaphore.acquire(count)));
                for acquire in [&mut whole, &mut last] {
                    assert!(poll_times(acquire.as_mut(), 1).await.is_none());
                }
                drop(whole);
                drop(poll_times(last.as_mut(), 1).await.unwrap());
                drop(most);

                let all = semaphore.try_acquire(capacity).unwrap();
                let [mut given, mut next] =
                    [capacity, capacity].map(|count| Box::pin(semaphore.acquire(count)));
                for acquire in [&mut given, &mut next] {
                    assert!(poll_times(acquire.as_mut(), 1).await.is_none());
                }
                drop(all);
                drop(given);
                drop(poll_times(next.as_mut(), 1).await.unwrap());
                assert!(semaphore.try_acquire(capacity).is_some());
            }
        }

        // An execution that is dropped gives many back, too, and what waited in it leaves the queue.
        async fn come_back_from_a_run_that_is_dropped<R>() {
            for capacity in [16 * MI, 8 * GI, usize::MAX] {
                let (semaphore, held) = (Semaphore::new(capacity), Gate::new());
                let mut flow = Flow::<R>::new();
                flow.add(waits(&Guards::new(), &held).with_lock(semaphore.permits(capacity)));
                let held_by_one = flow.add(passes(&held));
                flow.add((|| ()).with_lock(semaphore.permits(capacity)).after(held_by_one));
                flow.add((|| ()).with_lock(&semaphore).after(held_by_one));
                let execute = flow.start();
                held.pass().await;
                turns(10).await;
                drop(execute);
                let inside = Inside::new();
                let mut next = Flow::<R>::new();
                next.add(inside.task(1).with_lock(semaphore.permits(capacity)));
                next.add(inside.plain(1).with_lock(semaphore.permits(capacity)));
                next.execute().await.unwrap();
                inside.assert(1, 2);
            }
        }
    }
}
