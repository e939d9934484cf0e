//! No task outlives an execution: a cancel waits for everything, and dropping the execution cancels.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Observer, Runtime, TaskId, TaskRef};
use asyncflow_tests::{
    Gate, Guard, Guards, LONG, Log, Meeting, again, attempts_after, eventually, hold,
    on_every_backend, outlives_a_stop, pause, poll_times, poll_until, run_ended, turns, waits,
    waits_then_opens, yield_now,
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
    let retry = attempts_after(Duration::from_micros(50), 3);
    let mut last = vec![];
    for _ in 0..5 {
        let a = flow.add(yields(0).after(&last));
        let b = flow.add(yields(2).after(a));
        let c = flow.add(plain().after(a));
        let d = flow.add(yields(1).after(b).with_lock(&locks.0));
        let e = flow.add(plain().after(b).with_lock(&locks.0));
        let f = flow.add(yields(3).after(c).with_lock(&locks.1).timeout(LONG));
        let g = flow.add(plain().after(c).with_lock(locks.1.permits(2)).timeout(LONG));
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
                // Nothing starts after the end of the run.
                assert_eq!(everything.guards.live(), 0);
                let started = everything.started.load(Ordering::SeqCst);
                everything.assert_clean().await;
                assert_eq!(everything.started.load(Ordering::SeqCst), started);
                if done || polls > 400 {
                    break;
                }
            }
            // How often an execution is polled depends on the other drivers; that it ends does not.
            assert!(done || everything.flow.execute().await.is_ok());
        }
    }

    async fn inside_of_a_select<R>() {
        let everything = everything::<R>();
        for count in 0..40 {
            let execute = std::pin::pin!(everything.flow.execute());
            let other = std::pin::pin!(turns(count));
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
            flow.add(waits(&guards, &started).with_lock(&lock));
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

    // A blocking function cannot be interrupted: it runs to its end, and keeps its permit until then.
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
        poll_until(execute.as_mut(), started.pass()).await;
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

    // An output is dropped with the run, also when nothing has looked at it.
    async fn outputs_of_a_dropped_run_are_dropped<R>() {
        let (mut flow, outputs, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
        let made: Vec<_> = (0..20).map(|index| {
            let outputs = outputs.clone();
            match index % 2 {
                0 => flow.add(move || std::future::ready(Ok::<_, String>(outputs.guard()))),
                _ => flow.add(move || Ok::<_, String>(outputs.guard())),
            }
        }).collect();
        let last = flow.add((move |all: Vec<&Guard>| {
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

    // Nothing starts afterwards, not even clean-up.
    async fn dropping_a_started_execution_cancels<R>() {
        let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
        let (started, dropped) = (Gate::new(), Gate::new());
        let work = flow.add(waits_then_opens(&guards, &started, &dropped));
        flow.add(log.note("after").after(work));
        flow.add(log.note("clean-up").after(work).always());
        let (running, (ended, watch)) = (flow.execute(), run_ended());
        let running = running.observe(watch).start();
        started.pass().await;
        drop(running);
        dropped.pass().await;
        ended.pass().await;
        assert_eq!((log.events().len(), guards.live()), (0, 0));
    }

    // Dropping the future of a cancel drops the run.
    async fn future_of_a_cancel_is_dropped<R>() {
        for polls in 0..3 {
            let (mut flow, guards, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
            let ((ended, watch), lock) = (run_ended(), Lock::new());
            let (running_late, go) = (Gate::new(), Gate::new());
            flow.add(waits(&guards, &started).with_lock(Lock::new()));
            flow.add({
                let (guards, running_late, go) = (guards.clone(), running_late.clone(), go.clone());
                (move || {
                    let _guard = guards.guard();
                    running_late.open();
                    go.pass_blocking();
                }).with_lock(&lock)
            });
            let running = flow.execute().observe(watch).start();
            started.pass().await;
            running_late.pass().await;
            {
                let mut cancel = pin!(running.cancel());
                for _ in 0..polls {
                    assert!(poll_times(cancel.as_mut(), 1).await.is_none());
                }
            }
            eventually::<R>("the async task to be dropped", || guards.live() == 1).await;
            // The plain one has its permit until it returns.
            let mut next = Flow::<R>::new();
            next.add((async || ()).with_lock(&lock));
            let mut next = pin!(next.execute());
            assert!(poll_times(next.as_mut(), 1).await.is_none());
            go.open();
            ended.pass().await;
            next.await.unwrap();
            assert_eq!(guards.live(), 0);
        }
    }

    // Runs of one flow, each cancelled or dropped by a thread of its own.
    async fn by_many_threads<R>() {
        let (mut flow, guards, lock) = (Flow::<R>::new(), Guards::new(), Lock::new());
        let started = Gate::new();
        for _ in 0..3 {
            flow.add(waits(&guards, &started));
            flow.add(waits(&guards, &started).with_lock(&lock).retry(attempts_after(Duration::MAX, 3)));
        }
        let (over, left) = (Gate::new(), Arc::new(AtomicUsize::new(6)));
        let threads: Vec<_> = (0..6).map(|number| {
            let running = flow.start();
            let (over, left) = (over.clone(), left.clone());
            std::thread::spawn(move || {
                let right = match number % 3 {
                    0 => {
                        drop(running);
                        true
                    }
                    _ => futures::executor::block_on(running.cancel())
                        .is_err_and(|error| error.is_cancelled()),
                };
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    over.open();
                }
                right
            })
        }).collect();
        over.pass().await;
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        eventually::<R>("the dropped ones to end", || guards.live() == 0).await;
        let mut free = Flow::<R>::new();
        free.add((async || ()).with_lock(&lock));
        free.execute().await.unwrap();
    }

    // An async task is dropped, a plain one runs to its end, and clean-up has been done when
    // the cancel returns.
    async fn cancel_waits_until_everything_has_stopped<R>() {
        let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
        let (started, dropped) = (Gate::new(), Gate::new());
        let work = flow.add(waits_then_opens(&guards, &started, &dropped));
        let plain_started = Gate::new();
        let plain = flow.add(outlives_a_stop(&log, &guards, &plain_started, &dropped));
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

    async fn attempts_that_were_cancelled_count<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let (once, twice, calls) = (Gate::new(), Gate::new(), Arc::new(AtomicUsize::new(0)));
        let waiting = flow.add(waits(&guards, &once));
        let opens = twice.clone();
        let second = again!((opens, calls) {
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("not yet");
            }
            opens.open();
            pending::<Result<(), &str>>().await
        });
        let second = flow.add(second.retry(attempts_after(Duration::ZERO, 2)));
        let queued = flow.add((async || ()).after(waiting));
        let running = flow.start();
        once.pass().await;
        twice.pass().await;
        let error = running.cancel().await.unwrap_err();
        let report = error.report().unwrap();
        let attempts = |task: TaskId| report.task(task).attempts();
        let attempts = [waiting.id(), second.id(), queued.id()].map(attempts);
        assert_eq!(attempts, [1, 2, 0]);
    }

    // When the cancel returns, every future has been dropped, and nothing new has started.
    async fn cancel_leaves_nothing_alive<R>() {
        let (mut flow, guards, log) = (Flow::<R>::new(), Guards::new(), Log::new());
        let meeting = Meeting::of(11);
        let mut last = Vec::new();
        for _ in 0..10 {
            let (guards, meeting) = (guards.clone(), meeting.clone());
            let waits = flow.add(again!((guards, meeting) {
                let _guard = guards.guard();
                meeting.meet().await;
                pending::<()>().await;
            }));
            last.push(flow.add(log.note("never").after(waits)));
        }
        let running = flow.start();
        meeting.meet().await;
        assert_eq!(guards.live(), 10);
        let error = running.cancel().await.unwrap_err();
        assert_eq!(guards.live(), 0);
        assert!(error.is_cancelled() && error.failures().count() == 0, "{error}");
        assert_eq!(error.to_string(), "the run was cancelled (20 cancelled)");
        let report = error.report().unwrap();
        assert_eq!(report.count(|status| status == TaskStatus::Cancelled), 20);
        assert!(log.events().is_empty());
        // The flow can be executed again.
        let gone = flow.start();
        meeting.meet().await;
        drop(gone);
        eventually::<R>("everything to be dropped", || guards.live() == 0).await;
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
        // The cancelled tasks hold no permits.
        let again = flow.start();
        go.open();
        held.await.unwrap();
        again.await.unwrap();
        assert_eq!(log.events().len(), 6);
    }

    async fn cancel_after_the_end_changes_nothing<R>() {
        let mut flow = Flow::<R>::new();
        let tasks = [flow.add(async || 5), flow.add(|| 5)];
        for task in tasks {
            let running = flow.execute().only(task).start();
            eventually::<R>("the end", || running.report().is_some_and(|report| report.status(task).is_success())).await;
            // The last driver may still be on its way out, but there is nothing left to cancel.
            assert_eq!(running.cancel().await.unwrap()[task], 5);
        }
    }

    // What failed before the cancel is in the error.
    async fn cancel_keeps_failures<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let (started, failed) = (Gate::new(), Gate::new());
        let bad = flow.add({
            let opener = failed.clone();
            move || { let _opener = opener.opener(); Err::<(), _>("no") }
        });
        flow.add(waits(&guards, &started));
        let running = flow.execute().keep_going().start();
        started.pass().await;
        failed.pass().await;
        eventually::<R>("the failure", || running.report().is_some_and(|report| report.status(bad).is_failure())).await;
        let error = running.cancel().await.unwrap_err();
        assert!(!error.is_cancelled());
        assert_eq!(error.failures().next().unwrap().task(), bad.id());
        assert_eq!(guards.live(), 0);
    }
}
