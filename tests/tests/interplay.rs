//! Features together, and callers, values and policies that mean ill.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;
use asyncflow::{Observer, TaskRef};
use asyncflow_tests::{
    Gate, Guards, Log, eventually, on_every_backend, on_every_backend_in_child, poll_times, turns,
    yield_now,
};

/// As long as anything can take.
const EVER: Duration = Duration::MAX;

fn pauses(pause: Duration, times: usize) -> ConstantBuilder {
    ConstantBuilder::default()
        .with_delay(pause)
        .with_max_times(times)
}

/// An async function that can be called again: it clones what it captured.
macro_rules! again {
    (($($captured:ident),*) $(|$parameter:ident: $type:ty|)? $body:block) => {{
        move |$($parameter: $type)?| {
            $(let $captured = $captured.clone();)*
            async move $body
        }
    }};
}

/// Opens a gate when the run ends.
struct End(Gate);

impl Observer for End {
    fn run_ended(&self) {
        self.0.open();
    }
}

/// An async task that waits until it is dropped.
fn waits(
    guards: &Guards,
    started: &Gate,
) -> impl Fn() -> futures::future::BoxFuture<'static, ()> + use<> {
    let (guards, started) = (guards.clone(), started.clone());
    move || {
        let (guard, started) = (guards.guard(), started.clone());
        Box::pin(async move {
            let _guard = guard;
            started.open();
            std::future::pending::<()>().await;
        })
    }
}

mod clean_up {
    use super::*;

    on_every_backend! {
        // It is attempted again though the run is stopping, and with permits.
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
                    let policy = pauses(Duration::from_millis(1), 5);
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

        // Dropping the run ends its pause, its wait for a permit, and itself.
        async fn ends_with_a_run_that_is_dropped<R>() {
            let (lock, holding, go) = (Lock::new(), Gate::new(), Gate::new());
            let mut holder = Flow::<R>::new();
            holder.add({
                let (holding, go) = (holding.clone(), go.clone());
                again!((holding, go) { holding.open(); go.pass().await }).with_lock(&lock)
            });
            let holder = holder.start();
            holding.pass().await;
            let (mut flow, guards, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
            let (ended, attempts) = (Gate::new(), Arc::new(AtomicU32::new(0)));
            let root = flow.add(|| Err::<(), _>("no"));
            let counts = attempts.clone();
            let fails = again!((counts) {
                counts.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>("again")
            });
            flow.add(fails.after(root).always().retry(pauses(EVER, 3)));
            flow.add((|| ()).after(root).always().with_lock(&lock));
            flow.add(waits(&guards, &started).after(root).always());
            let running = flow.execute().observe(End(ended.clone())).start();
            started.pass().await;
            eventually::<R>("the first attempt", || attempts.load(Ordering::SeqCst) == 1).await;
            drop(running);
            ended.pass().await;
            assert_eq!((guards.live(), attempts.load(Ordering::SeqCst)), (0, 1));
            go.open();
            holder.await.unwrap();
        }
    }
}

mod cancelling {
    use super::*;

    on_every_backend! {
        // A cancel that nobody waits for any more drops the run.
        async fn future_of_a_cancel_is_dropped<R>() {
            for polls in 0..3 {
                let (mut flow, guards, started) = (Flow::<R>::new(), Guards::new(), Gate::new());
                let (ended, lock, running_late, go) = (Gate::new(), Lock::new(), Gate::new(), Gate::new());
                flow.add(waits(&guards, &started).with_lock(Lock::new()));
                flow.add({
                    let (guards, running_late, go) = (guards.clone(), running_late.clone(), go.clone());
                    (move || {
                        let _guard = guards.guard();
                        running_late.open();
                        go.pass_blocking();
                    }).with_lock(&lock)
                });
                let running = flow.execute().observe(End(ended.clone())).start();
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
                flow.add(waits(&guards, &started).with_lock(&lock).retry(pauses(EVER, 3)));
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

        // What runs belongs to the run.
        async fn flow_is_dropped_while_it_runs<R>() {
            for depth in 0..3 {
                let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
                let passes = gate.clone();
                let first = flow.add(again!((passes) { passes.pass().await; 20 }));
                let last = flow.add((|first: &i32| 2 * first + 2).inputs(first));
                let mut running = None;
                if depth == 0 {
                    running = Some(flow.start());
                }
                let mut around = flow;
                for _ in 0..depth {
                    let mut outer = Flow::<R>::new();
                    outer.add(Arc::new(around));
                    around = outer;
                }
                let running = running.unwrap_or_else(|| around.start());
                drop(around);
                gate.open();
                let run = running.await.unwrap();
                assert!(run.report().tasks().all(|task| task.status().is_success()));
                if depth == 0 {
                    assert_eq!(run[last], 42);
                }
            }
        }

        // Seen at any time, a status that is settled stays as it is.
        async fn reports_do_not_go_back<R>() {
            let mut flow = Flow::<R>::new();
            let mut last = vec![];
            for number in 0..60 {
                let fails = number % 9 == 7;
                let task = again!(() { turns(2).await; if fails { Err("no") } else { Ok(()) } });
                let before = last.clone();
                let task = match number % 4 {
                    0 => flow.add((|| ()).after(&before)),
                    1 => flow.add(task.after(&before).retry(pauses(Duration::ZERO, 1))),
                    2 => flow.add(task.after(&before).always()),
                    _ => flow.add(task.after(&before).with_lock(Lock::new())),
                };
                last.push(task);
                if last.len() > 3 {
                    last.remove(0);
                }
            }
            let mut running = flow.execute().keep_going().timed().start();
            let mut seen: Vec<TaskStatus> = vec![];
            let error = loop {
                let polled = poll_times(pin!(&mut running), 1).await;
                if let Some(result) = polled {
                    break result.unwrap_err();
                }
                // There is none for a moment while the run is being closed.
                let Some(report) = running.report() else {
                    yield_now().await;
                    continue;
                };
                let now: Vec<_> = report.tasks().map(|task| task.status()).collect();
                for (before, now) in seen.iter().zip(&now) {
                    assert!(before == now || *before == TaskStatus::Unfinished, "{before} became {now}");
                }
                seen = now;
                yield_now().await;
            };
            let end: Vec<_> = error.report().unwrap().tasks().map(|task| task.status()).collect();
            assert!(seen.iter().zip(&end).all(|(before, end)| before == end || *before == TaskStatus::Unfinished));
            assert!(!end.contains(&TaskStatus::Unfinished));
        }
    }
}

mod durations {
    use super::*;

    on_every_backend! {
        async fn limits_of_nothing_and_of_ever<R>() {
            let mut flow = Flow::<R>::new();
            // Ready at once is in time, whatever the limit.
            flow.add((async || ()).timeout(Duration::ZERO));
            flow.add((async || yield_now().await).timeout(EVER));
            flow.add((|| ()).timeout(EVER));
            let late = flow.add((async || std::future::pending::<()>().await).timeout(Duration::ZERO));
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 1);
            assert_eq!(error.report().unwrap().status(late), TaskStatus::TimedOut);
        }

        // A pause without end is ended by a failure, a cancel and a drop.
        async fn pauses_of_ever<R>() {
            for how in 0..3 {
                let (mut flow, attempts, failed) = (Flow::<R>::new(), Log::new(), Gate::new());
                let (ended, tried) = (Gate::new(), failed.clone());
                let noted = attempts.clone();
                let fails = move || {
                    noted.push("attempt");
                    tried.open();
                    Err::<(), _>("no")
                };
                flow.add(fails.retry(pauses(EVER, 9)));
                if how == 0 {
                    flow.add(again!((failed) { failed.pass().await; Err::<(), _>("other") }));
                }
                let running = flow.execute().observe(End(ended.clone())).start();
                match how {
                    0 => assert_eq!(running.await.unwrap_err().failures().count(), 1),
                    1 => {
                        eventually::<R>("the attempt", || !attempts.events().is_empty()).await;
                        assert!(running.cancel().await.unwrap_err().is_cancelled());
                    }
                    _ => {
                        eventually::<R>("the attempt", || !attempts.events().is_empty()).await;
                        drop(running);
                    }
                }
                ended.pass().await;
                assert_eq!(attempts.events().len(), 1);
            }
        }
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

/// Panics when dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a bomb");
        }
    }
}

mod values {
    use super::*;

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
    }

    on_every_backend_in_child! {
        // A value that is taken by value and panics when its taker drops it, or when nobody took it.
        async fn input_that_panics_when_dropped<R>() {
            for plain in [false, true] {
                for skipped in [false, true] {
                    let mut flow = Flow::<R>::new();
                    let bomb = flow.add(|| Ok::<_, String>(Bomb));
                    let fails = flow.add(move || if skipped { Err("no") } else { Ok(()) });
                    let taker = match plain {
                        true => flow.add((|bomb: Bomb| drop(bomb)).inputs(bomb.moved()).after(fails)),
                        false => flow.add((async |bomb: Bomb| drop(bomb)).inputs(bomb.moved()).after(fails)),
                    };
                    let apart = flow.add(async || yield_now().await);
                    let error = flow.execute().keep_going().await.unwrap_err();
                    let report = error.report().unwrap();
                    let expected = match skipped {
                        true => TaskStatus::Skipped { because: fails.into() },
                        false => TaskStatus::Panicked,
                    };
                    assert_eq!(report.status(taker), expected);
                    assert_eq!(report.status(apart), TaskStatus::Succeeded);
                    // It leaves with what is left of the run.
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(error)));
                }
            }
        }

        // A future that holds such a value when it is cancelled, timed out or dropped.
        async fn input_that_panics_when_its_taker_is_dropped<R>() {
            for how in 0..3 {
                let (mut flow, started, guards) = (Flow::<R>::new(), Gate::new(), Guards::new());
                let bomb = flow.add(|| Ok::<_, String>(Bomb));
                let (opens, guarded) = (started.clone(), guards.clone());
                let taker = again!((opens, guarded) |bomb: Bomb| {
                    let _held = (guarded.guard(), bomb);
                    opens.open();
                    std::future::pending::<()>().await;
                });
                let limit = if how == 0 { Duration::from_millis(5) } else { EVER };
                let taker = flow.add(taker.inputs(bomb.moved()).timeout(limit));
                let ended = Gate::new();
                let running = flow.execute().observe(End(ended.clone())).start();
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
    }
}

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

mod errors {
    use super::*;

    on_every_backend! {
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

        async fn messages_of_megabytes<R>() {
            let long = "ä\n`<".repeat(1 << 20);
            let mut flow = Flow::<R>::new();
            let (a, b) = (long.clone(), long.clone());
            flow.add(move || Err::<(), String>(a.clone()));
            flow.add(again!((b) { if !b.is_empty() { std::panic::panic_any(b) } }).named(long.clone()));
            let error = flow.execute().keep_going().await.unwrap_err();
            assert!(error.to_string().len() > 3 * long.len());
            assert_eq!(error.source().unwrap().to_string(), long);
        }
    }
}

/// A waker that panics when it wakes.
struct BadWaker(Mutex<u32>);

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
        panic!("no waking");
    }
}

/// Counts what it is told.
struct Told(Arc<AtomicUsize>);

impl Observer for Told {
    fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

mod callers {
    use super::*;

    on_every_backend! {
        // The execution itself is polled with a waker that panics; the stop reaches everyone else.
        async fn waker_that_panics<R>() {
            let (mut flow, guards, told) = (Flow::<R>::new(), Guards::new(), Arc::default());
            let (go, started) = (Gate::new(), Gate::new());
            let passes = go.clone();
            flow.add(move || { passes.pass_blocking(); Err::<(), _>("no") });
            for _ in 0..8 {
                flow.add(waits(&guards, &started));
            }
            let mut execute = Box::pin(flow.execute().observe(Told(Arc::clone(&told))));
            let waker = Waker::from(Arc::new(BadWaker(Mutex::new(0))));
            assert!(execute.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            eventually::<R>("all to start", || guards.live() == 8).await;
            go.open();
            // The one in the execution's own hands waits for it to be polled.
            eventually::<R>("the others to be dropped", || guards.live() <= 1).await;
            let error = execute.await.unwrap_err();
            assert_eq!((error.failures().count(), guards.live()), (1, 0));
            assert_eq!(told.load(Ordering::SeqCst), 9);
        }

        // Polled on another thread each time, none of which is the runtime's.
        async fn polled_on_many_threads<R>() {
            let mut flow = Flow::on(R::default().attach().unwrap());
            let mut last = None;
            for _ in 0..10 {
                let a = flow.add((async || yield_now().await).after(last));
                last = Some(flow.add((|| ()).after(a)));
            }
            let over = Gate::new();
            let thread = std::thread::spawn({
                let over = over.opener();
                move || {
                    let _over = over;
                    let mut execute = Box::pin(flow.execute());
                    loop {
                        let polled = std::thread::scope(|scope| {
                            let poll = || execute.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                            scope.spawn(poll).join().unwrap()
                        });
                        if let Poll::Ready(result) = polled {
                            return result.map(|run| run.report().count(TaskStatus::is_success));
                        }
                    }
                }
            });
            over.pass().await;
            assert_eq!(thread.join().unwrap().unwrap(), 20);
        }
    }
}
