//! A runtime that is missing, goes away or is another's: the execution ends, with an error that says
//! what to do.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{AsyncStdRuntime, Runtime, SmolRuntime, TokioFlow, TokioRuntime};
use asyncflow_tests::{
    Gate, Guards, LONG, Log, at_once, on_async_std, on_smol, on_tokio, on_tokio_current,
    poll_times, waits, watched, yield_now,
};

/// Tasks of every kind: ready at once and later, plain, with locks, limits and attempts.
pub(crate) fn one_of_each<R: Runtime>(flow: &mut Flow<R>, log: &Log) {
    let lock = Lock::new();
    let retry = at_once(2);
    let a = flow.add(log.note("ready"));
    let b = flow.add((async || yield_now().await).after(a));
    let c = flow.add(log.note_blocking("plain").after(a));
    let d = flow.add((|| ()).after([b, c]).retry(retry).timeout(LONG));
    let e = flow.add((|| ()).with_lock(&lock).after(d));
    let f = flow.add(
        (async || yield_now().await)
            .with_lock(&lock)
            .after(d)
            .retry(retry),
    );
    flow.add(log.note("last").after([e, f]).always());
}

/// How many tasks that makes.
const KINDS: usize = 7;

fn tokio_runtime(multi_thread: bool) -> tokio::runtime::Runtime {
    let mut builder = match multi_thread {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    builder
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap()
}

mod tokio_outside {
    use super::*;

    #[test]
    fn is_an_error_that_says_what_to_do() {
        watched(|| {
            let mut flow = TokioFlow::new();
            let log = Log::new();
            flow.add(log.note("never"));
            let flow = Arc::new(flow);
            let spawned = Arc::clone(&flow);
            for error in [
                smol::block_on(flow.execute()).unwrap_err(),
                smol::block_on(flow.start()).unwrap_err(),
                async_std::task::block_on(flow.execute()).unwrap_err(),
                smol::block_on(async { smol::spawn(async move { spawned.execute().await }).await })
                    .unwrap_err(),
            ] {
                assert!(
                    error.to_string().contains("outside of a Tokio runtime"),
                    "{error}"
                );
                assert!(error.to_string().contains("#[tokio::main]"), "{error}");
                assert!(error.to_string().contains("TokioFlow::on"), "{error}");
                assert!(error.report().is_none());
            }
            assert_eq!(log.events().len(), 0);
            // The same flow works as soon as there is a runtime.
            tokio_runtime(true).block_on(flow.execute()).unwrap();
            assert_eq!(log.events().len(), 1);
        });
    }

    // Given a handle, it works from wherever it is executed.
    #[test]
    fn works_with_a_handle() {
        watched(|| {
            let runtime = tokio_runtime(true);
            let (mut flow, log) = (
                TokioFlow::on(TokioRuntime::from(runtime.handle().clone())),
                Log::new(),
            );
            one_of_each(&mut flow, &log);
            let id = async || tokio::runtime::Handle::try_current().map(|handle| handle.id());
            let id = flow.add(id);
            let run = smol::block_on(flow.execute()).unwrap();
            assert_eq!(run[id], runtime.handle().id());
            smol::block_on(flow.start()).unwrap();
            async_std::task::block_on(flow.execute().max_concurrency(1)).unwrap();
            // Inside of another runtime of the same kind.
            tokio_runtime(false).block_on(flow.execute()).unwrap();
            assert_eq!(log.events().len(), 4 * 3);
        });
    }

    // Timers of the runtime are found wherever the execution is polled.
    #[test]
    fn finds_its_timers() {
        watched(|| {
            let runtime = tokio_runtime(true);
            let mut flow = TokioFlow::on(runtime.handle().clone().into());
            let sleeps = flow.add(async || tokio::time::sleep(Duration::from_millis(2)).await);
            let again = flow
                .add((async || tokio::time::sleep(Duration::from_millis(2)).await).after(sleeps));
            flow.add(pending::<()>.after(again).timeout(Duration::from_millis(2)));
            let error = smol::block_on(flow.execute()).unwrap_err();
            assert!(error.to_string().contains("timed out"), "{error}");
            // Dropped outside of it, too.
            drop(flow.execute());
            smol::block_on(poll_times(Box::pin(flow.execute()).as_mut(), 1));
        });
    }

    // A flow made in a runtime that is gone looks for the current one.
    #[test]
    fn moves_to_the_next_runtime() {
        watched(|| {
            let log = Log::new();
            let mut flow = tokio_runtime(true).block_on(async { TokioFlow::new() });
            one_of_each(&mut flow, &log);
            for multi_thread in [true, false, true] {
                tokio_runtime(multi_thread)
                    .block_on(async { flow.execute().await })
                    .unwrap();
            }
            assert_eq!(log.events().len(), 3 * 3);
        });
    }
}

mod tokio_shutdown {
    use super::*;

    // Some tasks can still run; for the others there is an error, and nothing hangs.
    #[test]
    fn before_the_execution() {
        watched(|| {
            for multi_thread in [true, false] {
                for kind in 0..=KINDS {
                    let runtime = tokio_runtime(multi_thread);
                    let mut flow = TokioFlow::on(runtime.handle().clone().into());
                    let retry = at_once(2);
                    match kind {
                        0 => drop(flow.add(|| ())),
                        1 => drop(flow.add((|| ()).retry(retry))),
                        2 => drop(flow.add((|| ()).timeout(LONG))),
                        3 => drop(flow.add((|| ()).with_lock(Lock::new()))),
                        4 => {
                            flow.add(async || yield_now().await);
                            flow.add(async || yield_now().await);
                        }
                        5 => drop(flow.add(pending::<()>.timeout(LONG))),
                        6 => {
                            // They need several threads.
                            let each = || flow.add((|| ()).retry(retry));
                            std::iter::repeat_with(each).take(10).for_each(drop);
                        }
                        _ => one_of_each(&mut flow, &Log::new()),
                    }
                    runtime.shutdown_background();
                    match smol::block_on(flow.execute()) {
                        // They need nothing of the runtime.
                        Ok(_) => assert_eq!(kind, 4),
                        Err(error) => {
                            assert!(error.report().is_some(), "{error}");
                            assert!(error.to_string().contains("shut"), "{kind}: {error}");
                        }
                    }
                    let error = smol::block_on(flow.start()).unwrap_err();
                    assert!(error.to_string().contains("shut"), "{kind}: {error}");
                    match smol::block_on(flow.execute().max_concurrency(1)) {
                        Ok(_) => assert_eq!(kind, 4),
                        Err(error) => {
                            assert!(error.to_string().contains("shut"), "{kind}: {error}")
                        }
                    }
                }
            }
        });
    }

    // What needs no spawning needs no runtime.
    #[test]
    fn of_tasks_that_are_ready_at_once() {
        watched(|| {
            let runtime = tokio_runtime(true);
            let mut flow = TokioFlow::on(runtime.handle().clone().into());
            let one = flow.add(async || 1);
            let two = flow.add((async |one: &i32| one + 1).inputs(one));
            runtime.shutdown_background();
            assert_eq!(smol::block_on(flow.execute()).unwrap()[two], 2);
        });
    }

    // Executed from outside, so that the execution sees the end of its runtime.
    #[test]
    fn in_the_middle() {
        watched(|| {
            for multi_thread in [true, false] {
                for by_hand in [true, false] {
                    let (runtime, stop) = (tokio_runtime(multi_thread), Gate::new());
                    let handle = runtime.handle().clone();
                    let driven = std::thread::spawn({
                        let stop = stop.clone();
                        move || {
                            runtime.block_on(stop.pass());
                            runtime.shutdown_background();
                        }
                    });
                    let (guards, started, blocked) = (Guards::new(), Gate::new(), Gate::new());
                    let mut flow = TokioFlow::on(handle.into());
                    let plain = flow.add({
                        let (guards, started, blocked) =
                            (guards.clone(), started.clone(), blocked.clone());
                        move || {
                            let _guard = guards.guard();
                            started.open();
                            blocked.pass_blocking();
                        }
                    });
                    // In the queue for the one thread, with a task that waits for them.
                    let retry = at_once(2);
                    let queued = flow.add((|| ()).after(plain));
                    flow.add((|| ()).retry(retry).after(queued));
                    for _ in 0..3 {
                        let guards = guards.clone();
                        flow.add(move || {
                            let guard = guards.guard();
                            async move {
                                let _guard = guard;
                                tokio::time::sleep(LONG).await;
                            }
                        });
                    }
                    let runs = std::thread::spawn({
                        move || match by_hand {
                            true => smol::block_on(flow.execute()),
                            false => smol::block_on(flow.start()),
                        }
                    });
                    started.pass_blocking();
                    stop.open();
                    driven.join().unwrap();
                    blocked.open();
                    // A task that the execution itself polls is not the runtime's to drop, but
                    // there are no timers any more, and Tokio panics.
                    let error = runs.join().unwrap().unwrap_err();
                    assert!(error.to_string().contains("shut"), "{error}");
                    assert_eq!(guards.live(), 0);
                    assert_eq!(error.report().unwrap().status(plain), TaskStatus::Succeeded);
                }
            }
        });
    }

    // The one blocking thread is taken, so a function waits in the runtime's queue. When Tokio shuts
    // down, it may still call the function, or drop it; either way, the execution ends.
    #[test]
    fn while_functions_wait_for_a_thread() {
        watched(|| {
            let retry = at_once(2);
            for how in 0..3 {
                let runtime = tokio_runtime(true);
                let (taken, blocked, polled) = (Gate::new(), Gate::new(), Gate::new());
                runtime.spawn_blocking({
                    let (taken, blocked) = (taken.clone(), blocked.clone());
                    move || {
                        taken.open();
                        blocked.pass_blocking();
                    }
                });
                taken.pass_blocking();
                let mut flow = TokioFlow::on(runtime.handle().clone().into());
                match how {
                    0 => flow.add((|| ()).retry(retry)),
                    1 => flow.add((|| ()).timeout(LONG)),
                    _ => flow.add((|| ()).with_lock(Lock::new())),
                };
                let opener = polled.clone();
                flow.add(move || std::future::ready(opener.open()));
                let runs = std::thread::spawn(move || smol::block_on(flow.execute()));
                polled.pass_blocking();
                std::thread::sleep(Duration::from_millis(20));
                runtime.shutdown_background();
                blocked.open();
                if let Err(error) = runs.join().unwrap() {
                    assert!(error.to_string().contains("shut"), "{error}");
                }
            }
        });
    }

    // The thread that executes is the runtime's own: shutting down drops the execution.
    #[test]
    fn drops_the_execution_on_its_thread() {
        watched(|| {
            for multi_thread in [true, false] {
                let runtime = tokio_runtime(multi_thread);
                let (guards, started) = (Guards::new(), Gate::new());
                let (live, opener) = (guards.clone(), started.clone());
                runtime.spawn(async move {
                    let mut flow = TokioFlow::new();
                    for _ in 0..5 {
                        flow.add(waits(&live, &Gate::new()));
                    }
                    flow.add(move || opener.open());
                    flow.execute().await
                });
                runtime.block_on(started.pass());
                drop(runtime);
                assert_eq!(guards.live(), 0);
            }
        });
    }
}

mod smol_executors {
    use super::*;
    use smol::Executor;

    // The executor is run by the thread that executes.
    #[test]
    fn that_is_given() {
        watched(|| {
            let executor = Arc::new(Executor::new());
            let (mut flow, log) = (Flow::on(SmolRuntime::on(Arc::clone(&executor))), Log::new());
            one_of_each(&mut flow, &log);
            smol::block_on(executor.run(flow.execute())).unwrap();
            smol::block_on(executor.run(flow.start())).unwrap();
            assert_eq!(log.events().len(), 2 * 3);
        });
    }

    // An executor that is dropped with tasks on it drops those.
    #[test]
    fn that_is_dropped() {
        watched(|| {
            let executor = Arc::new(Executor::new());
            let guards = Guards::new();
            let mut flow = Flow::on(SmolRuntime::on(Arc::clone(&executor)));
            for _ in 0..3 {
                flow.add(waits(&guards, &Gate::new()));
            }
            let running = flow.start();
            while guards.live() < 3 {
                assert!(executor.try_tick());
            }
            // The flow holds the executor, too.
            drop(flow);
            let holders = Arc::strong_count(&executor);
            drop(running);
            while executor.try_tick() {}
            assert_eq!(guards.live(), 0, "{holders}");
        });
    }
}

mod other_runtimes {
    use super::*;

    fn flow<R: Runtime + Default>(log: &Log) -> Flow<R> {
        let mut flow = Flow::new();
        one_of_each(&mut flow, log);
        flow
    }

    async fn assert_runs<R: Runtime + Default>() {
        let log = Log::new();
        let flow = flow::<R>(&log);
        flow.execute().await.unwrap();
        flow.start().await.unwrap();
        assert_eq!(log.events().len(), 2 * 3);
    }

    // smol and async-std bring their own threads, so they work on those of any runtime.
    #[test]
    fn smol_and_async_std_on_tokio() {
        on_tokio(|| async {
            assert_runs::<SmolRuntime>().await;
            assert_runs::<AsyncStdRuntime>().await;
        });
        on_tokio_current(|| async {
            assert_runs::<SmolRuntime>().await;
            assert_runs::<AsyncStdRuntime>().await;
        });
    }

    #[test]
    fn smol_on_async_std() {
        on_async_std(assert_runs::<SmolRuntime>);
    }

    #[test]
    fn async_std_on_smol() {
        on_smol(assert_runs::<AsyncStdRuntime>);
    }
}
