//! Observers: what they are told, in which order, on which thread.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Observer, Permits, Runtime, Structure, TaskRef, TaskStatus, Unavailable};
use asyncflow_tests::{
    BY_HAND, Gate, LONG, Numbers, again, at_once, by_hand, ended, eventually, forward_to_runtime,
    on_every_backend, passes, pause, poll_times, turns, yield_now,
};

/// How far a task has come, as an observer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Ready,
    /// For permits or a slot.
    Waiting,
    Attempt,
    /// After a failure: at its end, or before another attempt.
    Failed,
    Ended,
}

#[derive(Debug)]
struct Seen {
    phase: Phase,
    attempt: u32,
    /// The attempts that a thread is inside of, and which thread.
    inside: Vec<(u32, ThreadId)>,
    status: Option<TaskStatus>,
    readied: bool,
}

#[derive(Debug, Default)]
struct Book {
    tasks: HashMap<String, Seen>,
    structure: Option<Structure>,
    over: bool,
    mistakes: Vec<String>,
    calls: Vec<String>,
}

/// Checks that it is told what the documentation of `Observer` says; clones share the book.
#[derive(Clone, Default)]
struct Grammar(Arc<Mutex<Book>>);

impl Grammar {
    fn told(&self, task: TaskRef<'_>, call: &str, change: impl FnOnce(&mut Seen) -> bool) {
        let mut book = self.0.lock().unwrap();
        book.calls.push(format!("{} {call}", task.name()));
        let Book {
            tasks,
            structure,
            over,
            mistakes,
            ..
        } = &mut *book;
        let Some(structure) = structure else {
            return mistakes.push(format!("{call} before the start"));
        };
        if *over {
            mistakes.push(format!("`{}` {call} after the end", task.name()));
        }
        if structure.node(task.number()).name() != Some(task.name()) {
            mistakes.push(format!("`{}` has another number", task.name()));
        }
        if call == "ready" {
            for upstream in structure.task(task.id()).upstreams() {
                let place = structure.node(upstream);
                let ended = |name| tasks[name].status.is_some();
                if place.name().is_some_and(|name| !ended(name)) {
                    mistakes.push(format!("`{}` is ready too early", task.name()));
                }
            }
        }
        let Some(seen) = tasks.get_mut(task.name()) else {
            return mistakes.push(format!("nobody knows `{}`", task.name()));
        };
        let before = format!("{seen:?}");
        if !change(seen) {
            mistakes.push(format!("`{}` {call} after {before}", task.name()));
        }
    }

    /// Asserts that everything was in order, and that the run is over.
    #[track_caller]
    fn assert_over(&self) {
        let book = self.0.lock().unwrap();
        assert_eq!(book.mistakes, [""; 0], "{:#?}", book.calls);
        assert!(book.over, "the run has not ended");
    }

    fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().calls.clone()
    }

    fn is_over(&self) -> bool {
        self.0.lock().unwrap().over
    }
}

impl Observer for Grammar {
    fn run_started(&self, flow: &Structure) {
        let mut book = self.0.lock().unwrap();
        if book.structure.is_some() {
            book.mistakes.push("a second start".into());
        }
        book.tasks = flow
            .nodes()
            .filter_map(|place| {
                let seen = Seen {
                    phase: Phase::New,
                    attempt: 0,
                    inside: Vec::new(),
                    status: None,
                    readied: false,
                };
                Some((place.name()?.to_owned(), seen))
            })
            .collect();
        book.structure = Some(flow.clone());
    }

    fn task_ready(&self, task: TaskRef<'_>) {
        self.told(task, "ready", |seen| {
            seen.readied = true;
            std::mem::replace(&mut seen.phase, Phase::Ready) == Phase::New
        });
    }

    fn task_waiting(&self, task: TaskRef<'_>, permits: &Permits) {
        assert!(!format!("{permits:?}").is_empty());
        self.told(task, "waiting", |seen| {
            let before = std::mem::replace(&mut seen.phase, Phase::Waiting);
            matches!(before, Phase::Ready | Phase::Waiting | Phase::Failed)
        });
    }

    fn task_queued(&self, task: TaskRef<'_>) {
        self.told(task, "queued", |seen| {
            let before = std::mem::replace(&mut seen.phase, Phase::Waiting);
            matches!(before, Phase::Ready | Phase::Waiting | Phase::Failed)
        });
    }

    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {
        self.told(task, "started", |seen| {
            seen.attempt += 1;
            let before = std::mem::replace(&mut seen.phase, Phase::Attempt);
            let first = attempt == 1 && matches!(before, Phase::Ready | Phase::Waiting);
            let again = attempt > 1 && matches!(before, Phase::Failed | Phase::Waiting);
            seen.attempt == attempt && (first || again)
        });
    }

    fn task_entered(&self, task: TaskRef<'_>, attempt: u32) {
        self.told(task, "entered", |seen| {
            let known = seen.inside.iter().any(|(inside, _)| *inside == attempt);
            seen.inside.push((attempt, std::thread::current().id()));
            // The future of an attempt that timed out is dropped before it is told to have failed.
            !known && seen.phase == Phase::Attempt && seen.attempt == attempt
        });
    }

    fn task_left(&self, task: TaskRef<'_>, attempt: u32) {
        self.told(task, "left", |seen| {
            let here = (attempt, std::thread::current().id());
            let place = seen.inside.iter().position(|inside| *inside == here);
            place.map(|place| seen.inside.remove(place)).is_some()
        });
    }

    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {
        assert!(!why.to_string().is_empty());
        self.told(task, "failed", |seen| {
            let before = std::mem::replace(&mut seen.phase, Phase::Failed);
            before == Phase::Attempt && attempt == seen.attempt
        });
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        self.told(task, "ended", |seen| {
            let before = std::mem::replace(&mut seen.phase, Phase::Ended);
            let unique = seen.status.replace(status).is_none();
            unique
                && match status {
                    TaskStatus::Succeeded => before == Phase::Attempt,
                    TaskStatus::Failed | TaskStatus::Panicked | TaskStatus::TimedOut => {
                        before == Phase::Failed
                    }
                    TaskStatus::Given | TaskStatus::NotSelected | TaskStatus::Skipped { .. } => {
                        !seen.readied
                    }
                    TaskStatus::Cancelled => true,
                    _ => false,
                }
        });
    }

    fn run_ended(&self) {
        let mut book = self.0.lock().unwrap();
        let open = book
            .tasks
            .iter()
            .filter(|(_, seen)| seen.phase != Phase::Ended || !seen.inside.is_empty());
        let open: Vec<_> = open
            .map(|(name, seen)| format!("`{name}` {seen:?}"))
            .collect();
        book.mistakes.extend(open);
        if std::mem::replace(&mut book.over, true) {
            book.mistakes.push("a second end".into());
        }
    }
}

/// A runtime like `R`, whose timers hold up the thread that makes one.
#[derive(Clone)]
struct SlowTimers<R> {
    runtime: R,
    begun: Gate,
    goes_on: Gate,
    /// Opened when the timer is dropped.
    gone: Gate,
}

impl<R: Runtime> Runtime for SlowTimers<R> {
    forward_to_runtime!();

    fn attach(&self) -> Result<Self, Unavailable> {
        let runtime = self.runtime.attach()?;
        Ok(Self {
            runtime,
            ..self.clone()
        })
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.begun.open();
        self.goes_on.pass_blocking();
        let mut sleep = Box::pin(self.runtime.sleep(duration));
        let gone = self.gone.opener();
        poll_fn(move |cx| {
            let _ = &gone;
            sleep.as_mut().poll(cx)
        })
    }
}

/// A flow of many kinds of tasks, which differs from seed to seed.
fn random<R: Runtime + Default>(seed: u64) -> (Flow<R>, Vec<Task<u64>>) {
    let (mut flow, mut numbers) = (Flow::<R>::new(), Numbers::new(seed));
    let locks = [Lock::new(), Lock::new()];
    let two = Semaphore::new(2);
    let mut tasks: Vec<Task<u64>> = Vec::new();
    for index in 0..30 {
        let upstreams: Vec<Task<u64>> = (0..numbers.below(4))
            .filter(|_| !tasks.is_empty())
            .map(|_| tasks[numbers.below(tasks.len())])
            .collect();
        let (bad, slow) = (numbers.one_in(6), numbers.below(3));
        let calls = Arc::new(AtomicUsize::new(0));
        // A bad task fails every second time, so that some of the retries succeed.
        let fails = move || bad && calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let retry = numbers.one_in(3);
        let policy = at_once(1);
        let (locked, both, shared) = (numbers.one_in(3), numbers.one_in(5), numbers.one_in(3));
        let (always, limit) = (numbers.one_in(8), numbers.one_in(5));
        let any = numbers.one_in(5) && !upstreams.is_empty();
        macro_rules! configure {
            ($function:expr) => {{
                let mut task = $function.named(format!("t{index}"));
                task = match any {
                    true => task.after_any(upstreams),
                    false => task.after(upstreams),
                };
                if locked {
                    task = task.with_lock(&locks[0])
                }
                if both {
                    task = task.with_lock(&locks[1])
                }
                if shared {
                    task = task.with_lock(two.permits(2))
                }
                if always {
                    task = task.always()
                }
                if retry {
                    task = task.retry(policy)
                }
                if limit {
                    task = task.timeout(LONG)
                }
                flow.add(task)
            }};
        }
        tasks.push(match numbers.one_in(2) {
            true => {
                let fails = Arc::new(fails);
                configure!(move || {
                    let fails = Arc::clone(&fails);
                    async move {
                        turns(slow).await;
                        match fails() {
                            true if slow == 2 => panic!("a panic"),
                            true => Err("an error"),
                            false => Ok(1),
                        }
                    }
                })
            }
            false => configure!(move || match fails() {
                true if slow == 2 => panic!("a panic"),
                true => Err("an error"),
                false => Ok(1),
            }),
        });
    }
    (flow, tasks)
}

on_every_backend! {
    async fn the_order_of_calls_in_random_flows<R>() {
        for seed in 0..120 {
            let (flow, tasks) = random::<R>(seed);
            let grammar = Grammar::default();
            let mut execute = flow.execute().observe(grammar.clone());
            if seed % 2 == 0 {
                execute = execute.keep_going();
            }
            if seed % 3 == 0 {
                execute = execute.max_concurrency(1 + seed as usize % 4);
            }
            if seed % 5 == 0 {
                execute = execute.only(tasks[7]).given(tasks[3], 7);
            }
            let report = match execute.await {
                Ok(run) => run.report().clone(),
                Err(error) => error.report().unwrap().clone(),
            };
            grammar.assert_over();
            let book = grammar.0.lock().unwrap();
            for task in report.tasks() {
                let seen = &book.tasks[task.name()];
                assert_eq!(seen.status, Some(task.status()), "{}", task.name());
                if !task.status().is_failure() {
                    continue;
                }
                assert_eq!(seen.attempt, task.attempts(), "{}", task.name());
            }
        }
    }

    async fn the_order_of_calls_in_random_flows_that_are_dropped<R>() {
        for seed in 0..120 {
            let (flow, _) = random::<R>(seed);
            let grammar = Grammar::default();
            let mut execute = Box::pin(flow.execute().keep_going().observe(grammar.clone()));
            let done = poll_times(execute.as_mut(), seed as usize % 7).await;
            drop(execute);
            if seed % 7 == 0 {
                assert_eq!(grammar.calls(), [""; 0], "it was never polled");
                continue;
            }
            drop(done);
            eventually::<R>("the end of the run", || grammar.is_over()).await;
            grammar.assert_over();
        }
    }

    // A driver polls the supervisor of a plain function while the future of the run is dropped. The
    // supervisor has no place to wait in any more, but the function goes on.
    async fn a_plain_function_ends_after_it_was_left<R>() {
        let runtime = R::default();
        if runtime.parallelism() == 1 {
            return;
        }
        let (begun, goes_on, gone) = (Gate::new(), Gate::new(), Gate::new());
        let timers = SlowTimers {
            runtime,
            begun: begun.clone(),
            goes_on: goes_on.clone(),
            gone: gone.clone(),
        };
        let mut flow = Flow::on(timers);
        // Keeps the driver of this thread busy until another one polls the supervisor.
        let busy = again!((begun) { begun.pass_blocking(); pending::<()>().await });
        flow.add(busy.named("busy"));
        let (function, returns) = (Gate::new(), Gate::new());
        let (called, back) = (function.clone(), returns.clone());
        let plain = move || { called.open(); back.pass_blocking() };
        flow.add(plain.named("plain").timeout(LONG));
        let grammar = Grammar::default();
        let mut execute = Box::pin(flow.execute().observe(grammar.clone()));
        assert!(poll_times(execute.as_mut(), 1).await.is_none());
        drop(execute);
        goes_on.open();
        gone.pass().await;
        function.pass().await;
        returns.open();
        eventually::<R>("the end of the run", || grammar.is_over()).await;
        grammar.assert_over();
        let calls = grammar.calls();
        let place = |wanted: &str| calls.iter().position(|call| call == wanted).unwrap();
        assert!(place("plain left") < place("plain ended"), "{calls:?}");
    }

    async fn every_call_of_a_task_that_needs_everything<R>() {
        let (mut flow, lock, gate) = (Flow::<R>::new(), Lock::new(), Gate::new());
        let (grammar, opened, holds) = (Grammar::default(), gate.clone(), Gate::new());
        let held = holds.clone();
        let holder = again!((opened, holds) { holds.open(); opened.pass().await });
        flow.add(holder.named("holder").with_lock(&lock));
        let held = flow.add(passes(&held).named("held"));
        let calls = AtomicUsize::new(0);
        let picky = move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err("not yet"),
            _ => Ok(()),
        };
        flow.add(picky.named("picky").after(held).with_lock(&lock).retry(at_once(1)));
        let running = flow.execute().observe(grammar.clone()).start();
        eventually::<R>("waiting", || grammar.calls().contains(&"picky waiting".into())).await;
        gate.open();
        running.await.unwrap();
        grammar.assert_over();
        let calls = grammar.calls();
        let picky: Vec<&str> = calls.iter().filter_map(|call| call.strip_prefix("picky ")).collect();
        let expected = [
            "ready", "waiting", "started", "entered", "left", "failed",
            "started", "entered", "left", "ended",
        ];
        assert_eq!(picky, expected);
    }

    async fn a_fallback_belongs_to_the_last_attempt<R>() {
        #[derive(Clone, Default)]
        struct Entered(Arc<Mutex<Vec<u32>>>);
        impl Observer for Entered {
            fn task_entered(&self, _: TaskRef<'_>, attempt: u32) {
                self.0.lock().unwrap().push(attempt);
            }
        }
        let (mut flow, entered) = (Flow::<R>::new(), Entered::default());
        flow.add((async || Err::<(), _>("no")).retry(at_once(1)).fallback(|_| ()));
        flow.execute().observe(entered.clone()).await.unwrap();
        assert_eq!(entered.0.lock().unwrap().last(), Some(&2));
    }

    async fn tasks_wait_for_a_slot<R>() {
        let (mut flow, gate, grammar) = (Flow::<R>::new(), Gate::new(), Grammar::default());
        let c = gate.clone();
        flow.add(passes(&gate).named("a"));
        flow.add(passes(&gate).named("b"));
        let (lock, other) = (Lock::new(), Lock::new());
        flow.add((move || c.pass_blocking()).with_lock(&lock).with_lock(&other).named("c"));
        let running = flow.execute().max_concurrency(1).observe(grammar.clone()).start();
        let queued = || grammar.calls().iter().filter(|call| call.ends_with(" queued")).count();
        // One of them has the slot.
        eventually::<R>("two wait", || queued() >= 2).await;
        let waiting = |call: &String| call.ends_with("waiting");
        assert!(!grammar.calls().iter().any(waiting), "the locks were free");
        gate.open();
        running.await.unwrap();
        grammar.assert_over();
    }

    async fn skipped_given_and_not_selected_tasks_end_once<R>() {
        let (mut flow, grammar) = (Flow::<R>::new(), Grammar::default());
        let given = flow.add((|| 1).named("given"));
        let flag = flow.add((|| false).named("flag"));
        let skipped = flow.add((|| ()).after(given).run_if(flag).named("skipped"));
        let behind = flow.add((|| ()).after(skipped).named("behind"));
        flow.add((|| ()).named("not selected"));
        let run = flow.execute().only(behind).given(given, 2).observe(grammar.clone()).await.unwrap();
        assert!(matches!(run.report().status(skipped), TaskStatus::Skipped { .. }));
        grammar.assert_over();
        let calls = grammar.calls();
        for name in ["given", "skipped", "behind", "not selected"] {
            let of = calls.iter().filter(|call| call.starts_with(name)).collect::<Vec<_>>();
            assert_eq!(of, [&format!("{name} ended")]);
        }
        assert_eq!(calls[0], "not selected ended", "known from the start");
    }

    async fn entered_and_left_on_the_thread_of_the_task<R>() {
        #[derive(Clone, Default)]
        struct Here(Arc<Mutex<HashMap<ThreadId, String>>>);
        impl Observer for Here {
            fn task_entered(&self, task: TaskRef<'_>, _: u32) {
                let here = std::thread::current().id();
                let before = self.0.lock().unwrap().insert(here, task.name().to_owned());
                assert_eq!(before, None, "one at a time");
            }
            fn task_left(&self, task: TaskRef<'_>, _: u32) {
                let here = std::thread::current().id();
                let before = self.0.lock().unwrap().remove(&here);
                assert_eq!(before.as_deref(), Some(task.name()));
            }
        }
        impl Here {
            fn name(&self) -> String {
                let names = self.0.lock().unwrap();
                names.get(&std::thread::current().id()).cloned().unwrap_or_default()
            }
        }
        struct Dropped(Here, &'static str, Arc<AtomicUsize>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                assert_eq!(self.0.name(), self.1);
                self.2.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (mut flow, here, drops) = (Flow::<R>::new(), Here::default(), Arc::default());
        let watch = here.clone();
        let asynchronous = flow.add((move || {
            // In the function, before it has made its future.
            assert_eq!(watch.name(), "asynchronous");
            let watch = watch.clone();
            async move {
                for _ in 0..5 {
                    assert_eq!(watch.name(), "asynchronous");
                    yield_now().await;
                    pause::<R>(Duration::from_millis(1)).await;
                }
                assert_eq!(watch.name(), "asynchronous");
            }
        }).named("asynchronous"));
        let watch = here.clone();
        flow.add((move || assert_eq!(watch.name(), "plain")).named("plain"));
        let (watch, dropped) = (here.clone(), Arc::clone(&drops));
        let cut = flow.add((move || {
            let dropped = Dropped(watch.clone(), "cut short", Arc::clone(&dropped));
            async move {
                pause::<R>(LONG).await;
                drop(dropped);
            }
        }).timeout(Duration::from_millis(20)).named("cut short"));
        let (watch, dropped) = (here.clone(), Arc::clone(&drops));
        let forever = flow.add((move || {
            let dropped = Dropped(watch.clone(), "forever", Arc::clone(&dropped));
            async move {
                pause::<R>(LONG).await;
                drop(dropped);
            }
        }).named("forever"));
        let (watch, dropped) = (here.clone(), Arc::clone(&drops));
        let list = flow.value(vec![0]);
        let elements = each(move |_: &u32| {
            let dropped = Dropped(watch.clone(), "elements", Arc::clone(&dropped));
            async move {
                pause::<R>(LONG).await;
                drop(dropped);
            }
        });
        flow.add(elements.inputs(list).timeout(LONG).named("elements"));
        let error = flow.execute().observe(here.clone()).await.unwrap_err();
        let report = error.report().unwrap();
        assert_eq!(error.failures().count(), 1, "{error}");
        assert_eq!(report.status(cut), TaskStatus::TimedOut);
        assert_eq!(report.status(forever), TaskStatus::Cancelled);
        let _ = asynchronous;
        assert_eq!(drops.load(Ordering::SeqCst), 3, "dropped inside");
        assert!(here.0.lock().unwrap().is_empty());
    }

    async fn dropping_the_future_ends_the_run_for_observers<R>() {
        let (mut flow, grammar, gate) = (Flow::<R>::new(), Grammar::default(), Gate::new());
        let (entered, held) = (Gate::new(), gate.clone());
        let opened = entered.clone();
        flow.add((move || { opened.open(); held.pass_blocking() }).named("plain"));
        flow.add((async || pause::<R>(LONG).await).named("asynchronous"));
        let running = flow.execute().observe(grammar.clone()).start();
        entered.pass().await;
        drop(running);
        assert!(!grammar.is_over(), "a function cannot be interrupted");
        gate.open();
        eventually::<R>("the end of the run", || grammar.is_over()).await;
        grammar.assert_over();
    }

    async fn a_plain_function_that_timed_out_is_left_before_the_run_ends<R>() {
        let ((mut flow, limits), grammar) = (by_hand::<R>(), Grammar::default());
        let (over, watch) = ended(["slow"]);
        let slow = move || {
            limits.end_one_blocking();
            over.pass_blocking();
        };
        flow.add(slow.timeout(BY_HAND).named("slow"));
        let error = flow.execute().observe(grammar.clone()).observe(watch).await.unwrap_err();
        assert_eq!(error.failures().count(), 1);
        grammar.assert_over();
        let expected = ["ready", "started", "entered", "failed", "ended", "left"];
        assert_eq!(grammar.calls(), expected.map(|call| format!("slow {call}")));
    }

    async fn refused_runs_are_not_told_of<R>() {
        let (mut flow, grammar) = (Flow::<R>::new(), Grammar::default());
        flow.input::<u8>("missing");
        flow.execute().observe(grammar.clone()).await.unwrap_err();
        assert!(grammar.0.lock().unwrap().structure.is_none());
        assert!(!grammar.is_over());
    }

    async fn observers_compose<R>() {
        #[derive(Clone, Default)]
        struct Count(Arc<AtomicUsize>);
        impl Observer for Count {
            fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        struct Bad;
        impl Observer for Bad {
            fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
                panic!("a bad observer");
            }
        }
        let mut flow = Flow::<R>::new();
        flow.add(|| ());
        let count = Count::default();
        let boxed: Box<dyn Observer> = Box::new(count.clone());
        let shared: Arc<dyn Observer> = Arc::new(count.clone());
        let leaked: &'static Count = Box::leak(Box::new(count.clone()));
        let many = vec![boxed, Box::new(Bad), Box::new(count.clone())];
        let all = (Bad, shared, leaked, many, Some(count.clone()), None::<Count>);
        flow.execute().observe(all).await.unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), 5, "each is told, even if others panic");
    }
}
