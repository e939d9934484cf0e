//! Stopping from outside: deadlines and stop handles stop a run as a cancel does, and wait for its end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::FlowErrorKind;
use asyncflow::prelude::*;
use asyncflow_tests::{
    Clock, Gate, Guards, LONG, Log, again, by_clock, eventually, hold, on_every_backend, opens,
    poll_times, turns, waits, waits_then_opens, yield_now,
};
use futures::future::join_all;

const SECOND: Duration = Duration::from_secs(1);

/// Lets so much time pass as soon as a task has started.
async fn pass_when(started: &Gate, clock: &Clock, time: Duration) {
    started.pass().await;
    clock.advance(time);
}

on_every_backend! {
    // Whether the future is polled or not.
    async fn a_deadline_stops_as_a_cancel_does<R>() {
        for started_first in [false, true] {
            let ((mut flow, clock), guards) = (by_clock::<R>(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let hangs = flow.add(waits_then_opens(&guards, &started, &dropped).named("hangs"));
            let after = flow.add((|| ()).after(hangs));
            let tidied = Gate::new();
            let (tidy_started, go_on) = (Gate::new(), Gate::new());
            let (tell, wait, done) = (tidy_started.clone(), go_on.clone(), tidied.clone());
            let tidy = again!((tell, wait, done) {
                tell.open();
                wait.pass().await;
                done.open();
            });
            let tidy = flow.add(tidy.after(hangs).always());
            let execute = flow.execute().deadline(5 * SECOND);
            let stopping = async {
                pass_when(&started, &clock, 5 * SECOND - Duration::from_nanos(1)).await;
                turns(20).await;
                assert!(!dropped.is_open(), "it has one more nanosecond");
                clock.advance(Duration::from_nanos(1));
                tidy_started.pass().await;
                // The clean-up is waited for.
                turns(20).await;
                go_on.open();
            };
            let (result, ()) = match started_first {
                true => { let running = execute.start(); futures::join!(running, stopping) }
                false => futures::join!(execute, stopping),
            };
            let error = result.unwrap_err();
            assert!(tidied.is_open() && guards.live() == 0);
            assert_eq!(error.kind(), FlowErrorKind::TimedOut);
            assert!(!error.is_cancelled());
            assert_eq!(error.to_string(), "the run was stopped by its deadline of 5s (2 cancelled)");
            let report = error.report().unwrap();
            assert_eq!(report.status(hangs), TaskStatus::Cancelled);
            assert_eq!(report.status(after), TaskStatus::Cancelled);
            assert_eq!(report.status(tidy), TaskStatus::Succeeded);
            assert_eq!(error.failures().count(), 0);
            assert_eq!(clock.sleeps(), 0);
        }
    }

    // A run that ends before has nothing of its deadline left: no timer, and no error.
    async fn a_deadline_that_is_not_reached<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let answer = flow.add(|| 42);
        let run = flow.execute().deadline(SECOND).await.unwrap();
        assert_eq!(run[answer], 42);
        clock.until_asleep(0).await;
        for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
            assert_eq!(flow.execute().deadline(limit).await.unwrap()[answer], 42);
        }
        // On the clock of the runtime itself, too.
        let mut flow = Flow::<R>::new();
        let answer = flow.add(async || { turns(3).await; 42 });
        for limit in [Duration::MAX, LONG] {
            assert_eq!(flow.execute().deadline(limit).await.unwrap()[answer], 42);
        }
    }

    // The timers of the runtime itself.
    async fn a_deadline_on_the_clock<R>() {
        let (mut flow, guards, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
        flow.add(waits(&guards, &started));
        let limit = Duration::from_millis(5);
        let error = flow.execute().deadline(limit).await.unwrap_err();
        assert_eq!((error.kind(), guards.live()), (FlowErrorKind::TimedOut, 0));
        let error = flow.execute().deadline(LONG).deadline(limit).start().await.unwrap_err();
        assert_eq!((error.kind(), guards.live()), (FlowErrorKind::TimedOut, 0));
    }

    // Nothing starts but clean-up. What the run does not need is no error.
    async fn a_deadline_of_zero<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        flow.add(log.note("async"));
        let plain = flow.add(log.note_blocking("plain"));
        flow.add(log.note("tidy").after(plain).always());
        for start in [false, true] {
            let execute = flow.execute().deadline(Duration::ZERO);
            let result = if start { execute.start().await } else { execute.await };
            let error = result.unwrap_err();
            assert_eq!(error.kind(), FlowErrorKind::TimedOut);
            assert_eq!(log.events().len(), 1);
            assert_eq!(log.events(), ["tidy"]);
            log.clear();
        }
        let empty = Flow::<R>::new();
        assert!(empty.execute().deadline(Duration::ZERO).await.is_ok());
    }

    // A failure counts more than the deadline, which counts more than a cancel that comes after it.
    async fn a_deadline_beside_other_ends<R>() {
        let ((mut flow, clock), guards) = (by_clock::<R>(), Guards::new());
        let (started, failed) = (Gate::new(), Gate::new());
        let fails = flow.add((|| Err::<(), _>("no")).named("fails"));
        flow.add(opens(&failed).after(fails).always());
        flow.add(waits(&guards, &started));
        let execute = flow.execute().keep_going().deadline(SECOND);
        let (result, ()) = futures::join!(execute, async {
            failed.pass().await;
            pass_when(&started, &clock, SECOND).await;
        });
        let error = result.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Failed);
        assert_eq!(error.to_string(), "task `fails` failed: no (1 cancelled)");

        let (mut flow, clock) = by_clock::<R>();
        let (started, tidying, go_on) = (Gate::new(), Gate::new(), Gate::new());
        let hangs = flow.add(waits(&guards, &started));
        let (tell, wait) = (tidying.clone(), go_on.clone());
        let tidy = again!((tell, wait) { tell.open(); wait.pass().await; });
        flow.add(tidy.after(hangs).always());
        for deadline_first in [true, false] {
            let running = flow.execute().deadline(SECOND).start();
            let handle = running.stop_handle();
            started.pass().await;
            if deadline_first { clock.advance(SECOND) } else { handle.stop() }
            tidying.pass().await;
            if deadline_first { handle.stop() } else { clock.advance(SECOND) }
            turns(10).await;
            go_on.open();
            let kind = running.await.unwrap_err().kind();
            let expected = if deadline_first { FlowErrorKind::TimedOut } else { FlowErrorKind::Cancelled };
            assert_eq!(kind, expected);
        }
    }

    // It reaches flows in flows, and is over when the future is dropped.
    async fn a_deadline_and_what_is_inside<R>() {
        let ((mut inner, clock), guards) = (by_clock::<R>(), Guards::new());
        let (started, tidied) = (Gate::new(), Gate::new());
        let hangs = inner.add(waits(&guards, &started));
        inner.add(opens(&tidied).after(hangs).always());
        let mut flow = clock.flow::<R>();
        let nested = flow.add(Arc::new(inner));
        let (result, ()) = futures::join!(flow.execute().deadline(SECOND), pass_when(&started, &clock, SECOND));
        let error = result.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::TimedOut);
        assert_eq!(error.report().unwrap().status(nested), TaskStatus::Cancelled);
        assert!(tidied.is_open() && guards.live() == 0);

        let running = flow.execute().deadline(SECOND).start();
        started.pass().await;
        drop(running);
        clock.until_asleep(0).await;
    }

    // A plain function runs to its end, and is waited for.
    async fn a_deadline_and_a_plain_function<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (started, go_on, ended) = (Gate::new(), Gate::new(), Gate::new());
        let (tell, wait, end) = (started.clone(), go_on.clone(), ended.clone());
        let plain = flow.add(move || { tell.open(); wait.pass_blocking(); end.open(); });
        let (guards, dropped) = (Guards::new(), Gate::new());
        flow.add(waits_then_opens(&guards, &Gate::new(), &dropped));
        let next = flow.add((|| ()).after(plain));
        let (result, ()) = futures::join!(flow.execute().deadline(SECOND), async {
            pass_when(&started, &clock, SECOND).await;
            dropped.pass().await;
            go_on.open();
        });
        let error = result.unwrap_err();
        assert!(ended.is_open());
        assert_eq!(error.kind(), FlowErrorKind::TimedOut);
        let report = error.report().unwrap();
        assert_eq!((report.status(plain), report.status(next)), (TaskStatus::Succeeded, TaskStatus::Cancelled));
    }

    // A large flow is prepared in slices; that takes from its time.
    async fn a_deadline_of_a_large_flow<R>() {
        let (mut flow, clock) = by_clock::<R>();
        for _ in 0..50_000 {
            flow.add(async || ());
        }
        let mut execute = pin!(flow.execute().deadline(SECOND));
        assert!(poll_times(execute.as_mut(), 1).await.is_none());
        clock.advance(SECOND);
        let error = execute.await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::TimedOut);
        assert_eq!(error.report().unwrap().count(|status| status == TaskStatus::Cancelled), 50_000);
    }

    // From a task, a thread, and another clone; clean-up runs.
    async fn a_handle_stops_as_a_cancel_does<R>() {
        for how in 0..3 {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let (started, tidied) = (Gate::new(), Gate::new());
            let hangs = flow.add(waits(&guards, &started));
            let tidy = flow.add(opens(&tidied).after(hangs).always());
            let stop = StopHandle::new();
            let (handle, wait) = (stop.clone(), started.clone());
            match how {
                0 => { flow.add(again!((handle, wait) { wait.pass().await; handle.stop(); })); }
                1 => { std::thread::spawn(move || { wait.pass_blocking(); handle.stop(); }); }
                _ => {}
            }
            let (result, ()) = futures::join!(flow.execute().stop_with(&stop), async {
                started.pass().await;
                if how == 2 { stop.clone().stop() }
            });
            let error = result.unwrap_err();
            assert!(stop.is_stopped());
            assert_eq!(error.kind(), FlowErrorKind::Cancelled);
            assert_eq!(error.report().unwrap().status(tidy), TaskStatus::Succeeded);
            assert!(tidied.is_open() && guards.live() == 0);
        }
    }

    // Once stopped, it lets nothing more start; a run that is over does not mind.
    async fn a_handle_that_was_stopped_before<R>() {
        let (mut flow, log, stop) = (Flow::<R>::new(), Log::new(), StopHandle::new());
        let task = flow.add(log.note("task"));
        flow.add(log.note("tidy").after(task).always());
        assert!(flow.execute().stop_with(&stop).await.is_ok());
        stop.stop();
        stop.stop();
        log.clear();
        for start in [false, true] {
            let execute = flow.execute().stop_with(&StopHandle::new()).stop_with(&stop);
            let result = if start { execute.start().await } else { execute.await };
            assert_eq!(result.unwrap_err().kind(), FlowErrorKind::Cancelled);
            assert_eq!(log.events(), ["tidy"]);
            log.clear();
        }
        assert!(flow.execute().stop_with(&StopHandle::new()).await.is_ok());
    }

    // Many runs, of several flows, at the same time; one run with several handles.
    async fn many_runs_and_handles<R>() {
        let (guards, stop) = (Guards::new(), StopHandle::new());
        let started: Vec<Gate> = (0..20).map(|_| Gate::new()).collect();
        let flows: Vec<Flow<R>> = started.iter().map(|started| {
            let mut flow = Flow::new();
            flow.add(waits(&guards, started));
            flow
        }).collect();
        let runs = join_all(flows.iter().map(|flow| flow.execute().stop_with(&StopHandle::new()).stop_with(&stop)));
        let (results, ()) = futures::join!(runs, async {
            for started in &started {
                started.pass().await;
            }
            stop.stop();
        });
        assert!(results.into_iter().all(|result| result.unwrap_err().is_cancelled()));
        assert_eq!(guards.live(), 0);
        let handles = [StopHandle::new(), StopHandle::new()];
        for handle in &handles {
            let mut flow = Flow::<R>::new();
            let started = Gate::new();
            flow.add(waits(&guards, &started));
            let fresh = [StopHandle::new(), handle.clone()];
            let execute = flow.execute().stop_with(&fresh[0]).stop_with(&fresh[1]);
            let (result, ()) = futures::join!(execute, async {
                started.pass().await;
                handle.stop();
            });
            assert!(result.unwrap_err().is_cancelled());
            assert!(!fresh[0].is_stopped());
        }
    }

    // The list of a handle does not grow with the runs that have ended.
    async fn a_handle_forgets_runs_that_ended<R>() {
        let (mut flow, guards, stop) = (Flow::<R>::new(), Guards::new(), StopHandle::new());
        let guard = Arc::new(AtomicUsize::new(0));
        let counted = guard.clone();
        flow.add(move || { counted.fetch_add(1, Ordering::SeqCst); });
        for _ in 0..100 {
            assert!(flow.execute().stop_with(&stop).await.is_ok());
        }
        assert_eq!(guard.load(Ordering::SeqCst), 100);
        let started = Gate::new();
        let mut other = Flow::<R>::new();
        other.add(waits(&guards, &started));
        drop(other.execute().stop_with(&stop));
        {
            let running = other.execute().stop_with(&stop).start();
            started.pass().await;
            drop(running);
        }
        eventually::<R>("no runs", || format!("{stop:?}").contains("runs: 0")).await;
        assert_eq!(guards.live(), 0);
    }

    async fn the_handle_of_a_run<R>() {
        let (mut flow, guards, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
        let hangs = flow.add(waits(&guards, &started));
        let running = flow.start();
        let handle = running.stop_handle();
        started.pass().await;
        assert!(!handle.is_stopped());
        handle.stop();
        let error = running.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.report().unwrap().status(hangs), TaskStatus::Cancelled);
        // Of a run that is over, or was refused, it stops nothing.
        let mut flow = Flow::<R>::new();
        let answer = flow.add(|| 42);
        let running = flow.start();
        while running.report().is_none_or(|report| report.status(answer) == TaskStatus::Unfinished) { yield_now().await; }
        running.stop_handle().stop();
        let refused = flow.execute().max_concurrency(0).start();
        refused.stop_handle().stop();
        assert_eq!(refused.await.unwrap_err().kind(), FlowErrorKind::Refused);
        assert_eq!(running.await.unwrap()[answer], 42);
    }

    // It reaches flows in flows and tasks that wait for a lock.
    async fn a_handle_and_what_is_inside<R>() {
        let (mut inner, guards) = (Flow::<R>::new(), Guards::new());
        let (started, tidied, lock, free) = (Gate::new(), Gate::new(), Lock::new(), Gate::new());
        let holder = hold::<R>(&lock, &free).await;
        inner.add((|| ()).with_lock(&lock));
        let hangs = inner.add(waits(&guards, &started));
        inner.add(opens(&tidied).after(hangs).always());
        let mut flow = Flow::<R>::new();
        flow.add(inner);
        let stop = StopHandle::new();
        let (result, ()) = futures::join!(flow.execute().stop_with(&stop), async { started.pass().await; stop.stop(); });
        assert!(result.unwrap_err().is_cancelled());
        assert!(tidied.is_open() && guards.live() == 0);
        free.open();
        holder.await.unwrap();
    }
}

// A mistake, and no panic in the middle of a run.
#[test]
fn tokio_without_timers() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut flow = asyncflow::TokioFlow::new();
    let answer = flow.add(once(|| 42));
    runtime.block_on(async {
        let error = flow.execute().deadline(SECOND).await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Refused);
        assert!(
            error.to_string().contains("the runtime has no timer: "),
            "{error}"
        );
        assert_eq!(flow.execute().await.unwrap()[answer], 42);
    });
}
