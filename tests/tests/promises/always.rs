//! Clean-up (`.always()`) runs whatever became of its upstreams, after all of them have ended.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow_tests::{
    Gate, Guards, LONG, Log, again, attempts_after, eventually, hold, on_every_backend, opens,
    pause, poll_times, run_ended, skipped, waits, yield_now,
};

on_every_backend! {
    async fn after_success<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let setup = flow.add(log.note("setup"));
        let work = flow.add(log.note_blocking("work").after(setup));
        let teardown = flow.add(log.note("teardown").after(work).always());
        flow.add(log.note("after").after(teardown));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["setup", "work", "teardown", "after"]);
    }

    async fn after_a_failure_a_panic_and_a_timeout<R>() {
        for keep_going in [false, true] {
            for how in 0..6 {
                let (mut flow, log, over) = (Flow::<R>::new(), Log::new(), Gate::new());
                let setup = flow.add(log.note("setup"));
                let work = match how {
                    0 => flow.add((async || Err::<(), _>("no")).after(setup)),
                    1 => flow.add((|| Err::<(), _>("no")).after(setup)),
                    2 => flow.add((async || -> () { yield_now().await; panic!() }).after(setup)),
                    3 => flow.add((|| -> () { panic!() }).after(setup)),
                    4 => flow.add(pending::<()>.after(setup).timeout(Duration::from_millis(1))),
                    _ => {
                        let over = over.clone();
                        let blocks = move || over.pass_blocking();
                        flow.add(blocks.after(setup).timeout(Duration::from_millis(1)))
                    }
                };
                flow.add(opens(&over).after(work).always());
                let downstream = flow.add(log.note("downstream").after(work));
                let plain = flow.add(log.note_blocking("plain teardown").after(work).always());
                let teardown = flow.add(log.note("teardown").after([work, plain]).always());
                let after = flow.add(log.note("after").after(teardown));
                let execute = flow.execute();
                let execute = if keep_going { execute.keep_going() } else { execute };
                let error = execute.await.unwrap_err();
                let report = error.report().unwrap();
                assert_eq!(error.failures().count(), 1);
                assert!(report.status(work).is_failure());
                assert_eq!(report.status(downstream), skipped(work));
                assert_eq!(report.status(plain), TaskStatus::Succeeded);
                assert_eq!(report.status(teardown), TaskStatus::Succeeded);
                let expected = match keep_going {
                    true => TaskStatus::Succeeded,
                    false => TaskStatus::Cancelled,
                };
                assert_eq!(report.status(after), expected);
                log.assert_order(&["setup", "plain teardown", "teardown"]);
            }
        }
    }

    async fn after_a_skip<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let failing = flow.add(async || Err::<(), _>("no"));
        let work = flow.add(log.note("work").after(failing));
        let more = flow.add(log.note("more").after(work));
        let teardown = flow.add(log.note("teardown").after(more).always());
        let error = flow.execute().await.unwrap_err();
        assert_eq!(log.events(), ["teardown"]);
        let report = error.report().unwrap();
        assert_eq!(report.status(more), skipped(failing));
        assert_eq!(report.status(teardown), TaskStatus::Succeeded);

        // Skipped by a condition: no failure, so all of it goes on.
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let flag = flow.add(|| false);
        let work = flow.add(log.note("work").run_if(flag));
        let teardown = flow.add(log.note("teardown").after(work).always());
        flow.add(log.note("after").after(teardown));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["teardown", "after"]);
    }

    // A failure elsewhere cancels the work; its clean-up starts when it has been dropped.
    async fn after_a_cancel_by_a_failure<R>() {
        let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
        let started = Gate::new();
        let setup = flow.add(|| 1_u32);
        let work = flow.add(waits(&guards, &started).after(setup));
        let (live, notes) = (guards.clone(), log.clone());
        let teardown = flow.add((move |one: Option<&u32>| {
            assert_eq!((one, live.live()), (Some(&1), 0));
            notes.push("teardown");
        }).inputs(setup.optional()).after(work).always());
        let queued = flow.add(log.note("queued").after(work));
        flow.add(move || {
            let started = started.clone();
            async move { started.pass().await; Err::<(), _>("no") }
        });
        let error = flow.execute().await.unwrap_err();
        let report = error.report().unwrap();
        assert_eq!(error.failures().count(), 1, "{error}");
        assert_eq!(report.status(work), TaskStatus::Cancelled);
        assert_eq!(report.status(queued), TaskStatus::Cancelled);
        assert_eq!(report.status(teardown), TaskStatus::Succeeded);
        assert_eq!(log.events(), ["teardown"]);
    }

    async fn after_a_cancel_by_a_call<R>() {
        let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
        let started = Gate::new();
        let work = flow.add(waits(&guards, &started));
        let teardown = flow.add(log.note("teardown").after(work).always());
        let last = flow.add(log.note_blocking("last").after(teardown).always());
        let after = flow.add(log.note("after").after(last));
        let running = flow.start();
        started.pass().await;
        let error = running.cancel().await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(guards.live(), 0);
        assert_eq!(log.events(), ["teardown", "last"]);
        let report = error.report().unwrap();
        assert_eq!(report.status(work), TaskStatus::Cancelled);
        assert_eq!(report.status(after), TaskStatus::Cancelled);
    }

    // Clean-up waits for all of its upstreams, not for the first that fails.
    async fn waits_for_every_upstream<R>() {
        let (mut flow, log, failed) = (Flow::<R>::new(), Log::new(), Gate::new());
        let failing = flow.add(async || Err::<(), _>("no"));
        let told = flow.add({
            let failed = failed.clone();
            (move || failed.open()).after(failing).always()
        });
        let slow = flow.add({
            let (log, failed) = (log.clone(), failed.clone());
            move || {
                let (log, failed) = (log.clone(), failed.clone());
                async move {
                    failed.pass().await;
                    yield_now().await;
                    log.push("slow");
                }
            }
        });
        flow.add(log.note("teardown").after([failing, slow, told]).always());
        flow.execute().keep_going().await.unwrap_err();
        assert_eq!(log.events(), ["slow", "teardown"]);
    }

    async fn chain_of_clean_up<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let mut last = flow.add(async || Err::<(), _>("no"));
        for event in ["first", "second", "third", "fourth"] {
            let next = log.note(event).after(last).always();
            last = flow.add(next);
            let plain = (|| ()).after(last).always();
            last = flow.add(plain);
        }
        let error = flow.execute().await.unwrap_err();
        assert_eq!(log.events(), ["first", "second", "third", "fourth"]);
        assert_eq!(error.report().unwrap().count(|status| status.is_success()), 8);
    }

    async fn clean_up_that_fails_is_reported_too<R>() {
        let mut flow = Flow::<R>::new();
        let work = flow.add((async || Err::<(), _>("the work")).named("work"));
        let bad = flow.add((|| Err::<(), _>("the clean-up")).after(work).always().named("bad"));
        let retried = flow.add({
            let attempts = AtomicU32::new(0);
            (move || match attempts.fetch_add(1, Ordering::SeqCst) {
                0..2 => Err("not yet"),
                _ => Ok(()),
            }).after(bad).always().retry(attempts_after(Duration::from_millis(1), 5))
        });
        let error = flow.execute().await.unwrap_err();
        let failures: Vec<_> = error.failures().map(|failure| failure.task()).collect();
        assert_eq!(failures, [work.id(), bad.id()]);
        assert!(error.to_string().contains("the work") && error.to_string().contains("the clean-up"));
        let report = error.report().unwrap();
        assert_eq!(report.status(retried), TaskStatus::Succeeded);
        assert_eq!(report.task(retried).attempts(), 3);
    }

    // Permits, limits and slots serve clean-up too while the flow is failing.
    async fn clean_up_takes_permits<R>() {
        let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
        let failing = flow.add((async || { yield_now().await; Err::<(), _>("no") }).with_lock(&lock));
        for event in ["first", "second", "third"] {
            flow.add(log.note(event).after(failing).always().with_lock(&lock));
            flow.add((|| ()).after(failing).always().with_lock(&lock).timeout(LONG));
        }
        let error = flow.execute().max_concurrency(1).await.unwrap_err();
        assert_eq!(log.events().len(), 3);
        assert_eq!(error.report().unwrap().count(|status| status.is_success()), 6);
    }

    async fn not_when_the_future_is_dropped<R>() {
        let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
        let (started, blocked) = (Gate::new(), Gate::new());
        let work = flow.add(waits(&guards, &started));
        let plain = flow.add({
            let (blocked, guards) = (blocked.clone(), guards.clone());
            move || {
                let _guard = guards.guard();
                blocked.pass_blocking();
            }
        });
        flow.add(log.note("teardown").after(work).always());
        flow.add(log.note_blocking("another teardown").after(plain).always());
        {
            let mut execute = Box::pin(flow.execute());
            assert!(poll_times(execute.as_mut(), 1).await.is_none());
            eventually::<R>("both to start", || guards.live() == 2).await;
        }
        eventually::<R>("the future to be dropped", || guards.live() == 1).await;
        blocked.open();
        eventually::<R>("the end of the run", || guards.live() == 0).await;
        // Time for what must not happen.
        pause::<R>(Duration::from_millis(20)).await;
        assert_eq!(log.events(), Vec::<String>::new());
    }

    async fn inputs_are_optional<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let good = flow.add(async || String::from("good"));
        let unit = flow.add(async || ());
        let bad = flow.add(async || Err::<u32, _>("no"));
        let skip = flow.add((|_: &u32| 5_u8).inputs(bad));
        let notes = log.clone();
        let seen = flow.add((move |good: Option<&String>, unit: Option<&()>, bad: Option<&u32>, skip: Option<&u8>| {
            notes.push(format!("{good:?} {unit:?} {bad:?} {skip:?}"));
            good.cloned()
        }).inputs((good.optional(), unit.optional(), bad.optional(), skip.optional())).always());
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(log.events(), [r#"Some("good") Some(()) None None"#]);
        assert_eq!(error.outputs().unwrap()[seen].as_deref(), Some("good"));
        // The same when outputs leave the run early.
        let error = flow.execute().keep_going().only(seen).await.unwrap_err();
        assert_eq!(log.events()[1], log.events()[0]);
        assert_eq!(error.outputs().unwrap()[seen].as_deref(), Some("good"));
    }

    // Retries of clean-up go on while the run stops, and take permits.
    async fn is_retried_after_a_failure_and_a_cancel<R>() {
        for cancel in [false, true] {
            for plain in [false, true] {
                let (mut flow, guards, started, lock) =
                    (Flow::<R>::new(), Guards::new(), Gate::new(), Lock::new());
                let waiting = flow.add(waits(&guards, &started));
                if !cancel {
                    let started = started.clone();
                    flow.add(again!((started) {
                        started.pass().await;
                        Err::<(), _>("no")
                    }));
                }
                let attempts = Arc::new(AtomicU32::new(0));
                let third = {
                    let attempts = attempts.clone();
                    move || match attempts.fetch_add(1, Ordering::SeqCst) {
                        2 => Ok(()),
                        _ => Err("not yet"),
                    }
                };
                let policy = attempts_after(Duration::from_millis(1), 5);
                let clean = match plain {
                    true => flow.add(third.after(waiting).always().retry(policy).with_lock(&lock)),
                    false => {
                        let third = again!((third) { yield_now().await; third() });
                        flow.add(third.after(waiting).always().retry(policy).with_lock(&lock))
                    }
                };
                let running = flow.start();
                started.pass().await;
                let error = match cancel {
                    true => running.cancel().await.unwrap_err(),
                    false => running.await.unwrap_err(),
                };
                let report = error.report().unwrap();
                assert_eq!(report.status(clean), TaskStatus::Succeeded);
                assert_eq!(report.tasks().find(|task| task.id() == clean.into()).unwrap().attempts(), 3);
                assert_eq!((error.is_cancelled(), guards.live()), (cancel, 0));
            }
        }
    }

    // Dropping the run ends clean-up that pauses, waits for a permit, or runs.
    async fn ends_with_a_run_that_is_dropped<R>() {
        let (lock, go) = (Lock::new(), Gate::new());
        let holder = hold::<R>(&lock, &go).await;
        let (mut flow, guards, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
        let ((ended, watch), attempts) = (run_ended(), Arc::new(AtomicU32::new(0)));
        let root = flow.add(|| Err::<(), _>("no"));
        let counts = attempts.clone();
        let fails = again!((counts) {
            counts.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>("again")
        });
        flow.add(fails.after(root).always().retry(attempts_after(Duration::MAX, 3)));
        flow.add((|| ()).after(root).always().with_lock(&lock));
        flow.add(waits(&guards, &started).after(root).always());
        let running = flow.execute().observe(watch).start();
        started.pass().await;
        eventually::<R>("the first attempt", || attempts.load(Ordering::SeqCst) == 1).await;
        drop(running);
        ended.pass().await;
        assert_eq!((guards.live(), attempts.load(Ordering::SeqCst)), (0, 1));
        go.open();
        holder.await.unwrap();
    }
}
