//! Flows in flows: each is one task, and stops with the flow around it; permits that could deadlock are
//! refused.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{AsyncStdRuntime, Lockable, Runtime, SmolRuntime, TimedOut, TokioRuntime};
use asyncflow_tests::{
    Gate, Guards, Inside, LONG, Log, Meeting, Visit, again, at_once, eventually, in_child,
    on_async_std, on_every_backend, on_smol, on_tokio, on_tokio_current, opens, outlives_a_stop,
    poll_times, poll_until, skipped, slow, turns, waits, waits_then_opens, yield_now,
};

on_every_backend! {
    async fn is_one_task_with_the_inner_run<R>() {
        let (mut inner, log) = (Flow::<R>::new(), Log::new());
        let first = inner.add(slow(&log, "inside"));
        let number = inner.add((async || { yield_now().await; 20 }).after(first));
        let double = inner.add((|n: &i32| 2 * n).inputs(number));
        let inner = Arc::new(inner);
        let mut outer = Flow::<R>::new();
        let task: Task<Run> = outer.add(Arc::clone(&inner));
        let half = outer.add((move |run: &Run| run[double] / 2).inputs(task));
        outer.add(log.note("after").after(task));
        let again = outer.add(inner);
        assert_eq!(outer.len(), 4);
        for limit in [1, usize::MAX] {
            let run = outer.execute().max_concurrency(limit).await.unwrap();
            assert_eq!((run[half], run[task][double], run[again][number]), (20, 40, 20));
        }
        let events = log.events();
        assert_eq!((events.len(), &*events[0], &*events[3]), (6, "inside", "inside"));
    }

    async fn in_groups<R>() {
        let (log, meeting) = (Log::new(), Meeting::of(2));
        let inner = |name| Arc::new(Flow::<R>::from(series![slow(&log, name), parallel![], log.note("end")]));
                let flow = Flow::<R>::from(series![
            slow(&log, "a"),
            inner("b"),
            parallel![
                Arc::new(Flow::<R>::from(series![meeting.task()])),
                Arc::new(Flow::<R>::from(series![meeting.task()])),
                Arc::new(Flow::<R>::new()),
            ],
            inner("c"),
            log.note("d"),
        ]);
        assert_eq!(flow.len(), 7);
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "end", "c", "end", "d"]);
    }

    // One flow at several places of another: each is a run of its own, and they meet.
    async fn one_at_several_places<R>() {
        let mut inner = Flow::<R>::new();
        let (runs, meeting) = (Arc::new(AtomicUsize::new(0)), Meeting::of(3));
        let number = inner.add(again!((runs, meeting) {
            meeting.meet().await;
            runs.fetch_add(1, Ordering::SeqCst)
        }));
        let inner = Arc::new(inner);
        let mut outer = Flow::<R>::new();
        let places = [(); 3].map(|()| outer.add(inner.clone()));
        let run = outer.execute().await.unwrap();
        let numbers: BTreeSet<usize> = places.iter().map(|place| run[*place][number]).collect();
        assert_eq!(numbers, BTreeSet::from([0, 1, 2]));
    }

    async fn a_hundred_deep<R>() {
        let log = Log::new();
        let mut flow = Flow::<R>::from(series![slow(&log, "inside"), log.note_blocking("inside, too")]);
        for _ in 0..100 {
            flow = Flow::from(series![log.note("in"), Arc::new(flow), log.note("out")]);
        }
        flow.execute().await.unwrap();
        let events = log.events();
        assert_eq!(events.len(), 202);
        assert!(events[..100].iter().all(|event| event == "in"));
        assert_eq!(events[100..102], ["inside", "inside, too"]);
        assert!(events[102..].iter().all(|event| event == "out"));
    }

    async fn failure_is_the_inner_failure<R>() {
        let (mut inner, log) = (Flow::<R>::new(), Log::new());
        inner.add(series![
            (|| Err::<(), _>(std::io::Error::other("disk full"))).named("write"),
            log.note("never"),
        ]);
        let mut outer = Flow::<R>::new();
        let task = outer.add(Arc::new(inner));
        let after = outer.add((|_: &Run| ()).inputs(task));
        outer.add(series![parallel![].after(task), log.note("never")]);
        let error = outer.execute().keep_going().await.unwrap_err();
        assert_eq!(error.report().unwrap().status(task), TaskStatus::Failed);
        assert_eq!(error.report().unwrap().status(after), skipped(task));
        assert!(log.events().is_empty());
        let text = error.to_string();
        assert!(text.contains("`write`") && text.contains("disk full"), "{text}");
        let source = error.source().unwrap();
        let inner = source.downcast_ref::<FlowError>().unwrap();
        assert_eq!(inner.failures().next().unwrap().name(), "write");
        let source = inner.source().unwrap();
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
            let work = inner.add(waits_then_opens(&guards, &started, &dropped));
            inner.add(outlives_a_stop(&log, &guards, &plain_started, &dropped));
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

    // What is independent of a failure runs, on either side of it and at any depth.
    async fn keep_going_reaches_the_flows_inside<R>() {
        for depth in 1..4 {
            for limit in [1, usize::MAX] {
                let log = Log::new();
                let mut inner = Flow::<R>::new();
                let fails = inner.add(async || Err::<(), _>("inside"));
                inner.add(log.note("skipped").after(fails));
                let sibling = inner.add(async || turns(20).await);
                inner.add(log.note("sibling").after(sibling));
                inner.add(log.note_blocking("plain sibling").after(sibling));
                for _ in 1..depth {
                    let within = Arc::new(inner);
                    inner = Flow::new();
                    inner.add(within);
                    inner.add(slow(&log, "around"));
                }
                let mut outer = Flow::<R>::new();
                let task = outer.add(Arc::new(inner));
                outer.add(log.note("skipped").after(task));
                let other = outer.add(async || Err::<(), _>("outside"));
                outer.add(slow(&log, "outside"));
                let error = outer.execute().keep_going().max_concurrency(limit).await.unwrap_err();
                let failures: Vec<_> = error.failures().map(|failure| failure.task()).collect();
                assert_eq!(failures, [task.id(), other.id()]);
                for event in ["sibling", "plain sibling", "outside"] {
                    log.place(event);
                }
                assert_eq!(log.events().len(), 2 + depth, "{:?}", log.events());
            }
        }
    }

    async fn cancelled_by_a_call_together<R>() {
        let (log, guards) = (Log::new(), Guards::new());
        let started = Gate::new();
        let mut inner = Flow::<R>::new();
        let work = inner.add(waits(&guards, &started));
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

    // A failure inside while the outer run stops is reported.
    async fn clean_up_inside_that_fails<R>() {
        let (guards, started) = (Guards::new(), Gate::new());
        let mut inner = Flow::<R>::new();
        let work = inner.add(waits(&guards, &started));
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
        let started = Gate::new();
        let mut inner = Flow::<R>::new();
        let work = inner.add(waits(&guards, &started));
        inner.add(log.note("clean-up").after(work).always());
        inner.add(log.note("queued").after(work));
        let mut outer = Flow::<R>::new();
        outer.add(Arc::new(inner));
        {
            let mut execute = Box::pin(outer.execute());
            poll_until(execute.as_mut(), started.pass()).await;
        }
        eventually::<R>("the end", || guards.live() == 0).await;
        let running = outer.start();
        eventually::<R>("the start", || guards.live() == 1).await;
        drop(running);
        eventually::<R>("the end", || guards.live() == 0).await;
        assert_eq!(log.events().len(), 0);
    }
}

/// An execution that is refused; the error.
async fn refused<R: Runtime>(flow: &Flow<R>) -> String {
    let error = flow.execute().await.unwrap_err();
    assert!(error.report().is_none(), "{error}");
    error.to_string()
}

/// A flow with a task called `taker` that needs `lock`.
fn taker<R: Runtime + Default>(lock: impl Lockable) -> Arc<Flow<R>> {
    let mut flow = Flow::new();
    flow.add(async || ());
    flow.add((|| ()).with_lock(lock).named("taker"));
    Arc::new(flow)
}

on_every_backend! {
    // The task inside would wait for the lock that its own flow holds.
    async fn same_lock_outside_and_inside_is_refused<R>() {
        static DISK: Lock = Lock::named("disk");
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(series![taker::<R>(&DISK)], &DISK));
        let error = refused(&flow).await;
        for word in ["task `flow`", "`taker`", "lock disk", "take the lock off the flow"] {
            assert!(error.contains(word), "{word:?} in {error:?}");
        }
    }

    // One flow that holds the first and waits for the second, and one the other way round.
    async fn other_locks_inside_are_refused<R>() {
        let (a, b) = (Lock::new(), Lock::new());
        for (outside, inside) in [(&a, &b), (&b, &a)] {
            let mut flow = Flow::<R>::new();
            flow.add(with_lock(series![taker::<R>(inside)], outside));
            assert!(refused(&flow).await.contains("`taker`"));
        }
    }

    // Also if permits are left: enough such flows at once would take them all, and wait.
    async fn permits_inside_are_refused_whatever_the_counts<R>() {
        let semaphore = Semaphore::new(100);
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(series![taker::<R>(&semaphore)], semaphore.permits(2)));
        let error = refused(&flow).await;
        assert!(error.contains("2 of 100 permits") && error.contains("1 of 100 permits"), "{error}");
    }

    async fn refused_at_any_depth<R>() {
        let lock = Lock::new();
        let mut inner = taker::<R>(&lock);
        for _ in 0..50 {
            let mut flow = Flow::<R>::new();
            flow.add(parallel![|| (), series![inner]]);
            inner = Arc::new(flow);
        }
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(series![|| (), parallel![Arc::clone(&inner)]], Lock::new()));
        assert!(refused(&flow).await.contains("`taker`"));
        // Also if that flow is in another.
        let mut around = Flow::<R>::new();
        around.add(async || ());
        around.add(Arc::new(flow));
        assert!(refused(&around).await.contains("`taker`"));
        // Without the lock outside it is no mistake.
        let mut flow = Flow::<R>::new();
        flow.add(parallel![inner, (|| ()).with_lock(&lock)]);
        flow.execute().await.unwrap();
    }

    // A lock of a whole flow is held from its first task to its last.
    async fn lock_for_a_whole_flow<R>() {
        let (lock, inside) = (Lock::new(), Inside::new());
        let whole = || {
            let inside = inside.clone();
            let visit: Arc<Mutex<Option<Visit>>> = Arc::default();
            let (enter, leave) = (visit.clone(), visit);
            let mut flow = Flow::<R>::new();
            let first = flow.add(move || *enter.lock().unwrap() = Some(inside.enter(1)));
            let pause = flow.add((async || turns(3).await).after(first));
            flow.add((move || drop(leave.lock().unwrap().take())).after(pause));
            Arc::new(flow)
        };
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(parallel![whole(), whole(), series![whole(), inside.task(1)]], &lock));
        flow.add(inside.plain(1).with_lock(&lock));
        flow.execute().await.unwrap();
        assert_eq!((inside.most(), inside.visits()), (1, 5));
    }

    // A flow holds no slot: a task that needs one may hold the lock that a task in the flow needs.
    async fn limit_and_a_lock_that_is_wanted_inside<R>() {
        for _ in 0..20 {
            let (lock, inside) = (Lock::new(), Inside::new());
            let mut inner = Flow::<R>::new();
            inner.add(inside.task(1));
            inner.add(inside.task(1).with_lock(&lock));
            inner.add(inside.plain(1).with_lock(&lock));
            let inner = Arc::new(inner);
            let mut flow = Flow::<R>::new();
            flow.add(inner.clone());
            flow.add(inside.task(1).with_lock(&lock));
            flow.add(series![inside.plain(1), inner.clone()]);
            flow.add(inside.plain(1).with_lock(&lock));
            let mut middle = Flow::<R>::new();
            middle.add(parallel![inner, inside.task(1).with_lock(&lock)]);
            flow.add(Arc::new(middle));
            flow.execute().max_concurrency(1).await.unwrap();
            assert_eq!((inside.most(), inside.visits()), (1, 13));
        }
    }

    // The tasks of all inner flows count together.
    async fn limit_holds_for_the_tasks_inside<R>() {
        let (inside, lock) = (Inside::new(), Lock::new());
        let mut inner = Flow::<R>::new();
        inner.add(parallel![inside.task(1), inside.plain(1), inside.task(1), inside.plain(1)]);
        let inner = Arc::new(inner);
        let mut flow = Flow::<R>::new();
        flow.add(parallel![inner.clone(), inner.clone(), inside.task(1), with_lock(series![inner], &lock)]);
        for limit in [1, 2, 3] {
            flow.execute().max_concurrency(limit).await.unwrap();
            assert!(inside.most() <= limit, "{} of {limit}", inside.most());
        }
        assert_eq!(inside.visits(), 39);
    }

    // A cancel ends what the flows inside wait for.
    async fn stop_while_tasks_inside_wait_for_slots<R>() {
        let (started, guards) = (Gate::new(), Guards::new());
        let mut inner = Flow::<R>::new();
        for _ in 0..5 {
            inner.add(waits(&guards, &started));
        }
        let mut flow = Flow::<R>::new();
        let inner = Arc::new(inner);
        flow.add(parallel![inner.clone(), inner]);
        let running = flow.execute().max_concurrency(2).start();
        started.pass().await;
        assert!(running.cancel().await.unwrap_err().is_cancelled());
        assert_eq!(guards.live(), 0);
    }
}

/// A large flow is made ready a slice at a time. If the run that it is a task of stops meanwhile, it
/// does not start.
///
/// On one thread, where it is known what comes first.
#[test]
fn nothing_starts_in_a_flow_that_is_stopped_before_it_is_ready() {
    on_tokio_current(|| async {
        for dropped in [false, true] {
            let count = Arc::new(AtomicUsize::new(0));
            let mut inner = Flow::<TokioRuntime>::new();
            for _ in 0..30_000 {
                let count = Arc::clone(&count);
                inner.add(move || ready(count.fetch_add(1, Ordering::Relaxed)));
            }
            let mut flow = Flow::<TokioRuntime>::new();
            let inner = flow.add(Arc::new(inner));
            match dropped {
                true => {
                    flow.add(async || std::future::pending::<()>().await);
                    let mut execute = Box::pin(flow.execute());
                    let mut pinned = pin!(execute.as_mut());
                    assert!(poll_times(pinned.as_mut(), 1).await.is_none());
                    drop(execute);
                    turns(100).await;
                }
                false => {
                    flow.add(async || Err::<(), _>("no"));
                    // Started, so that its driver takes turns with what makes the inner flow ready.
                    let error = flow.start().await.unwrap_err();
                    assert_eq!(error.failures().count(), 1, "{error}");
                    let report = error.report().unwrap();
                    assert_eq!(report.status(inner), TaskStatus::Cancelled);
                }
            }
            assert_eq!(count.load(Ordering::Relaxed), 0, "dropped: {dropped}");
        }
    });
}

/// Flows that a task executes itself, by hand.
mod executed_by_a_task {
    use super::*;

    on_every_backend! {
        async fn flow_executed_inside_of_a_task<R>() {
            let log = Log::new();
            let mut inner = Flow::<R>::new();
            crate::runtimes::one_of_each(&mut inner, &log);
            let inner = Arc::new(inner);
            let mut outer = Flow::<R>::new();
            for _ in 0..3 {
                let inner = Arc::clone(&inner);
                outer.add(again!((inner) { inner.execute().await.map(drop) }));
            }
            outer.execute().await.unwrap();
            assert_eq!(log.events().len(), 9);
            outer.execute().max_concurrency(1).await.unwrap();
            assert_eq!(log.events().len(), 18);
        }

        // Dropped with the task that executes it.
        async fn flow_executed_inside_of_a_task_that_is_cancelled<R>() {
            let (guards, started, dropped) = (Guards::new(), Gate::new(), Gate::new());
            let mut inner = Flow::<R>::new();
            for _ in 0..2 {
                inner.add(waits_then_opens(&guards, &started, &dropped));
            }
            let inner = Arc::new(inner);
            let mut outer = Flow::<R>::new();
            outer.add(again!((inner) { inner.execute().await.map(drop) }));
            let running = outer.start();
            started.pass().await;
            assert!(running.cancel().await.unwrap_err().is_cancelled());
            dropped.pass().await;
            eventually::<R>("the end of the inner run", || guards.live() == 0).await;
        }

        // By a plain function, with async tasks only.
        async fn flow_executed_inside_of_a_plain_function<R>() {
            let log = Log::new();
            let mut inner = Flow::<R>::new();
            let first = inner.add(log.note("first"));
            for _ in 0..4 {
                let yields = inner.add((async || yield_now().await).after(first));
                inner.add(log.note("later").after(yields));
            }
            let inner = Arc::new(inner);
            let mut outer = Flow::<R>::new();
            outer.add(move || futures::executor::block_on(inner.execute()).map(drop));
            outer.execute().await.unwrap();
            assert_eq!(log.events().len(), 5);
        }

        // The same, where the inner flow has plain functions of its own, and the outer one has taken
        // the only blocking thread.
        async fn plain_functions_inside_of_a_plain_function<R>() {
            let log = Log::new();
            let mut inner = Flow::<R>::new();
            crate::runtimes::one_of_each(&mut inner, &log);
            let inner = Arc::new(inner);
            let mut outer = Flow::<R>::new();
            for _ in 0..3 {
                let inner = Arc::clone(&inner);
                outer.add(move || futures::executor::block_on(inner.execute()).map(drop));
            }
            outer.execute().await.unwrap();
            assert_eq!(log.events().len(), 9);
        }

        // The same, at every depth: in a flow that is prepared on another thread than the one that
        // executes the flow around it, and in one that an async task executes.
        async fn plain_functions_at_every_depth<R>() {
            let log = Log::new();
            let plain = |event| {
                let mut flow = Flow::<R>::new();
                let waits = flow.add(async || turns(2).await);
                flow.add(log.note_blocking(event).after(waits));
                Arc::new(flow)
            };
            let (nested, by_hand) = (plain("nested"), plain("by hand"));
            let mut inner = Flow::<R>::new();
            // The first of them that waits moves to another drive, and so goes on elsewhere.
            let waits = [(); 3].map(|()| inner.add(async || turns(3).await));
            inner.add(parallel![nested].after(waits[0]));
            inner.add(again!((by_hand) {
                turns(2).await;
                by_hand.execute().await.map(drop)
            }).after(waits[1]));
            inner.add(log.note_blocking("inner").after(waits[2]));
            let mut middle = Flow::<R>::new();
            let waits = [(); 2].map(|()| middle.add(async || turns(3).await));
            middle.add(parallel![Arc::new(inner)].after(waits));
            let middle = Arc::new(middle);
            let mut outer = Flow::<R>::new();
            for _ in 0..3 {
                let middle = Arc::clone(&middle);
                outer.add(move || futures::executor::block_on(middle.execute()).map(drop));
            }
            outer.execute().await.unwrap();
            let mut events = log.events();
            events.sort();
            assert_eq!(events, [["by hand"; 3], ["inner"; 3], ["nested"; 3]].concat());
        }

        // Whatever ends the task: the run that it executes by hand has a function on a thread, which
        // cannot be interrupted.
        async fn what_it_still_runs_is_waited_for<R>() {
            for depth in 0..3 {
                for end in [End::Failure, End::Timeout, End::Cancel, End::Success] {
                    waited_for::<R>(depth, end).await;
                }
            }
        }

        // A thread for each function would be thousands. One alone would be slow.
        async fn threads_of_their_own_are_bounded<R>() {
            // The second time with the threads of the first.
            for _ in 0..2 {
                let inside = Inside::new();
                let mut inner = Flow::<R>::new();
                for _ in 0..1500 {
                    let inside = inside.clone();
                    inner.add(move || {
                        let _visit = inside.enter(1);
                        std::thread::sleep(Duration::from_millis(10));
                    });
                }
                let mut outer = Flow::<R>::new();
                outer.add(move || futures::executor::block_on(inner.execute()).map(drop));
                outer.execute().await.unwrap();
                assert_eq!(inside.visits(), 1500);
                // One for the run, and those that all runs of the process share.
                let most = inside.most();
                assert!((2..=65).contains(&most), "{most} threads at once");
            }
        }

        // The bound keeps no run from its end.
        async fn runs_beyond_the_bound_of_threads<R>() {
            let inside = Inside::new();
            let mut innermost = Flow::<R>::new();
            for _ in 0..3 {
                innermost.add(inside.plain(1));
            }
            let innermost = Arc::new(innermost);
            let mut inner = Flow::<R>::new();
            for _ in 0..8 {
                let innermost = Arc::clone(&innermost);
                inner.add(move || futures::executor::block_on(innermost.execute()).map(drop));
            }
            let inner = Arc::new(inner);
            let mut outer = Flow::<R>::new();
            for _ in 0..12 {
                let inner = Arc::clone(&inner);
                outer.add(move || futures::executor::block_on(inner.execute()).map(drop));
            }
            outer.execute().await.unwrap();
            assert_eq!(inside.visits(), 12 * 8 * 3);
        }
    }

    /// What ends a task that executes a flow by hand.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum End {
        Failure,
        Timeout,
        Cancel,
        /// The task itself drops the run, and succeeds.
        Success,
    }

    /// The outer run ends after a function that is so many flows inside of the run by hand.
    async fn waited_for<R: Runtime + Default>(depth: usize, end: End) {
        let (log, started, dropped) = (Log::new(), Gate::new(), Gate::new());
        let mut inner = Flow::<R>::new();
        let (notes, opens, passes) = (log.clone(), started.clone(), dropped.clone());
        inner.add(move || {
            opens.open();
            passes.pass_blocking();
            std::thread::sleep(Duration::from_millis(10));
            notes.push("function returned");
        });
        for level in 0..depth {
            let within = Arc::new(inner);
            inner = Flow::new();
            match level {
                0 => drop(inner.add(within)),
                _ => drop(inner.add(again!((within) { within.execute().await.map(drop) }))),
            }
        }
        let inner = Arc::new(inner);
        let mut outer = Flow::<R>::new();
        let begun = started.clone();
        let by_hand = again!((inner, begun, dropped) {
            // Dropped after the run.
            let _opener = dropped.opener();
            let mut execute = pin!(inner.execute());
            match end {
                End::Success => poll_until(execute.as_mut(), begun.pass()).await,
                _ => execute.await.map(drop).unwrap(),
            }
        });
        match end {
            End::Timeout => outer.add(by_hand.timeout(Duration::from_millis(20))),
            _ => outer.add(by_hand),
        };
        if end == End::Failure {
            let started = started.clone();
            outer.add(again!((started) { started.pass().await; Err::<(), _>("no") }));
        }
        let result = match end {
            End::Cancel => {
                let running = outer.start();
                started.pass().await;
                running.cancel().await
            }
            _ => outer.execute().await,
        };
        log.push("execution returned");
        assert_eq!(result.is_ok(), end == End::Success);
        let expected = match started.is_open() {
            true => &["function returned", "execution returned"][..],
            // Timed out before.
            false => &["execution returned"],
        };
        assert_eq!(log.events(), expected, "{depth} {end:?}");
    }

    /// More functions than the pool has threads, all of which are taken before one of the functions
    /// goes on: they execute flows that need threads, too.
    mod all_threads_of_the_pool {
        use super::*;

        const FUNCTIONS: usize = 700;

        async fn case<R: Runtime + Default>(threads: usize) {
            let inside = Inside::new();
            let mut nested = Flow::<R>::new();
            let waits = nested.add(async || turns(2).await);
            nested.add(inside.plain(1).after(waits));
            let mut inner = Flow::<R>::new();
            let waits = [(); 2].map(|()| inner.add(async || turns(2).await));
            inner.add(parallel![Arc::new(nested)].after(waits));
            let inner = Arc::new(inner);
            let (all, count) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            let mut outer = Flow::<R>::new();
            for _ in 0..FUNCTIONS {
                let (inner, all, count) = (inner.clone(), all.clone(), count.clone());
                outer.add(move || {
                    if count.fetch_add(1, Ordering::SeqCst) + 1 == threads {
                        all.open();
                    }
                    all.pass_blocking();
                    futures::executor::block_on(inner.execute()).map(drop)
                });
            }
            outer.execute().await.unwrap();
            assert_eq!(inside.visits(), FUNCTIONS);
        }

        #[test]
        fn tokio() {
            in_child(concat!(module_path!(), "::tokio"), || {
                on_tokio(|| case::<TokioRuntime>(512));
            });
        }

        #[test]
        fn async_std() {
            in_child(concat!(module_path!(), "::async_std"), || {
                on_async_std(|| case::<AsyncStdRuntime>(500));
            });
        }

        #[test]
        fn smol() {
            in_child(concat!(module_path!(), "::smol"), || {
                on_smol(|| case::<SmolRuntime>(500));
            });
        }
    }
}

on_every_backend! {
    // Like a function: with a name, upstreams, conditions, a lock; by itself, in an `Arc`, in a group.
    async fn configured_like_a_function<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let inner = |event: &'static str| {
            let mut inner = Flow::<R>::new();
            inner.add(log.note(event));
            inner
        };
        let (yes, no) = (flow.add(|| true), flow.add(|| false));
        let first = flow.add(log.note("first"));
        let named = flow.add(Arc::new(inner("named")).named("inner").after(first));
        let skipped_one = flow.add(inner("skipped").run_if(no).named("skipped"));
        let unless = flow.add(Arc::new(inner("unless")).run_unless(yes));
        let any = flow.add(inner("any").after_any((skipped_one, named)).with_lock(Lock::new()));
        let fails = flow.add((|| Err::<(), _>("no")).allow_failure());
        let tidy = flow.add(Arc::new(inner("tidy")).after(fails).always());
        flow.add(parallel![inner("left").named("left"), Arc::new(inner("right"))].with_lock(Lock::new()));
        let when = flow.add(inner("when").run_when(any, |run: &Run| run.report().tasks().count() == 1).priority(2));

        let run = flow.execute().await.unwrap();
        let report = run.report();
        for task in [named, any, tidy, when] {
            assert_eq!(report.status(task), TaskStatus::Succeeded);
            assert_eq!(run[task].report().tasks().count(), 1);
        }
        assert_eq!(report.task(named).name(), "inner");
        assert_eq!((report.status(skipped_one), report.status(unless)), (skipped(no), skipped(yes)));
        let mut events = log.events();
        events.sort_unstable();
        assert_eq!(events, ["any", "first", "left", "named", "right", "tidy", "when"]);
        log.assert_order(&["first", "named", "any", "when"]);
        assert_eq!(flow.structure().task(when).priority(), 2);
    }

    // Each attempt executes the whole flow, and its clean-up.
    async fn retried<R>() {
        let (mut inner, log) = (Flow::<R>::new(), Log::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let first = inner.add(log.note("first"));
        let flaky = inner.add((move || match count.fetch_add(1, Ordering::SeqCst) {
            call @ ..2 => Err(format!("error {call}")),
            call => Ok(call),
        }).after(first).named("flaky"));
        inner.add(log.note("tidy").after(flaky).always());
        let mut flow = Flow::<R>::new();
        let nested = flow.add(Arc::new(inner).retry(at_once(5)).named("nested"));
        let double = flow.add((move |run: &Run| 2 * run[flaky]).inputs(nested));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[double], run.report().task(nested).attempts()), (4, 3));
        assert_eq!(log.events(), ["first", "tidy"].repeat(3));
        // The last error is that of the flow.
        calls.store(0, Ordering::SeqCst);
        let mut flow = Flow::<R>::new();
        let mut inner = Flow::<R>::new();
        inner.add((|| Err::<(), _>("no")).named("fails"));
        let nested = flow.add(inner.retry(at_once(2)).retry_when(|failure| failure.error().is::<FlowError>()).named("nested"));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.to_string(), "task `nested` failed: task `fails` failed: no");
        assert_eq!(error.report().unwrap().task(nested).attempts(), 3);
    }

    // The limit stops the flow as a cancel does: its clean-up runs, and is waited for.
    async fn timed_out<R>() {
        for (plain, limit) in [(false, 5), (true, 5), (false, 0)] {
            let (mut inner, guards) = (Flow::<R>::new(), Guards::new());
            let (started, dropped) = (Gate::new(), Gate::new());
            let (tidied, go_on) = (Gate::new(), Gate::new());
            let hangs = inner.add(waits_then_opens(&guards, &started, &dropped));
            if plain {
                let go_on = go_on.clone();
                inner.add(move || go_on.pass_blocking());
            }
            let below = inner.add((|| ()).after(hangs));
            inner.add(opens(&tidied).after(below).always());
            let mut flow = Flow::<R>::new();
            let limit = Duration::from_millis(limit);
            let nested = flow.add(Arc::new(inner).timeout(limit).named("nested"));
            let after = flow.add((|| ()).after(nested));
            let execute = flow.execute().keep_going();
            let (result, ()) = futures::join!(execute, async {
                // It is waited for after the stop.
                if plain {
                    dropped.pass().await;
                    turns(20).await;
                    go_on.open();
                }
            });
            let error = result.unwrap_err();
            assert!(tidied.is_open() && guards.live() == 0);
            let report = error.report().unwrap();
            assert_eq!((report.status(nested), report.status(after)), (TaskStatus::TimedOut, skipped(nested)));
            assert_eq!(error.to_string(), format!("task `nested` timed out after {limit:?} (1 skipped)"));
            let cause = error.failures().next().unwrap().error();
            assert_eq!(cause.downcast_ref::<TimedOut>().unwrap().limit(), limit);
        }
        // In time, with attempts: each has the limit for itself.
        let (mut inner, calls) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let count = calls.clone();
        inner.add(again!((count) {
            if count.fetch_add(1, Ordering::SeqCst) < 2 { pending::<()>().await }
        }));
        let mut flow = Flow::<R>::new();
        let limit = Duration::from_millis(20);
        let nested = flow.add(inner.timeout(limit).retry(at_once(10)));
        let run = flow.execute().await.unwrap();
        assert_eq!(run.report().task(nested).attempts(), 3);
    }

    // A stop of the outer run ends the inner one as a cancel, whatever its limit.
    async fn limited_and_stopped<R>() {
        for dropped in [false, true] {
            let (mut inner, guards) = (Flow::<R>::new(), Guards::new());
            let (started, tidied) = (Gate::new(), Gate::new());
            let hangs = inner.add(waits(&guards, &started));
            inner.add(opens(&tidied).after(hangs).always());
            let mut flow = Flow::<R>::new();
            let nested = flow.add(Arc::new(inner).timeout(LONG).retry(at_once(3)).fallback(|_| panic!("not called")));
            let running = flow.start();
            started.pass().await;
            if dropped {
                drop(running);
                eventually::<R>("it is dropped", || guards.live() == 0).await;
                assert!(!tidied.is_open());
                continue;
            }
            let error = running.cancel().await.unwrap_err();
            assert!(error.is_cancelled() && tidied.is_open());
            assert_eq!(error.report().unwrap().status(nested), TaskStatus::Cancelled);
        }
    }

    async fn that_may_fail<R>() {
        let fails = || {
            let mut inner = Flow::<R>::new();
            inner.add(|| Err::<(), _>("no"));
            inner
        };
        let mut spare = Flow::<R>::new();
        let answer = spare.add(|| 42);
        let spare = Mutex::new(Some(spare.execute().await.unwrap()));
        let mut flow = Flow::<R>::new();
        let allowed = flow.add(fails().allow_failure());
        let optional = flow.add((|run: Option<&Run>| run.is_none()).inputs(allowed.optional()));
        let recovered = flow.add(fails().fallback(move |failure| {
            assert!(failure.error().is::<FlowError>());
            spare.lock().unwrap().take().unwrap()
        }));
        let run = flow.execute().await.unwrap();
        assert_eq!(run.report().status(allowed), TaskStatus::Failed);
        assert!(run[optional]);
        assert_eq!(run.report().status(recovered), TaskStatus::Recovered);
        assert_eq!(run[recovered][answer], 42);
    }

    async fn retried_with_once_inside<R>() {
        let mut inner = Flow::<R>::new();
        inner.add(once(|| ()).named("only once"));
        let mut middle = Flow::<R>::new();
        middle.add(inner);
        let mut flow = Flow::<R>::new();
        flow.add(Arc::new(middle).retry(at_once(1)).named("outer"));
        let error = flow.execute().await.unwrap_err();
        assert!(error.report().is_none());
        for part in ["`outer` is a flow with a retry policy", "`only once`", "give it an `Fn`"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
