//! Size and depth need no stack, and work that is linear: from no tasks to ten million, on 2 MiB.
//!
//! Each test runs in a process of its own, since a stack that overflows ends the process. Without
//! optimisation the sizes are smaller: see [`million`] and [`DEEP`]. That the work grows no faster than
//! the flow shows in a count of what the engine asks of its runtime.

use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Member, Observer, Run, Runtime, TaskRef, Unavailable};
use asyncflow_tests::{
    Gate, Guards, LONG, Log, counts, eventually, on_every_backend, on_every_backend_in_child,
    poll_times, skipped, slow, waits, yield_now,
};

/// A million tasks; without optimisation, a hundredth of that.
fn million(millions: usize) -> usize {
    match cfg!(debug_assertions) {
        true => millions * 10_000,
        false => millions * 1_000_000,
    }
}

/// How deep groups are nested: without optimisation still far deeper than any stack, but quick.
const DEEP: usize = match cfg!(debug_assertions) {
    true => 100_000,
    false => 1_000_000,
};

fn nothing() -> Ready<()> {
    ready(())
}

/// How many tasks succeeded.
fn succeeded(run: &Run) -> usize {
    run.report().count(TaskStatus::is_success)
}

/// What the engine asked of a runtime.
#[derive(Default)]
struct Asked {
    spawns: AtomicUsize,
    polls: AtomicUsize,
    blocking: AtomicUsize,
}

/// A runtime that counts what is asked of it.
#[derive(Clone)]
struct Counting<R> {
    runtime: R,
    asked: Arc<Asked>,
}

impl<R: Runtime + Default> Counting<R> {
    fn new() -> Self {
        Self {
            runtime: R::default(),
            asked: Arc::default(),
        }
    }
}

impl<R: Runtime> Runtime for Counting<R> {
    type Lock = R::Lock;
    type Semaphore = R::Semaphore;

    fn attach(&self) -> Result<Self, Unavailable> {
        Ok(Self {
            runtime: self.runtime.attach()?,
            asked: Arc::clone(&self.asked),
        })
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        self.runtime.enter(f)
    }

    fn parallelism(&self) -> usize {
        self.runtime.parallelism()
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let asked = Arc::clone(&self.asked);
        asked.spawns.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn(async move {
            let mut future = pin!(future);
            std::future::poll_fn(|cx| {
                asked.polls.fetch_add(1, Ordering::Relaxed);
                future.as_mut().poll(cx)
            })
            .await;
        });
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        self.asked.blocking.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn_blocking(function);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.runtime.sleep(duration)
    }
}

/// Executes a flow; gives how often the engine polled, spawned and asked for threads, all in all.
async fn count<R: Runtime + Default>(declare: impl FnOnce(&mut Flow<Counting<R>>)) -> usize {
    let runtime = Counting::<R>::new();
    let asked = Arc::clone(&runtime.asked);
    let mut flow = Flow::on(runtime);
    declare(&mut flow);
    let tasks = flow.len();
    let mut polls = 0;
    let run = {
        let mut execute = pin!(flow.execute());
        std::future::poll_fn(|cx| {
            polls += 1;
            execute.as_mut().poll(cx)
        })
        .await
        .unwrap()
    };
    assert_eq!(succeeded(&run), tasks);
    let counters = [&asked.spawns, &asked.polls, &asked.blocking];
    polls
        + counters
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed))
            .sum::<usize>()
}

/// Asserts that the work is not more than so much for each task, however many there are.
async fn assert_linear<R: Runtime + Default>(
    size: usize,
    each: usize,
    declare: impl Fn(&mut Flow<Counting<R>>, usize),
) {
    for size in [size / 10, size] {
        let asked = count::<R>(|flow| declare(flow, size)).await;
        assert!(asked <= each * size + 1000, "{asked} for {size}");
    }
}

on_every_backend! {
    async fn no_tasks<R>() {
        let flow = Flow::<R>::new();
        assert!(flow.is_empty());
        let run = flow.execute().await.unwrap();
        assert_eq!(run.report().tasks().count(), 0);
        flow.execute().keep_going().max_concurrency(1).timed().await.unwrap();
        flow.execute().only(Vec::<TaskId>::new()).await.unwrap();
        flow.start().await.unwrap();
        flow.start().cancel().await.unwrap();
        let groups = Flow::<R>::from(series![parallel![], series![], parallel![series![]]]);
        assert_eq!(groups.len(), 0);
        groups.execute().await.unwrap();
    }

    async fn one_task<R>() {
        let mut flow = Flow::<R>::new();
        let one = flow.add(async || 1);
        assert_eq!(flow.execute().await.unwrap()[one], 1);
        assert_eq!(flow.start().await.unwrap()[one], 1);
        let mut flow = Flow::<R>::new();
        let one = flow.add(|| 1);
        assert_eq!(flow.execute().await.unwrap()[one], 1);
        assert_eq!(flow.execute().max_concurrency(1).only(one).await.unwrap()[one], 1);
    }
}

on_every_backend_in_child! {
    // 100,000 without optimisation.
    async fn chain_of_ten_million<R>() {
        let length = million(10);
        let mut flow = Flow::<R>::new();
        let mut last = flow.add(nothing);
        for _ in 1..length {
            last = flow.add(nothing.after(last));
        }
        let run = flow.execute().await.unwrap();
        assert!(run.report().status(last).is_success());
        assert_eq!(succeeded(&run), length);
        drop(run);
        drop(flow);
    }

    // The same for other kinds of tasks, a tenth as long: plain ones, ones that wait, ones that
    // pass on a value, and ones that need a permit.
    async fn chains_of_a_million<R>() {
        let length = million(1);
        let (mut plain, mut passes, mut locked) = (Flow::<R>::new(), Flow::<R>::new(), Flow::<R>::new());
        let mut waits = Flow::<R>::new();
        let lock = Lock::new();
        let mut last = (
            plain.add(|| ()),
            passes.add(|| 0_u64),
            locked.add(nothing.with_lock(&lock)),
            waits.add(nothing),
        );
        for index in 1..length {
            last = (
                plain.add((|| ()).after(last.0)),
                passes.add((|n: &u64| ready(n + 1)).inputs(last.1)),
                locked.add(nothing.after(last.2).with_lock(&lock)),
                match index % 10 {
                    0 => waits.add((async || yield_now().await).after(last.3)),
                    _ => waits.add(nothing.after(last.3)),
                },
            );
        }
        assert_eq!(succeeded(&plain.execute().await.unwrap()), length);
        assert_eq!(succeeded(&locked.execute().await.unwrap()), length);
        assert_eq!(succeeded(&waits.execute().await.unwrap()), length);
        let run = passes.execute().await.unwrap();
        assert_eq!(run[last.1], length as u64 - 1);
        drop(run);
        // Each output is dropped as soon as the next is there.
        let run = passes.execute().only(last.1).await.unwrap();
        assert_eq!(run[last.1], length as u64 - 1);
    }

    // Never executed, executed in part, dropped in the middle.
    async fn long_chain_that_is_dropped<R>() {
        let length = million(1);
        let (mut flow, mut last) = (Flow::<R>::new(), None);
        for _ in 0..length {
            last = Some(flow.add(nothing.after(last)));
        }
        drop(flow.execute());
        {
            let mut execute = pin!(flow.execute());
            assert!(execute.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let running = flow.start();
        yield_now().await;
        drop(running);
        // Unless it had ended before.
        if let Err(error) = flow.start().cancel().await {
            assert!(error.is_cancelled(), "{error}");
        }
        drop(flow);
    }

    // One failure at the front of a chain, and one at the root of everything: ten thousand without
    // optimisation.
    async fn a_million_skipped_by_one_failure<R>() {
        let count = million(1);
        for chain in [true, false] {
            for keep_going in [true, false] {
                let mut flow = Flow::<R>::new();
                let root = flow.add(async || Err::<(), _>("no"));
                let mut last = root;
                for _ in 0..count {
                    let upstream = if chain { last } else { root };
                    last = flow.add(nothing.after(upstream));
                }
                let ended = Arc::new(AtomicUsize::new(0));
                let execute = flow.execute().observe(Ends(Arc::clone(&ended)));
                let execute = if keep_going { execute.keep_going() } else { execute };
                let error = execute.await.unwrap_err();
                let because = skipped(root);
                assert_eq!(error.report().unwrap().count(|status| status == because), count);
                assert_eq!(ended.load(Ordering::Relaxed), count + 1);
                assert!(error.to_string().contains(&format!("{count} skipped")));
            }
        }
    }

    // The same on a blocking thread, and with clean-up at the end of it.
    async fn a_million_plain_ones_skipped_by_one_failure<R>() {
        let count = million(1);
        let mut flow = Flow::<R>::new();
        let root = flow.add(|| Err::<(), _>("no"));
        let mut last = root;
        for index in 0..count {
            let upstream = if index % 2 == 0 { root } else { last };
            last = flow.add((|| ()).after(upstream));
        }
        let clean = flow.add((|| ()).after(last).always());
        let error = flow.execute().await.unwrap_err();
        let because = skipped(root);
        assert_eq!(error.report().unwrap().count(|status| status == because), count);
        assert!(error.report().unwrap().status(clean).is_success());
    }

    async fn fan_out_and_in_of_a_million<R>() {
        let width = million(1);
        let mut flow = Flow::<R>::new();
        let root = flow.add(nothing);
        let tasks: Vec<Task<()>> = (0..width).map(|_| flow.add(nothing.after(root))).collect();
        let end = flow.add(nothing.after(&tasks));
        let any = flow.add(nothing.after_any(&tasks));
        let run = flow.execute().await.unwrap();
        assert!(run.report().status(end).is_success() && run.report().status(any).is_success());
        assert_eq!(succeeded(&run), width + 3);
        drop(run);
        // No root, and everything at once.
        let mut flow = Flow::<R>::new();
        let numbers: Vec<Task<u64>> = (0..width as u64).map(|n| flow.add(move || ready(n))).collect();
        let sum = flow.add((|numbers: Vec<&u64>| ready(numbers.into_iter().sum::<u64>())).inputs(numbers));
        let run = flow.execute().await.unwrap();
        assert_eq!(run[sum], width as u64 * (width as u64 - 1) / 2);
    }

    async fn fan_out_and_in_of_a_million_plain_ones<R>() {
        let width = million(1);
        let mut flow = Flow::<R>::new();
        let root = flow.add(|| ());
        let tasks: Vec<Task<()>> = (0..width).map(|_| flow.add((|| ()).after(root))).collect();
        flow.add((|| ()).after(&tasks));
        let run = flow.execute().await.unwrap();
        assert_eq!(succeeded(&run), width + 2);
    }

    // More successors than one poll notifies.
    async fn every_successor_is_told_of_an_end<R>() {
        const WIDE: usize = 25_001;
        struct Silent;
        impl Observer for Silent {}
        type Add<R> = fn(&mut Flow<R>) -> Task<()>;
        let hubs: [(&str, Add<R>); 5] = [
            ("on a driver", |flow| flow.add(nothing)),
            ("after a wait", |flow| flow.add(async || yield_now().await)),
            ("on a blocking thread", |flow| flow.add(|| ())),
            ("failed", |flow| flow.add(async || Err::<(), _>("no"))),
            ("supervised", |flow| flow.add(nothing.timeout(LONG))),
        ];
        for (which, add_hub) in hubs {
            for gated in [false, true] {
                let mut flow = Flow::<R>::new();
                let other = flow.add(nothing);
                let hub = add_hub(&mut flow);
                let tasks: Vec<Task<()>> = (0..WIDE)
                    .map(|_| match gated {
                        false => flow.add(nothing.after([other, hub])),
                        true => flow.add(nothing.after_any([hub]).after(other)),
                    })
                    .collect();
                let clean_up = flow.add(nothing.after(&tasks).always());
                let execute = || flow.execute().keep_going();
                let only = flow.execute().keep_going().only([clean_up, tasks[WIDE - 1]]);
                for execute in [execute(), execute().observe(Silent), execute().max_concurrency(2), only] {
                    let (report, wanted) = match execute.await {
                        Ok(run) => (run.report().clone(), TaskStatus::Succeeded),
                        Err(error) => {
                            (error.report().unwrap().clone(), skipped(hub))
                        }
                    };
                    assert_eq!(report.status(hub).is_success(), which != "failed");
                    assert_eq!(report.count(|status| status == wanted), match which {
                        "failed" => WIDE,
                        _ => WIDE + 3,
                    }, "{which}, gated: {gated}");
                    assert!(report.status(clean_up).is_success());
                }
            }
        }
    }

    async fn groups_of_a_million<R>() {
        let count = million(1);
        let wide: Parallel = (0..count).map(|_| nothing).collect();
        let long: Series = (0..count).map(|_| nothing).collect();
        let plain: Parallel = (0..count).map(|_| Member::new(|| ())).collect();
        let mut flow = Flow::<R>::new();
        let wide = flow.add(wide);
        let long = flow.add(long.after(wide));
        // n tasks before m tasks: a gate stands between them, not n × m edges.
        let plain = flow.add(plain.after(long));
        flow.add((0..count).map(|_| nothing).collect::<Parallel>().after(plain));
        assert_eq!(succeeded(&flow.execute().await.unwrap()), 4 * count);
    }

    async fn groups_nested_a_million_deep<R>() {
        let depth = DEEP;
        let mut series = Series::new();
        let mut parallel = Parallel::new();
        let mut mixed = Series::new();
        for level in 0..depth {
            series = series![series];
            parallel = parallel![parallel];
            mixed = match level % 2 {
                0 => series![nothing, parallel![mixed, nothing]],
                _ => series![parallel![nothing, mixed], series![]],
            };
        }
        let _ = format!("{series:?} {parallel:?} {mixed:?}");
        let lock = Lock::new();
        let locked = with_lock(parallel.with(nothing), &lock);
        let mut flow = Flow::<R>::new();
        let empty = flow.add(series);
        let locked = flow.add(locked.after(empty));
        flow.add(mixed.after(locked));
        let tasks = flow.len();
        assert!(tasks > depth);
        assert_eq!(succeeded(&flow.execute().await.unwrap()), tasks);
        drop(flow);
        // And dropped without having been added.
        let mut series = series![nothing];
        let mut parallel = parallel![nothing];
        let mut empty = parallel![|| ()];
        for _ in 0..depth {
            series = series![series, nothing];
            parallel = parallel![parallel, nothing];
            empty = parallel![empty, series![]];
        }
        drop((series, parallel));
        drop(Member::new(empty));
    }

    // Two tasks in the innermost group.
    async fn a_deep_series<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let mut series = series![slow(&log, "a"), slow(&log, "b")];
        for _ in 0..DEEP {
            series = series![series];
        }
        assert_eq!(format!("{series:?}").lines().count(), 1);
        let group = flow.add(series);
        flow.add(log.note("c").after(group));
        assert_eq!(flow.len(), 3);
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "c"]);
    }

    // A task at each level.
    async fn a_deep_series_of_tasks<R>() {
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let mut series = Series::new();
        for n in (0..DEEP).rev() {
            let count = count.clone();
            let next = move || {
                assert_eq!(count.fetch_add(1, Ordering::Relaxed), n);
                ready(())
            };
            series = series![next, series];
        }
        flow.add(series);
        assert_eq!(flow.len(), DEEP);
        flow.execute().await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), DEEP);
    }

    async fn deep_groups_in_turns<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let mut group = series![slow(&log, "a"), parallel![], slow(&log, "b")];
        for _ in 0..DEEP / 2 {
            group = Series::new().then(Parallel::new().with(group));
        }
        let mut nothing = Parallel::new();
        for _ in 0..DEEP / 2 {
            nothing = Parallel::new().with(Series::new().then(nothing));
        }
        flow.add(series![group, nothing, log.note("c")]);
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "c"]);
    }

    // A wide group before deep nesting, and one inside of it.
    async fn wide_and_deep<R>() {
        const SIZE: usize = 2_000;
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let wide = || (0..SIZE).map(|_| counts(&count)).collect::<Parallel>();
        let deep = |inside: Parallel| (0..SIZE).fold(inside, |inside, _| parallel![inside]);
        flow.add(series![wide(), deep(parallel![counts(&count)])]);
        flow.add(deep(wide()));
        flow.execute().await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2 * SIZE + 1);
    }

    // Fewer, since each flow is a run of its own. Each is a task of the next: executed, cancelled and
    // dropped in the middle, and dropped without a run.
    async fn flows_nested_deeply<R>() {
        let depth = million(1) / 10;
        let (mut flow, runs, guards) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)), Guards::new());
        const STUCK: usize = 1;
        const FAILS: usize = 2;
        let how = Arc::new(AtomicUsize::new(0));
        flow.add({
            let (how, guards) = (Arc::clone(&how), guards.clone());
            move || {
                let (how, guard) = (how.load(Ordering::Relaxed), guards.guard());
                async move {
                    let _guard = guard;
                    match how {
                        STUCK => std::future::pending().await,
                        FAILS => Err("far down"),
                        _ => Ok(()),
                    }
                }
            }
        });
        for _ in 0..depth {
            let counter = Arc::clone(&runs);
            let within = Arc::new(flow);
            flow = Flow::new();
            flow.add(move || {
                counter.fetch_add(1, Ordering::Relaxed);
                yield_now()
            });
            flow.add(within);
        }
        flow.execute().await.unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), depth);
        how.store(FAILS, Ordering::Relaxed);
        let error = flow.execute().await.unwrap_err();
        // Only some levels are printed, and the cause.
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.contains("far down") && text.len() < 1_000_000, "{} bytes", text.len());
        }
        drop(error);
        how.store(STUCK, Ordering::Relaxed);
        let running = flow.start();
        eventually::<R>("the innermost task to start", || guards.live() == 1).await;
        assert!(running.cancel().await.unwrap_err().is_cancelled());
        assert_eq!(guards.live(), 0);
        let running = flow.start();
        eventually::<R>("the innermost task to start", || guards.live() == 1).await;
        drop(running);
        eventually::<R>("the innermost task to end", || guards.live() == 0).await;
    }

    // Drops a hundred thousand futures that wait; a thousand without optimisation.
    async fn many_that_wait_are_dropped<R>() {
        let (count, guards, started) = (million(1) / 10, Guards::new(), Gate::new());
        let mut flow = Flow::<R>::new();
        for _ in 0..count {
            flow.add(waits(&guards, &started));
        }
        for _ in 0..3 {
            let mut execute = Box::pin(flow.execute());
            while guards.live() < count {
                assert!(poll_times(execute.as_mut(), 1).await.is_none());
                yield_now().await;
            }
            drop(execute);
            eventually::<R>("all of them to be dropped", || guards.live() == 0).await;
        }
        let running = flow.start();
        eventually::<R>("all of them to wait", || guards.live() == count).await;
        assert!(running.cancel().await.unwrap_err().is_cancelled());
        assert_eq!(guards.live(), 0);
    }

    async fn names_of_a_million<R>() {
        let count = million(1);
        let mut flow = Flow::<R>::new();
        let root = flow.add(|| Err::<(), _>("no"));
        for _ in 0..count {
            flow.add(nothing.after(root));
        }
        let error = flow.execute().await.unwrap_err();
        let report = error.report().unwrap();
        let last = report.tasks().last().unwrap();
        assert_eq!(last.name(), format!("nothing#{count}"));
    }
}

/// Counts the tasks that end.
struct Ends(Arc<AtomicUsize>);

impl Observer for Ends {
    fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// Ten thousand tasks against a hundred thousand; a hundredth of each without optimisation.
on_every_backend_in_child! {
    async fn linear_on_one_lock<R>() {
        let size = million(1) / 10;
        let lock = Lock::new();
        assert_linear::<R>(size, 8, |flow, count| {
            for _ in 0..count {
                flow.add(nothing.with_lock(&lock));
            }
        }).await;
        // What holds it waits for something.
        assert_linear::<R>(size, 12, |flow, count| {
            for _ in 0..count {
                flow.add((async || yield_now().await).with_lock(&lock));
            }
        }).await;
        assert_linear::<R>(size, 12, |flow, count| {
            for _ in 0..count {
                flow.add((|| ()).with_lock(&lock));
            }
        }).await;
    }

    async fn linear_on_one_semaphore<R>() {
        let size = million(1) / 10;
        let semaphore = Semaphore::new(3);
        assert_linear::<R>(size, 14, |flow, count| {
            for index in 0..count {
                flow.add((async || yield_now().await).with_lock(semaphore.permits(1 + index % 3)));
            }
        }).await;
    }

    async fn linear_with_a_limit<R>() {
        let size = million(1) / 10;
        for limit in [1, 10] {
            let limited = |count: usize, plain: bool| async move {
                let runtime = Counting::<R>::new();
                let asked = Arc::clone(&runtime.asked);
                let mut flow = Flow::on(runtime);
                for _ in 0..count {
                    match plain {
                        true => flow.add(|| ()),
                        false => flow.add(async || yield_now().await),
                    };
                }
                flow.execute().max_concurrency(limit).await.unwrap();
                let counters = [&asked.spawns, &asked.polls, &asked.blocking];
                counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum::<usize>()
            };
            for plain in [true, false] {
                for size in [size / 10, size] {
                    let asked = limited(size, plain).await;
                    assert!(asked <= 12 * size + 1000, "{asked} for {size}");
                }
            }
        }
    }

    // Few polls: a driver runs many tasks in each.
    async fn linear_without_anything<R>() {
        let size = million(1);
        assert_linear::<R>(size, 1, |flow, count| {
            for _ in 0..count {
                flow.add(nothing);
            }
        }).await;
        assert_linear::<R>(size, 1, |flow, count| {
            let mut last = None;
            for _ in 0..count {
                last = Some(flow.add(nothing.after(last)));
            }
        }).await;
        // Few calls of `spawn_blocking`, too.
        assert_linear::<R>(size, 1, |flow, count| {
            let mut last = None;
            for _ in 0..count {
                last = Some(flow.add((|| ()).after(last)));
            }
        }).await;
        // Each of these is polled twice, and spawned once.
        assert_linear::<R>(size, 4, |flow, count| {
            for _ in 0..count {
                flow.add(async || yield_now().await);
            }
        }).await;
    }
}
