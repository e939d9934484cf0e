//! `max_concurrency`: never more tasks at a time, and as many as that. Plain functions may be more than
//! there are threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{
    AsyncStdRuntime, Member, Observer, Permits, Runtime, SmolRuntime, TaskRef, TokioRuntime,
};
use asyncflow_tests::{
    Gate, Inside, LONG, Log, Meeting, Visit, again, eventually, hold, on_async_std,
    on_every_backend, on_smol, on_tokio, opens, passes, pause, turns,
};

on_every_backend! {
    // Tasks of every kind; never more of them at a time, and all of them run.
    async fn never_more_and_all_of_them<R>() {
        for limit in [1, 2, 3, 7] {
            let (mut flow, inside, lock) = (Flow::<R>::new(), Inside::new(), Lock::new());
            let mut last = None;
            for n in 0..120 {
                let task: Task<()> = match n % 6 {
                    0 => flow.add(inside.plain(1)),
                    1 => flow.add(inside.task(1).after(last)),
                    2 => flow.add(inside.task(1).with_lock(&lock)),
                    3 => flow.add(inside.plain(1).with_lock(&lock).timeout(LONG)),
                    _ => flow.add(inside.task(1)),
                };
                last = Some(task);
            }
            flow.execute().max_concurrency(limit).await.unwrap();
            inside.assert(limit, 120);
        }
    }

    // As many as may run do run: each waits for the others.
    async fn as_many_as_that<R>() {
        for limit in [1, 2, 3, 20] {
            let mut flow = Flow::<R>::new();
            for _ in 0..3 {
                let meeting = Meeting::of(limit);
                let group = (0..limit).map(|_| Member::new(meeting.task()));
                let first = flow.add(group.collect::<Parallel>());
                flow.add((|| ()).after(first));
            }
            // One group after the other, or members of two would keep each other waiting.
            let (mut one_by_one, mut last) = (Flow::<R>::new(), None);
            for _ in 0..3 {
                let meeting = Meeting::of(limit);
                let group = (0..limit).map(|_| Member::new(meeting.task()));
                last = Some(one_by_one.add(group.collect::<Parallel>().after(last)));
            }
            one_by_one.execute().max_concurrency(limit).await.unwrap();
            flow.execute().max_concurrency(limit * 3).await.unwrap();
        }
    }

    async fn huge<R>() {
        for limit in [1000, u32::MAX as usize, usize::MAX] {
            let (mut flow, meeting, inside) = (Flow::<R>::new(), Meeting::of(200), Inside::new());
            for _ in 0..200 {
                flow.add(meeting.task());
                flow.add(inside.task(1));
            }
            flow.execute().max_concurrency(limit).await.unwrap();
            assert_eq!(inside.visits(), 200);
        }
    }

    // A slot that comes free goes first to what the ended task made ready: few outputs wait for their
    // consumer, although all sources are declared before the first of them.
    async fn consumers_come_before_further_sources<R>() {
        for limit in [1, 2, 3] {
            for source in 0..SOURCES {
                for consumer in 0..CONSUMERS {
                    let (mut flow, loaded) = (Flow::<R>::new(), Inside::new());
                    let loads = [(); 50].map(|()| add_source(&mut flow, source, &loaded));
                    for load in loads {
                        add_consumer(&mut flow, consumer, load);
                    }
                    flow.execute().max_concurrency(limit).await.unwrap();
                    assert_eq!(loaded.visits(), 50);
                    let most = loaded.most();
                    assert!(most <= 2 * limit + 1, "{most} loaded with {limit} slots, {source} {consumer}");
                }
            }
        }
    }

    // What one task makes ready shares the slots that are free.
    async fn never_more_of_what_one_task_made_ready<R>() {
        for limit in [1, 2, 3] {
            let (mut flow, inside) = (Flow::<R>::new(), Inside::new());
            let first = flow.add(async || ());
            for _ in 0..10 {
                flow.add(inside.task(1).after(first));
            }
            flow.execute().max_concurrency(limit).await.unwrap();
            inside.assert(limit, 10);
        }
    }

    // A task that is handed the slot of the one before it waits for none.
    async fn what_is_handed_a_slot_is_not_queued<R>() {
        let (mut flow, queued) = (Flow::<R>::new(), Queued(Arc::default()));
        let first = flow.add(async || ());
        flow.add((async || ()).after(first).named("holder"));
        flow.execute().max_concurrency(1).observe(queued.clone()).await.unwrap();
        assert_eq!(queued.0.load(Ordering::SeqCst), 0);
    }

    // The same, where each source and its consumer are in a flow of their own.
    async fn consumers_come_before_further_sources_in_flows_inside<R>() {
        for source in 0..SOURCES {
            for consumer in 0..CONSUMERS {
                let (mut flow, loaded) = (Flow::<R>::new(), Inside::new());
                for _ in 0..50 {
                    let mut inner = Flow::<R>::new();
                    let load = add_source(&mut inner, source, &loaded);
                    add_consumer(&mut inner, consumer, load);
                    flow.add(Arc::new(inner));
                }
                flow.execute().max_concurrency(1).await.unwrap();
                assert_eq!(loaded.visits(), 50);
                let most = loaded.most();
                assert!(most <= 3, "{most} loaded with one slot, {source} {consumer}");
            }
        }
    }

    // What holds a lock gets the next slot: others wait for the lock, and none for what holds nothing.
    async fn what_holds_a_lock_does_not_wait_for_what_holds_nothing<R>() {
        let (lock, go, first, log) = (Lock::new(), Gate::new(), Gate::new(), Log::new());
        let holder = hold::<R>(&lock, &go).await;
        let mut flow = Flow::<R>::new();
        let (passes, notes) = (first.clone(), log.clone());
        flow.add(again!((passes, notes) {
            passes.pass().await;
            notes.push("first");
        }));
        for _ in 0..20 {
            flow.add(log.note("another"));
        }
        flow.add(log.note("holder").with_lock(&lock).named("holder"));
        let queued = Queued(Arc::default());
        let running = flow.execute().max_concurrency(1).observe(queued.clone()).start();
        eventually::<R>("the queue for the lock", || queued.0.load(Ordering::SeqCst) == 1).await;
        go.open();
        holder.await.unwrap();
        eventually::<R>("the queue for a slot", || queued.0.load(Ordering::SeqCst) == 2).await;
        pause::<R>(Duration::from_millis(5)).await;
        first.open();
        running.await.unwrap();
        assert_eq!(log.events().len(), 22);
        assert_eq!(log.place("holder"), log.place("first") + 1);
    }

    // Each execution has its own limit.
    async fn of_each_execution<R>() {
        let (mut flow, meeting) = (Flow::<R>::new(), Meeting::of(2));
        flow.add(meeting.task());
        let run = || flow.execute().max_concurrency(1);
        let (one, two) = futures::join!(run(), run());
        one.unwrap();
        two.unwrap();
    }

    // What waits for the lock takes no slot from the third.
    async fn waiting_for_a_lock_is_not_running<R>() {
        let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
        let (held, gate) = (Gate::new(), Gate::new());
        let (open, taken, notes) = (gate.clone(), held.clone(), log.clone());
        flow.add(again!((open, taken, notes) {
            taken.open();
            open.pass().await;
            notes.push("first");
        }).with_lock(&lock));
        let started = flow.add(passes(&held));
        for _ in 0..10 {
            flow.add((|| ()).after(started).with_lock(&lock));
            flow.add((async || ()).after(started).with_lock(&lock));
        }
        let notes = log.clone();
        flow.add(again!((gate, notes) {
            turns(20).await;
            notes.push("third");
            gate.open();
        }).after(started));
        flow.execute().max_concurrency(2).await.unwrap();
        assert_eq!(log.events(), ["third", "first"]);
    }

    // Waiting for a lock is not running: with one slot, the holder is in another flow.
    async fn waiting_for_a_lock_takes_no_slot<R>() {
        let (lock, go, log) = (Lock::new(), Gate::new(), Log::new());
        let holder = hold::<R>(&lock, &go).await;
        let mut flow = Flow::<R>::new();
        flow.add(log.note("first").with_lock(&lock));
        flow.add(log.note_blocking("second").with_lock(&lock));
        let free = flow.add(log.note("free"));
        flow.add(opens(&go).after(free));
        flow.execute().max_concurrency(1).await.unwrap();
        holder.await.unwrap();
        assert_eq!(log.events().len(), 3);
        assert_eq!(log.place("free"), 0);
    }

    async fn plain_functions_far_beyond_the_pool<R>() {
        let (mut flow, inside) = (Flow::<R>::new(), Inside::new());
        for _ in 0..3000 {
            flow.add(inside.plain(1));
        }
        flow.execute().await.unwrap();
        assert_eq!(inside.visits(), 3000);
        flow.execute().max_concurrency(2).await.unwrap();
        assert_eq!(inside.visits(), 6000);
    }
}

/// Counts how often the task `holder` waits for a lock or a slot.
#[derive(Clone)]
struct Queued(Arc<AtomicUsize>);

impl Observer for Queued {
    fn task_waiting(&self, task: TaskRef<'_>, _: &Permits) {
        self.task_queued(task);
    }

    fn task_queued(&self, task: TaskRef<'_>) {
        if task.name() == "holder" {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What was loaded, until it is consumed.
type Loaded = Arc<Mutex<Option<Visit>>>;

const SOURCES: usize = 5;
const CONSUMERS: usize = 4;

/// A task that loads something; of one kind or another.
fn add_source<R: Runtime>(flow: &mut Flow<R>, kind: usize, inside: &Inside) -> Task<Loaded> {
    let inside = inside.clone();
    let load = move || Arc::new(Mutex::new(Some(inside.enter(1))));
    match kind {
        0 => flow.add(again!((load) { load() })),
        1 => flow.add(load),
        2 => flow.add((move |_: &TaskContext| load()).inputs(context())),
        3 => flow.add(
            (move |_: &TaskContext| {
                let loaded = load();
                async { loaded }
            })
            .inputs(context()),
        ),
        _ => flow.add(again!((load) {
            turns(2).await;
            load()
        })),
    }
}

/// A task that consumes what was loaded; of one kind or another.
fn add_consumer<R: Runtime>(flow: &mut Flow<R>, kind: usize, load: Task<Loaded>) {
    fn consume(loaded: &Loaded) {
        loaded.lock().unwrap().take();
    }
    match kind {
        0 => flow.add((async |loaded: &Loaded| consume(loaded)).inputs(load)),
        1 => flow.add(consume.inputs(load)),
        2 => flow.add(consume.inputs(load).timeout(LONG)),
        _ => flow.add(
            (async |loaded: &Loaded| {
                turns(2).await;
                consume(loaded);
            })
            .inputs(load)
            .with_lock(Lock::new()),
        ),
    };
}

/// On the backends with more than one blocking thread.
mod plain_functions_at_once {
    use super::*;

    async fn case<R: Runtime + Default>() {
        let (mut flow, meeting) = (Flow::<R>::new(), Meeting::of(20));
        for _ in 0..20 {
            let meeting = meeting.clone();
            flow.add(move || meeting.meet_blocking());
        }
        flow.execute().await.unwrap();
    }

    #[test]
    fn tokio() {
        on_tokio(case::<TokioRuntime>);
    }

    #[test]
    fn async_std() {
        on_async_std(case::<AsyncStdRuntime>);
    }

    #[test]
    fn smol() {
        on_smol(case::<SmolRuntime>);
    }
}
