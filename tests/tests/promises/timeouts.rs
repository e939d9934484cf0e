//! A limit drops an async function and leaves a plain one to its end. It counts from the start of an
//! attempt.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Observer, Permits, TaskRef, TimedOut};
use asyncflow_tests::{
    BY_HAND, Gate, Guards, LONG, Log, Sleeps, again, attempts_after, by_hand, eventually, hold,
    on_every_backend, opens, skipped, turns, waits_then_opens, yield_now,
};

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
        let slow = waits_then_opens(&guards, &started, &dropped);
        let slow = flow.add(slow.timeout(limit).named("slow"));
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

    // Limits at the ends of the scale, too: what is ready at once is in time, whatever the limit.
    async fn in_time<R>() {
        let mut flow = Flow::<R>::new();
        let a = flow.add((async || { yield_now().await; 1 }).timeout(LONG));
        let b = flow.add((|| 2).timeout(LONG));
        let c = flow.add((async || 3).timeout(Duration::ZERO));
        let d = flow.add((async || { yield_now().await; 4 }).timeout(Duration::MAX));
        let e = flow.add((|| 5).timeout(Duration::MAX));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[a], run[b], run[c], run[d], run[e]), (1, 2, 3, 4, 5));
        let late = flow.add(pending::<()>.timeout(Duration::ZERO));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(error.failures().count(), 1);
        assert_eq!(error.report().unwrap().status(late), TaskStatus::TimedOut);
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
        flow.add(opens(&told).after(slow).always());
        let error = flow.execute().await.unwrap_err();
        assert_eq!(guards.live(), 0);
        // What it returned in the end is lost.
        assert_eq!(error.outputs().unwrap().get(slow), None);
    }

    async fn waiting_for_permits_and_a_slot_does_not_count<R>() {
        for slot in [false, true] {
            let ((mut flow, limits), waiting) = (by_hand::<R>(), Waiting::default());
            let (both, started, go) = (Semaphore::new(2), Gate::new(), Gate::new());
            // Another run has the permits until the end, or until a third task has the slot.
            let held = hold::<R>(both.permits(2), if slot { &started } else { &go }).await;
            if slot {
                let go = go.clone();
                flow.add(again!((started, go) { started.open(); go.pass().await }));
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
        flow.add(again!((go) { turns(20).await; go.open() }).named("opener"));
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
