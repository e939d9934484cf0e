//! Observers and clocks of a run reach the runs inside of it: nested flows, and flows that a task executes
//! through its context. Where each is, is told. The report of a timed run has what ran inside of its tasks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{InnerRun, Observer, Runtime, Structure, TaskRef};
use asyncflow_tests::{ByClock, Clock, Gate, again, by_clock, on_every_backend, yield_now};

/// The events of all runs, with the path of each task.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn push(&self, event: String) {
        self.0.lock().unwrap().push(event);
    }

    fn place(&self, event: &str) -> usize {
        let events = self.0.lock().unwrap();
        let place = events.iter().position(|other| other == event);
        place.unwrap_or_else(|| panic!("`{event}` is not among {events:?}"))
    }

    fn count(&self, event: &str) -> usize {
        let events = self.0.lock().unwrap();
        events.iter().filter(|other| *other == event).count()
    }
}

fn path(task: TaskRef<'_>) -> String {
    match task.inside() {
        None => task.name().to_owned(),
        Some(run) => format!("{}/{}", path(run.task()), task.name()),
    }
}

impl Observer for Told {
    fn run_started(&self, flow: &Structure) {
        self.push(format!("run of {} starts", flow.len()));
    }

    fn inner_run_started(&self, run: &InnerRun, flow: &Structure) {
        self.push(format!("{} runs {}", path(run.task()), flow.len()));
    }

    fn task_started(&self, task: TaskRef<'_>, _attempt: u32) {
        self.push(format!("{} starts", path(task)));
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        self.push(format!("{} {status}", path(task)));
    }

    fn inner_run_ended(&self, run: &InnerRun) {
        self.push(format!("{} has run", path(run.task())));
    }

    fn run_ended(&self) {
        self.push("the run ends".into());
    }
}

/// A flow of a task called `name`, and perhaps a flow inside.
fn flow_of<R: Runtime + Default>(name: &'static str, inner: Option<Flow<R>>) -> Flow<R> {
    let mut flow = Flow::<R>::new();
    flow.add(yield_now.named(name));
    if let Some(inner) = inner {
        flow.add(Arc::new(inner));
    }
    flow
}

on_every_backend! {
    // Observers need no clock.
    async fn runs_inside_of_one_that_is_not_timed_are_not<R>() {
        async fn is_timed<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<bool, FlowError> {
            let run = cx.execute(inner).await?;
            Ok(run.report().tasks().any(|task| task.times().is_some()))
        }
        let mut flow = Flow::<R>::new();
        let inner = flow.value(flow_of::<R>("inner", None));
        let task = flow.add(is_timed::<R>.inputs((context(), inner)));
        let run = flow.execute().observe(Arc::new(Told::default())).await.unwrap();
        assert!(!run[task]);
        let run = flow.execute().timed().await.unwrap();
        assert!(run[task]);
    }

    async fn observers_reach_them<R>() {
        async fn twice<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<(), FlowError> {
            cx.execute(inner).await?;
            cx.execute(inner).await.map(drop)
        }
        let mut flow = Flow::<R>::new();
        let nested = flow_of("a", Some(flow_of::<R>("b", None)));
        let nested = flow.add(Arc::new(nested));
        let executed = flow.value(flow_of::<R>("c", None));
        flow.add(twice::<R>.inputs((context(), executed)).after(nested).named("twice"));
        // In a list and behind a pointer, as observers compose.
        let told = Arc::new(Told::default());
        flow.execute().observe((vec![told.clone()], None::<Told>)).await.unwrap();
        for (first, second) in [
            ("run of 3 starts", "flow starts"),
            ("flow starts", "flow runs 2"),
            ("flow runs 2", "flow/a starts"),
            ("flow runs 2", "flow/flow runs 1"),
            ("flow/flow runs 1", "flow/flow/b starts"),
            ("flow/flow/b succeeded", "flow/flow has run"),
            ("flow/flow has run", "flow has run"),
            ("flow/a succeeded", "flow has run"),
            ("flow has run", "flow succeeded"),
            ("flow succeeded", "twice starts"),
            ("twice starts", "twice runs 1"),
            ("twice runs 1", "twice/c starts"),
            ("twice/c succeeded", "twice has run"),
            ("twice has run", "twice succeeded"),
            ("twice succeeded", "the run ends"),
        ] {
            assert!(told.place(first) < told.place(second), "{first} before {second}");
        }
        let twice = ["twice runs 1", "twice/c starts", "twice/c succeeded", "twice has run"];
        assert_eq!(twice.map(|event| told.count(event)), [2; 4]);
        assert_eq!((told.count("run of 3 starts"), told.count("the run ends")), (1, 1));
        // Observed from inside as well, a run is the outermost one of that observer.
        let mut flow = Flow::<R>::new();
        let own = flow.value(Arc::new(Told::default()));
        let inner = flow.value(flow_of::<R>("c", None));
        async fn observed<R: Runtime>(
            cx: &TaskContext,
            inner: &Flow<R>,
            own: &Arc<Told>,
        ) -> Result<(), FlowError> {
            cx.execute(inner).observe(Arc::clone(own)).await.map(drop)
        }
        flow.add(observed::<R>.inputs((context(), inner, own)).named("observed"));
        let outer = Arc::new(Told::default());
        let run = flow.execute().observe(outer.clone()).await.unwrap();
        assert_eq!(*run[own].0.lock().unwrap(), ["run of 1 starts", "c starts", "c succeeded", "the run ends"]);
        assert_eq!(outer.count("observed/c succeeded"), 1);
    }

    async fn runs_are_told_apart<R>() {
        #[derive(Default)]
        struct Numbers(Mutex<Vec<u64>>);
        impl Observer for Numbers {
            fn inner_run_started(&self, run: &InnerRun, _: &Structure) {
                self.0.lock().unwrap().push(run.number());
            }
        }
        let mut flow = Flow::<R>::new();
        let inner = Arc::new(flow_of::<R>("a", None));
        for _ in 0..5 {
            flow.add(Arc::clone(&inner));
        }
        let numbers = Arc::new(Numbers::default());
        flow.execute().observe(numbers.clone()).await.unwrap();
        let mut numbers = numbers.0.lock().unwrap().clone();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 5);
    }

    async fn clocks_reach_them<R>() {
        let mut flow = Flow::<R>::new();
        let nested = flow.add(Arc::new(flow_of("a", Some(flow_of::<R>("b", None)))));
        let inner = flow.value(flow_of::<R>("c", None));
        async fn timed<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<bool, FlowError> {
            Ok(cx.execute(inner).await?.report().wall().is_some())
        }
        let executed = flow.add(timed::<R>.inputs((context(), inner)));
        let run = flow.execute().timed().await.unwrap();
        assert!(run[executed]);
        let tasks: Vec<_> = run[nested].report().tasks().collect();
        assert!(tasks.iter().all(|task| task.ran().is_some()));
        let run = flow.execute().await.unwrap();
        assert!(!run[executed] && run[nested].report().wall().is_none());
    }

    // What is dropped or stopped inside ends inside, too.
    async fn runs_that_are_stopped_end<R>() {
        let mut inner = Flow::<R>::new();
        inner.add((async || std::future::pending::<()>().await).named("hangs"));
        let mut flow = Flow::<R>::new();
        flow.add(Arc::new(inner));
        let (started, told) = (asyncflow_tests::Gate::new(), Arc::new(Told::default()));
        struct Opens(asyncflow_tests::Gate);
        impl Observer for Opens {
            fn task_started(&self, task: TaskRef<'_>, _: u32) {
                if task.name() == "hangs" {
                    self.0.open();
                }
            }
        }
        let running = flow.execute().observe(told.clone()).observe(Opens(started.clone())).start();
        started.pass().await;
        assert!(running.cancel().await.is_err());
        for (first, second) in [
            ("flow/hangs cancelled", "flow has run"),
            ("flow has run", "flow cancelled"),
            ("flow cancelled", "the run ends"),
        ] {
            assert!(told.place(first) < told.place(second), "{first} before {second}");
        }
    }

    // A flow that a task executes by hand is a run apart.
    async fn runs_by_hand_are_apart<R>() {
        let inner = Arc::new(flow_of::<R>("a", None));
        let mut flow = Flow::<R>::new();
        flow.add(again!((inner) { inner.execute().await.map(drop) }));
        let told = Arc::new(Told::default());
        flow.execute().observe(told.clone()).await.unwrap();
        assert_eq!(told.0.lock().unwrap().len(), 4);
    }

    // By a clock that the elements themselves set.
    async fn elements_of_a_timed_run<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let seconds = flow.value(vec![1_u64, 2, 3]);
        let clock = flow.value(clock);
        let work = async |seconds: &u64, clock: &Clock| {
            clock.advance(Duration::from_secs(*seconds));
            if *seconds == 2 { Err("no luck") } else { Ok(()) }
        };
        let work = flow.add(each(work).inputs((seconds, clock)));
        let execute = flow.execute().timed().keep_going().max_concurrency(1);
        let error = execute.await.unwrap_err();
        let report = error.report().unwrap();
        let parts: Vec<_> = report.task(work).parts().collect();
        let told = parts.iter().map(|part| {
            (part.name(), part.element(), part.status(), part.started().as_secs(), part.ran().unwrap().as_secs())
        });
        assert_eq!(told.collect::<Vec<_>>(), [
            ("[0]".into(), Some(0), TaskStatus::Succeeded, 0, 1),
            ("[1]".into(), Some(1), TaskStatus::Failed, 1, 2),
            ("[2]".into(), Some(2), TaskStatus::Succeeded, 3, 3),
        ]);
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(error.report().unwrap().task(work).parts().count(), 0, "it was not timed");
    }

    async fn tasks_of_runs_inside_a_timed_run<R>() {
        async fn twice<R: Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<(), FlowError> {
            cx.execute(inner).await?;
            cx.execute(inner).await.map(drop)
        }
        let (mut flow, clock) = by_clock::<R>();
        let takes = |seconds: u64| {
            let clock = clock.clone();
            move || {
                clock.advance(Duration::from_secs(seconds));
                std::future::ready(())
            }
        };
        let mut innermost = clock.flow::<R>();
        innermost.add(takes(3).named("b"));
        let mut inner = clock.flow::<R>();
        let first = inner.add(takes(2).named("a"));
        inner.add(Arc::new(innermost).named("deeper").after(first));
        let before = flow.add(takes(1));
        let nested = flow.add(Arc::new(inner).after(before));
        let mut step = clock.flow::<R>();
        step.add(takes(1).named("c"));
        let no = step.value(false);
        step.add(takes(1).named("never").run_if(no));
        let step = flow.value(step);
        let executes = flow.add(twice::<ByClock<R>>.inputs((context(), step)).after(nested));
        let run = flow.execute().timed().await.unwrap();
        let told = |task: TaskId| {
            let parts = run.report().task(task).parts();
            let parts = parts.map(|part| {
                assert_eq!((part.element(), part.status()), (None, TaskStatus::Succeeded));
                (part.name().into_owned(), part.started().as_secs(), part.ended().unwrap().as_secs())
            });
            parts.collect::<Vec<_>>()
        };
        let part = |name: &str, from, to| (name.to_owned(), from, to);
        assert_eq!(told(nested.into()), [part("a", 1, 3), part("deeper › b", 3, 6), part("deeper", 3, 6)]);
        assert_eq!(told(executes.into()), [part("c", 6, 7), part("c", 7, 8)]);
        // The report of a run inside counts from its own start.
        let deeper = run[nested].report().tasks().last().unwrap();
        let parts: Vec<_> = deeper.parts().map(|part| (part.name(), part.started().as_secs())).collect();
        assert_eq!(parts, [("b".into(), 2)]);
    }

    async fn elements_of_a_run_that_goes_on<R>() {
        let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
        let held = flow.value(vec![false, true]);
        let go = flow.value(gate.clone());
        let started = Gate::new();
        let tells = flow.value(started.clone());
        let waits = async |held: &bool, go: &Gate, started: &Gate| {
            if *held {
                started.open();
                go.pass().await;
            }
        };
        let waits = flow.add(each(waits).inputs((held, go, tells)));
        let running = flow.execute().timed().max_concurrency(1).start();
        started.pass().await;
        let report = running.report().unwrap();
        let parts: Vec<_> = report.task(waits).parts().collect();
        assert_eq!(parts[1].status(), TaskStatus::Unfinished);
        assert!(parts[0].ended().is_some() && parts[1].ended().is_none() && parts[1].ran().is_none());
        gate.open();
        let run = running.await.unwrap();
        assert!(run.report().task(waits).parts().all(|part| part.ended().is_some()));
    }

    async fn tasks_inside_have_a_bound<R>() {
        let mut inner = Flow::<R>::new();
        for _ in 0..10_003 {
            inner.add(async || {});
        }
        let mut flow = Flow::<R>::new();
        let nested = flow.add(Arc::new(inner));
        let run = flow.execute().timed().await.unwrap();
        let nested = run.report().task(nested);
        assert_eq!((nested.parts().count(), nested.parts_left_out()), (10_000, 3));
    }
}
