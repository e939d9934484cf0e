//! What follows a failure: a fallback makes the output, an allowed failure lets the run go on.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Failure, FlowErrorKind, Observer, TaskRef, TimedOut};
use asyncflow_tests::{
    BY_HAND, Gate, Guards, Log, again, at_once, attempts_after, by_hand, on_every_backend, opens,
    passes, poll_until, poll_while_woken, skipped, turns, waits, yield_now,
};

/// What an observer was told of the ends of tasks and attempts.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Told {
    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn std::fmt::Display) {
        let text = format!("{} failed {attempt}: {why}", task.name());
        self.0.lock().unwrap().push(text);
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{} {status}", task.name()));
    }
}

on_every_backend! {
    // After an error, a panic and a time limit; async and plain; with a lock, with data.
    async fn a_fallback_makes_the_output<R>() {
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 20_u32);
        let error = (|n: &u32| Err::<u32, _>(format!("no {n}"))).inputs(number).fallback(|_| 1);
        let error = flow.add(error.named("error"));
        let panic = (async |_: &u32| -> u32 { panic!("out of cheese") }).fallback(|_| 2);
        let panic = flow.add(panic.inputs(number).with_lock(Lock::new()).named("panic"));
        let limit = Duration::from_millis(2);
        let hangs = async || std::future::pending::<u32>().await;
        let slow = flow.add(hangs.timeout(limit).fallback(|_| 3).named("slow"));
        let early = flow.add((async || -> u32 { yield_now().await; panic!("later") }).fallback(|failure| {
            failure.panic().unwrap().message().len() as u32
        }));
        let fine = flow.add((|| 6_u32).fallback(|_| panic!("not called")));
        let sum = |all: Vec<&u32>| all.into_iter().sum::<u32>();
        let sum = flow.add(sum.inputs([error, panic, slow, early, fine]));

        let run = flow.execute().await.unwrap();
        assert_eq!(run[sum], 1 + 2 + 3 + 5 + 6);
        let report = run.report();
        for task in [error, panic, slow, early] {
            assert_eq!(report.status(task), TaskStatus::Recovered);
            assert!(report.status(task).is_success() && !report.status(task).is_failure());
            assert_eq!(report.task(task).attempts(), 1);
        }
        assert_eq!(report.status(fine), TaskStatus::Succeeded);
        let failure = |task: Task<u32>| report.task(task).failure().unwrap();
        assert_eq!(failure(error).to_string(), "task `error` failed: no 20");
        assert_eq!(failure(panic).panic().unwrap().message(), "out of cheese");
        assert_eq!(failure(slow).error().downcast_ref::<TimedOut>().unwrap().limit(), limit);
        assert!(report.task(fine).failure().is_none());
        assert!(report.to_string().contains("recovered"), "{report}");
    }

    // It sees the last of all attempts, and is called once.
    async fn a_fallback_comes_after_the_last_attempt<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let (calls, made) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (count, notes) = (calls.clone(), log.clone());
        let fails = move || {
            notes.push("attempt");
            Err::<u32, _>(format!("error {}", count.fetch_add(1, Ordering::SeqCst)))
        };
        let (counted, notes) = (made.clone(), log.clone());
        let task = fails.retry(at_once(2)).fallback(move |failure| {
            counted.fetch_add(1, Ordering::SeqCst);
            assert_eq!(failure.status(), TaskStatus::Failed);
            assert_eq!(failure.error().to_string(), "error 2");
            notes.push("fallback");
            7
        });
        let task = flow.add(task.named("task"));
        flow.add(log.note("downstream").after(task));
        let told = Told::default();
        let run = flow.execute().observe(told.clone()).await.unwrap();
        assert_eq!(run[task], 7);
        assert_eq!((calls.load(Ordering::SeqCst), made.load(Ordering::SeqCst)), (3, 1));
        assert_eq!(run.report().task(task).attempts(), 3);
        assert_eq!(log.events(), ["attempt", "attempt", "attempt", "fallback", "downstream"]);
        let told: Vec<String> = told.take().into_iter().filter(|line| line.starts_with("task ")).collect();
        assert_eq!(told, ["task failed 1: error 0", "task failed 2: error 1", "task failed 3: error 2", "task recovered"]);
    }

    // A later attempt that succeeds needs no fallback.
    async fn a_fallback_is_not_called_after_a_success<R>() {
        let mut flow = Flow::<R>::new();
        let calls = AtomicU32::new(0);
        let flaky = move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err("no"),
            call => Ok(call),
        };
        let task = flow.add(flaky.retry(at_once(3)).fallback(|_| panic!("not called")));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[task], run.report().status(task)), (1, TaskStatus::Succeeded));
        assert!(run.report().task(task).failure().is_none());
    }

    async fn a_fallback_that_panics_fails_the_task<R>() {
        for allowed in [false, true] {
            let mut flow = Flow::<R>::new();
            let task = (|| Err::<u32, _>(io::Error::new(ErrorKind::NotFound, "no file"))).fallback(|_| panic!("no default"));
            let task = if allowed { task.allow_failure() } else { task };
            let task = flow.add(task.named("task"));
            let after = flow.add((|_: &u32| ()).inputs(task));
            let told = Told::default();
            let result = flow.execute().observe(told.clone()).await;
            let report = match &result {
                Ok(run) => run.report(),
                Err(error) => error.report().unwrap(),
            };
            assert_eq!(result.is_ok(), allowed);
            assert_eq!(report.status(task), TaskStatus::Panicked);
            assert_eq!(report.status(after), skipped(task));
            let failure = report.task(task).failure().unwrap();
            assert_eq!(failure.panic().unwrap().message(), "no default");
            // What it was called for is not lost.
            let source = failure.error().source().unwrap().downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.kind(), ErrorKind::NotFound);
            assert!(told.take().contains(&"task failed 1: no default (after: no file)".to_owned()));
            if let Err(error) = result {
                assert_eq!(error.to_string(), "task `task` panicked: no default (1 skipped)");
                assert!(format!("{error:?}").contains("no file"), "{error:?}");
            }
        }
    }

    // Not of a task that is cancelled while it runs, waits for a lock or for its next attempt; not of one
    // that is skipped; not if the future is dropped.
    async fn a_fallback_is_not_called_on_a_cancel<R>() {
        for dropped in [false, true] {
            let ((mut flow, sleeps), guards) = (by_hand::<R>(), Guards::new());
            let (started, called) = (Gate::new(), Arc::new(AtomicU32::new(0)));
            let count = called.clone();
            let call = move |_: &Failure| { count.fetch_add(1, Ordering::SeqCst); };
            let runs = flow.add(waits(&guards, &started).fallback(call.clone()));
            let (lock, held) = (Lock::new(), Gate::new());
            let holds = flow.add(waits(&guards, &held).with_lock(&lock));
            let locked = (|| ()).after(flow.add(passes(&held)));
            let locked = flow.add(locked.with_lock(&lock).fallback(call.clone()));
            let fails = (|| Err::<(), _>("no")).retry(attempts_after(BY_HAND, 1));
            let pauses = flow.add(fails.fallback(call.clone()));
            let fails = flow.add((|| Err::<(), _>("no")).allow_failure());
            let skips = flow.add((|| ()).after(fails).fallback(call));
            let failed = Gate::new();
            flow.add(opens(&failed).after(fails).always());
            let reached = async {
                started.pass().await;
                held.pass().await;
                failed.pass().await;
                while sleeps.count() == 0 { yield_now().await; }
                turns(20).await;
            };
            match dropped {
                true => {
                    let mut execute = Box::pin(flow.execute());
                    poll_until(execute.as_mut(), reached).await;
                    drop(execute);
                }
                false => {
                    let running = flow.start();
                    reached.await;
                    let error = running.cancel().await.unwrap_err();
                    assert_eq!(error.kind(), FlowErrorKind::Cancelled);
                    let report = error.report().unwrap();
                    for task in [runs, holds, locked, pauses] {
                        assert_eq!(report.status(task), TaskStatus::Cancelled);
                    }
                    assert_eq!(report.status(skips), skipped(fails));
                    assert!(report.task(pauses).failure().is_some());
                }
            }
            drop(flow);
            while guards.live() > 0 { yield_now().await; }
            assert_eq!(called.load(Ordering::SeqCst), 0);
        }
    }

    // A plain function that timed out runs on, and its output is not the task's.
    async fn a_fallback_of_a_plain_function_that_timed_out<R>() {
        let (mut flow, done) = (Flow::<R>::new(), Gate::new());
        let (go, waits) = (done.clone(), done.clone());
        let slow = move || { waits.pass_blocking(); 1 };
        let slow = flow.add(slow.timeout(Duration::from_millis(2)).fallback(|_| 2));
        let next = flow.add((move |n: &i32| { go.open(); *n }).inputs(slow));
        // With one blocking thread, what is plain would wait for the function.
        let next = match R::default().attach().unwrap().parallelism() {
            1 => { done.open(); next }
            _ => next,
        };
        let run = flow.execute().await;
        done.open();
        let run = run.unwrap();
        assert!([1, 2].contains(&run[next]) && run[next] == run[slow]);
    }

    // Its permits are free while the fallback is made.
    async fn a_fallback_holds_no_permits<R>() {
        for plain in [false, true] {
            let (mut flow, lock) = (Flow::<R>::new(), Lock::new());
            // A flow that needs the same lock is executed by the fallback, in one go.
            let lock_inside = lock.clone();
            let fallback = move |_: &Failure| {
                let mut inner = Flow::<R>::new();
                inner.add((async || ()).with_lock(&lock_inside));
                assert!(poll_while_woken(pin!(inner.execute())).is_ready(), "the lock is held");
            };
            let fails = || Err::<(), _>("no");
            let task = match plain {
                false => flow.add((move || async move { fails() }).with_lock(&lock).fallback(fallback)),
                true => flow.add(fails.with_lock(&lock).fallback(fallback)),
            };
            let run = flow.execute().await.unwrap();
            assert_eq!(run.report().status(task), TaskStatus::Recovered);
        }
    }

    // Clean-up may fail and recover as well; and a run of `once` functions, and of groups.
    async fn fallbacks_in_any_place<R>() {
        let mut flow = Flow::<R>::new();
        let fails = flow.add(|| Err::<(), _>("no"));
        let tidy = (|| Err::<u8, _>("cannot tidy")).after(fails).always().fallback(|_| 1);
        let tidy = flow.add(tidy);
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.report().unwrap().status(tidy), TaskStatus::Recovered);
        assert_eq!(error.outputs().unwrap()[tidy], 1);
        assert_eq!(error.failures().count(), 1);

        let mut flow = Flow::<R>::new();
        let text = String::from("moved");
        let fails = once(move || Err::<String, _>(text)).fallback(|failure| failure.error().to_string());
        let fails = flow.add(fails);
        flow.add(series![(|| Err::<(), _>("no")).fallback(|_| ()), || ()]);
        let run = flow.execute().await.unwrap();
        assert_eq!(run[fails], "moved");
        assert_eq!(run.report().count(TaskStatus::is_success), 3);
        assert_eq!(run.report().count(|status| status == TaskStatus::Recovered), 2);
    }

    // The run goes on and is no error; what needs it is skipped, what takes it as optional runs.
    async fn an_allowed_failure_neither_stops_nor_fails<R>() {
        for how in 0..3 {
            let (mut flow, failed) = (Flow::<R>::new(), Gate::new());
            let fails = match how {
                0 => flow.add((|| Err::<u32, _>("no")).allow_failure().named("fails")),
                1 => flow.add((async || -> u32 { panic!("no") }).allow_failure().named("fails")),
                _ => flow.add((async || { std::future::pending::<u32>().await }).timeout(Duration::from_millis(1)).allow_failure().named("fails")),
            };
            let needs = flow.add((|n: &u32| *n).inputs(fails));
            let below = flow.add((|| ()).after(needs));
            let optional = flow.add((|n: Option<&u32>| n.is_none()).inputs(fails.optional()));
            let tidy = flow.add(opens(&failed).after(fails).always());
            // Still runs when the failure is over.
            let beside = flow.add(passes(&failed));
            let run = flow.execute().await.unwrap();
            let report = run.report();
            assert!(report.status(fails).is_failure());
            assert!(report.task(fails).failure().unwrap().to_string().starts_with("task `fails` "));
            assert_eq!((report.status(needs), report.status(below)), (skipped(fails), skipped(fails)));
            assert!(run[optional]);
            for task in [tidy, beside] {
                assert_eq!(report.status(task), TaskStatus::Succeeded);
            }
            assert_eq!((run.get(fails), run.get(needs)), (None, None));
            assert!(report.to_string().contains(", allowed"), "{report}");
        }
    }

    // An error names only the failures that are not allowed.
    async fn an_allowed_failure_beside_another<R>() {
        let (mut flow, allowed) = (Flow::<R>::new(), Gate::new());
        let first = flow.add((|| Err::<(), _>("first")).allow_failure().named("first"));
        let then = flow.add(opens(&allowed).after(first).always());
        let second = flow.add((|| Err::<(), _>("second")).after(then).named("second"));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Failed);
        assert_eq!(error.to_string(), "task `second` failed: second");
        assert_eq!(error.source().unwrap().to_string(), "second");
        assert_eq!(error.failures().map(Failure::task).collect::<Vec<_>>(), [second.id()]);
        let report = error.report().unwrap();
        assert_eq!(report.task(first).failure().unwrap().error().to_string(), "first");
    }

    async fn an_allowed_failure_and_a_cancel<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let started = Gate::new();
        let fails = flow.add((|| Err::<(), _>("no")).allow_failure());
        flow.add(waits(&guards, &started));
        let running = flow.start();
        started.pass().await;
        while running.report().is_some_and(|report| report.status(fails) == TaskStatus::Unfinished) {
            yield_now().await;
        }
        let error = running.cancel().await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Cancelled);
        assert_eq!(error.report().unwrap().status(fails), TaskStatus::Failed);
    }

    // Only failures for which it says so are attempted again.
    async fn retry_when_decides<R>() {
        for plain in [false, true] {
            let mut flow = Flow::<R>::new();
            let calls = Arc::new(AtomicU32::new(0));
            let count = calls.clone();
            let fails = move || match count.fetch_add(1, Ordering::SeqCst) {
                call if call < 2 => Err::<(), _>(io::Error::from(ErrorKind::TimedOut)),
                _ => Err(io::Error::from(ErrorKind::NotFound)),
            };
            let transient = |failure: &Failure| {
                assert_eq!(failure.name(), "fails");
                let error = failure.error().downcast_ref::<io::Error>().unwrap();
                error.kind() == ErrorKind::TimedOut
            };
            let fails = match plain {
                true => flow.add(fails.retry_when(transient).retry(at_once(10)).named("fails")),
                false => flow.add(again!((fails) { fails() }).retry(at_once(10)).retry_when(transient).named("fails")),
            };
            let error = flow.execute().await.unwrap_err();
            let report = error.report().unwrap();
            assert_eq!((calls.load(Ordering::SeqCst), report.task(fails).attempts()), (3, 3));
            let failure = error.failures().next().unwrap().error().downcast_ref::<io::Error>().unwrap();
            assert_eq!(failure.kind(), ErrorKind::NotFound);
        }
    }

    // With a fallback after the last attempt; of panics and time limits, too.
    async fn retry_when_sees_failures_of_all_kinds<R>() {
        let mut flow = Flow::<R>::new();
        let (calls, seen) = (AtomicU32::new(0), Arc::new(Mutex::new(Vec::new())));
        let statuses = seen.clone();
        let fails = move || {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                match call {
                    0 => Err("no"),
                    1 => panic!("no"),
                    _ => std::future::pending::<Result<u8, &str>>().await,
                }
            }
        };
        let when = move |failure: &Failure| {
            statuses.lock().unwrap().push(failure.status());
            failure.status() != TaskStatus::TimedOut
        };
        let limit = Duration::from_millis(2);
        let task = flow.add(fails.retry(at_once(9)).retry_when(when).timeout(limit).fallback(|_| 9));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[task], run.report().task(task).attempts()), (9, 3));
        assert_eq!(*seen.lock().unwrap(), [TaskStatus::Failed, TaskStatus::Panicked, TaskStatus::TimedOut]);
    }

    async fn retry_when_that_panics_fails_the_task<R>() {
        let mut flow = Flow::<R>::new();
        let fails = (|| Err::<u8, _>("no")).retry(at_once(9)).retry_when(|_| panic!("undecided"));
        let fails = flow.add(fails.fallback(|_| 1).named("fails"));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.to_string(), "task `fails` panicked: undecided");
        assert_eq!(error.source().unwrap().source().unwrap().to_string(), "no");
        assert_eq!(error.report().unwrap().task(fails).attempts(), 1);
    }
}
