//! A retry is an attempt of its own, after a pause in which nothing is held. Only the last one counts.

use std::error::Error;
use std::fmt;
use std::future::{pending, ready};
use std::iter::repeat;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::Permits;
use asyncflow::prelude::*;
use asyncflow_tests::{
    BY_HAND, Gate, Guard, Guards, LONG, Log, again, at_once, attempts_after, by_hand, eventually,
    on_every_backend, pause, poll_until, turns, yield_now,
};

/// A task function that fails so many times, each time in another way, and then succeeds.
fn flaky(failures: u32) -> (Arc<AtomicU32>, impl Fn() -> Result<u32, String> + Clone) {
    let calls = Arc::new(AtomicU32::new(0));
    let function = {
        let calls = Arc::clone(&calls);
        move || match calls.fetch_add(1, Ordering::SeqCst) {
            call if call < failures && call % 2 == 1 => panic!("panic {call}"),
            call if call < failures => Err(format!("error {call}")),
            call => Ok(call),
        }
    };
    (calls, function)
}

on_every_backend! {
    async fn attempts_are_counted<R>() {
        let mut flow = Flow::<R>::new();
        let policy = attempts_after(Duration::from_micros(100), 5);
        let (_, function) = flaky(3);
        let plain = flow.add(function.retry(policy));
        let (_, function) = flaky(4);
        let later = again!((function) { yield_now().await; function() });
        let later = flow.add(later.retry(policy));
        let once = flow.add((|| 1).retry(policy));
        let none = flow.add(|| 1);
        let run = flow.execute().await.unwrap();
        let attempts = |task: Task<_>| run.report().task(task).attempts();
        assert_eq!((run[plain], run[later]), (3, 4));
        assert_eq!((attempts(plain), attempts(later)), (4, 5));
        let attempts = |task: Task<i32>| run.report().task(task).attempts();
        assert_eq!((attempts(once), attempts(none)), (1, 1));
    }

    // One attempt in each turn: what is polled beside the execution gets its turns, and the pause is
    // no longer than a turn.
    async fn a_pause_of_zero_is_one_turn<R>() {
        let (mut flow, attempts) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let count = attempts.clone();
        let fails = again!((count) { Err::<(), _>(count.fetch_add(1, Ordering::SeqCst).to_string()) });
        flow.add(fails.retry(repeat(Duration::ZERO)));
        let mut execute = pin!(flow.execute());
        poll_until(execute.as_mut(), turns(200)).await;
        let attempts = attempts.load(Ordering::SeqCst);
        assert!((150..=205).contains(&attempts), "{attempts} attempts in 200 turns");
    }

    // What is on the same executor, a timer and a cancel get through.
    async fn attempts_without_end_and_without_pauses<R>() {
        let (mut flow, attempts) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        for kind in 0..4 {
            let count = attempts.clone();
            let fails = move || {
                count.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>("no")
            };
            let (pauses, later) = (repeat(Duration::ZERO), fails.clone());
            match kind {
                0 => flow.add(again!((later) { later() }).retry(pauses)),
                1 => flow.add(fails.retry(pauses)),
                2 => flow.add(again!((later) { later() }).retry(pauses).with_lock(Lock::new())),
                _ => flow.add(fails.retry(pauses).timeout(LONG)),
            };
        }
        for limit in [1, usize::MAX] {
            let running = flow.execute().max_concurrency(limit).start();
            turns(20).await;
            pause::<R>(Duration::from_millis(5)).await;
            let before = attempts.load(Ordering::SeqCst);
            eventually::<R>("more attempts", || attempts.load(Ordering::SeqCst) > before + 20).await;
            assert!(running.cancel().await.unwrap_err().is_cancelled());
        }
    }

    async fn exhausted_gives_the_last_error<R>() {
        let mut flow = Flow::<R>::new();
        let policy = at_once(2);
        let (calls, function) = flaky(100);
        let plain = flow.add(function.retry(policy));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        assert_eq!(error.report().unwrap().task(plain).attempts(), 3);
        assert_eq!(error.failures().count(), 1);
        assert!(error.to_string().contains("error 2"), "{error}");
        // Each execution has all the attempts; here the last is a panic.
        let error = flow.execute().await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 6);
        assert!(error.to_string().contains("panic 5"), "{error}");
    }

    async fn downstream_starts_after_the_last_attempt<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let (notes, (_, function)) = (log.clone(), flaky(3));
        let task = (move || { notes.push("attempt"); function() }).retry(at_once(3));
        let task = flow.add(task);
        flow.add(log.note("downstream").after(task));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["attempt", "attempt", "attempt", "attempt", "downstream"]);
    }

    // The other task on the lock runs in the pause; and so it is with a slot of
    // `max_concurrency`, and with a permit of a semaphore.
    async fn permits_are_given_back_in_the_pause<R>() {
        for how in 0..3 {
            for plain in [false, true] {
                let ((mut flow, pauses), log) = (by_hand::<R>(), Log::new());
                let (lock, semaphore) = (Lock::new(), Semaphore::new(2));
                let lock = |limited: bool| match (how, limited) {
                    (0, _) => semaphore.permits(2),
                    (1, _) => Permits::from(&lock),
                    _ => Semaphore::new(1).permits(1),
                };
                let (notes, failed) = (log.clone(), Gate::new());
                let told = failed.clone();
                let attempts = AtomicU32::new(0);
                let function = move || {
                    let attempt = attempts.fetch_add(1, Ordering::SeqCst);
                    notes.push(["first", "second"][attempt as usize]);
                    told.open();
                    match attempt { 0 => Err("not yet"), _ => Ok(()) }
                };
                let policy = attempts_after(BY_HAND, 1);
                match plain {
                    true => flow.add(function.with_lock(lock(true)).retry(policy)),
                    false => flow.add((move || ready(function())).with_lock(lock(true)).retry(policy)),
                };
                let other = log.note("other");
                flow.add((move || { pauses.end_all(); other() }).with_lock(lock(false)));
                let execute = flow.execute();
                match how {
                    2 => execute.max_concurrency(1).await.unwrap(),
                    _ => execute.await.unwrap(),
                };
                // The other task may also run first.
                let other = log.place("other");
                assert!(other < log.place("second"), "{:?}", log.events());
                assert!(failed.is_open());
            }
        }
    }

    async fn panics_and_timeouts_are_retried<R>() {
        let (mut flow, limits) = by_hand::<R>();
        let policy = attempts_after(Duration::from_millis(1), 3);
        let calls = AtomicU32::new(0);
        let panics = flow.add((move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("first"),
            call => call,
        }).retry(policy));
        let calls = AtomicU32::new(0);
        let slow = flow.add((move || {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            if call == 0 {
                limits.end_one_blocking();
            }
            call
        }).timeout(BY_HAND).retry(policy));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[panics], run[slow]), (1, 1));
        assert_eq!(run.report().task(slow).attempts(), 2);
    }

    // A second attempt of a plain function whose first one timed out waits until that one has
    // given the lock back.
    async fn attempts_do_not_overlap_on_a_lock<R>() {
        let ((mut flow, limits), lock, guards) = (by_hand::<R>(), Lock::new(), Guards::new());
        let calls = AtomicU32::new(0);
        let most = Arc::new(AtomicU32::new(0));
        let task = flow.add({
            let (guards, most) = (guards.clone(), Arc::clone(&most));
            (move || {
                let _guard = guards.guard();
                most.fetch_max(guards.live() as u32, Ordering::SeqCst);
                if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                    limits.end_one_blocking();
                    std::thread::sleep(Duration::from_millis(20));
                }
            }).with_lock(&lock).timeout(BY_HAND).retry(at_once(1))
        });
        let run = flow.execute().await.unwrap();
        assert_eq!(run.report().task(task).attempts(), 2);
        assert_eq!((most.load(Ordering::SeqCst), guards.live()), (1, 0));
    }

    // A pause without end is ended by a drop, a cancel and another task's failure; there is no further
    // attempt, and the lock is free.
    async fn a_stop_ends_the_pause<R>() {
        for plain in [false, true] {
            let (mut flow, lock, failed) = (Flow::<R>::new(), Lock::new(), Gate::new());
            let (guards, attempts) = (Guards::new(), Arc::new(AtomicU32::new(0)));
            let function = {
                let (failed, guards, attempts) = (failed.clone(), guards.clone(), Arc::clone(&attempts));
                move || {
                    let _guard = guards.guard();
                    attempts.fetch_add(1, Ordering::SeqCst);
                    failed.open();
                    Err::<(), _>("no")
                }
            };
            let policy = attempts_after(Duration::MAX, 3);
            match plain {
                true => flow.add(function.with_lock(&lock).retry(policy)),
                false => flow.add((move || ready(function())).with_lock(&lock).retry(policy)),
            };
            // Polled here, so that it stops in the middle of the pause.
            let mut execute = Box::pin(flow.execute());
            poll_until(execute.as_mut(), failed.pass()).await;
            drop(execute);
            let running = flow.start();
            eventually::<R>("the attempt of the second run", || attempts.load(Ordering::SeqCst) == 2).await;
            assert!(running.cancel().await.unwrap_err().is_cancelled());
            flow.add(async || { yield_now().await; Err::<(), _>("enough") });
            let error = flow.execute().await.unwrap_err();
            assert!(error.to_string().contains("enough"), "{error}");
            // The plain function of the run that was dropped may have been on its last step.
            eventually::<R>("the end of every function", || guards.live() == 0).await;
            assert!(attempts.load(Ordering::SeqCst) <= 3);
            let mut other = Flow::<R>::new();
            other.add((|| ()).with_lock(&lock));
            other.execute().await.unwrap();
        }
    }

    // No task downstream sees what a failed attempt returned.
    async fn only_the_last_attempt_is_seen<R>() {
        let (mut flow, attempts, guards) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)), Guards::new());
        let live = guards.clone();
        let task = flow.add((move || {
            let guard = live.guard();
            match attempts.fetch_add(1, Ordering::SeqCst) {
                2 => Ok((2, guard)),
                n => Err(format!("attempt {n}")),
            }
        }).retry(at_once(5)));
        let seen = flow.add((|out: &(usize, Guard)| out.0).inputs(task));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[seen], guards.live()), (2, 1));
        drop(run);
        assert_eq!(guards.live(), 0);
    }
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct PanicsOnDrop;

impl fmt::Display for PanicsOnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no")
    }
}

impl Error for PanicsOnDrop {}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("an error was dropped");
    }
}

on_every_backend! {
    async fn a_cancel_in_the_pause_keeps_the_last_error<R>() {
        let (mut flow, pauses) = by_hand::<R>();
        let attempts = AtomicU32::new(0);
        let function = move || Err::<(), _>(format!("error {}", attempts.fetch_add(1, Ordering::SeqCst)));
        let task = flow.add((move || ready(function())).retry(attempts_after(BY_HAND, 3)).named("task"));
        let after = flow.add((|| ()).after(task));
        let first_pause = pauses.clone();
        flow.add(move || first_pause.end_one_blocking());
        let running = flow.start();
        eventually::<R>("the second pause", || pauses.count() == 2).await;
        let so_far = running.report().unwrap();
        assert_eq!(so_far.status(task), TaskStatus::Unfinished);
        assert_eq!(so_far.task(task).failure().unwrap().to_string(), "task `task` failed: error 1");
        let error = running.cancel().await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.failures().count(), 0);
        let report = error.report().unwrap().task(task);
        assert_eq!((report.status(), report.attempts()), (TaskStatus::Cancelled, 2));
        let failure = report.failure().unwrap();
        assert_eq!(failure.to_string(), "task `task` failed: error 1");
        assert_eq!((failure.task(), failure.status()), (task.into(), TaskStatus::Failed));
        // The same one, not another that looks like it.
        assert!(std::ptr::eq(failure, so_far.task(task).failure().unwrap()));
        assert!(error.report().unwrap().task(after).failure().is_none());
    }

    async fn a_cancel_in_an_attempt_keeps_the_error_of_the_one_before<R>() {
        let (mut flow, again) = (Flow::<R>::new(), Gate::new());
        let (attempts, second) = (Arc::new(AtomicU32::new(0)), again.clone());
        let task = flow.add(again!((attempts, second) {
            if attempts.fetch_add(1, Ordering::SeqCst) == 1 {
                second.open();
                pending::<()>().await;
            }
            Err::<(), _>("the first")
        }).retry(at_once(1)));
        let never = flow.add(async || pending::<()>().await);
        let running = flow.start();
        again.pass().await;
        let error = running.cancel().await.unwrap_err();
        let report = error.report().unwrap();
        assert_eq!((report.status(task), report.task(task).attempts()), (TaskStatus::Cancelled, 2));
        assert_eq!(report.task(task).failure().unwrap().error().to_string(), "the first");
        assert!(report.task(never).failure().is_none());
    }

    async fn a_failed_run_lists_no_task_that_was_cancelled_in_its_pause<R>() {
        let (mut flow, pauses) = by_hand::<R>();
        let pauses_too = flow.add((|| Err::<(), _>("in the pause")).retry(attempts_after(BY_HAND, 3)));
        let fails = flow.add(again!((pauses) {
            eventually::<R>("the pause", || pauses.count() == 1).await;
            Err::<(), _>("the end")
        }));
        let error = flow.execute().await.unwrap_err();
        let failures: Vec<TaskId> = error.failures().map(|failure| failure.task()).collect();
        assert_eq!(failures, [fails.into()]);
        assert_eq!(error.source().unwrap().to_string(), "the end");
        assert!(error.to_string().ends_with("failed: the end (1 cancelled)"), "{error}");
        let paused = error.report().unwrap().task(pauses_too);
        assert_eq!(paused.failure().unwrap().error().to_string(), "in the pause");
    }

    // Neither the report nor anything else keeps what an attempt failed with, once another succeeded.
    async fn a_success_drops_the_errors_before_it<R>() {
        #[derive(Debug)]
        struct Fails(#[allow(dead_code)] Guard);
        impl fmt::Display for Fails {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("fails") }
        }
        impl Error for Fails {}
        let (mut flow, guards, most) = (Flow::<R>::new(), Guards::new(), Arc::new(AtomicUsize::new(0)));
        let tasks = [false, true].map(|plain| {
            let (attempts, guards, most) = (AtomicU32::new(0), guards.clone(), Arc::clone(&most));
            let function = move || {
                most.fetch_max(guards.live(), Ordering::SeqCst);
                match attempts.fetch_add(1, Ordering::SeqCst) {
                    10 => Ok(()),
                    _ => Err(Fails(guards.guard())),
                }
            };
            match plain {
                true => flow.add(function.retry(at_once(10))),
                false => flow.add((move || ready(function())).retry(at_once(10))),
            }
        });
        let live = guards.clone();
        let seen = flow.add((move || live.live()).after(tasks));
        let run = flow.execute().await.unwrap();
        assert_eq!(run[seen], 0);
        // The last one of each task, and the one that is about to replace that of the other task.
        assert!(most.load(Ordering::SeqCst) <= 3, "errors are kept");
        for task in tasks {
            assert_eq!(run.report().task(task).attempts(), 11);
            assert!(run.report().task(task).failure().is_none());
        }
    }

    async fn errors_of_attempts_may_panic_when_they_are_dropped<R>() {
        let (mut flow, pauses) = by_hand::<R>();
        let attempts = AtomicU32::new(0);
        let function = move || match attempts.fetch_add(1, Ordering::SeqCst) {
            0..3 => Err(PanicsOnDrop),
            _ => Ok(7),
        };
        let succeeds = flow.add(function.retry(at_once(3)));
        let run = flow.execute().await.unwrap();
        assert_eq!(run[succeeds], 7);
        for _ in 0..2 {
            flow.add((|| Err::<(), _>(PanicsOnDrop)).retry(attempts_after(BY_HAND, 3)));
        }
        let running = flow.start();
        eventually::<R>("the pauses", || pauses.count() == 2).await;
        let so_far = running.report().unwrap();
        let error = running.cancel().await.unwrap_err();
        drop(so_far);
        let report = error.report().unwrap().clone();
        assert_eq!(report.tasks().filter(|task| task.failure().is_some()).count(), 2);
        drop(error);
        drop(report);
        // Dropped in the middle of the pauses.
        let mut execute = Box::pin(flow.execute());
        poll_until(execute.as_mut(), async { while pauses.count() < 4 { yield_now().await; } }).await;
        drop(execute);
    }

    // A run with a flow in it drops its outputs one after the other, and passes on a panic of theirs;
    // the error of a task in one of them is not theirs.
    async fn errors_that_an_output_keeps_may_panic_when_they_are_dropped<R>() {
        struct Keeps(#[allow(dead_code)] asyncflow::Run);
        impl Output for Keeps {}
        let mut flow = Flow::<R>::new();
        let mut inner = Flow::<R>::new();
        inner.add(|| ());
        flow.add(Arc::new(inner));
        let keeps = flow.add(async || {
            let mut flow = Flow::<R>::new();
            flow.add(|| Err::<(), _>(PanicsOnDrop));
            Keeps(flow.execute().await.unwrap_err().into_outputs().unwrap())
        });
        let run = flow.execute().await.unwrap();
        assert_eq!(run[keeps].0.report().tasks().filter(|task| task.failure().is_some()).count(), 1);
        drop(run);
    }
}
