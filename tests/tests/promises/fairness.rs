//! What else is on the runtime gets its turn while a flow with a lot to do runs.
//!
//! How long it waits is a figure, which the benchmarks measure; here it is counted how many tasks
//! of the flow are in between.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Execute, Observer, Runtime, TaskRef, TokioRuntime};
use asyncflow_tests::{
    again, eventually, on_every_backend, pause, poll_until, turns, watched, yield_now,
};

const TASKS: usize = 10_000;

/// The most tasks of a flow that run in one poll: those after which a driver goes back to the
/// runtime, which its docs call its budget.
const BUDGET: usize = 64;

/// Declares a flow of tasks that count themselves; the shape is `declare`'s.
fn counting<R: asyncflow::Runtime + Default>(
    declare: impl Fn(&mut Flow<R>, &dyn Fn() -> Counter),
) -> (Flow<R>, Arc<AtomicUsize>) {
    let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
    declare(&mut flow, &|| Counter(Arc::clone(&count)));
    (flow, count)
}

#[derive(Clone)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn task(self) -> impl Fn() -> std::future::Ready<()> + Send + Sync + 'static {
        move || {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::ready(())
        }
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// Polls an execution to its end; gives by how much the count grew at most in one poll.
async fn most_in_a_poll<R: asyncflow::Runtime>(
    execute: Execute<'_, R>,
    count: &AtomicUsize,
) -> usize {
    let mut execute = pin!(execute);
    let mut most = 0;
    std::future::poll_fn(|cx| {
        let before = count.load(Ordering::Relaxed);
        let polled = execute.as_mut().poll(cx);
        most = most.max(count.load(Ordering::Relaxed) - before);
        polled
    })
    .await
    .unwrap();
    most
}

fn chain<R: asyncflow::Runtime>(flow: &mut Flow<R>, counter: &dyn Fn() -> Counter) {
    let mut last = flow.add(counter().task());
    for _ in 1..TASKS {
        last = flow.add(counter().task().after(last));
    }
}

fn independent<R: asyncflow::Runtime>(flow: &mut Flow<R>, counter: &dyn Fn() -> Counter) {
    for _ in 0..TASKS {
        flow.add(counter().task());
    }
}

/// On a runtime with one worker, where no other driver works on the flow meanwhile.
#[test]
fn a_poll_is_bounded() {
    let runtime = one_thread();
    for declare in [chain::<TokioRuntime>, independent::<TokioRuntime>] {
        let (flow, count) = counting(declare);
        let most = runtime.block_on(most_in_a_poll(flow.execute(), &count));
        assert_eq!(count.load(Ordering::Relaxed), TASKS);
        assert!((1..=BUDGET).contains(&most), "{most} tasks in one poll");
    }
}

/// A task beside the flow that always yields gets as many turns as the flow takes polls.
#[test]
fn a_bystander_gets_its_turns() {
    let runtime = one_thread();
    for declare in [chain::<TokioRuntime>, independent::<TokioRuntime>] {
        let (flow, count) = counting(declare);
        let most = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let (seen, most) = (Arc::clone(&count), Arc::clone(&most));
            tokio::spawn(async move {
                let mut before = 0;
                loop {
                    tokio::task::yield_now().await;
                    let now = seen.load(Ordering::Relaxed);
                    most.fetch_max(now - before, Ordering::Relaxed);
                    before = now;
                }
            });
            flow.execute().await.unwrap();
        });
        // The runtime itself may let several polls go by before the bystander's turn.
        let most = most.load(Ordering::Relaxed);
        assert!(
            (1..=61 * BUDGET).contains(&most),
            "{most} tasks between two turns"
        );
    }
}

/// Executes a flow; gives how often it was polled while so many of its tasks had run.
async fn polls_at<R: asyncflow::Runtime>(
    flow: &Flow<R>,
    count: &AtomicUsize,
    tasks: usize,
) -> usize {
    count.store(0, Ordering::Relaxed);
    let mut polls = 0;
    let mut execute = pin!(flow.execute());
    std::future::poll_fn(|cx| {
        polls += usize::from(count.load(Ordering::Relaxed) == tasks);
        execute.as_mut().poll(cx)
    })
    .await
    .unwrap();
    polls
}

/// Neither is a large flow compiled in one go, nor is each of its runs made ready in one go, also
/// if most of it is a single task with very many upstreams.
#[test]
fn a_large_flow_is_prepared_in_slices() {
    const LARGE: usize = 10 * TASKS;
    let runtime = one_thread();
    let (mut flow, count) = counting::<TokioRuntime>(|_, _| {});
    let counter = Counter(Arc::clone(&count));
    for _ in 0..LARGE {
        flow.add(counter.clone().task());
    }
    // Compiling passes over the tasks several times.
    let first = runtime.block_on(polls_at(&flow, &count, 0));
    let second = runtime.block_on(polls_at(&flow, &count, 0));
    assert_eq!(second, LARGE / TASKS);
    assert!(first >= 3 * second, "{first} polls");
    assert_eq!(count.load(Ordering::Relaxed), LARGE);

    let (mut flow, count) = counting::<TokioRuntime>(|_, _| {});
    let counter = Counter(Arc::clone(&count));
    let tasks: Vec<Task<()>> = (0..TASKS)
        .map(|_| flow.add(counter.clone().task()))
        .collect();
    let before = runtime.block_on(polls_at(&flow, &count, 0));
    let often: Vec<Task<()>> = (0..LARGE).map(|place| tasks[place % TASKS]).collect();
    flow.add(counter.task().after(often));
    let with_upstreams = runtime.block_on(polls_at(&flow, &count, 0));
    assert!(
        with_upstreams >= before + 2 * (LARGE / TASKS),
        "{with_upstreams} polls, {before} without the upstreams"
    );
}

/// Counts the tasks that it is told are ready.
struct ReadyCount(Arc<AtomicUsize>);

impl Observer for ReadyCount {
    fn task_ready(&self, _: TaskRef<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that makes very many others ready does not do so in one go.
#[test]
fn a_wide_fan_out_is_told_in_slices() {
    let (mut flow, count) = counting::<TokioRuntime>(|_, _| {});
    let counter = Counter(Arc::clone(&count));
    let hub = flow.add(counter.clone().task());
    for _ in 0..10 * TASKS {
        flow.add(counter.clone().task().after(hub));
    }
    let ready = Arc::new(AtomicUsize::new(0));
    let execute = flow.execute().observe(ReadyCount(Arc::clone(&ready)));
    // The first poll also finds that the hub is ready.
    assert_eq!(
        one_thread().block_on(most_in_a_poll(execute, &ready)),
        1 + TASKS
    );
    assert_eq!(count.load(Ordering::Relaxed), 1 + 10 * TASKS);
}

/// After a task with many successors the runtime gets a turn, also if none of them is ready yet.
#[test]
fn tasks_with_many_successors_end_one_in_a_poll() {
    let (mut flow, count) = counting::<TokioRuntime>(|_, _| {});
    let counter = Counter(Arc::clone(&count));
    let hubs: Vec<Task<()>> = (0..BUDGET)
        .map(|_| flow.add(counter.clone().task()))
        .collect();
    for _ in 0..TASKS / 2 {
        flow.add((async || ()).after(&hubs));
    }
    assert_eq!(
        one_thread().block_on(most_in_a_poll(flow.execute(), &count)),
        1
    );
    assert_eq!(count.load(Ordering::Relaxed), BUDGET);
}

on_every_backend! {
    // An execution with much to do yields to its caller.
    async fn others_have_a_turn<R>() {
        let mut flow = Flow::<R>::new();
        let mut last = None;
        for _ in 0..5000 {
            last = Some(flow.add((async || ()).after(last)));
        }
        let mut turns = 0;
        let mut execute = std::pin::pin!(flow.execute());
        std::future::poll_fn(|cx| {
            turns += 1;
            execute.as_mut().poll(cx)
        }).await.unwrap();
        assert!(turns > 10, "polled {turns} times");
    }
}

/// A task that occupies its thread for some time, and counts itself.
fn long(count: &Arc<AtomicUsize>) -> impl Fn() + Clone + Send + Sync + 'static {
    let count = Arc::clone(count);
    move || {
        // Long beside what a busy machine needs to start another thread.
        std::thread::sleep(Duration::from_millis(5));
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// A chain of long async tasks; each of them waits first, or not.
fn long_chain<R: Runtime>(
    flow: &mut Flow<R>,
    length: usize,
    waits: bool,
    count: &Arc<AtomicUsize>,
) {
    let mut last = None;
    for _ in 0..length {
        let long = long(count);
        last = Some(match waits {
            true => flow.add(again!((long) { yield_now().await; long() }).after(last)),
            false => flow.add(again!((long) { long() }).after(last)),
        });
    }
}

/// How many of so many long tasks run before something else has its turn: with one thread some
/// must, and far fewer than all.
#[track_caller]
fn assert_early(before: usize, all: usize) {
    assert!(before <= all / 4, "{before} of {all} before it");
}

on_every_backend! {
    // A chain keeps its thread only for some time: what else is ready starts before the chain is
    // over.
    async fn a_chain_of_long_tasks_lets_others_start<R>() {
        for waits in [false, true] {
            for chains in [1, 3] {
                let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
                for _ in 0..chains {
                    long_chain(&mut flow, 40, waits, &count);
                }
                let befores: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
                let note = |kind: usize| {
                    let (count, befores) = (count.clone(), befores.clone());
                    move || befores.lock().unwrap().push((kind, count.load(Ordering::SeqCst)))
                };
                // Roots that come after more than a driver claims at a time.
                for _ in 0..40 {
                    flow.add(async || ());
                }
                let later = note(0);
                flow.add(again!((later) { later() }));
                flow.add(note(1));
                let later = note(2);
                flow.add(again!((later) { later() }).with_lock(Lock::new()));
                let (mut inner, later) = (Flow::<R>::new(), note(3));
                inner.add(again!((later) { later() }));
                flow.add(Arc::new(inner));
                // And what is ready only later.
                let wait = flow.add(async || turns(2).await);
                let later = note(4);
                flow.add(again!((later) { later() }).after(wait));
                // On one thread, Tokio polls what it waits for only after 61 other tasks.
                flow.start().await.unwrap();
                assert_eq!(count.load(Ordering::SeqCst), 40 * chains);
                let befores = befores.lock().unwrap();
                assert_eq!(befores.len(), 5);
                for (kind, before) in &*befores {
                    assert!(*before <= 20 * chains, "{before} long tasks before {kind}, {waits} {chains}");
                }
            }
        }
    }

    // Nor does a task keep it that yields, and takes a slice of time in each poll.
    async fn a_task_that_yields_between_long_polls_lets_others_start<R>() {
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let long = long(&count);
        flow.add(again!((long) {
            for _ in 0..40 {
                long();
                yield_now().await;
            }
        }));
        let seen = count.clone();
        let before = flow.add(again!((seen) { seen.load(Ordering::SeqCst) }));
        let run = flow.start().await.unwrap();
        assert_early(run[before], 40);
    }

    // The same, if what else is ready is in another run.
    async fn a_chain_of_long_tasks_lets_other_runs_start<R>() {
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        long_chain(&mut flow, 40, false, &count);
        let mut other = Flow::<R>::new();
        let seen = count.clone();
        let before = other.add(again!((seen) { seen.load(Ordering::SeqCst) }));
        let (running, other) = (flow.start(), other.start());
        let run = other.await.unwrap();
        assert_early(run[before], 40);
        running.await.unwrap();
    }

    // A poll ends after some time, also if each task takes long: counted on the thread that polls,
    // since others may run tasks meanwhile.
    async fn a_poll_of_long_tasks_is_bounded<R>() {
        thread_local! {
            static HERE: Cell<usize> = const { Cell::new(0) };
        }
        // So many short tasks come first.
        for short in [0, 200] {
            for chain in [false, true] {
                let mut flow = Flow::<R>::new();
                let mut last = None;
                for _ in 0..short {
                    last = Some(flow.add((async || ()).after(last)));
                }
                let long = || {
                    std::thread::sleep(Duration::from_millis(2));
                    HERE.set(HERE.get() + 1);
                };
                for _ in 0..64 {
                    let task = flow.add(again!((long) { long() }).after(last));
                    if chain {
                        last = Some(task);
                    }
                }
                let mut execute = pin!(flow.execute());
                let mut most = 0;
                poll_fn(|cx| {
                    let before = HERE.get();
                    let polled = execute.as_mut().poll(cx);
                    most = most.max(HERE.get() - before);
                    polled
                })
                .await
                .unwrap();
                // A poll that begins with short tasks looks at the clock less often.
                let bound = if short == 0 { 2 } else { 20 };
                assert!(most <= bound, "{most} long tasks in one poll");
            }
        }
    }

    // What is polled beside it, such as a limit of time, has its turn.
    async fn a_timeout_around_long_tasks_ends_them<R>() {
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..400 {
            let long = long(&count);
            flow.add(again!((long) { long() }));
        }
        {
            let execute = pin!(flow.execute());
            poll_until(execute, pause::<R>(Duration::from_millis(10))).await;
        }
        let count = count.load(Ordering::SeqCst);
        assert!(count < 200, "{count} of 400");
    }
}

/// A pool of one or two threads, all of which a flow with plain functions uses: others that need
/// one get it before the flow is over.
mod blocking_threads {
    use super::*;

    const FUNCTIONS: usize = 60;

    /// Declares so many chains.
    fn flow(chains: usize, count: &Arc<AtomicUsize>) -> Flow<TokioRuntime> {
        let mut flow = Flow::new();
        for _ in 0..chains {
            let mut last = None;
            for _ in 0..FUNCTIONS / chains {
                last = Some(flow.add(long(count).after(last)));
            }
        }
        flow
    }

    /// Runs the flow; gives how many functions had been called when `other` was done.
    fn before<Fut: Future<Output = ()>>(
        threads: usize,
        chains: usize,
        other: impl FnOnce() -> Fut,
    ) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(threads)
            .enable_time()
            .build()
            .unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let flow = flow(chains, &count);
        runtime.block_on(async {
            let running = flow.start();
            eventually::<TokioRuntime>("the first function", || count.load(Ordering::SeqCst) > 0)
                .await;
            other().await;
            let before = count.load(Ordering::SeqCst);
            running.await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), FUNCTIONS);
            before
        })
    }

    /// In a chain for each thread, and all independent.
    const SHAPES: [(usize, usize); 4] = [(1, 1), (2, 2), (1, FUNCTIONS), (2, FUNCTIONS)];

    #[test]
    fn others_have_one() {
        watched(|| {
            for (threads, chains) in SHAPES {
                let other = || async { tokio::task::spawn_blocking(|| ()).await.unwrap() };
                assert_early(before(threads, chains, other), FUNCTIONS);
            }
        });
    }

    #[test]
    fn other_runs_have_one() {
        watched(|| {
            for (threads, chains) in SHAPES {
                let other = || async {
                    let mut flow = Flow::<TokioRuntime>::new();
                    let first = flow.add(|| ());
                    flow.add((|| ()).after(first));
                    flow.execute().await.unwrap();
                };
                assert_early(before(threads, chains, other), FUNCTIONS);
            }
        });
    }
}
