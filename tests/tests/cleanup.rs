//! Clean-up and control: `always`, `run_if` and `after_any`, `timeout`, `retry`, `Running`, flows
//! in flows.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;
use asyncflow::{Observer, Permits, Report, Run, TaskRef, TimedOut};
use asyncflow_tests::{
    BY_HAND, Gate, Guards, Log, Sleeps, by_hand, eventually, hold, on_every_backend, pause,
    poll_times, turns, yield_now,
};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// So many attempts after the first, with a pause before each.
fn attempts_after(pause: Duration, times: usize) -> ConstantBuilder {
    ConstantBuilder::default()
        .with_delay(pause)
        .with_max_times(times)
}

/// A task that opens `started`, and waits until it is dropped; it then opens `dropped`.
fn waits(
    guards: &Guards,
    started: &Gate,
    dropped: &Gate,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static {
    let (guards, started, dropped) = (guards.clone(), started.clone(), dropped.clone());
    move || {
        let (guard, started, opener) = (guards.guard(), started.clone(), dropped.opener());
        Box::pin(async move {
            let _held = (guard, opener);
            started.open();
            pending::<()>().await;
        })
    }
}

/// Something to be skipped or cancelled.
fn skipped(because: impl Into<TaskId>) -> TaskStatus {
    TaskStatus::Skipped {
        because: because.into(),
    }
}

mod always {
    use super::*;

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
                    flow.add((move || std::future::ready(over.open())).after(work).always());
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
            let (started, dropped) = (Gate::new(), Gate::new());
            let setup = flow.add(|| 1_u32);
            let work = flow.add(waits(&guards, &started, &dropped).after(setup));
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
            let (started, dropped) = (Gate::new(), Gate::new());
            let work = flow.add(waits(&guards, &started, &dropped));
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
            let (started, dropped, blocked) = (Gate::new(), Gate::new(), Gate::new());
            let work = flow.add(waits(&guards, &started, &dropped));
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
            dropped.pass().await;
            blocked.open();
            eventually::<R>("the end of the run", || guards.live() == 0).await;
            // Nothing tells of what does not happen: some time for it to.
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

        async fn inputs_that_are_not_optional_are_refused<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let number = flow.add((|| 1).named("number"));
            flow.add(log.note("apart"));
            flow.add((|_: &i32| ()).inputs(number).always().named("teardown"));
            let error = flow.execute().await.unwrap_err();
            assert!(error.report().is_none());
            let text = error.to_string();
            assert!(text.contains("`teardown`") && text.contains("`number.optional()`"), "{text}");
            assert_eq!(log.events().len(), 0);
        }
    }
}

mod conditions {
    use super::*;

    on_every_backend! {
        async fn true_runs_and_false_skips<R>() {
            for value in [true, false] {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let flag = flow.add(move || value);
                let work = flow.add(log.note("work").run_if(flag));
                let more = flow.add(log.note_blocking("more").after(work));
                let number = flow.add((|| 7).run_if(flag));
                let double = flow.add((|n: &i32| 2 * n).inputs(number));
                let apart = flow.add(log.note("apart").after(flag));
                // With an upstream besides the flag, a lock and an attempt.
                let locked = (|| 1).after(apart).run_if(flag).with_lock(Lock::new()).timeout(LONG);
                let locked = flow.add(locked);
                let run = flow.execute().await.unwrap();
                let expected = if value { TaskStatus::Succeeded } else { skipped(flag) };
                for task in [work.id(), more.id(), number.id(), double.id(), locked.id()] {
                    assert_eq!(run.report().status(task), expected);
                }
                assert_eq!(run.report().status(apart), TaskStatus::Succeeded);
                assert_eq!(run.get(double).copied(), value.then_some(14));
                assert_eq!(log.events().len(), if value { 3 } else { 1 });
            }
        }

        // The same when only some tasks are asked for, and the flag is none of them.
        async fn flag_of_a_run_for_some_targets<R>() {
            for value in [true, false] {
                let mut flow = Flow::<R>::new();
                let flag = flow.add(move || value);
                let work = flow.add((async || 1).run_if(flag));
                let plain = flow.add((|| 2).run_if(flag));
                let run = flow.execute().only((work, plain)).await.unwrap();
                let expected = if value { TaskStatus::Succeeded } else { skipped(flag) };
                assert_eq!(run.report().status(work), expected);
                assert_eq!(run.report().status(plain), expected);
                assert_eq!(run.get(work).copied(), value.then_some(1));
            }
        }

        async fn flag_that_is_given<R>() {
            for value in [true, false] {
                let mut flow = Flow::<R>::new();
                let flag = flow.input::<bool>("flag");
                let work = flow.add((async || ()).run_if(flag));
                let expected = if value { TaskStatus::Succeeded } else { skipped(flag) };
                let run = flow.execute().given(flag, value).await.unwrap();
                assert_eq!(run.report().status(work), expected);
                let run = flow.execute().given(flag, value).only(work).await.unwrap();
                assert_eq!(run.report().status(work), expected);
            }
        }

        async fn flag_that_fails<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let flag = flow.add(|| Err::<bool, _>("no"));
            let work = flow.add(log.note("work").run_if(flag));
            let clean = flow.add(log.note("clean").run_if(flag).always());
            for keep_going in [true, false] {
                let execute = flow.execute();
                let execute = if keep_going { execute.keep_going() } else { execute };
                let error = execute.await.unwrap_err();
                assert_eq!(error.report().unwrap().status(work), skipped(flag));
                // It has nothing to go by.
                assert_eq!(error.report().unwrap().status(clean), skipped(flag));
            }
            assert_eq!(log.events().len(), 0);
        }

        // One condition inside of another: what is skipped names the flag that said no.
        async fn flags_behind_flags<R>() {
            let mut flow = Flow::<R>::new();
            let outer = flow.add(|| false);
            let inner = flow.add((|| true).run_if(outer));
            let work = flow.add((|| ()).run_if(inner));
            let other = flow.add(|| false);
            let both = flow.add((|| ()).after(work).run_if(other));
            let clean = flow.add((|| ()).run_if(inner).always());
            let run = flow.execute().await.unwrap();
            for task in [inner.id(), work.id(), both.id(), clean.id()] {
                assert_eq!(run.report().status(task), skipped(outer));
            }
        }

        async fn branches_join_again<R>() {
            for value in [true, false] {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let flag = flow.add(move || value);
                let not = flow.add((|flag: &bool| !flag).inputs(flag));
                let yes = flow.add(log.note("yes").run_if(flag));
                let yes = flow.add(log.note("yes too").after(yes));
                let no = flow.add(log.note("no").run_if(not));
                let join = flow.add(log.note("join").after_any([yes, no]));
                flow.add(log.note("after").after(join));
                flow.execute().await.unwrap();
                match value {
                    true => assert_eq!(log.events(), ["yes", "yes too", "join", "after"]),
                    false => assert_eq!(log.events(), ["no", "join", "after"]),
                }
            }
        }

        // The slow branch ends only after the join has run.
        async fn any_opens_at_the_first_success<R>() {
            for plain in [false, true] {
                let (mut flow, log, joined) = (Flow::<R>::new(), Log::new(), Gate::new());
                let slow = match plain {
                    false => flow.add({
                        let joined = joined.clone();
                        move || { let joined = joined.clone(); async move { joined.pass().await } }
                    }),
                    true => flow.add({
                        let joined = joined.clone();
                        move || joined.pass_blocking()
                    }),
                };
                let fast = flow.add(async || yield_now().await);
                let join = flow.add({
                    let (log, joined) = (log.clone(), joined.clone());
                    (move || {
                        log.push("join");
                        std::future::ready(joined.open())
                    }).after_any([slow, fast])
                });
                flow.add(log.note("end").after([slow, join]));
                flow.execute().await.unwrap();
                assert_eq!(log.events(), ["join", "end"]);
            }
        }

        async fn any_opens_though_a_branch_failed<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let bad = flow.add(async || Err::<(), _>("no"));
            let good = flow.add((|| ()).after_any((bad, flow_root(&log))));
            let join = flow.add(log.note("join").after_any([bad, good]));
            let error = flow.execute().keep_going().await.unwrap_err();
            let report = error.report().unwrap();
            assert_eq!(report.status(good), skipped(bad));
            assert_eq!(report.status(join), skipped(bad));

            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let bad = flow.add(async || Err::<(), _>("no"));
            let good = flow.add(|| ());
            flow.add(log.note("join").after_any([bad, good]));
            flow.execute().keep_going().await.unwrap_err();
            assert_eq!(log.events(), ["join"]);
        }

        async fn any_is_skipped_when_none_succeeds<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let flag = flow.add(|| false);
            let first = flow.add((|| ()).run_if(flag));
            let second = flow.add((async || yield_now().await).run_if(flag));
            let join = flow.add(log.note("join").after_any([second, first]));
            let after = flow.add(log.note("after").after(join));
            let clean = flow.add(log.note("clean").after_any([first, second]).always());
            let run = flow.execute().await.unwrap();
            assert_eq!(run.report().status(join), skipped(flag));
            assert_eq!(run.report().status(after), skipped(flag));
            assert_eq!(run.report().status(clean), TaskStatus::Succeeded);
            assert_eq!(log.events(), ["clean"]);
        }

        // Each list needs a success of its own; an empty one needs none.
        async fn several_lists<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let (yes, no) = (flow.add(|| true), flow.add(|| false));
            let a = flow.add(log.note("a").run_if(yes));
            let b = flow.add((|| ()).run_if(no));
            let c = flow.add(log.note("c").run_if(yes));
            let both = flow.add(log.note("both").after_any([a, b]).after_any([b, c]));
            let neither = flow.add(log.note("neither").after_any([a, c]).after_any([b]));
            let empty = flow.add(log.note("empty").after_any(Vec::<TaskId>::new()).after(both));
            let run = flow.execute().await.unwrap();
            log.assert_order(&["a", "both", "empty"]);
            log.assert_order(&["c", "both"]);
            assert_eq!(run.report().status(neither), skipped(no));
            assert!(run.report().status(empty).is_success());
        }
    }

    /// A list of no tasks.
    fn flow_root(_: &Log) -> Option<TaskId> {
        None
    }
}

mod timeouts {
    use super::*;

    /// How many tasks had to wait.
    #[derive(Clone, Default)]
    struct Waiting(Arc<[AtomicU32; 2]>);

    impl Waiting {
        fn for_permits(&self) -> u32 {
            self.0[0].load(Ordering::SeqCst)
        }

        fn for_the_slot(&self) -> u32 {
            self.0[1].load(Ordering::SeqCst)
        }
    }

    impl Observer for Waiting {
        fn task_waiting(&self, _: TaskRef<'_>, _: &Permits) {
            self.0[0].fetch_add(1, Ordering::SeqCst);
        }

        fn task_queued(&self, _: TaskRef<'_>) {
            self.0[1].fetch_add(1, Ordering::SeqCst);
        }
    }

    on_every_backend! {
        async fn async_function_is_dropped<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let limit = Duration::from_millis(5);
            let slow = flow.add(waits(&guards, &started, &dropped).timeout(limit).named("slow"));
            let downstream = flow.add((|| ()).after(slow));
            let error = flow.execute().await.unwrap_err();
            assert_eq!(guards.live(), 0);
            assert!(dropped.is_open());
            let report = error.report().unwrap();
            assert_eq!(report.status(slow), TaskStatus::TimedOut);
            assert_eq!(report.task(slow).attempts(), 1);
            assert_eq!(report.status(downstream), skipped(slow));
            let failure = error.failures().next().unwrap();
            assert_eq!(failure.error().downcast_ref::<TimedOut>().unwrap().limit(), limit);
            assert!(error.to_string().contains("task `slow` timed out after 5ms"), "{error}");
        }

        async fn in_time<R>() {
            let mut flow = Flow::<R>::new();
            let a = flow.add((async || { yield_now().await; 1 }).timeout(LONG));
            let b = flow.add((|| 2).timeout(LONG));
            // Limits at the ends of the scale: what is ready at once is in time.
            let c = flow.add((async || 3).timeout(Duration::ZERO));
            let d = flow.add((async || { yield_now().await; 4 }).timeout(Duration::MAX));
            let e = flow.add((|| 5).timeout(Duration::MAX));
            let run = flow.execute().await.unwrap();
            assert_eq!((run[a], run[b], run[c], run[d], run[e]), (1, 2, 3, 4, 5));
        }

        // It is reported before its thread has ended, which keeps the permit until it has; and the
        // execution waits for it.
        async fn plain_function_runs_to_its_end<R>() {
            let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
            let (lock, told) = (Lock::new(), Gate::new());
            let slow = flow.add({
                let (log, told, guards) = (log.clone(), told.clone(), guards.clone());
                (move || {
                    let _guard = guards.guard();
                    told.pass_blocking();
                    std::thread::sleep(Duration::from_millis(20));
                    log.push("slow ended");
                }).with_lock(&lock).timeout(Duration::from_millis(5))
            });
            let told = flow.add({
                let log = log.clone();
                (move || {
                    log.push("told");
                    std::future::ready(told.open())
                }).after(slow).always()
            });
            let next = flow.add(log.note("next").with_lock(&lock).after(told));
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(guards.live(), 0);
            assert_eq!(log.events(), ["told", "slow ended", "next"]);
            let report = error.report().unwrap();
            assert_eq!(report.status(slow), TaskStatus::TimedOut);
            assert_eq!(report.status(next), TaskStatus::Succeeded);
        }

        async fn execution_waits_for_the_thread<R>() {
            let (mut flow, guards, told) = (Flow::<R>::new(), Guards::new(), Gate::new());
            let slow = flow.add({
                let (told, guards) = (told.clone(), guards.clone());
                (move || {
                    let _guard = guards.guard();
                    told.pass_blocking();
                    std::thread::sleep(Duration::from_millis(20));
                    9
                }).timeout(Duration::from_millis(5))
            });
            flow.add((move || std::future::ready(told.open())).after(slow).always());
            let error = flow.execute().await.unwrap_err();
            assert_eq!(guards.live(), 0);
            // What it returned in the end is nobody's business.
            assert_eq!(error.outputs().unwrap().get(slow), None);
        }

        async fn waiting_for_permits_and_a_slot_does_not_count<R>() {
            for slot in [false, true] {
                let ((mut flow, limits), waiting) = (by_hand::<R>(), Waiting::default());
                let (both, started, go) = (Semaphore::new(2), Gate::new(), Gate::new());
                // Another one has the permits until the end, or until a third one has the slot.
                let held = hold::<R>(both.permits(2), if slot { &started } else { &go }).await;
                if slot {
                    let go = go.clone();
                    flow.add(move || {
                        let (started, go) = (started.clone(), go.clone());
                        async move { started.open(); go.pass().await }
                    });
                }
                flow.add((async || yield_now().await).with_lock(&both).timeout(BY_HAND));
                flow.add((|| ()).with_lock(&both).timeout(BY_HAND));
                let execute = flow.execute().observe(waiting.clone());
                let execute = if slot { execute.max_concurrency(1) } else { execute };
                let running = execute.start();
                let wait = || if slot { waiting.for_the_slot() } else { waiting.for_permits() };
                eventually::<R>("two that wait", || wait() == 2).await;
                assert_eq!(limits.count(), 0);
                go.open();
                held.await.unwrap();
                running.await.unwrap();
                assert!(limits.count() >= 1);
            }
        }

        // With one blocking thread, the first one keeps the second waiting.
        async fn waiting_for_a_thread_does_not_count<R>() {
            struct Notes(Log, Sleeps);
            impl Observer for Notes {
                fn task_started(&self, task: TaskRef<'_>, _: u32) {
                    self.0.push(format!("{} limits when `{}` starts", self.1.count(), task.name()));
                }
            }
            let ((mut flow, limits), log, go) = (by_hand::<R>(), Log::new(), Gate::new());
            let held = go.clone();
            flow.add((move || held.pass_blocking()).named("first"));
            flow.add((|| ()).timeout(BY_HAND).named("second"));
            flow.add((move || { let go = go.clone(); async move { turns(20).await; go.open() } }).named("opener"));
            flow.execute().observe(Notes(log.clone(), limits.clone())).await.unwrap();
            log.place("0 limits when `second` starts");
        }

        async fn each_attempt_has_the_whole_limit<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let attempts = Arc::new(AtomicU32::new(0));
            let task = flow.add({
                let guards = guards.clone();
                (move || {
                    let (attempt, guard) = (attempts.fetch_add(1, Ordering::SeqCst), guards.guard());
                    async move {
                        let _guard = guard;
                        if attempt < 2 {
                            pending::<()>().await;
                        }
                        attempt
                    }
                }).timeout(Duration::from_millis(5)).retry(attempts_after(Duration::ZERO, 5))
            });
            let run = flow.execute().await.unwrap();
            assert_eq!(run[task], 2);
            assert_eq!(run.report().task(task).attempts(), 3);
            assert_eq!(guards.live(), 0);
        }
    }
}

mod retries {
    use super::*;

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
            let later = move || { let result = function.clone(); async move { yield_now().await; result() } };
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

        async fn exhausted_gives_the_last_error<R>() {
            let mut flow = Flow::<R>::new();
            let policy = attempts_after(Duration::ZERO, 2);
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
            let task = (move || { notes.push("attempt"); function() }).retry(attempts_after(Duration::ZERO, 3));
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
                        (1, _) => asyncflow::Lockable::to_permits(&lock),
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
                        false => flow.add((move || std::future::ready(function())).with_lock(lock(true)).retry(policy)),
                    };
                    let other = log.note("other");
                    flow.add((move || { pauses.end_all(); other() }).with_lock(lock(false)));
                    let execute = flow.execute();
                    match how {
                        2 => execute.max_concurrency(1).await.unwrap(),
                        _ => execute.await.unwrap(),
                    };
                    // The other may also come first.
                    let other = log.place("other");
                    assert!(other < log.place("second"), "{:?}", log.events());
                    assert!(failed.is_open());
                }
            }
        }

        async fn dropping_ends_the_pause<R>() {
            for plain in [false, true] {
                let (mut flow, lock, failed) = (Flow::<R>::new(), Lock::new(), Gate::new());
                let guards = Guards::new();
                let function = {
                    let (failed, guards) = (failed.clone(), guards.clone());
                    move || {
                        let _guard = guards.guard();
                        failed.open();
                        Err::<(), _>("no")
                    }
                };
                let policy = attempts_after(LONG, 3);
                match plain {
                    true => flow.add(function.with_lock(&lock).retry(policy)),
                    false => flow.add((move || std::future::ready(function())).with_lock(&lock).retry(policy)),
                };
                // By hand, so that it stops in the middle of the pause.
                let mut execute = Box::pin(flow.execute());
                let mut first = Box::pin(failed.pass());
                std::future::poll_fn(|cx| {
                    assert!(execute.as_mut().poll(cx).is_pending());
                    first.as_mut().poll(cx)
                }).await;
                drop(execute);
                // A call ends it too, and so does another task's failure.
                let error = flow.start().cancel().await.unwrap_err();
                assert!(error.is_cancelled());
                flow.add(async || { yield_now().await; Err::<(), _>("enough") });
                let error = flow.execute().await.unwrap_err();
                assert!(error.to_string().contains("enough"), "{error}");
                // The plain function of the run that was dropped may have been on its last step.
                eventually::<R>("the end of every function", || guards.live() == 0).await;
                // Nobody holds the lock.
                let mut other = Flow::<R>::new();
                other.add((|| ()).with_lock(&lock));
                other.execute().await.unwrap();
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
                }).with_lock(&lock).timeout(BY_HAND).retry(attempts_after(Duration::ZERO, 1))
            });
            let run = flow.execute().await.unwrap();
            assert_eq!(run.report().task(task).attempts(), 2);
            assert_eq!((most.load(Ordering::SeqCst), guards.live()), (1, 0));
        }
    }
}

mod running {
    use super::*;

    on_every_backend! {
        async fn is_a_future_of_the_run<R>() {
            let mut flow = Flow::<R>::new();
            let number = flow.add(async || { yield_now().await; 20 });
            let double = flow.add((|n: &i32| 2 * n).inputs(number));
            let run = flow.start().await.unwrap();
            assert_eq!(run[double], 40);
            let run = flow.execute().max_concurrency(1).start().await.unwrap();
            assert_eq!(run[double], 40);
        }

        // It goes on whether or not it is polled.
        async fn goes_on_by_itself<R>() {
            let (mut flow, done) = (Flow::<R>::new(), Gate::new());
            let first = flow.add(async || yield_now().await);
            let second = flow.add((|| ()).after(first));
            flow.add({
                let done = done.clone();
                (move || { let done = done.clone(); async move { done.open() } }).after(second)
            });
            let running = flow.start();
            done.pass().await;
            running.await.unwrap();
        }

        async fn report_so_far<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let (started, dropped, go) = (Gate::new(), Gate::new(), Gate::new());
            let before = flow.add(|| 1);
            let failed = flow.add((async || Err::<(), _>("no")).after(before));
            let skip = flow.add((|| ()).after(failed));
            let held = flow.add({
                let (started, go) = (started.clone(), go.clone());
                (move || {
                    let (started, go) = (started.clone(), go.clone());
                    async move { started.open(); go.pass().await }
                }).after(skip).always()
            });
            let after = flow.add(waits(&guards, &dropped, &dropped).after(held).timeout(Duration::from_millis(1)));
            let mut running = flow.execute().keep_going().start();
            started.pass().await;
            let report: Report = running.report().unwrap();
            assert_eq!(report.status(before), TaskStatus::Succeeded);
            assert_eq!(report.status(failed), TaskStatus::Failed);
            assert_eq!(report.status(skip), skipped(failed));
            assert_eq!(report.status(held), TaskStatus::Unfinished);
            assert_eq!(report.status(after), TaskStatus::Unfinished);
            go.open();
            let mut last = None;
            eventually::<R>("the end", || {
                last = running.report();
                // There is none while the run is being closed.
                last.as_ref().is_some_and(|last| last.count(|status| status == TaskStatus::Unfinished) == 0)
            }).await;
            assert_eq!(last.unwrap().status(after), TaskStatus::TimedOut);
            let error = running.await.unwrap_err();
            assert_eq!(error.failures().count(), 2);
            assert_eq!(guards.live(), 0);
        }

        // An async task is dropped, a plain one runs to its end, and clean-up has been done when
        // the cancel returns.
        async fn cancel_waits_until_everything_has_stopped<R>() {
            let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let work = flow.add(waits(&guards, &started, &dropped));
            let plain_started = Gate::new();
            let plain = flow.add({
                let (log, guards, plain_started) = (log.clone(), guards.clone(), plain_started.clone());
                move || {
                    let _guard = guards.guard();
                    plain_started.open();
                    dropped.pass_blocking();
                    std::thread::sleep(Duration::from_millis(20));
                    log.push("plain ended");
                }
            });
            let queued = flow.add(log.note("queued").after(plain));
            flow.add(log.note("clean-up").after([work, plain]).always());
            let running = flow.start();
            started.pass().await;
            plain_started.pass().await;
            let error = running.cancel().await.unwrap_err();
            assert_eq!(guards.live(), 0);
            assert_eq!(log.events(), ["plain ended", "clean-up"]);
            let report = error.report().unwrap();
            assert!(error.is_cancelled() && error.failures().count() == 0);
            assert_eq!(report.status(work), TaskStatus::Cancelled);
            assert_eq!(report.status(plain), TaskStatus::Succeeded);
            assert_eq!(report.status(queued), TaskStatus::Cancelled);
            assert!(error.to_string().contains("the run was cancelled"), "{error}");
        }

        async fn cancel_of_what_waits_for_permits_and_slots<R>() {
            let lock = Lock::new();
            let go = Gate::new();
            let held = hold::<R>(&lock, &go).await;
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            for event in ["a", "b", "c"] {
                flow.add(log.note(event).with_lock(&lock));
                flow.add(log.note_blocking(event).with_lock(&lock).timeout(LONG));
            }
            for limit in [None, Some(1)] {
                let execute = flow.execute();
                let execute = if let Some(limit) = limit { execute.max_concurrency(limit) } else { execute };
                let running = execute.start();
                yield_now().await;
                let error = running.cancel().await.unwrap_err();
                assert!(error.is_cancelled());
                assert_eq!(error.report().unwrap().count(|status| status == TaskStatus::Cancelled), 6);
            }
            assert_eq!(log.events().len(), 0);
            // Those who waited and went away left nothing behind.
            let again = flow.start();
            go.open();
            held.await.unwrap();
            again.await.unwrap();
            assert_eq!(log.events().len(), 6);
        }

        async fn cancel_after_the_end_changes_nothing<R>() {
            let mut flow = Flow::<R>::new();
            let task = flow.add(async || 5);
            let mut running = flow.start();
            eventually::<R>("the end", || running.report().is_some_and(|report| report.status(task).is_success())).await;
            // The last driver may still be on its way out, but there is nothing left to cancel.
            assert_eq!(running.cancel().await.unwrap()[task], 5);
        }

        // What failed before the cancel is in the error.
        async fn cancel_keeps_failures<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let (started, dropped, failed) = (Gate::new(), Gate::new(), Gate::new());
            let bad = flow.add({
                let opener = failed.clone();
                move || { let _opener = opener.opener(); Err::<(), _>("no") }
            });
            flow.add(waits(&guards, &started, &dropped));
            let mut running = flow.execute().keep_going().start();
            started.pass().await;
            failed.pass().await;
            eventually::<R>("the failure", || running.report().is_some_and(|report| report.status(bad).is_failure())).await;
            let error = running.cancel().await.unwrap_err();
            assert!(!error.is_cancelled());
            assert_eq!(error.failures().next().unwrap().task(), bad.id());
            assert_eq!(guards.live(), 0);
        }

        async fn dropping_cancels<R>() {
            let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let work = flow.add(waits(&guards, &started, &dropped));
            flow.add(log.note("after").after(work));
            flow.add(log.note("clean-up").after(work).always());
            let running = flow.start();
            started.pass().await;
            drop(running);
            dropped.pass().await;
            eventually::<R>("the end", || guards.live() == 0).await;
            // And the future of a cancel that is dropped.
            let (started, dropped) = (Gate::new(), Gate::new());
            let work = waits(&guards, &started, &dropped);
            let (mut flow, blocked) = (Flow::<R>::new(), Gate::new());
            flow.add(work);
            let hold = blocked.clone();
            let held = guards.clone();
            flow.add(move || { let _guard = held.guard(); hold.pass_blocking() });
            let running = flow.start();
            eventually::<R>("both to start", || guards.live() == 2).await;
            let mut cancel = Box::pin(running.cancel());
            assert!(poll_times(cancel.as_mut(), 1).await.is_none());
            drop(cancel);
            dropped.pass().await;
            blocked.open();
            eventually::<R>("the end", || guards.live() == 0).await;
            assert_eq!(log.events().len(), 0);
        }

        async fn refused_when_it_cannot_start<R>() {
            let mut flow = Flow::<R>::new();
            flow.add((|| ()).with_lock(Semaphore::new(1).permits(2)));
            let mut running = flow.start();
            assert!(running.report().is_none());
            assert!(running.await.unwrap_err().report().is_none());
            assert!(flow.start().cancel().await.unwrap_err().report().is_none());
        }
    }
}

mod nested {
    use super::*;

    on_every_backend! {
        async fn is_one_task_with_the_inner_run<R>() {
            let mut inner = Flow::<R>::new();
            let number = inner.add(async || { yield_now().await; 20 });
            let double = inner.add((|n: &i32| 2 * n).inputs(number));
            let inner = Arc::new(inner);
            let mut outer = Flow::<R>::new();
            let task: Task<Run> = outer.add(Arc::clone(&inner));
            let half = outer.add((move |run: &Run| run[double] / 2).inputs(task));
            let again = outer.add(inner);
            let run = outer.execute().await.unwrap();
            assert_eq!((run[half], run[task][double], run[again][number]), (20, 40, 20));
            assert_eq!(outer.len(), 3);
        }

        async fn in_a_group<R>() {
            let log = Log::new();
            let mut inner = Flow::<R>::new();
            inner.add(series![log.note("b"), log.note_blocking("c")]);
            let mut outer = Flow::<R>::new();
            outer.add(series![log.note("a"), Arc::new(inner), log.note("d")]);
            outer.execute().await.unwrap();
            outer.execute().max_concurrency(1).await.unwrap();
            assert_eq!(log.events(), ["a", "b", "c", "d", "a", "b", "c", "d"]);
        }

        async fn failure_is_the_inner_failure<R>() {
            let mut inner = Flow::<R>::new();
            inner.add((|| Err::<(), _>(std::io::Error::other("disk full"))).named("write"));
            let mut outer = Flow::<R>::new();
            let task = outer.add(Arc::new(inner));
            let after = outer.add((|_: &Run| ()).inputs(task));
            let error = outer.execute().await.unwrap_err();
            assert_eq!(error.report().unwrap().status(task), TaskStatus::Failed);
            assert_eq!(error.report().unwrap().status(after), skipped(task));
            let text = error.to_string();
            assert!(text.contains("`write`") && text.contains("disk full"), "{text}");
            let source = std::error::Error::source(&error).unwrap();
            let inner = source.downcast_ref::<FlowError>().unwrap();
            assert_eq!(inner.failures().next().unwrap().name(), "write");
            let source = std::error::Error::source(inner).unwrap();
            assert_eq!(source.downcast_ref::<std::io::Error>().unwrap().to_string(), "disk full");
        }

        async fn refusal_of_the_inner_flow<R>() {
            let mut inner = Flow::<R>::new();
            inner.input::<u32>("missing");
            let mut outer = Flow::<R>::new();
            let log = Log::new();
            outer.add(log.note("before"));
            let task = outer.add(Arc::new(inner));
            let error = outer.execute().await.unwrap_err();
            assert!(error.report().is_none());
            assert!(error.to_string().contains("`missing`"), "{error}");
            assert!(log.events().is_empty());
            // Unless the task is left out.
            let mut empty = Flow::<R>::new();
            let nothing = empty.add(async || ());
            let run = empty.execute().await.unwrap();
            assert!(run.get(nothing).is_some());
            outer.execute().given(task, run).await.unwrap();
        }

        // A failure outside cancels what is inside, waits for its blocking functions, and lets it
        // do its clean-up.
        async fn cancelled_together<R>() {
            for depth in 1..4 {
                let (log, guards) = (Log::new(), Guards::new());
                let (started, dropped) = (Gate::new(), Gate::new());
                let plain_started = Gate::new();
                let mut inner = Flow::<R>::new();
                let work = inner.add(waits(&guards, &started, &dropped));
                inner.add({
                    let (log, guards, plain_started) = (log.clone(), guards.clone(), plain_started.clone());
                    move || {
                        let _guard = guards.guard();
                        plain_started.open();
                        dropped.pass_blocking();
                        std::thread::sleep(Duration::from_millis(20));
                        log.push("plain ended");
                    }
                });
                inner.add(log.note("clean-up").after(work).always());
                inner.add(log.note("queued").after(work));
                for _ in 1..depth {
                    let within = Arc::new(inner);
                    inner = Flow::new();
                    inner.add(within);
                }
                let mut outer = Flow::<R>::new();
                let task = outer.add(Arc::new(inner));
                let bad = outer.add(move || {
                    let (started, plain_started) = (started.clone(), plain_started.clone());
                    async move {
                        started.pass().await;
                        plain_started.pass().await;
                        Err::<(), _>("outside")
                    }
                });
                let error = outer.execute().await.unwrap_err();
                assert_eq!(guards.live(), 0);
                log.place("plain ended");
                log.place("clean-up");
                assert_eq!(log.events().len(), 2);
                let report = error.report().unwrap();
                assert_eq!(report.status(task), TaskStatus::Cancelled);
                let failures: Vec<_> = error.failures().map(|failure| failure.task()).collect();
                assert_eq!(failures, [bad.id()]);
            }
        }

        async fn cancelled_by_a_call_together<R>() {
            let (log, guards) = (Log::new(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let mut inner = Flow::<R>::new();
            let work = inner.add(waits(&guards, &started, &dropped));
            inner.add(log.note("inner clean-up").after(work).always());
            let mut outer = Flow::<R>::new();
            let inner = outer.add(Arc::new(inner));
            outer.add(log.note("outer clean-up").after(inner).always());
            let running = outer.start();
            started.pass().await;
            let error = running.cancel().await.unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            assert_eq!(guards.live(), 0);
            assert_eq!(log.events(), ["inner clean-up", "outer clean-up"]);
        }

        // What fails inside while the outer run stops is not swallowed.
        async fn clean_up_inside_that_fails<R>() {
            let (guards, started, dropped) = (Guards::new(), Gate::new(), Gate::new());
            let mut inner = Flow::<R>::new();
            let work = inner.add(waits(&guards, &started, &dropped));
            inner.add((|| Err::<(), _>("stuck")).after(work).always().named("unmount"));
            let mut outer = Flow::<R>::new();
            let task = outer.add(Arc::new(inner));
            let running = outer.start();
            started.pass().await;
            let error = running.cancel().await.unwrap_err();
            assert_eq!(error.report().unwrap().status(task), TaskStatus::Failed);
            assert!(error.to_string().contains("`unmount`"), "{error}");
        }

        // Dropping the outer one drops the inner one: no clean-up, nothing left.
        async fn dropped_together<R>() {
            let (log, guards) = (Log::new(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let mut inner = Flow::<R>::new();
            let work = inner.add(waits(&guards, &started, &dropped));
            inner.add(log.note("clean-up").after(work).always());
            inner.add(log.note("queued").after(work));
            let mut outer = Flow::<R>::new();
            outer.add(Arc::new(inner));
            {
                let mut execute = Box::pin(outer.execute());
                let mut first = Box::pin(started.pass());
                std::future::poll_fn(|cx| {
                    assert!(execute.as_mut().poll(cx).is_pending());
                    first.as_mut().poll(cx)
                }).await;
            }
            eventually::<R>("the end", || guards.live() == 0).await;
            let running = outer.start();
            eventually::<R>("the start", || guards.live() == 1).await;
            drop(running);
            eventually::<R>("the end", || guards.live() == 0).await;
            assert_eq!(log.events().len(), 0);
        }
    }
}
