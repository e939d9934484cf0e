//! No panic escapes a task or hangs a flow: not in a function, in a drop, or in what a user hands over.

use std::error::Error;
use std::fmt;
use std::future::{Ready, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Failure, Observer, Permits, Runtime, RuntimeLock, Structure, TaskRef};
use asyncflow_tests::{
    Gate, Guards, Kept, LONG, Log, Numbers, ThreadRuntime, again, at_once, block_on, eventually,
    on_every_backend, on_every_backend_in_child, poll_while_woken, run_ended, skipped, turns,
    waits, yield_now,
};

/// Panics when it is dropped: as something that a task owns, an output, an input, an error or an
/// observer.
#[derive(Debug)]
struct PanicsOnDrop(&'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

impl Output for PanicsOnDrop {}

impl Observer for PanicsOnDrop {}

impl fmt::Display for PanicsOnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for PanicsOnDrop {}

/// An output that panics when it is dropped.
fn bomb() -> PanicsOnDrop {
    PanicsOnDrop("the output was dropped")
}

/// A future that is ready at once, and panics when it is dropped.
struct ReadyThenPanicsOnDrop;

impl Future for ReadyThenPanicsOnDrop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for ReadyThenPanicsOnDrop {
    fn drop(&mut self) {
        panic!("boom");
    }
}

/// Executes a flow in which `add` adds a task that panics with `boom`: after another task, before a
/// chain of two, and beside one that is independent. The panic fails that task, and nothing else.
async fn assert_contained<R: Runtime + Default>(add: impl Fn(&mut Flow<R>, Task<()>) -> Task<()>) {
    for keep_going in [false, true] {
        for limit in [None, Some(1)] {
            let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
            let live = guards.guard();
            let before = flow.add(log.note("before"));
            let panics = add(&mut flow, before);
            let next = flow.add(log.note("next").after(panics));
            let last = flow.add(log.note_blocking("last").after(next));
            let apart = flow.add({
                let log = log.clone();
                move || {
                    let (log, guard) = (log.clone(), guards.guard());
                    async move {
                        yield_now().await;
                        log.push("apart");
                        drop(guard);
                    }
                }
            });
            let mut execute = flow.execute();
            if keep_going {
                execute = execute.keep_going();
            }
            if let Some(limit) = limit {
                execute = execute.max_concurrency(limit);
            }
            let error = execute.await.unwrap_err();
            drop(live);

            let failures: Vec<&Failure> = error.failures().collect();
            assert_eq!(failures.len(), 1, "{error}");
            assert_eq!(failures[0].task(), panics.into());
            assert_eq!(failures[0].status(), TaskStatus::Panicked);
            assert_eq!(failures[0].panic().unwrap().message(), "boom");
            assert!(error.to_string().contains("panicked: boom"), "{error}");

            let report = error.report().unwrap();
            assert_eq!(report.status(before), TaskStatus::Succeeded);
            assert_eq!(report.status(panics), TaskStatus::Panicked);
            let because = TaskStatus::Skipped {
                because: panics.into(),
            };
            assert_eq!(report.status(next), because);
            assert_eq!(report.status(last), because);
            if keep_going {
                assert_eq!(report.status(apart), TaskStatus::Succeeded);
                log.place("apart");
            }
            let events = log.events();
            assert!(!events.contains(&"next".into()) && !events.contains(&"last".into()));
        }
    }
}

on_every_backend! {
    async fn panic_before_the_first_await<R>() {
        assert_contained::<R>(|flow, before| {
            flow.add((async || -> () { panic!("boom") }).after(before))
        }).await;
    }

    async fn panic_after_an_await<R>() {
        assert_contained::<R>(|flow, before| {
            flow.add((async || -> () { yield_now().await; panic!("boom") }).after(before))
        }).await;
    }

    async fn panic_in_a_plain_function<R>() {
        assert_contained::<R>(|flow, before| {
            flow.add((|| -> () { panic!("boom") }).after(before))
        }).await;
    }

    async fn panic_while_creating_the_future<R>() {
        assert_contained::<R>(|flow, before| {
            flow.add((|| -> Ready<()> { panic!("boom") }).after(before))
        }).await;
    }

    async fn panic_in_the_drop_of_the_future<R>() {
        assert_contained::<R>(|flow, before| {
            flow.add((|| ReadyThenPanicsOnDrop).after(before))
        }).await;
    }

    async fn panic_in_the_drop_of_what_a_plain_closure_owns<R>() {
        assert_contained::<R>(|flow, before| {
            let owned = PanicsOnDrop("boom");
            flow.add(once(move || { let _ = &owned; }).after(before))
        }).await;
    }

    async fn panic_in_the_drop_of_what_an_async_closure_owns<R>() {
        assert_contained::<R>(|flow, before| {
            let owned = PanicsOnDrop("boom");
            flow.add(once(async move || { yield_now().await; let _ = &owned; }).after(before))
        }).await;
    }

    async fn panic_with_a_lock_a_limit_and_retries<R>() {
        let lock = Lock::new();
        let policy = at_once(2);
        for _ in 0..2 {
            assert_contained::<R>(|flow, before| {
                let task = async || -> () { yield_now().await; panic!("boom") };
                let task = task.after(before).with_lock(&lock).timeout(LONG);
                flow.add(task.retry(policy))
            }).await;
            assert_contained::<R>(|flow, before| {
                let task = || -> () { panic!("boom") };
                let task = task.after(before).with_lock(&lock).timeout(LONG);
                flow.add(task.retry(policy))
            }).await;
        }
    }

    // A panic gives the permits back: what waits for the lock runs.
    async fn panic_gives_permits_back<R>() {
        let (mut flow, lock, log) = (Flow::<R>::new(), Lock::new(), Log::new());
        flow.add((async || -> () { yield_now().await; panic!("boom") }).with_lock(&lock));
        flow.add((|| -> () { panic!("boom") }).with_lock(&lock));
        flow.add((|| -> Ready<()> { panic!("boom") }).with_lock(&lock));
        flow.add(log.note("behind").with_lock(&lock));
        flow.add(log.note_blocking("far behind").with_lock(&lock));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(error.failures().count(), 3);
        log.place("behind");
        log.place("far behind");
    }
}

/// Panics with a payload after an await.
async fn later(payload: Stubborn) {
    yield_now().await;
    panic_any(payload)
}

/// A future that is never ready, and panics when it is dropped.
struct WaitsThenPanicsOnDrop(Gate);

impl Future for WaitsThenPanicsOnDrop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.open();
        Poll::Pending
    }
}

impl Drop for WaitsThenPanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped while it waited");
    }
}

/// The payload of a panic; panics when it is dropped, as often as its number says.
struct Stubborn(u32);

impl Drop for Stubborn {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Stubborn(self.0 - 1));
        }
    }
}

on_every_backend_in_child! {
    // The futures that a failure cancels panic while they are dropped.
    async fn panic_in_the_drop_of_a_cancelled_future<R>() {
        for limited in [false, true] {
            let (mut flow, started) = (Flow::<R>::new(), Gate::new());
            let waits = {
                let started = started.clone();
                move || WaitsThenPanicsOnDrop(started.clone())
            };
            let cancelled = flow.add(waits.clone());
            let limited = limited.then_some(LONG);
            let supervised = match limited {
                Some(limit) => flow.add(waits.timeout(limit)),
                None => flow.add(waits),
            };
            let failing = flow.add(move || {
                let started = started.clone();
                async move { started.pass().await; Err::<(), _>("no") }
            });
            let error = flow.execute().await.unwrap_err();
            let report = error.report().unwrap();
            assert_eq!(report.status(failing), TaskStatus::Failed);
            assert_eq!(report.status(cancelled), TaskStatus::Cancelled);
            assert_eq!(report.status(supervised), TaskStatus::Cancelled);
        }
    }

    // The same, cancelled by dropping the execution.
    async fn panic_in_the_drop_of_a_future_in_a_dropped_run<R>() {
        let (mut flow, started, guards) = (Flow::<R>::new(), Gate::new(), Guards::new());
        for _ in 0..5 {
            let (started, guards) = (started.clone(), guards.clone());
            flow.add(move || {
                let (future, guard) = (WaitsThenPanicsOnDrop(started.clone()), guards.guard());
                async move {
                    let _guard = guard;
                    future.await;
                }
            });
        }
        let running = flow.start();
        started.pass().await;
        drop(running);
        eventually::<R>("all futures to be dropped", || guards.live() == 0).await;
    }

    async fn payload_that_is_no_string_is_kept<R>() {
        #[derive(Debug, PartialEq)]
        struct Code(u32);
        let mut flow = Flow::<R>::new();
        flow.add(async || -> () { panic_any(Code(1)) });
        flow.add(async || -> () { yield_now().await; panic_any(Code(2)) });
        flow.add(|| -> () { panic_any(Code(3)) });
        flow.add(|| -> () { panic_any(String::from("four")) });
        flow.add(|| -> () { panic_any("five") });
        let retry = at_once(1);
        flow.add((|| -> () { panic_any(Code(6)) }).retry(retry));
        let error = flow.execute().keep_going().await.unwrap_err();
        let panics: Vec<_> = error.failures().map(|failure| failure.panic().unwrap()).collect();
        assert_eq!(panics.len(), 6);
        assert_eq!((panics[3].message(), panics[4].message()), ("four", "five"));
        for (index, code) in [(0, 1), (1, 2), (2, 3), (5, 6)] {
            assert_eq!(panics[index].message(), "a panic whose payload is not a string");
            let payload = panics[index].take_payload().unwrap();
            assert_eq!(*payload.downcast::<Code>().unwrap(), Code(code));
            assert!(panics[index].take_payload().is_none());
        }
        let four = panics[3].take_payload().unwrap();
        assert_eq!(*four.downcast::<String>().unwrap(), "four");
    }

    async fn payload_that_panics_when_dropped<R>() {
        for depth in 1..4 {
            let mut flow = Flow::<R>::new();
            flow.add(move || -> Ready<()> { panic_any(Stubborn(depth)) });
            flow.add(move || later(Stubborn(depth)));
            flow.add(move || -> () { panic_any(Stubborn(depth)) });
            let retry = at_once(2);
            flow.add((move || -> () { panic_any(Stubborn(depth)) }).retry(retry));
            flow.add((move || later(Stubborn(depth))).retry(retry));

            // Dropped with the error.
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 5);
            drop(error);
            drop(flow.execute().await.unwrap_err());
            // Dropped with a run that was not awaited.
            let running = Box::pin(flow.start());
            eventually::<R>("the run to end", || {
                let unfinished = |status| status == TaskStatus::Unfinished;
                running.report().is_some_and(|report| report.count(unfinished) == 0)
            }).await;
            drop(running);
        }
    }
}

on_every_backend! {
    // The error of a run is dropped with the execution before anything has looked at it.
    async fn payload_in_an_end_that_is_never_polled<R>() {
        let mut numbers = Numbers::new(1);
        for _ in 0..100 {
            let (mut flow, (done, watch)) = (Flow::<R>::new(), run_ended());
            for _ in 0..3 {
                flow.add(|| -> () { panic_any(Stubborn(2)) });
                flow.add(async || bomb());
            }
            let running = flow.execute().keep_going().observe(watch).start();
            done.pass().await;
            // Meanwhile the run sends its result.
            turns(numbers.below(8)).await;
            drop(running);
        }
    }
}

on_every_backend_in_child! {
    async fn output_that_panics_when_dropped<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let first = flow.add(async || bomb());
        let second = flow.add(bomb);
        let third = flow.add((|_: &PanicsOnDrop| bomb()).inputs(first));
        let end = flow.add(log.note("end").after((second, third)));

        // With the run.
        let run: Run = flow.execute().await.unwrap();
        assert!(run.get(third).is_some());
        drop(run);
        assert_eq!(log.events().len(), 1);
        // As soon as their last consumer has ended, or at once if there is none.
        let run = flow.execute().only(end).await.unwrap();
        assert!(run.report().status(third).is_success());
        assert_eq!(log.events().len(), 2);
        drop(run);
        // With the error of a run that failed.
        flow.add((async || Err::<(), _>("no")).after(end));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.report().unwrap().status(third), TaskStatus::Succeeded);
        drop(error);
    }

    // The output of an attempt that has timed out.
    async fn output_that_panics_when_dropped_after_a_timeout<R>() {
        let (mut flow, late, guards) = (Flow::<R>::new(), Gate::new(), Guards::new());
        let slow = flow.add({
            let (late, guards) = (late.clone(), guards.clone());
            (move || {
                let _guard = guards.guard();
                late.pass_blocking();
                bomb()
            }).timeout(Duration::from_millis(5))
        });
        let opener = flow.add({
            let late = late.clone();
            (move |_: Option<&PanicsOnDrop>| ready(late.open())).inputs(slow.optional()).always()
        });
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.report().unwrap().status(slow), TaskStatus::TimedOut);
        assert_eq!(error.report().unwrap().status(opener), TaskStatus::Succeeded);
        assert_eq!(guards.live(), 0);
    }

    // An output that a run holds when it is dropped.
    async fn output_that_panics_when_dropped_with_a_cancelled_run<R>() {
        let (mut flow, started, guards) = (Flow::<R>::new(), Gate::new(), Guards::new());
        let outputs = [flow.add(async || bomb()), flow.add(async || bomb())];
        let waiting = waits(&guards, &started);
        flow.add((move |_: Vec<&PanicsOnDrop>| waiting()).inputs(outputs));
        let running = flow.start();
        started.pass().await;
        drop(running);
        eventually::<R>("the run to stop", || guards.live() == 0).await;
        let running = flow.start();
        drop(running.cancel().await.unwrap_err());
    }

    async fn given_value_that_panics_when_dropped<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let bad: Vec<Task<PanicsOnDrop>> = (0..5).map(|_| flow.add(|| Err::<PanicsOnDrop, _>("no"))).collect();
        let plain = flow.add(log.note_blocking("plain"));
        let target = flow.add(log.note("target").after(plain));
        for _ in 0..5 {
            let mut execute = flow.execute().only(target);
            for task in &bad {
                execute = execute.given(*task, bomb());
            }
            execute.await.unwrap();
        }
        assert_eq!(log.events().len(), 10);
        // Skipped, in the last task of the run.
        let skipped = flow.add((|| Err::<PanicsOnDrop, _>("no")).after(plain).after(bad[0]));
        let error = flow.execute().keep_going().given(skipped, bomb()).await.unwrap_err();
        assert_eq!(error.failures().count(), 5);
        std::mem::forget(error);
    }

    // A value that panics when its taker drops it, or when its taker was skipped.
    async fn input_that_panics_when_dropped<R>() {
        for plain in [false, true] {
            for fails_first in [false, true] {
                let mut flow = Flow::<R>::new();
                let bomb = flow.add(|| Ok::<_, String>(bomb()));
                let fails = flow.add(move || if fails_first { Err("no") } else { Ok(()) });
                let taker = match plain {
                    true => flow.add((|bomb: PanicsOnDrop| drop(bomb)).inputs(bomb.moved()).after(fails)),
                    false => flow.add((async |bomb: PanicsOnDrop| drop(bomb)).inputs(bomb.moved()).after(fails)),
                };
                let apart = flow.add(async || yield_now().await);
                let error = flow.execute().keep_going().await.unwrap_err();
                let report = error.report().unwrap();
                let expected = match fails_first {
                    true => skipped(fails),
                    false => TaskStatus::Panicked,
                };
                assert_eq!(report.status(taker), expected);
                assert_eq!(report.status(apart), TaskStatus::Succeeded);
                // The value may be dropped with the outputs of the run.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(error)));
            }
        }
    }

    // A future that holds such a value when it is cancelled, timed out or dropped.
    async fn input_that_panics_when_its_taker_is_dropped<R>() {
        for how in 0..3 {
            let (mut flow, started, guards) = (Flow::<R>::new(), Gate::new(), Guards::new());
            let bomb = flow.add(|| Ok::<_, String>(bomb()));
            let (opens, guarded) = (started.clone(), guards.clone());
            let taker = again!((opens, guarded) |bomb: PanicsOnDrop| {
                let _held = (guarded.guard(), bomb);
                opens.open();
                std::future::pending::<()>().await;
            });
            let limit = if how == 0 { Duration::from_millis(5) } else { Duration::MAX };
            let taker = flow.add(taker.inputs(bomb.moved()).timeout(limit));
            let (ended, watch) = run_ended();
            let running = flow.execute().observe(watch).start();
            started.pass().await;
            match how {
                0 => {
                    let error = running.await.unwrap_err();
                    assert_eq!(error.report().unwrap().status(taker), TaskStatus::TimedOut);
                }
                1 => assert!(running.cancel().await.unwrap_err().is_cancelled()),
                _ => drop(running),
            }
            ended.pass().await;
            assert_eq!(guards.live(), 0);
        }
    }

    async fn error_whose_display_panics<R>() {
        let mut flow = Flow::<R>::new();
        let retry = at_once(1);
        let first = flow.add(async || Err::<(), _>(Unprintable));
        flow.add((|| Err::<(), _>(Unprintable)).retry(retry));
        let apart = flow.add(|| 7);
        let dependent = flow.add((|| 8).after(first));
        let error = flow.execute().keep_going().observe(Prints).await.unwrap_err();
        assert!(error.to_string().contains("(an error whose `Display` panics)"), "{error}");
        assert!(format!("{error:?}").contains("Display"));
        for failure in error.failures() {
            assert!(failure.error().is::<Unprintable>());
            assert!(failure.to_string().contains(failure.name()));
        }
        assert_eq!(error.outputs().unwrap()[apart], 7);
        assert!(error.outputs().unwrap().get(dependent).is_none());
    }

    async fn error_that_panics_when_dropped<R>() {
        let mut flow = Flow::<R>::new();
        let retry = at_once(2);
        flow.add((|| Err::<(), _>(PanicsOnDrop("the error was dropped"))).retry(retry));
        flow.add((async || Err::<(), _>(PanicsOnDrop("the error was dropped"))).retry(retry));
        flow.add(async || Err::<(), _>(PanicsOnDrop("the error was dropped")));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(error.failures().count(), 3);
        drop(error);
    }

    async fn observer_that_panics<R>() {
        let calls = Arc::new(AtomicUsize::new(0));
        let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
        let retry = at_once(1);
        let first = flow.add(log.note("first").with_lock(&lock));
        let second = flow.add(log.note_blocking("second").after(first).with_lock(&lock));
        flow.add((|| Err::<(), _>("no")).after(second).retry(retry));
        flow.add(log.note("third").after(second));
        let error = flow
            .execute()
            .keep_going()
            .timed()
            .observe(Panics(Arc::clone(&calls)))
            .observe(Panics(Arc::clone(&calls)))
            .await
            .unwrap_err();
        assert_eq!(error.failures().count(), 1);
        assert!(error.to_string().contains("no"), "{error}");
        log.assert_order(&["first", "second", "third"]);
        // Of each observer: run_started, 4 ready, 5 started, 2 attempt_failed, 4 ended, run_ended;
        // and for each call or poll of a function two more.
        assert_eq!(calls.load(Ordering::SeqCst), 2 * (1 + 4 + 5 + 2 + 4 + 1 + 2 * 5));
    }

    async fn observers_that_panic_when_dropped<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let plain = flow.add(log.note_blocking("plain"));
        flow.add((move || ready(())).after(plain));
        for _ in 0..5 {
            flow.execute().observe(PanicsOnDrop("a bad drop")).observe(PanicsOnDrop("a bad drop")).await.unwrap();
            flow.execute().observe(PanicsOnDrop("a bad drop")).observe(PanicsOnDrop("a bad drop")).timed().start().await.unwrap();
        }
        assert_eq!(log.events().len(), 10);
    }
}

on_every_backend! {
    async fn policy_that_panics<R>() {
        let (mut flow, lock) = (Flow::<R>::new(), Lock::new());
        let bad = flow.add(
            (async || Err::<(), _>("no")).retry(BadPolicy { asked: true }).with_lock(&lock),
        );
        let plain = flow.add((|| Err::<(), _>("no")).retry(BadPolicy { asked: true }).with_lock(&lock));
        let fine = flow.add((async || Err::<(), _>("no")).retry(BadPolicy { asked: false }));
        let after = flow.add((async || ()).with_lock(&lock));
        let error = flow.execute().keep_going().await.unwrap_err();
        let report = error.report().unwrap();
        for task in [bad, plain] {
            assert_eq!(report.status(task), TaskStatus::Panicked);
        }
        assert_eq!(report.status(fine), TaskStatus::Failed);
        assert_eq!(report.status(after), TaskStatus::Succeeded);
        assert!(error.to_string().contains("a bad policy"), "{error}");
    }

    async fn sources_that_panic_or_have_no_end<R>() {
        for panics in [true, false] {
            let (mut inner, mut flow) = (Flow::<R>::new(), Flow::<R>::new());
            inner.add(move || Err::<(), _>(BadError { panics }));
            flow.add(move || Err::<(), _>(BadError { panics }));
            flow.add(Arc::new(inner));
            let error = flow.execute().keep_going().await.unwrap_err();
            let text = format!("{error:?}");
            assert!(text.contains("a bad error") && text.len() < 10_000, "{text}");
            assert_eq!(error.failures().count(), 2);
        }
    }
}

/// An error that cannot be printed.
#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("cannot be printed");
    }
}

impl std::error::Error for Unprintable {}

/// An error whose causes panic, or have no end.
#[derive(Debug)]
struct BadError {
    panics: bool,
}

impl fmt::Display for BadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bad error")
    }
}

impl Error for BadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert!(!self.panics, "no cause for you");
        Some(self)
    }
}

/// A policy that panics, when it is asked for the first pause or when it is dropped.
#[derive(Clone, Debug)]
struct BadPolicy {
    asked: bool,
}

impl Iterator for BadPolicy {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        assert!(!self.asked, "a bad policy");
        None
    }
}

/// Formats what it is told.
struct Prints;

impl Observer for Prints {
    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {
        let _ = format!("{} {attempt} {why}", task.name());
    }
}

/// Counts its calls, and panics in each.
struct Panics(Arc<AtomicUsize>);

impl Panics {
    fn call(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("the observer panics");
    }
}

impl Observer for Panics {
    fn run_started(&self, _: &Structure) {
        self.call();
    }

    fn task_ready(&self, _: TaskRef<'_>) {
        self.call();
    }

    fn task_waiting(&self, _: TaskRef<'_>, _: &Permits) {
        self.call();
    }

    fn task_started(&self, _: TaskRef<'_>, _: u32) {
        self.call();
    }

    fn task_entered(&self, _: TaskRef<'_>, _: u32) {
        self.call();
    }

    fn task_left(&self, _: TaskRef<'_>, _: u32) {
        self.call();
    }

    fn attempt_failed(&self, _: TaskRef<'_>, _: u32, _: &dyn fmt::Display) {
        self.call();
    }

    fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
        self.call();
    }

    fn run_ended(&self) {
        self.call();
    }
}

/// Nor does a result that nobody takes, which may be the last to have the functions of its flow.
#[test]
fn result_that_is_dropped_after_its_flow() {
    let (kept, owned) = (Kept::new(), bomb());
    let mut flow = Flow::on(kept.clone());
    flow.add(move || {
        let _owned = &owned;
        ready(())
    });
    let running = flow.start();
    let home = pin!(kept.take_future().unwrap());
    assert!(poll_while_woken(home).is_ready());
    drop(flow);
    drop(running);
}

/// Nor a future that may not wait any more, because its run was dropped while it was polled.
#[test]
fn panic_in_the_drop_of_a_future_that_may_not_wait() {
    let (kept, gate, home) = (Kept::new(), Gate::new(), Arc::new(Mutex::new(None)));
    let mut flow = Flow::on(kept.clone());
    let (opened, to_drop) = (gate.clone(), Arc::clone(&home));
    flow.add(again!((opened, to_drop) {
        let _owned = bomb();
        opened.pass().await;
        drop(to_drop.lock().unwrap().take());
        pending::<()>().await;
    }));
    flow.add(async || ());
    let running = flow.start();
    let mut first = kept.take_future().expect("the home of the run");
    assert!(poll_while_woken(Pin::new(&mut first)).is_pending());
    let mut driver = kept.take_future().expect("another driver");
    *home.lock().unwrap() = Some(first);
    gate.open();
    let mut context = Context::from_waker(Waker::noop());
    let _ = driver.as_mut().poll(&mut context);
    assert!(home.lock().unwrap().is_none());
    drop(running);
}

/// A lock of the runtime that panics is a panic of the task, also if that needs nothing else.
#[test]
fn panic_of_a_lock() {
    #[derive(Clone, Copy)]
    struct Broken;

    struct BrokenLock;

    impl RuntimeLock for BrokenLock {
        type Guard = ();

        fn new() -> Self {
            Self
        }

        fn try_acquire(self: &Arc<Self>) -> Option<()> {
            panic!("broken")
        }

        fn acquire(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
            pending()
        }
    }

    impl Runtime for Broken {
        type Lock = BrokenLock;
        type Semaphore = <ThreadRuntime as Runtime>::Semaphore;

        asyncflow_tests::forward_to_threads!();
    }

    for limited in [false, true] {
        let (mut flow, lock, log) = (Flow::on(Broken), Lock::new(), Log::new());
        let task = (async || ()).with_lock(&lock);
        let panics = match limited {
            false => flow.add(task),
            true => flow.add(task.timeout(LONG)),
        };
        flow.add(log.note("clean-up").after(panics).always());
        let error = block_on(flow.execute()).unwrap_err();
        let failure = error.failures().next().unwrap();
        assert_eq!(failure.panic().unwrap().message(), "broken");
        assert_eq!(error.report().unwrap().status(panics), TaskStatus::Panicked);
        assert_eq!(log.events(), ["clean-up"]);
    }
}
