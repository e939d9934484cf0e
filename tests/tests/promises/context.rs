//! What a function knows of its task through its context, and the runs that it executes there: they
//! stop with the task, clean up, and count under the limits of the outer run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Wake, Waker};

use asyncflow::prelude::*;
use asyncflow::{FlowErrorKind, Observer, Runtime, TaskRef};
use asyncflow_tests::{
    BY_HAND, Gate, Guards, Inside, Log, Meeting, again, at_once, block_on, by_hand, eventually,
    hold, on_every_backend, passes, poll_until, turns, waits,
};

/// Opens once the function of the task `executes` has begun to wait for a slot. A task is said to be queued
/// shortly before it is: it certainly is when its function has been left.
#[derive(Clone)]
struct Queued {
    told: Arc<AtomicBool>,
    left: Gate,
}

impl Observer for Queued {
    fn task_queued(&self, task: TaskRef<'_>) {
        if task.name() == "executes" {
            self.told.store(true, Ordering::SeqCst);
        }
    }

    fn task_left(&self, task: TaskRef<'_>, _: u32) {
        if task.name() == "executes" && self.told.load(Ordering::SeqCst) {
            self.left.open();
        }
    }
}

/// Executes a flow as a task does that has it as a value.
async fn executes<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<(), FlowError> {
    cx.execute(inner).await.map(drop)
}

fn executes_blocking<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<(), FlowError> {
    block_on(cx.execute(inner)).map(drop)
}

/// Adds a task that executes a flow: one of either kind.
fn add_executing<R: Runtime>(
    flow: &mut Flow<R>,
    plain: bool,
    inner: Flow<R>,
) -> (Task<Flow<R>>, Task<()>) {
    let inner = flow.value(inner);
    let task = match plain {
        false => flow.add(executes::<R>.inputs((context(), inner)).named("executes")),
        true => flow.add(
            executes_blocking::<R>
                .inputs((context(), inner))
                .named("executes"),
        ),
    };
    (inner, task)
}

/// A flow of a task that waits for ever, with clean-up behind it.
fn waits_and_cleans_up<R: Runtime + Default>(
    guards: &Guards,
    started: &Gate,
    log: &Log,
) -> Flow<R> {
    let mut flow = Flow::<R>::new();
    let work = flow.add(waits(guards, started));
    let log = log.clone();
    let clean_up = move || {
        let log = log.clone();
        async move {
            turns(20).await;
            log.push("inner clean-up");
        }
    };
    flow.add(clean_up.after(work).always());
    flow
}

on_every_backend! {
    async fn name_and_attempt<R>() {
        let mut flow = Flow::<R>::new();
        let seen = flow.value(Log::new());
        let asks = |cx: &TaskContext, seen: &Log| {
            seen.push(format!("{} {}", cx.name(), cx.attempt()));
            match cx.attempt() {
                3 => Ok(()),
                _ => Err("again"),
            }
        };
        let plain = asks.inputs((context(), seen)).retry(at_once(5)).named("plain");
        let plain = flow.add(plain);
        let awaits = async move |cx: &TaskContext, seen: &Log| {
            turns(2).await;
            seen.push(format!("{} {}", cx.name(), cx.attempt()));
            match cx.attempt() {
                2 => Ok(()),
                _ => Err("again"),
            }
        };
        flow.add(awaits.inputs((context(), seen)).retry(at_once(5)).named("async").after(plain));
        flow.add(once(|cx: &TaskContext| assert_eq!(cx.attempt(), 1)).inputs(context()));
        let run = flow.execute().max_concurrency(1).await.unwrap();
        let expected = ["plain 1", "plain 2", "plain 3", "async 1", "async 2"];
        assert_eq!(run[seen].events(), expected);
    }

    // A plain function that is asked to stop returns, instead of being waited for without end.
    async fn plain_functions_are_asked_to_stop<R>() {
        let mut flow = Flow::<R>::new();
        let started = flow.value(Gate::new());
        let polls = |cx: &TaskContext, started: &Gate| {
            assert!(!cx.is_stopping());
            started.open();
            while !cx.is_stopping() {
                std::thread::yield_now();
            }
        };
        let polls = flow.add(polls.inputs((context(), started)));
        let fails = async |started: &Gate| {
            started.pass().await;
            Err::<(), _>("no")
        };
        flow.add(fails.inputs(started));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.report().unwrap().status(polls), TaskStatus::Succeeded);

        let mut flow = Flow::<R>::new();
        let started = flow.value(Gate::new());
        let blocks = |cx: &TaskContext, started: &Gate| {
            started.open();
            block_on(cx.stopping());
            assert!(cx.is_stopping());
        };
        flow.add(blocks.inputs((context(), started)));
        let gate = Gate::new();
        let running = flow.execute().given(started, gate.clone()).start();
        gate.pass().await;
        running.cancel().await.unwrap();
    }

    async fn plain_functions_that_time_out_are_asked_to_stop<R>() {
        let (mut flow, sleeps) = by_hand::<R>();
        let ended = flow.value(Log::new());
        let polls = |cx: &TaskContext, ended: &Log| {
            block_on(cx.stopping());
            ended.push(format!("attempt {}", cx.attempt()));
        };
        flow.add(polls.inputs((context(), ended)).timeout(BY_HAND).retry(at_once(1)));
        sleeps.end_all();
        let log = Log::new();
        let error = flow.execute().given(ended, log.clone()).await.unwrap_err();
        assert_eq!(error.failures().next().unwrap().status(), TaskStatus::TimedOut);
        // Both have ended with the run.
        let mut events = log.events();
        events.sort();
        assert_eq!(events, ["attempt 1", "attempt 2"]);
    }

    async fn notes_and_progress<R>() {
        #[derive(Default)]
        struct Told(Mutex<Vec<String>>);
        impl Observer for Told {
            fn task_noted(&self, task: TaskRef<'_>, note: &str) {
                self.0.lock().unwrap().push(format!("{}: {note}", task.name()));
            }
            fn task_progress(&self, task: TaskRef<'_>, done: u64, total: u64) {
                self.0.lock().unwrap().push(format!("{}: {done}/{total}", task.name()));
            }
        }
        let mut flow = Flow::<R>::new();
        let silent = flow.add(|| ());
        let tells = |cx: &TaskContext| {
            cx.progress(1, 3_usize);
            cx.note("found in the cache");
            cx.progress(-1, u128::MAX);
            cx.note(String::from("up to date"));
        };
        let task = flow.add(tells.inputs(context()).named("build"));
        let told = Arc::new(Told::default());
        let run = flow.execute().observe(told.clone()).await.unwrap();
        assert_eq!(run.report().task(task).note(), Some("up to date"));
        assert_eq!(run.report().task(silent).note(), None);
        let table = run.report().to_string();
        assert!(table.ends_with("succeeded  up to date"), "{table}");
        let expected = ["build: 1/3", "build: found in the cache", "build: 0/0", "build: up to date"];
        assert_eq!(*told.0.lock().unwrap(), expected);
        // The same without observers, and the note of a task that fails.
        let fails = async |cx: &TaskContext| {
            cx.note("half of it is done");
            Err::<(), _>("no")
        };
        let fails = flow.add(fails.inputs(context()));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.report().unwrap().task(fails).note(), Some("half of it is done"));
    }

    // A loop whose steps are flows, and flows that are made in a task.
    async fn loops_and_flows_made_at_run_time<R>() {
        struct Step<R: Runtime> {
            flow: Flow<R>,
            n: Task<u64>,
            next: Task<u64>,
        }
        async fn steps<R: Runtime>(cx: &TaskContext, step: &Step<R>) -> Result<u32, FlowError> {
            let (mut n, mut steps) = (27, 0);
            while n != 1 {
                n = cx.execute(&step.flow).given(step.n, n).await?[step.next];
                steps += 1;
            }
            Ok(steps)
        }
        async fn made<R: Runtime + Default>(cx: &TaskContext, steps: &u32) -> Result<u32, FlowError> {
            let mut flow = Flow::<R>::new();
            let tasks: Vec<_> = (0..*steps).map(|n| flow.add(move || n)).collect();
            let sum = flow.add((|all: Vec<&u32>| all.into_iter().sum::<u32>()).inputs(tasks));
            Ok(cx.execute(&flow).await?[sum])
        }
        let mut step = Flow::<R>::new();
        let n = step.input("n");
        let next = step.add((|n: &u64| match n % 2 { 0 => n / 2, _ => 3 * n + 1 }).inputs(n));
        let mut flow = Flow::<R>::new();
        let step = flow.value(Step { flow: step, n, next });
        let steps = flow.add(steps::<R>.inputs((context(), step)));
        let made = flow.add(made::<R>.inputs((context(), steps)));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[steps], run[made]), (111, 111 * 110 / 2));
    }

    // The clean-up of the inner run comes before that of the outer one, which would pull the rug
    // from under it otherwise.
    async fn stopped_with_the_task<R>() {
        for plain in [false, true] {
            let (guards, started, log) = (Guards::new(), Gate::new(), Log::new());
            let mut flow = Flow::<R>::new();
            let inner = waits_and_cleans_up::<R>(&guards, &started, &log);
            let (_, task) = add_executing(&mut flow, plain, inner);
            flow.add(log.note("outer clean-up").after(task).always());
            let running = flow.start();
            started.pass().await;
            let error = running.cancel().await.unwrap_err();
            assert_eq!(log.events(), ["inner clean-up", "outer clean-up"]);
            assert_eq!(guards.live(), 0);
            let status = error.report().unwrap().status(task);
            match plain {
                // A plain function returns what the inner execution did.
                true => assert_eq!(status, TaskStatus::Failed),
                false => assert_eq!(status, TaskStatus::Cancelled),
            }
        }
    }

    async fn dropped_with_the_task<R>() {
        for plain in [false, true] {
            let (guards, started, log) = (Guards::new(), Gate::new(), Log::new());
            let mut flow = Flow::<R>::new();
            let inner = waits_and_cleans_up::<R>(&guards, &started, &log);
            let ended = Gate::new();
            add_executing(&mut flow, plain, inner);
            let opens = ended.clone();
            let mut execute = Box::pin(flow.execute().observe(OnEnd(opens)));
            poll_until(execute.as_mut(), started.pass()).await;
            drop(execute);
            ended.pass().await;
            assert_eq!((guards.live(), log.events().len()), (0, 0));
        }
    }

    // The tasks inside count, and not the task that waits for them: with one slot, it goes on.
    async fn inner_tasks_take_the_slots_of_the_outer_run<R>() {
        let inside = Inside::new();
        let mut flow = Flow::<R>::new();
        for plain in [false, true] {
            let mut inner = Flow::<R>::new();
            inner.add(parallel![inside.task(1), inside.plain(1), inside.task(1)]);
            let (value, _) = add_executing(&mut flow, plain, inner);
            async fn both<R: Runtime>(cx: &TaskContext, inner: &Flow<R>, inside: &Inside) -> Result<(), FlowError> {
                // Its own code counts before, between and after its runs.
                inside.task(1)().await;
                let (one, two) = (cx.execute(inner), cx.execute(inner));
                let (one, two) = smol::future::zip(one, two).await;
                one?;
                two?;
                inside.task(1)().await;
                cx.execute(inner).await?;
                inside.task(1)().await;
                Ok(())
            }
            let shared = flow.value(inside.clone());
            flow.add(both::<R>.inputs((context(), value, shared)));
            flow.add(parallel![inside.task(1), inside.plain(1)]);
        }
        for limit in [1, 2, 3] {
            flow.execute().max_concurrency(limit).await.unwrap();
            assert!(inside.most() <= limit, "{} of {limit}", inside.most());
        }
        assert_eq!(inside.visits(), 3 * 2 * (3 + 3 + 9 + 2));
    }

    async fn keep_going_reaches_the_runs_inside<R>() {
        let log = Log::new();
        let mut inner = Flow::<R>::new();
        inner.add((async || Err::<(), _>("no")).named("fails"));
        inner.add(asyncflow_tests::slow(&log, "independent"));
        let mut flow = Flow::<R>::new();
        let (_, task) = add_executing(&mut flow, false, inner);
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(log.events(), ["independent"]);
        assert_eq!(error.report().unwrap().status(task), TaskStatus::Failed);
    }

    // A lock that is held around a run could be what the tasks in it wait for.
    async fn permits_outside_and_inside_are_refused<R>() {
        for plain in [false, true] {
            let (outer_lock, inner_lock) = (Lock::named("disk"), Semaphore::named("api", 2));
            let mut inner = Flow::<R>::new();
            inner.add((|| ()).named("free"));
            let free = inner;
            let mut inner = Flow::<R>::new();
            inner.add((|| ()).with_lock(&inner_lock).named("call"));
            let mut flow = Flow::<R>::new();
            let inner = flow.value(inner);
            let task = match plain {
                true => executes_blocking::<R>.inputs((context(), inner)).with_lock(&outer_lock),
                false => {
                    let task = executes::<R>.inputs((context(), inner));
                    flow.add(task.with_lock(&outer_lock).named("holder"));
                    let error = flow.execute().await.unwrap_err();
                    let text = "task `holder` failed: task `holder` executes a flow in which `call` takes \
                                1 of 2 permits of api, while `holder` holds lock disk: they could wait for \
                                each other forever; take the lock off `holder` and give it to the tasks \
                                of the flow that need it";
                    assert_eq!(error.to_string(), text);
                    continue;
                }
            };
            flow.add(task.named("holder"));
            let error = flow.execute().await.unwrap_err();
            assert!(error.to_string().contains("`holder` holds"), "{error}");
            // A flow that takes none may be executed with it, and one that takes some without.
            let mut flow = Flow::<R>::new();
            let free = flow.value(free);
            flow.add(executes_blocking::<R>.inputs((context(), free)).with_lock(&outer_lock));
            flow.execute().await.unwrap();
        }
    }

    // Through every kind of run in between.
    async fn permits_far_outside_are_refused<R>() {
        let (outer_lock, inner_lock) = (Lock::new(), Lock::new());
        let mut innermost = Flow::<R>::new();
        innermost.add((|| ()).with_lock(&inner_lock).named("taker"));
        let mut middle = Flow::<R>::new();
        add_executing(&mut middle, false, innermost);
        let mut nesting = Flow::<R>::new();
        nesting.add(Arc::new(middle));
        let mut flow = Flow::<R>::new();
        let nesting = flow.value(nesting);
        flow.add(executes::<R>.inputs((context(), nesting)).with_lock(&outer_lock).named("holder"));
        let error = flow.execute().await.unwrap_err().to_string();
        assert!(error.contains("task `executes` executes a flow in which `taker` takes"), "{error}");
        assert!(error.contains("while `holder` holds"), "{error}");
    }

    // The run belongs to the task, so it does not begin after that has ended.
    async fn refused_once_the_task_has_ended<R>() {
        let mut inner = Flow::<R>::new();
        let count = Arc::new(AtomicUsize::new(0));
        inner.add(asyncflow_tests::counts(&count));
        let inner: &'static Flow<R> = Box::leak(Box::new(inner));
        let (sender, receiver) = smol::channel::bounded(1);
        let mut flow = Flow::<R>::new();
        let leaks = move |cx: &TaskContext| sender.try_send(cx.execute(inner)).unwrap();
        flow.add(leaks.inputs(context()).named("leaks"));
        let (gate, go) = (Gate::new(), Gate::new());
        let (opens, waits) = (gate.clone(), go.clone());
        flow.add(move || {
            opens.open();
            waits.pass_blocking();
        });
        let running = flow.start();
        let execute = receiver.recv().await.unwrap();
        // The task may still be on its way to its end.
        let name = flow.find("leaks").unwrap();
        eventually::<R>("its end", || {
            running.report().is_none_or(|report| report.status(name) == TaskStatus::Succeeded)
        }).await;
        let error = execute.await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Refused);
        assert_eq!(
            error.to_string(),
            "the run belongs to task `leaks`, which has ended: await what `TaskContext::execute` returns \
             before the task's function returns"
        );
        go.open();
        running.await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    // Dropped by the function itself, the run stops, cleans up, and is waited for.
    async fn dropped_by_its_function<R>() {
        async fn select<R: Runtime>(
            cx: &TaskContext,
            inner: &Flow<R>,
            started: &Gate,
            log: &Log,
        ) {
            let mut execute = Box::pin(cx.execute(inner));
            poll_until(execute.as_mut(), started.pass()).await;
            drop(execute);
            log.push("function returns");
        }
        for limit in [1, 5] {
            let (guards, started, log) = (Guards::new(), Gate::new(), Log::new());
            let mut flow = Flow::<R>::new();
            let inner = flow.value(waits_and_cleans_up::<R>(&guards, &started, &log));
            let (gate, events) = (flow.value(started), flow.value(log.clone()));
            let task = flow.add(select::<R>.inputs((context(), inner, gate, events)));
            flow.add(log.note("downstream").after(task));
            flow.execute().max_concurrency(limit).await.unwrap();
            log.assert_order(&["function returns", "downstream"]);
            log.assert_order(&["inner clean-up", "downstream"]);
        }
    }

    // A function that has dropped one run and waited for another goes on with a slot.
    async fn dropped_runs_do_not_count<R>() {
        async fn drops_one<R: Runtime + Default>(cx: &TaskContext, waits: &Flow<R>, other: &Gate, log: &Log) {
            let mut dropped = Box::pin(cx.execute(waits));
            poll_until(dropped.as_mut(), other.pass()).await;
            drop(dropped);
            let empty = Flow::<R>::new();
            cx.execute(&empty).await.unwrap();
            log.push("goes on");
        }
        let (lock, go, other, log) = (Lock::new(), Gate::new(), Gate::new(), Log::new());
        let holder = hold::<R>(&lock, &go).await;
        let mut inner = Flow::<R>::new();
        // It has no slot while it waits for the lock.
        inner.add((|| ()).with_lock(&lock));
        let mut flow = Flow::<R>::new();
        let (waits, started) = (flow.value(inner), flow.value(other.clone()));
        let events = flow.value(log.clone());
        flow.add(drops_one::<R>.inputs((context(), waits, started, events)));
        let notes = log.clone();
        flow.add(again!((other, notes) {
            other.open();
            turns(100).await;
            notes.push("other ends");
        }));
        flow.execute().max_concurrency(1).await.unwrap();
        log.assert_order(&["other ends", "goes on"]);
        go.open();
        holder.await.unwrap();
    }

    // After its run, what holds a lock gets the next slot, and what holds nothing waits in its order.
    async fn what_holds_a_lock_goes_on_first_after_its_run<R>() {
        async fn executes_empty<R: Runtime + Default>(cx: &TaskContext, log: &Log) {
            let empty = Flow::<R>::new();
            cx.execute(&empty).await.unwrap();
            log.push("goes on");
        }
        for locked in [false, true] {
            let (end, log) = (Gate::new(), Log::new());
            let mut flow = Flow::<R>::new();
            let events = flow.value(log.clone());
            // What it makes ready is queued together, before any of it starts.
            let first = flow.add(async || ());
            let task = executes_empty::<R>.inputs((context(), events)).after(first).named("executes");
            match locked {
                true => flow.add(task.with_lock(Lock::new())),
                false => flow.add(task),
            };
            flow.add(passes(&end).after(first));
            flow.add(log.note("another").after(first));
            let queued = Queued { told: Arc::default(), left: Gate::new() };
            let running = flow.execute().max_concurrency(1).observe(queued.clone()).start();
            queued.left.pass().await;
            end.open();
            running.await.unwrap();
            match locked {
                true => log.assert_order(&["goes on", "another"]),
                false => log.assert_order(&["another", "goes on"]),
            }
        }
    }

    async fn the_wait_for_a_stop_leaves_no_waker_behind<R>() {
        struct Quiet;
        impl Wake for Quiet {
            fn wake(self: Arc<Self>) {}
        }
        let mut flow = Flow::<R>::new();
        let task = async |cx: &TaskContext| {
            let quiet = Arc::new(Quiet);
            let waker = Waker::from(Arc::clone(&quiet));
            let mut stopping = Box::pin(cx.stopping());
            assert!(stopping.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            drop((stopping, waker));
            Arc::strong_count(&quiet)
        };
        let task = flow.add(task.inputs(context()));
        assert_eq!(flow.execute().await.unwrap()[task], 1);
    }

    // An attempt that times out is over when its runs are.
    async fn timed_out_with_its_attempt<R>() {
        let (mut flow, sleeps) = by_hand::<R>();
        let (guards, started, log) = (Guards::new(), Gate::new(), Log::new());
        let inner = waits_and_cleans_up::<R>(&guards, &started, &log);
        async fn attempt<R: Runtime>(cx: &TaskContext, inner: &Flow<R>, log: &Log) -> Result<(), FlowError> {
            match cx.attempt() {
                1 => cx.execute(inner).await.map(drop),
                _ => Ok(log.push("second attempt")),
            }
        }
        let (inner, events) = (flow.value(inner), flow.value(log.clone()));
        let task = attempt::<R>.inputs((context(), inner, events));
        flow.add(task.timeout(BY_HAND).retry(at_once(1)));
        let running = flow.start();
        started.pass().await;
        let ender = std::thread::spawn(move || sleeps.end_one_blocking());
        running.await.unwrap();
        ender.join().unwrap();
        assert_eq!(log.events(), ["inner clean-up", "second attempt"]);
        assert_eq!(guards.live(), 0);
    }

    // A function of either kind, with a single blocking thread, and inside of each other.
    async fn plain_functions_inside_of_plain_functions<R>() {
        let count = Arc::new(AtomicUsize::new(0));
        let mut inner = Flow::<R>::new();
        let plain = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move || { count.fetch_add(1, Ordering::Relaxed); }
        };
        inner.add(parallel![plain(&count), plain(&count)]);
        for level in 0..6 {
            let mut flow = Flow::<R>::new();
            add_executing(&mut flow, level % 2 == 0, inner);
            flow.add(plain(&count));
            inner = flow;
        }
        for limit in [1, 100] {
            inner.execute().max_concurrency(limit).await.unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * 8);
    }

    // Runs that meet inside of one task do run at the same time.
    async fn several_at_the_same_time<R>() {
        let mut inner = Flow::<R>::new();
        inner.add(Meeting::of(2).task());
        async fn both<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<(), FlowError> {
            let running = cx.execute(inner).start();
            cx.execute(inner).await?;
            running.await.map(drop)
        }
        let mut flow = Flow::<R>::new();
        let inner = flow.value(inner);
        flow.add(both::<R>.inputs((context(), inner)));
        flow.execute().await.unwrap();
    }

    // A task that executes its own flow, at a depth that would overflow the stack.
    async fn at_any_depth<R>() {
        type Slot<R> = Arc<OnceLock<(Arc<Flow<R>>, Task<u32>, Task<u32>)>>;
        async fn descend<R: Runtime>(cx: &TaskContext, depth: &u32, own: &Slot<R>) -> Result<u32, FlowError> {
            let (flow, input, output) = own.get().unwrap();
            match *depth {
                0 => Ok(0),
                depth => Ok(cx.execute(&**flow).given(*input, depth - 1).await?[*output] + 1),
            }
        }
        let own: Slot<R> = Arc::default();
        let mut flow = Flow::<R>::new();
        let depth = flow.input::<u32>("depth");
        let value = flow.value(Arc::clone(&own));
        let task = flow.add(descend::<R>.inputs((context(), depth, value)));
        let flow = Arc::new(flow);
        assert!(own.set((flow.clone(), depth, task)).is_ok());
        let run = flow.execute().given(depth, 3_000).await.unwrap();
        assert_eq!(run[task], 3_000);
    }

    async fn mistakes_inside_are_errors_of_the_execution<R>() {
        let mut inner = Flow::<R>::new();
        inner.input::<u8>("missing");
        let mut flow = Flow::<R>::new();
        let (_, task) = add_executing(&mut flow, false, inner);
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("input `missing` was not given"), "{error}");
        assert_eq!(error.failures().next().unwrap().task(), task.into());
    }
}

/// Opens a gate at the end of the run.
struct OnEnd(Gate);

impl Observer for OnEnd {
    fn run_ended(&self) {
        self.0.open();
    }
}
