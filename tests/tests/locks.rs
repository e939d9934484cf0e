//! Locks and semaphores, on every backend.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Lockable, Member};
use asyncflow_tests::{Gate, Log, on_every_backend, yield_now};

/// What the async tasks here return.
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Counts what the tasks that are inside weigh, and keeps the highest sum; clones share it.
#[derive(Clone, Default)]
struct Inside(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    entered: AtomicUsize,
}

impl Inside {
    fn enter(&self, weight: usize) {
        let now = self.0.now.fetch_add(weight, Ordering::SeqCst) + weight;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        self.0.entered.fetch_add(1, Ordering::SeqCst);
    }

    fn leave(&self, weight: usize) {
        self.0.now.fetch_sub(weight, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    fn entered(&self) -> usize {
        self.0.entered.load(Ordering::SeqCst)
    }

    /// A task that gives everything else some turns while it is inside.
    fn task(&self) -> impl Fn() -> Job + Send + Sync + 'static {
        self.weighing(1)
    }

    fn weighing(&self, weight: usize) -> impl Fn() -> Job + Send + Sync + 'static {
        let inside = self.clone();
        move || {
            let inside = inside.clone();
            Box::pin(async move {
                inside.enter(weight);
                turns(5).await;
                inside.leave(weight);
            })
        }
    }

    fn plain(&self) -> impl Fn() + Send + Sync + 'static {
        let inside = self.clone();
        move || {
            inside.enter(1);
            for _ in 0..20 {
                std::thread::yield_now();
            }
            inside.leave(1);
        }
    }

    /// Asserts that so many came in, and never more than `most` at once.
    #[track_caller]
    fn assert(&self, most: usize, entered: usize) {
        assert!(self.most() <= most, "{} at once, not {most}", self.most());
        assert_eq!(self.entered(), entered);
    }
}

async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// A task that waits for a gate.
fn waits(gate: &Gate) -> impl Fn() -> Job + Send + Sync + 'static {
    let gate = gate.clone();
    move || {
        let gate = gate.clone();
        Box::pin(async move { gate.pass().await })
    }
}

/// A task that opens a gate.
fn opens(gate: &Gate) -> impl Fn() -> std::future::Ready<()> + Send + Sync + 'static {
    let gate = gate.clone();
    move || {
        gate.open();
        ready(())
    }
}

/// Two tasks that end only if both run at once.
fn two() -> [impl Fn() -> Job + Send + Sync + 'static; 2] {
    let gates = [Gate::new(), Gate::new()];
    [0, 1].map(|n| {
        let (mine, other) = (gates[n].clone(), gates[1 - n].clone());
        move || -> Job {
            let (mine, other) = (mine.clone(), other.clone());
            Box::pin(async move {
                mine.open();
                other.pass().await;
            })
        }
    })
}

mod lock {
    use super::*;

    on_every_backend! {
        async fn one_at_a_time<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            for n in 0..100 {
                match n % 4 {
                    0 => flow.add(inside.plain().with_lock(&lock)),
                    1 => flow.add(with_lock(inside.task(), &lock)),
                    _ => flow.add(inside.task().with_lock(&lock)),
                };
            }
            flow.execute().await.unwrap();
            inside.assert(1, 100);
        }

        // What has no lock runs beside what has one.
        async fn holds_up_no_others<R>() {
            let (mut flow, lock, other) = (Flow::<R>::new(), Lock::new(), Lock::new());
            let [one, two] = two();
            let gate = Gate::new();
            let both = flow.add(parallel![one.with_lock(&lock), two.with_lock(&other)]);
            flow.add(waits(&gate).with_lock(&lock).after(both));
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

        async fn one_in_two_flows<R>() {
            let (inside, lock) = (Inside::default(), Lock::new());
            let flow = || {
                let mut flow = Flow::<R>::new();
                for _ in 0..30 {
                    flow.add(inside.task().with_lock(&lock));
                    flow.add(inside.plain().with_lock(lock.clone()));
                }
                flow
            };
            let (one, two) = (flow(), flow());
            let (one, two) = futures::join!(one.execute(), two.start());
            one.unwrap();
            two.unwrap();
            inside.assert(1, 120);
        }

        async fn one_in_executions_of_one_flow<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            for _ in 0..10 {
                flow.add(inside.task().with_lock(&lock));
                flow.add(inside.plain().with_lock(&lock));
            }
            let runs = futures::future::join_all((0..5).map(|_| flow.start())).await;
            assert!(runs.iter().all(Result::is_ok));
            inside.assert(1, 100);
            flow.execute().await.unwrap();
            inside.assert(1, 120);
        }

        async fn one_in_a_flow_in_the_flow<R>() {
            let (inside, lock) = (Inside::default(), Lock::new());
            let inner = || {
                let tasks = (0..10).map(|_| Member::new(inside.task().with_lock(&lock)));
                Arc::new(Flow::<R>::from(tasks.collect::<Parallel>()))
            };
            let mut flow = Flow::<R>::new();
            flow.add(inner());
            flow.add(inner());
            flow.add(parallel![inside.task(), inside.plain(), inside.task()].with_lock(&lock));
            flow.execute().await.unwrap();
            inside.assert(1, 23);
        }

        async fn a_static<R>() {
            static LOCK: Lock = Lock::new();
            static TWO: Semaphore = Semaphore::new(2);
            let (mut flow, inside, both) = (Flow::<R>::new(), Inside::default(), Inside::default());
            for _ in 0..20 {
                flow.add(inside.task().with_lock(&LOCK));
                flow.add(inside.plain().with_lock(&LOCK));
                flow.add(both.task().with_lock(&TWO));
                flow.add(both.weighing(2).with_lock(TWO.permits(2)));
            }
            let (one, two) = futures::join!(flow.execute(), flow.execute());
            one.unwrap();
            two.unwrap();
            inside.assert(1, 80);
            both.assert(2, 80);
        }

        async fn clones_share<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            // A clone from before its first use, and clones of clones.
            let early = lock.clone();
            let late = early.clone();
            for _ in 0..20 {
                for lock in [&lock, &early, &late] {
                    flow.add(inside.task().with_lock(lock));
                }
                flow.add(inside.task().with_lock(late.clone()));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 80);

            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::default(), Semaphore::new(2));
            let clone = semaphore.clone();
            for _ in 0..20 {
                flow.add(inside.task().with_lock(&semaphore));
                flow.add(inside.task().with_lock(&clone));
                flow.add(inside.weighing(2).with_lock(clone.permits(2)));
            }
            flow.execute().await.unwrap();
            inside.assert(2, 60);
        }

        // Two that are not clones have nothing to do with each other.
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
        // They meet in pairs, in the order in which they come: so two are always let in.
        async fn two_at_once_and_never_three<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::default(), Semaphore::new(2));
            let gates: Arc<Vec<Gate>> = Arc::new((0..20).map(|_| Gate::new()).collect());
            for _ in 0..40 {
                let (inside, gates) = (inside.clone(), gates.clone());
                flow.add((move || {
                    let (inside, gates) = (inside.clone(), gates.clone());
                    async move {
                        let came = inside.entered_before();
                        match came % 2 {
                            0 => gates[came / 2].pass().await,
                            _ => gates[came / 2].open(),
                        }
                        turns(5).await;
                        inside.leave(1);
                    }
                }).with_lock(&semaphore));
            }
            flow.execute().await.unwrap();
            inside.assert(2, 40);
            assert_eq!(inside.most(), 2);
        }

        async fn never_more_than_it_has<R>() {
            for permits in [1, 3, 8] {
                let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
                let semaphore = Semaphore::new(permits);
                for _ in 0..40 {
                    flow.add(inside.task().with_lock(&semaphore));
                    flow.add(inside.plain().with_lock(&semaphore));
                }
                flow.execute().await.unwrap();
                inside.assert(permits, 80);
            }
        }

        async fn by_weight<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::default(), Semaphore::new(5));
            for n in 0..100 {
                let weight = n * 7 % 5 + 1;
                flow.add(inside.weighing(weight).with_lock(semaphore.permits(weight)));
            }
            flow.execute().await.unwrap();
            inside.assert(5, 100);
        }

        // Three and two fit in, two times three do not.
        async fn three_and_two_of_five<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::default(), Semaphore::new(5));
            let [one, two] = two();
            let both = flow.add(parallel![
                one.with_lock(semaphore.permits(3)),
                two.with_lock(semaphore.permits(2)),
            ]);
            for _ in 0..20 {
                flow.add(inside.task().with_lock(semaphore.permits(3)).after(both));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 20);
        }

        async fn all_of_it<R>() {
            let (mut flow, inside, semaphore) = (Flow::<R>::new(), Inside::default(), Semaphore::new(1000));
            for _ in 0..20 {
                flow.add(inside.task().with_lock(semaphore.permits(1000)));
                flow.add(inside.plain().with_lock(semaphore.permits(501)));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 40);
        }
    }

    impl Inside {
        /// Comes in; how many came before.
        fn entered_before(&self) -> usize {
            let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            self.0.entered.fetch_add(1, Ordering::SeqCst)
        }
    }
}

mod several {
    use super::*;

    /// Adds a task that is in all of `places`, with the locks of all of them in this order.
    fn add<R: asyncflow::Runtime, const N: usize>(
        flow: &mut Flow<R>,
        order: [usize; N],
        locks: &[&dyn Lockable],
        places: &[Inside],
        plain: bool,
    ) {
        let places = order.map(|n| places[n].clone());
        let leave = places.clone();
        let (enter, leave) = (
            move || places.iter().for_each(|place| place.enter(1)),
            move || leave.iter().for_each(|place| place.leave(1)),
        );
        match plain {
            true => {
                let task = move || {
                    enter();
                    std::thread::yield_now();
                    leave();
                };
                let task = order
                    .iter()
                    .fold(task.after(()), |task, n| task.with_lock(locks[*n]));
                flow.add(task);
            }
            false => {
                let task = move || {
                    enter();
                    let leave = leave.clone();
                    async move {
                        turns(3).await;
                        leave();
                    }
                };
                let task = order
                    .iter()
                    .fold(task.after(()), |task, n| task.with_lock(locks[*n]));
                flow.add(task);
            }
        }
    }

    on_every_backend! {
        async fn in_opposite_orders<R>() {
            let (lock, other) = (Lock::new(), Lock::new());
            let (semaphore, three) = (Semaphore::new(2), Semaphore::new(4));
            let three = three.permits(3);
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
            places[0].assert(1, 240);
            places[1].assert(2, 200);
            places[2].assert(1, 200);
            places[3].assert(1, 120);
        }

        async fn the_same_twice_is_once<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            for _ in 0..10 {
                flow.add(inside.task().with_lock(&lock).with_lock(&lock));
                flow.add(with_lock(inside.plain().with_lock(lock.clone()), &lock));
                flow.add(series![inside.task().with_lock(&lock)].with_lock(&lock).with_lock(&lock));
            }
            flow.execute().await.unwrap();
            inside.assert(1, 30);
        }

        // Of two demands on one semaphore the larger counts, in either order.
        async fn the_larger_of_two<R>() {
            let semaphore = Semaphore::new(3);
            let [one, two] = two();
            let (mut flow, inside) = (Flow::<R>::new(), Inside::default());
            let both = flow.add(parallel![
                one.with_lock(&semaphore).with_lock(&semaphore).with_lock(&semaphore),
                two.with_lock(&semaphore).with_lock(semaphore.permits(2)),
            ]);
            for _ in 0..10 {
                flow.add(inside.task().with_lock(semaphore.permits(2)).with_lock(&semaphore).after(both));
                flow.add(inside.task().with_lock(&semaphore).with_lock(semaphore.permits(3)).after(both));
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
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            let many = (0..20).map(|_| Member::new(inside.task()));
            flow.add(with_lock(many.collect::<Parallel>(), &lock));
            flow.add(with_lock(
                series![
                    inside.task(),
                    parallel![],
                    parallel![inside.plain(), inside.task(), series![inside.task(), inside.task()]],
                    inside.task(),
                ],
                &lock,
            ));
            flow.add(parallel![with_lock(inside.task(), &lock), with_lock(series![inside.task()], &lock)]);
            flow.execute().await.unwrap();
            inside.assert(1, 28);
        }

        // Two members run at once, so the group does not hold what one of them needs.
        async fn each_for_itself<R>() {
            let (mut flow, semaphore) = (Flow::<R>::new(), Semaphore::new(2));
            let [one, two] = two();
            flow.add(with_lock(parallel![one, series![two]], &semaphore));
            flow.execute().await.unwrap();
        }

        // Between two members of a series, another task takes the lock.
        async fn not_in_between<R>() {
            let (mut flow, log, lock, gate) = (Flow::<R>::new(), Log::new(), Lock::new(), Gate::new());
            let opened = flow.add(waits(&gate));
            let between = flow.add(log.note("between").after(opened).with_lock(&lock));
            flow.add(with_lock(
                series![opens(&gate), log.note("last").after(between)],
                &lock,
            ));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["between", "last"]);
        }

        // Not a member: it is after the group, and beside it.
        async fn nobody_else<R>() {
            let (mut flow, lock, gate) = (Flow::<R>::new(), Lock::new(), Gate::new());
            flow.add(parallel![with_lock(parallel![waits(&gate)], &lock), opens(&gate)]);
            flow.execute().await.unwrap();
        }

        async fn of_several_levels<R>() {
            let (mut flow, lock, semaphore) = (Flow::<R>::new(), Lock::new(), Semaphore::new(2));
            let (alone, pairs) = (Inside::default(), Inside::default());
            let in_both = || {
                let (alone, task) = (alone.clone(), pairs.task());
                move || {
                    alone.enter(1);
                    let (alone, work) = (alone.clone(), task());
                    async move {
                        work.await;
                        alone.leave(1);
                    }
                }
            };
            flow.add(
                parallel![
                    parallel![in_both(), in_both(), in_both().with_lock(&semaphore)].with_lock(&lock),
                    series![parallel![pairs.task(), pairs.task(), pairs.task()], pairs.task()],
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
        async fn two_hundred_plain_functions<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            let all: Vec<_> = (0..200).map(|_| flow.add(inside.plain().with_lock(&lock))).collect();
            let count = inside.clone();
            let count = flow.add((move || count.entered()).after(all));
            assert_eq!(flow.execute().await.unwrap()[count], 200);
            inside.assert(1, 200);
        }

        // They wait for the permit before they occupy a thread: another function gets one, and
        // only that lets the holder end.
        async fn takes_no_thread<R>() {
            let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
            let (held, gate) = (Gate::new(), Gate::new());
            let (hold, open) = (held.clone(), gate.clone());
            flow.add((move || {
                let (hold, open) = (hold.clone(), open.clone());
                async move {
                    hold.open();
                    open.pass().await;
                }
            }).with_lock(&lock));
            let held = flow.add(waits(&held));
            for _ in 0..600 {
                flow.add(log.note_blocking("waited").with_lock(&lock).after(held));
            }
            let notes = log.clone();
            let turn = flow.add((async || turns(20).await).after(held));
            flow.add((move || {
                notes.push("opened");
                gate.open();
            }).after(turn));
            flow.execute().await.unwrap();
            let events = log.events();
            assert_eq!(events.len(), 601);
            assert_eq!(events[0], "opened");
        }

        // The permit is not held while the task waits for its upstream, which needs it, too.
        async fn for_upstreams_without_a_permit<R>() {
            for plain in [false, true] {
                let (mut flow, log, lock, gate) = (Flow::<R>::new(), Log::new(), Lock::new(), Gate::new());
                let upstream = flow.add(waits(&gate));
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
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            for _ in 0..1000 {
                flow.add(inside.task().with_lock(&lock));
            }
            flow.execute().max_concurrency(3).await.unwrap();
            inside.assert(1, 1000);
        }
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
                    let permits = if semaphore { three.permits(2) } else { lock.to_permits() };
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

        // Of one that fails, to those in the same execution.
        async fn while_it_keeps_going<R>() {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::default(), Lock::new());
            for _ in 0..10 {
                flow.add((|| Err::<(), _>("no")).with_lock(&lock));
                flow.add((async || -> () { panic!("no") }).with_lock(&lock));
                flow.add((|| -> () { panic!("no") }).with_lock(&lock));
                flow.add(inside.task().with_lock(&lock));
                flow.add(inside.plain().with_lock(&lock));
            }
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 30);
            inside.assert(1, 20);
        }

        // From those that hold it and those that wait for it when the run is dropped.
        async fn after_a_drop<R>() {
            let (mut flow, lock, held) = (Flow::<R>::new(), Lock::new(), Gate::new());
            for _ in 0..5 {
                let hold = held.clone();
                flow.add((move || {
                    hold.open();
                    pending::<()>()
                }).with_lock(&lock));
            }
            let held_by_one = flow.add(waits(&held));
            flow.add((|| ()).with_lock(&lock).after(held_by_one));
            let execute = flow.start();
            held.pass().await;
            turns(10).await;
            drop(execute);
            let inside = Inside::default();
            let next = Flow::<R>::from(parallel![inside.task(), inside.plain()].with_lock(&lock));
            next.execute().await.unwrap();
            inside.assert(1, 2);
        }

        // From those that were cancelled because another task failed.
        async fn after_a_cancel<R>() {
            let (mut flow, lock, held) = (Flow::<R>::new(), Lock::new(), Gate::new());
            let hold = held.clone();
            flow.add((move || {
                hold.open();
                pending::<()>()
            }).with_lock(&lock));
            let held = flow.add(waits(&held));
            flow.add((|| ()).with_lock(&lock).after(held));
            flow.add((async || ()).with_lock(&lock).after(held));
            let turn = flow.add((async || turns(10).await).after(held));
            flow.add((|| Err::<(), _>("no")).after(turn));
            flow.execute().await.unwrap_err();
            Flow::<R>::from(series![|| (), async || ()].with_lock(&lock)).execute().await.unwrap();
        }
    }
}
