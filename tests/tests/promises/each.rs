//! A function for each element of a list: every element has permits, a time limit and attempts of its
//! own, and together they are one task.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asyncflow::prelude::*;
use asyncflow::{ElementRef, Observer, Runtime, TaskRef};
use asyncflow_tests::{
    BY_HAND, Gate, Guard, Guards, Inside, Log, Meeting, ThreadRuntime, at_once, block_on, by_hand,
    on_every_backend, poll_until, run_ended, turns, yield_now,
};

async fn double(n: &u64) -> u64 {
    yield_now().await;
    2 * n
}

on_every_backend! {
    async fn lists_of_every_kind<R>() {
        let mut flow = Flow::<R>::new();
        let vec = flow.add(|| vec![1_u64, 2, 3]);
        let deque = flow.add(|| VecDeque::from([1_u64, 2, 3]));
        let array = flow.add(|| [1_u64, 2, 3]);
        let boxed = flow.add(|| vec![1_u64, 2, 3].into_boxed_slice());
        let shared = flow.add(|| Arc::<[u64]>::from([1_u64, 2, 3]));
        let lent = [
            flow.add(each(double).inputs(vec)),
            flow.add(each(double).inputs(deque)),
            flow.add(each(double).inputs(array)),
            flow.add(each(|n: &u64| 2 * n).inputs(boxed)),
            flow.add(each(|n: &u64| Ok::<_, String>(2 * n)).inputs(shared)),
        ];
        let vec = flow.add(|| vec![1_u64, 2, 3]);
        let deque = flow.add(|| VecDeque::from([1_u64, 2, 3]));
        let array = flow.add(|| [1_u64, 2, 3]);
        let boxed = flow.add(|| vec![1_u64, 2, 3].into_boxed_slice());
        let moved = [
            flow.add(each(|n: u64| 2 * n).inputs(vec.moved())),
            flow.add(each(async |n: u64| 2 * n).inputs(deque.moved())),
            flow.add(each(async |n: u64| Ok::<_, String>(2 * n)).inputs(array.moved())),
            flow.add(each(|n: u64| 2 * n).inputs(boxed.moved())),
        ];
        for limit in [1, 100] {
            let run = flow.execute().max_concurrency(limit).await.unwrap();
            for task in lent.into_iter().chain(moved) {
                assert_eq!(run[task], [2, 4, 6]);
                assert_eq!(run.report().status(task), TaskStatus::Succeeded);
            }
        }
    }

    async fn of_no_elements<R>() {
        let mut flow = Flow::<R>::new();
        let none = flow.value(Vec::<u64>::new());
        let awaits = flow.add(each(double).inputs(none));
        let plain = flow.add(each(|n: &u64| *n).inputs(none).with_lock(Lock::new()));
        let run = flow.execute().await.unwrap();
        assert!(run[awaits].is_empty() && run[plain].is_empty());
    }

    // Elements share the other inputs, and each has a context of its own.
    async fn with_more_inputs<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec!["a", "b", "c"]);
        let log = flow.value(Log::new());
        let missing = flow.add((|| Err::<u8, _>("no")).allow_failure());
        let name = |item: &&str, cx: &TaskContext, log: &Log, missing: Option<&u8>, all: Vec<&Vec<&str>>| {
            log.push(cx.name());
            assert!(missing.is_none() && !cx.is_stopping());
            format!("{item}{}", all.len())
        };
        let task = each(name).inputs((list, context(), log, missing.optional(), [list; 2])).named("name");
        let names = flow.add(task);
        let run = flow.execute().max_concurrency(1).await.unwrap();
        assert_eq!(run[names], ["a2", "b2", "c2"]);
        assert_eq!(run[log].events(), ["name[0]", "name[1]", "name[2]"]);
    }

    // All elements that wait do so at the same time, whatever they wait for.
    async fn elements_run_at_the_same_time<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..20).collect::<Vec<u8>>());
        let meeting = flow.value(Meeting::of(20));
        let meet = async |_: &u8, meeting: &Meeting| meeting.meet().await;
        flow.add(each(meet).inputs((list, meeting)));
        flow.execute().await.unwrap();
    }

    async fn limits_count_elements<R>() {
        let inside = Inside::new();
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..20).collect::<Vec<u8>>());
        let shared = flow.value(inside.clone());
        let awaits = async |_: &u8, inside: &Inside| inside.task(1)().await;
        let plain = |_: &u8, inside: &Inside| inside.plain(1)();
        flow.add(each(awaits).inputs((list, shared)));
        flow.add(each(plain).inputs((list, shared)));
        flow.add(parallel![inside.task(1), inside.plain(1)]);
        for limit in [1, 2, 5] {
            flow.execute().max_concurrency(limit).await.unwrap();
            assert!(inside.most() <= limit, "{} of {limit}", inside.most());
        }
        assert_eq!(inside.visits(), 3 * 42);
    }

    async fn each_element_takes_its_permits<R>() {
        let (inside, locked) = (Inside::new(), Inside::new());
        let (two, one) = (Semaphore::new(2), Lock::new());
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..20).collect::<Vec<u8>>());
        let (shared, of_lock) = (flow.value(inside.clone()), flow.value(locked.clone()));
        let awaits = async |_: &u8, inside: &Inside| inside.task(1)().await;
        let plain = |_: &u8, inside: &Inside| inside.plain(1)();
        flow.add(each(awaits).inputs((list, shared)).with_lock(&two));
        flow.add(each(plain).inputs((list, shared)).with_lock(&two));
        flow.add(each(awaits).inputs((list, of_lock)).with_lock(&one));
        flow.add(each(plain).inputs((list, of_lock)).with_lock(&one));
        flow.execute().await.unwrap();
        assert!(inside.most() <= 2 && locked.most() == 1, "{} {}", inside.most(), locked.most());
        assert_eq!((inside.visits(), locked.visits()), (40, 40));
    }

    // One by one, so the order in which they start is that of the list.
    async fn elements_start_in_the_order_of_the_list<R>() {
        for plain in [false, true] {
            let mut flow = Flow::<R>::new();
            let list = flow.value((0..50).collect::<Vec<u32>>());
            let log = flow.value(Log::new());
            let lock = Lock::new();
            match plain {
                true => flow.add(each(|n: &u32, log: &Log| log.push(n.to_string())).inputs((list, log)).with_lock(&lock)),
                false => flow.add(each(async |n: &u32, log: &Log| {
                    yield_now().await;
                    log.push(n.to_string());
                }).inputs((list, log)).with_lock(&lock)),
            };
            let run = flow.execute().await.unwrap();
            let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
            assert_eq!(run[log].events(), expected);
        }
    }

    async fn each_element_has_its_attempts<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..10).collect::<Vec<u32>>());
        // Element n fails in its first n % 3 attempts.
        fn flaky(n: &u32, cx: &TaskContext) -> Result<u32, &'static str> {
            match cx.attempt() > n % 3 {
                true => Ok(cx.attempt()),
                false => Err("again"),
            }
        }
        let awaits = async |n: &u32, cx: &TaskContext| {
            yield_now().await;
            flaky(n, cx)
        };
        let plain = flow.add(each(flaky).inputs((list, context())).retry(at_once(2)));
        let awaits = flow.add(each(awaits).inputs((list, context())).retry(at_once(2)));
        let run = flow.execute().max_concurrency(3).await.unwrap();
        let expected: Vec<u32> = (0..10).map(|n| n % 3 + 1).collect();
        assert_eq!((&run[plain], &run[awaits]), (&expected, &expected));
    }

    async fn each_element_has_its_fallback<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..6).collect::<Vec<u32>>());
        fn odd(n: &u32) -> Result<Vec<u32>, String> {
            match n % 2 {
                0 => Ok(vec![*n]),
                _ => Err(format!("{n} is odd")),
            }
        }
        let awaits = async |n: &u32| odd(n);
        let plain = flow.add(each(odd).inputs(list).fallback(|_| Vec::new()).named("plain"));
        let awaits = flow.add(each(awaits).inputs(list).fallback(|failure| vec![failure.name().len() as u32]).named("f"));
        let run = flow.execute().await.unwrap();
        assert_eq!(run[plain], [vec![0], vec![], vec![2], vec![], vec![4], vec![]]);
        assert_eq!(run[awaits], [[0], [4], [2], [4], [4], [4]]);
        for task in [plain, awaits] {
            let report = run.report().task(task);
            assert_eq!(report.status(), TaskStatus::Recovered);
            assert_eq!(report.failure().unwrap().elements().len(), 3);
        }
    }

    async fn each_element_has_its_time_limit<R>() {
        let (mut flow, sleeps) = by_hand::<R>();
        let list = flow.value((0..6).collect::<Vec<u32>>());
        let hangs = async |n: &u32| match n % 3 {
            0 => pending().await,
            _ => *n,
        };
        let task = each(hangs).inputs(list).timeout(BY_HAND).fallback(|_| 100);
        let task = flow.add(task);
        sleeps.end_all();
        let run = flow.execute().await.unwrap();
        assert_eq!((run[task][0], run[task][3]), (100, 100));
        assert_eq!(run.report().task(task).failure().unwrap().status(), TaskStatus::TimedOut);
    }

    // The first failure stops the others: those that wait are dropped, and no more start.
    async fn the_first_failure_stops_the_others<R>() {
        for allowed in [false, true] {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let list = flow.value((0..1000).collect::<Vec<u32>>());
            let started = flow.value(AtomicUsize::new(0));
            let live = flow.value(guards.clone());
            let lock = Semaphore::new(10);
            async fn third_fails(n: &u32, started: &AtomicUsize, guards: &Guards) -> Result<(), String> {
                let _guard = guards.guard();
                started.fetch_add(1, Ordering::SeqCst);
                turns(5).await;
                match n {
                    3 => Err("no luck".to_owned()),
                    _ => pending().await,
                }
            }
            let task = each(third_fails).inputs((list, started, live)).with_lock(&lock).named("fetch");
            let task = match allowed {
                true => flow.add(task.allow_failure()),
                false => flow.add(task),
            };
            let log = Log::new();
            let after = flow.add(log.note("after").after(task));
            let result = flow.execute().await;
            let report = match allowed {
                true => result.unwrap().report().clone(),
                false => {
                    let error = result.unwrap_err();
                    assert_eq!(error.to_string(), "task `fetch[3]` failed: no luck (1 skipped)");
                    let failure = error.failures().next().unwrap();
                    assert_eq!((failure.name(), failure.task()), ("fetch[3]", task.into()));
                    error.report().unwrap().clone()
                }
            };
            assert_eq!(report.status(task), TaskStatus::Failed);
            assert_eq!(report.status(after), asyncflow_tests::skipped(task));
            assert_eq!((guards.live(), log.events().len()), (0, 0));
            // All permits are back.
            let mut flow = Flow::<R>::new();
            flow.add((|| ()).with_lock(lock.permits(10)));
            flow.execute().await.unwrap();
        }
    }

    async fn keep_going_lists_every_failure<R>() {
        for plain in [false, true] {
            let mut flow = Flow::<R>::new();
            let list = flow.value((0..9).collect::<Vec<u32>>());
            let count = flow.value(AtomicUsize::new(0));
            fn fails(n: &u32, count: &AtomicUsize) -> Result<u32, &'static str> {
                count.fetch_add(1, Ordering::SeqCst);
                match n {
                    2 => Err("no luck"),
                    5 => panic!("out of cheese"),
                    _ => Ok(*n),
                }
            }
            let awaits = async |n: &u32, count: &AtomicUsize| fails(n, count);
            let task = match plain {
                true => flow.add(each(fails).inputs((list, count)).named("f")),
                false => flow.add(each(awaits).inputs((list, count)).named("f")),
            };
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.to_string(), "task `f[2]` failed: no luck; task `f[5]` panicked: out of cheese");
            let outputs = error.outputs().unwrap();
            assert_eq!(outputs[count].load(Ordering::SeqCst), 9);
            assert_eq!((outputs.get(task), outputs.report().status(task)), (None, TaskStatus::Failed));
            let failure = outputs.report().task(task).failure().unwrap();
            assert_eq!((failure.name(), failure.elements().len()), ("f", 2));
            assert_eq!(failure.elements()[1].panic().unwrap().message(), "out of cheese");
        }
    }

    // Of a hundred thousand elements, some run, and most have not started.
    async fn stopped_and_dropped_in_the_middle<R>() {
        for dropped in [false, true] {
            let (mut flow, guards, log) = (Flow::<R>::new(), Guards::new(), Log::new());
            let list = flow.value((0..100_000).collect::<Vec<u32>>());
            let live = flow.value(guards.clone());
            let reached = flow.value(Gate::new());
            let lock = Semaphore::new(50);
            async fn waits(n: &u32, guards: &Guards, reached: &Gate) {
                let _guard = guards.guard();
                yield_now().await;
                if *n > 1_000 {
                    reached.open();
                    pending().await
                }
            }
            let task = flow.add(each(waits).inputs((list, live, reached)).with_lock(&lock));
            flow.add(log.note("clean-up").after(task).always());
            let gate = Gate::new();
            let (over, on_end) = run_ended();
            let execute = flow.execute().given(reached, gate.clone()).observe(on_end);
            match dropped {
                false => {
                    let running = execute.start();
                    gate.pass().await;
                    let error = running.cancel().await.unwrap_err();
                    assert_eq!(error.report().unwrap().status(task), TaskStatus::Cancelled);
                    assert_eq!(log.events(), ["clean-up"]);
                }
                true => {
                    let mut execute = Box::pin(execute);
                    poll_until(execute.as_mut(), gate.pass()).await;
                    drop(execute);
                    over.pass().await;
                    assert_eq!(log.events().len(), 0);
                }
            }
            assert_eq!(guards.live(), 0);
            let mut flow = Flow::<R>::new();
            flow.add((|| ()).with_lock(lock.permits(50)));
            flow.execute().await.unwrap();
        }
    }

    // Also those that need nothing but their future.
    async fn the_first_failure_stops_those_that_wait<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let list = flow.value(vec![1_u32, 2, 0, 3]);
        let live = flow.value(guards.clone());
        async fn zero_fails(n: &u32, guards: &Guards) -> Result<(), String> {
            let _guard = guards.guard();
            match n {
                0 => {
                    turns(5).await;
                    Err("no luck".to_owned())
                }
                _ => pending().await,
            }
        }
        flow.add(each(zero_fails).inputs((list, live)));
        flow.execute().await.unwrap_err();
        assert_eq!(guards.live(), 0);
    }

    async fn plain_elements_are_stopped_in_the_middle<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let list = flow.value((0..100_000).collect::<Vec<u32>>());
        let count = flow.value(AtomicUsize::new(0));
        let reached = flow.value(Gate::new());
        let counts = |_: &u32, count: &AtomicUsize, reached: &Gate| {
            if count.fetch_add(1, Ordering::SeqCst) == 100 {
                reached.open();
            }
            std::thread::yield_now();
        };
        let task = flow.add(each(counts).inputs((list, count, reached)));
        flow.add(log.note("clean-up").after(task).always());
        let gate = Gate::new();
        let running = flow.execute().given(reached, gate.clone()).start();
        gate.pass().await;
        // It may have come to its end before.
        let _ = running.cancel().await;
        assert_eq!(log.events(), ["clean-up"]);
    }

    // Elements by value are dropped, also those that were not reached.
    async fn elements_by_value_are_dropped<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let held = guards.clone();
        let list = flow.add(move || -> Vec<Guard> { (0..100).map(|_| held.guard()).collect() });
        let consume = |guard: Guard| -> Result<(), &str> {
            drop(guard);
            Err("no")
        };
        flow.add(each(consume).inputs(list.moved()).with_lock(Lock::new()));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.failures().count(), 1);
        assert_eq!(guards.live(), 0);
    }

    async fn a_million_elements<R>() {
        let count = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..count).collect::<Vec<u32>>());
        let awaits = flow.add(each(async |n: &u32| n + 1).inputs(list));
        let plain = flow.add(each(|n: &u32| n + 1).inputs(awaits));
        let run = flow.execute().await.unwrap();
        assert!(run[plain].iter().copied().eq(2..count + 2));
    }

    async fn mistakes_are_refused<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.add(|| vec![1, 2]);
        flow.add(each(|n: i32| Ok::<_, String>(n)).inputs(list.moved()).retry(at_once(1)).named("again"));
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("`again` takes the output of"), "{error}");
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![1, 2]);
        flow.add(each(once(|n: &i32| *n)).inputs(list).named("single"));
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("`single` calls a function for each element"), "{error}");
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![1, 2]);
        let few = Semaphore::new(2);
        flow.add(each(|n: &i32| *n).inputs(list).with_lock(few.permits(3)).named("many"));
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().starts_with("task `many` needs 3 permits"), "{error}");
    }

    // Its elements may execute flows, each with its own.
    async fn elements_execute_flows<R>() {
        struct Inner<R: Runtime>(Flow<R>, Task<u32>, Task<u32>);
        async fn execute<R: Runtime>(n: &u32, cx: &TaskContext, inner: &Inner<R>) -> Result<u32, FlowError> {
            let Inner(flow, input, output) = inner;
            Ok(cx.execute(flow).given(*input, *n).await?[*output])
        }
        let mut inner = Flow::<R>::new();
        let n = inner.input::<u32>("n");
        let square = inner.add((|n: &u32| n * n).inputs(n));
        let mut flow = Flow::<R>::new();
        let list = flow.value((0..10).collect::<Vec<u32>>());
        let inner = flow.value(Inner(inner, n, square));
        let squares = flow.add(each(execute::<R>).inputs((list, context(), inner)));
        for limit in [1, 3, 100] {
            let run = flow.execute().max_concurrency(limit).await.unwrap();
            assert!(run[squares].iter().copied().eq((0..10).map(|n| n * n)));
        }
    }

    async fn observers_are_told_of_elements<R>() {
        #[derive(Default)]
        struct Told(Mutex<Vec<String>>);
        impl Told {
            fn push(&self, event: String) {
                self.0.lock().unwrap().push(event);
            }
        }
        impl Observer for Told {
            fn task_started(&self, task: TaskRef<'_>, attempt: u32) {
                self.push(format!("{} started {attempt}", task.name()));
            }
            fn element_started(&self, element: ElementRef<'_>, attempt: u32) {
                self.push(format!("{element} started {attempt}"));
            }
            fn element_failed(&self, element: ElementRef<'_>, attempt: u32, why: &dyn std::fmt::Display) {
                self.push(format!("{element} failed {attempt}: {why}"));
            }
            fn element_ended(&self, element: ElementRef<'_>, status: TaskStatus) {
                assert_eq!(element.task().name(), "f");
                self.push(format!("{} {status}", element.index()));
            }
            fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
                self.push(format!("{} {status}", task.name()));
            }
        }
        for plain in [false, true] {
            let mut flow = Flow::<R>::new();
            let list = flow.value(vec![0, 1]);
            fn flaky(n: &u32, cx: &TaskContext) -> Result<(), &'static str> {
                match cx.attempt() > *n {
                    true => Ok(()),
                    false => Err("again"),
                }
            }
            let awaits = async |n: &u32, cx: &TaskContext| flaky(n, cx);
            match plain {
                true => flow.add(each(flaky).inputs((list, context())).retry(at_once(1)).named("f")),
                false => flow.add(each(awaits).inputs((list, context())).retry(at_once(1)).named("f")),
            };
            let told = Arc::new(Told::default());
            flow.execute().observe(told.clone()).max_concurrency(1).await.unwrap();
            let events = told.0.lock().unwrap().clone();
            let expected = [
                "Vec succeeded", "f started 1", "f[0] started 1", "0 succeeded", "f[1] started 1",
                "f[1] failed 1: again", "f[1] started 2", "1 succeeded", "f succeeded",
            ];
            assert_eq!(events, expected);
        }
    }

    async fn only_and_given<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.add(|| vec![1_u64, 2]);
        let doubled = flow.add(each(double).inputs(list));
        let other = flow.add(|| 1);
        let run = flow.execute().only(doubled).await.unwrap();
        assert_eq!((&*run[doubled], run.get(other), run.get(list)), (&[2, 4][..], None, None));
        let run = flow.execute().given(list, vec![5]).await.unwrap();
        assert_eq!(run[doubled], [10]);
        let run = flow.execute().given(doubled, vec![]).await.unwrap();
        assert!(run[doubled].is_empty());
    }

    // Twice at the same time: each run has elements of its own.
    async fn executed_twice_at_once<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.input::<Vec<u64>>("list");
        let doubled = flow.add(each(double).inputs(list));
        let one = flow.execute().given(list, (0..100).collect());
        let two = flow.execute().given(list, (100..200).collect());
        let (one, two) = smol::future::zip(one, two).await;
        assert!(one.unwrap()[doubled].iter().copied().eq((0..100).map(|n| 2 * n)));
        assert!(two.unwrap()[doubled].iter().copied().eq((100..200).map(|n| 2 * n)));
    }
}

/// Async elements that keep their thread run on all workers, and plain ones on several threads, whether the
/// flow is executed by a worker or not.
#[test]
fn elements_use_all_cores() {
    asyncflow_tests::on_tokio(|| async {
        let mut flow = asyncflow::TokioFlow::new();
        let list = flow.value(vec![(); 2]);
        let meeting = flow.value(Meeting::of(2));
        let awaits = async |_: &(), meeting: &Meeting| meeting.meet_blocking();
        let awaits = flow.add(each(awaits).inputs((list, meeting)));
        let plain = |_: &(), meeting: &Meeting| meeting.meet_blocking();
        flow.add(each(plain).inputs((list, meeting)).after(awaits));
        flow.execute().await.unwrap();
        let by_a_worker = tokio::spawn(async move { flow.execute().await.is_ok() });
        assert!(by_a_worker.await.unwrap());
    });
}

/// A plain element that runs sees that another has failed.
#[test]
fn plain_elements_see_the_stop() {
    fn zero_fails(n: &u32, cx: &TaskContext) -> Result<(), String> {
        if *n == 0 {
            return Err("no luck".to_owned());
        }
        while !cx.is_stopping() {
            std::thread::yield_now();
        }
        Ok(())
    }

    let mut flow = Flow::on(ThreadRuntime);
    let list = flow.value(vec![1_u32, 0]);
    flow.add(each(zero_fails).inputs((list, context())));
    let error = block_on(flow.execute()).unwrap_err();
    assert_eq!(error.failures().count(), 1);
}
