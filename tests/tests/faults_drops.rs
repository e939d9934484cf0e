//! Faults, row 5: executions that are never polled, or dropped at any point.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;
use asyncflow::{Observer, Runtime, TaskRef};
use asyncflow_tests::{
    Gate, Guards, Log, eventually, on_every_backend, pause, poll_times, yield_now,
};

/// A flow that does a bit of everything, whose tasks each hold a guard while they run.
struct Everything<R: Runtime> {
    flow: Flow<R>,
    guards: Guards,
    locks: (Lock, Semaphore),
    started: Arc<AtomicUsize>,
}

/// How many tasks it has.
const TASKS: usize = 5 * 9 + 1;

fn everything<R: Runtime + Default>() -> Everything<R> {
    let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
    let locks = (Lock::new(), Semaphore::new(2));
    let started = Arc::new(AtomicUsize::new(0));
    let yields = |times: usize| {
        let (guards, started) = (guards.clone(), Arc::clone(&started));
        move || {
            started.fetch_add(1, Ordering::SeqCst);
            let guard = guards.guard();
            async move {
                let _guard = guard;
                for _ in 0..times {
                    yield_now().await;
                }
            }
        }
    };
    let plain = || {
        let (guards, started) = (guards.clone(), Arc::clone(&started));
        move || {
            started.fetch_add(1, Ordering::SeqCst);
            let _guard = guards.guard();
            std::thread::yield_now();
        }
    };
    let retry = ConstantBuilder::default()
        .with_delay(Duration::from_micros(50))
        .with_max_times(3);
    let limit = Duration::from_secs(60);
    let mut last = vec![];
    for _ in 0..5 {
        let a = flow.add(yields(0).after(&last));
        let b = flow.add(yields(2).after(a));
        let c = flow.add(plain().after(a));
        let d = flow.add(yields(1).after(b).with_lock(&locks.0));
        let e = flow.add(plain().after(b).with_lock(&locks.0));
        let f = flow.add(yields(3).after(c).with_lock(&locks.1).timeout(limit));
        let g = flow.add(
            plain()
                .after(c)
                .with_lock(locks.1.permits(2))
                .timeout(limit),
        );
        let calls = AtomicUsize::new(0);
        let flaky = (move || match calls.fetch_add(1, Ordering::SeqCst) % 3 {
            2 => Ok(()),
            _ => Err("not yet"),
        })
        .after([d, f])
        .with_lock(&locks.0)
        .retry(retry);
        let h = flow.add(flaky);
        let i = flow.add(plain().after([e, g]).always());
        last = vec![h, i];
    }
    flow.add(yields(1).after(last));
    Everything {
        flow,
        guards,
        locks,
        started,
    }
}

impl<R: Runtime + Default> Everything<R> {
    /// That nothing of a dropped run is left, and that all the permits are back.
    async fn assert_clean(&self) {
        eventually::<R>("all tasks to stop", || self.guards.live() == 0).await;
        let mut flow = Flow::<R>::new();
        flow.add(
            (async || ())
                .with_lock(&self.locks.0)
                .with_lock(self.locks.1.permits(2)),
        );
        flow.execute().await.unwrap();
    }
}

/// Counts the tasks that start and end.
#[derive(Default)]
struct Counts {
    started: AtomicUsize,
    ended: AtomicUsize,
    runs_ended: AtomicUsize,
}

struct Watch(Arc<Counts>);

impl Observer for Watch {
    fn task_started(&self, _: TaskRef<'_>, _: u32) {
        self.0.started.fetch_add(1, Ordering::SeqCst);
    }

    fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn run_ended(&self) {
        self.0.runs_ended.fetch_add(1, Ordering::SeqCst);
    }
}

on_every_backend! {
    async fn never_polled<R>() {
        let (everything, counts) = (everything::<R>(), Arc::new(Counts::default()));
        let (guards, flow) = (everything.guards.clone(), &everything.flow);
        drop(flow.execute());
        drop(flow.execute().keep_going().max_concurrency(1).timed().observe(Watch(Arc::clone(&counts))));
        let _never = flow.execute().observe(Watch(Arc::clone(&counts)));
        pause::<R>(Duration::from_millis(10)).await;
        assert_eq!(everything.started.load(Ordering::SeqCst), 0);
        assert_eq!(counts.started.load(Ordering::SeqCst), 0);
        assert_eq!(counts.runs_ended.load(Ordering::SeqCst), 0);
        assert_eq!(guards.live(), 0);

        // What runs once is not spent by an execution that is never polled, or refused.
        let mut flow = Flow::<R>::new();
        let number = flow.input::<u8>("number");
        flow.add(once(|n: &u8| n + 1).inputs(number));
        drop(flow.execute());
        flow.execute().await.unwrap_err();
        flow.execute().given(number, 1).await.unwrap();
    }

    async fn runs_to_its_end_when_it_is_not_dropped<R>() {
        let everything = everything::<R>();
        assert_eq!(everything.flow.len(), TASKS);
        let run = everything.flow.execute().await.unwrap();
        assert_eq!(everything.guards.live(), 0);
        assert_eq!(run.report().count(TaskStatus::is_success), TASKS);
    }

    async fn polled_once_and_dropped<R>() {
        let everything = everything::<R>();
        for _ in 0..50 {
            let mut execute = Box::pin(everything.flow.execute());
            let result = poll_times(execute.as_mut(), 1).await;
            assert!(result.is_none());
            drop(execute);
            everything.assert_clean().await;
        }
    }

    async fn dropped_at_every_poll<R>() {
        let everything = everything::<R>();
        for limit in [None, Some(1), Some(3)] {
            let mut done = false;
            for polls in 1.. {
                let counts = Arc::new(Counts::default());
                let execute = everything.flow.execute().observe(Watch(Arc::clone(&counts)));
                let execute = match limit {
                    Some(limit) => execute.max_concurrency(limit),
                    None => execute,
                };
                let mut execute = Box::pin(execute);
                done = poll_times(execute.as_mut(), polls).await.is_some_and(|result| {
                    result.unwrap();
                    true
                });
                drop(execute);
                eventually::<R>("the run to end", || counts.runs_ended.load(Ordering::SeqCst) == 1).await;
                // Over is over: what was to start has, and nothing starts any more.
                assert_eq!(everything.guards.live(), 0);
                let started = everything.started.load(Ordering::SeqCst);
                everything.assert_clean().await;
                assert_eq!(everything.started.load(Ordering::SeqCst), started);
                if done || polls > 400 {
                    break;
                }
            }
            // How often an execution is polled depends on who else works; that it is done in the
            // end does not.
            assert!(done || everything.flow.execute().await.is_ok());
        }
    }

    async fn inside_of_a_select<R>() {
        let everything = everything::<R>();
        for turns in 0..40 {
            let execute = std::pin::pin!(everything.flow.execute());
            let other = std::pin::pin!(async {
                for _ in 0..turns {
                    yield_now().await;
                }
            });
            let first = futures::future::select(execute, other).await;
            if let futures::future::Either::Left((result, _)) = first {
                result.unwrap();
            }
            // Only now are both dropped.
        }
        everything.assert_clean().await;
    }

    async fn inside_of_a_timeout<R>() {
        let (mut flow, guards, lock) = (Flow::<R>::new(), Guards::new(), Lock::new());
        let started = Gate::new();
        for _ in 0..3 {
            let (guards, started) = (guards.clone(), started.clone());
            flow.add((move || {
                let (guard, started) = (guards.guard(), started.clone());
                async move {
                    let _guard = guard;
                    started.open();
                    std::future::pending::<()>().await;
                }
            }).with_lock(&lock));
        }
        {
            let execute = std::pin::pin!(flow.execute());
            let timeout = std::pin::pin!(pause::<R>(Duration::from_millis(5)));
            let first = futures::future::select(execute, timeout).await;
            assert!(matches!(first, futures::future::Either::Right(_)));
        }
        assert!(started.is_open());
        eventually::<R>("all tasks to stop", || guards.live() == 0).await;
        let mut other = Flow::<R>::new();
        other.add((|| ()).with_lock(&lock));
        other.execute().await.unwrap();
    }

    // A blocking function cannot be interrupted: it runs to its end, and keeps its permit so long.
    async fn blocking_function_keeps_its_permit<R>() {
        let (log, lock, guards) = (Log::new(), Lock::new(), Guards::new());
        let (started, go) = (Gate::new(), Gate::new());
        let mut flow = Flow::<R>::new();
        let function = {
            let (log, guards, started, go) = (log.clone(), guards.clone(), started.clone(), go.clone());
            move || {
                let _guard = guards.guard();
                started.open();
                go.pass_blocking();
                log.push("blocking ended");
            }
        };
        let plain = flow.add(function.with_lock(&lock));
        flow.add(log.note("queued").after(plain));
        let mut execute = Box::pin(flow.execute());
        let mut first = Box::pin(started.pass());
        std::future::poll_fn(|cx| {
            assert!(execute.as_mut().poll(cx).is_pending());
            first.as_mut().poll(cx)
        }).await;
        drop(execute);
        assert_eq!(guards.live(), 1);

        let mut other = Flow::<R>::new();
        other.add(log.note("other").with_lock(&lock));
        let mut other = Box::pin(other.start());
        assert!(poll_times(other.as_mut(), 1).await.is_none());
        pause::<R>(Duration::from_millis(10)).await;
        assert_eq!(log.events().len(), 0);
        go.open();
        other.await.unwrap();
        assert_eq!(log.events(), ["blocking ended", "other"]);
        assert_eq!(guards.live(), 0);
    }

    // Everything that an output owns goes with the run, also when nobody looked at it.
    async fn outputs_of_a_dropped_run_are_dropped<R>() {
        let (mut flow, outputs, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
        let made: Vec<_> = (0..20).map(|index| {
            let outputs = outputs.clone();
            match index % 2 {
                0 => flow.add(move || std::future::ready(Ok::<_, String>(outputs.guard()))),
                _ => flow.add(move || Ok::<_, String>(outputs.guard())),
            }
        }).collect();
        let last = flow.add((move |all: Vec<&asyncflow_tests::Guard>| {
            let (count, started) = (all.len(), started.clone());
            async move {
                assert_eq!(count, 20);
                started.open();
                yield_now().await;
                yield_now().await;
            }
        }).inputs(made));
        for polls in 1..60 {
            let mut execute = Box::pin(flow.execute());
            let done = poll_times(execute.as_mut(), polls).await;
            drop(execute);
            drop(done);
            eventually::<R>("all outputs to be dropped", || outputs.live() == 0).await;
        }
        let run = flow.execute().await.unwrap();
        assert_eq!(outputs.live(), 20);
        drop(run);
        assert_eq!(outputs.live(), 0);
        // And early, where only some are asked for.
        let run = flow.execute().only(last).await.unwrap();
        assert_eq!(outputs.live(), 0);
        drop(run);
    }
}
