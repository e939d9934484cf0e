//! Journals: what has succeeded is restored and not run again. Here with journals in memory and in a
//! file of this process; `elements` has those of lists, `killed` the processes that are killed.

mod elements;
mod killed;

use std::collections::{BTreeMap, HashSet};
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use asyncflow::durable::{
    FileJournal, Journal, JournalError, JournalErrorKind, JournalExt, JournaledRun, Session,
    durable,
};
use asyncflow::prelude::*;
use asyncflow::{FlowErrorKind, Observer, TaskRef};
use asyncflow_tests::{
    Gate, Inside, Log, at_once, eventually, hold, on_every_backend, passes, skipped, turns,
};

/// A journal in memory.
#[derive(Clone, Default)]
struct Memory(Arc<State>);

#[derive(Default)]
struct State {
    records: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    in_use: Mutex<HashSet<String>>,
    /// What is told of it: `stored key`.
    log: Log,
    /// Stores wait until it is open, if there is one.
    gate: Option<Gate>,
    /// Opened when a store begins.
    storing: Gate,
    /// Whether stores fail.
    broken: bool,
    /// Whether stores panic.
    panics: bool,
    /// Loads wait until it is open, if there is one.
    looks: Option<Gate>,
    /// Opened when a load begins.
    looking: Gate,
    /// So many turns of the executor a load takes.
    turns: usize,
    /// The loads at the same time.
    loads: Inside,
}

struct MemorySession(Memory, String);

impl Memory {
    fn with(state: State) -> Self {
        Self(Arc::new(state))
    }

    fn keys(&self) -> Vec<String> {
        let records = self.0.records.lock().unwrap();
        records.keys().map(|(_, key)| key.clone()).collect()
    }
}

impl Journal for Memory {
    type Session = MemorySession;

    fn name(&self) -> String {
        "memory".into()
    }

    async fn begin(&self, run: &str) -> Result<MemorySession, JournalError> {
        match self.0.in_use.lock().unwrap().insert(run.into()) {
            true => Ok(MemorySession(self.clone(), run.into())),
            false => Err(JournalError::in_use("memory", run)),
        }
    }

    async fn runs(&self) -> Result<Vec<JournaledRun>, JournalError> {
        let mut runs = BTreeMap::new();
        for (run, _) in self.0.records.lock().unwrap().keys() {
            *runs.entry(run.clone()).or_insert(0) += 1;
        }
        let now = SystemTime::now();
        let runs = runs.into_iter();
        Ok(runs
            .map(|(run, records)| JournaledRun::new(run, records, now, now))
            .collect())
    }

    async fn forget(&self, run: &str) -> Result<bool, JournalError> {
        if self.0.in_use.lock().unwrap().contains(run) {
            return Err(JournalError::in_use("memory", run));
        }
        let mut records = self.0.records.lock().unwrap();
        let before = records.len();
        records.retain(|(of, _), _| of != run);
        Ok(records.len() < before)
    }
}

impl Session for MemorySession {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        // The identity of the run is asked for before the execution begins.
        if let Some(gate) = self.0.0.looks.as_ref().filter(|_| key != "[identity]") {
            self.0.0.looking.open();
            gate.pass().await;
        }
        let _visit = self.0.0.loads.enter(1);
        turns(self.0.0.turns).await;
        let records = self.0.0.records.lock().unwrap();
        Ok(records.get(&(self.1.clone(), key.into())).cloned())
    }

    async fn store(&self, key: &str, record: Vec<u8>) -> Result<(), JournalError> {
        let state = &self.0.0;
        state.storing.open();
        if let Some(gate) = &state.gate {
            gate.pass().await;
        }
        assert!(!state.panics, "the journal panics");
        if state.broken {
            return Err(JournalError::new(JournalErrorKind::Other, "memory is full"));
        }
        let key = (self.1.clone(), key.to_owned());
        state.records.lock().unwrap().insert(key.clone(), record);
        state.log.push(format!("stored {}", key.1));
        Ok(())
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        self.0.0.in_use.lock().unwrap().remove(&self.1);
    }
}

/// Counts calls.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    /// An async function that returns how often it was called.
    fn counted(&self) -> impl Fn() -> std::future::Ready<usize> + Send + Sync + use<> {
        let calls = self.clone();
        move || ready(calls.call())
    }

    fn call(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn the_journal_of_these_tests_is_one() {
    smol::block_on(asyncflow::durable::conformance::check(Memory::default()));
}

/// A flow as a type, whose methods count how often they are called.
struct Nightly {
    calls: AtomicUsize,
}

#[flow]
impl Nightly {
    #[task(durable)]
    async fn list(&self) -> Result<Vec<u32>, String> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(vec![1, 2])
    }

    #[task(durable = 2)]
    fn sum(&self, list: &Vec<u32>) -> u32 {
        self.calls.fetch_add(1, Ordering::SeqCst);
        list.iter().sum()
    }

    #[task(upstream = sum)]
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

on_every_backend! {
    async fn what_has_succeeded_is_restored<R>() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(folder.path().join("runs.db")).unwrap();
        let (mut flow, calls) = (Flow::<R>::new(), Calls::default());
        let asynchronous = flow.add(durable(calls.counted()).named("async"));
        let plain = {
            let calls = calls.clone();
            move |first: &usize| { calls.call(); format!("after {first}") }
        };
        let plain = flow.add(durable(plain).inputs(asynchronous).named("plain"));
        let fails = {
            let calls = calls.clone();
            move |text: &String| match calls.call() {
                3 => Err("no luck"),
                _ => Ok(text.len()),
            }
        };
        let last = flow.add(durable(fails).inputs(plain).named("last"));
        let other = flow.add(calls.counted().after(last).named("other"));

        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.to_string(), "task `last` failed: no luck (1 skipped)");
        let run = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!((run[asynchronous], &*run[plain], run[last]), (1, "after 1", 7));
        let report = run.report();
        let statuses = [report.status(asynchronous), report.status(plain), report.status(last)];
        let expected = [TaskStatus::Restored, TaskStatus::Restored, TaskStatus::Succeeded];
        assert_eq!(statuses, expected);
        assert_eq!(report.task(plain).attempts(), 0);
        assert_eq!(report.status(other), TaskStatus::Succeeded);
        assert_eq!(calls.count(), 5);

        let again = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!(again[last], 7);
        assert_eq!(again.report().status(other), TaskStatus::Succeeded, "it is not durable");
        assert_eq!(calls.count(), 6);
        let table = again.report().to_string();
        assert!(table.starts_with("4 tasks: 3 restored, 1 succeeded"), "{table}");
        let json = serde_json::to_value(again.report()).unwrap();
        assert_eq!(json["tasks"][1]["status"], "restored");

        let another = flow.execute().journal(&journal, "another run").await.unwrap();
        assert_eq!(another.report().status(asynchronous), TaskStatus::Succeeded);
        let without = flow.execute().await.unwrap();
        assert_eq!(without.report().status(asynchronous), TaskStatus::Succeeded);
        let runs: Vec<_> = journal.runs().unwrap();
        let runs: Vec<_> = runs.iter().map(|run| (run.id(), run.records())).collect();
        assert_eq!(runs, [("another run", 3), ("run", 3)]);
        assert!(journal.forget("run").unwrap());
        let forgotten = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!(forgotten.report().status(plain), TaskStatus::Succeeded);
    }

    async fn recorded_before_anything_downstream_starts<R>() {
        let gate = Gate::new();
        let journal = Memory::with(State { gate: Some(gate.clone()), ..State::default() });
        let log = journal.0.log.clone();
        let (mut flow, other) = (Flow::<R>::new(), Gate::new());
        let first = flow.add(durable(|| 1).named("first"));
        let plain = log.clone();
        flow.add((move |_: &i32| plain.push("downstream")).inputs(first));
        flow.add(log.note("after").after(first));
        let opens = other.clone();
        flow.add(move || opens.open());
        let running = flow.execute().journal(&journal, "run").start();
        journal.0.storing.pass().await;
        // The executor and its blocking threads are free in the meantime.
        other.pass().await;
        assert!(log.events().is_empty());
        gate.open();
        running.await.unwrap();
        assert_eq!(log.place("stored first"), 0);
        assert_eq!(log.events().len(), 3);
    }

    // What a task on another machine is known by: the same in a later execution, and for that task alone.
    async fn identity_of_tasks_and_elements<R>() {
        async fn identity(cx: &TaskContext) -> Result<Option<(String, String)>, String> {
            let identity = cx.identity().await.transpose();
            identity.map_err(|error| error.to_string())
        }
        async fn of_element(_: &(), cx: &TaskContext) -> Result<Option<(String, String)>, String> {
            identity(cx).await
        }
        let mut flow = Flow::<R>::new();
        let task = flow.add(identity.inputs(context()).named("task"));
        let list = flow.value(vec![(); 2]);
        let elements = flow.add(each(of_element).inputs((list, context())).named("list"));
        let run = flow.execute().await.unwrap();
        assert_eq!(run[task], None);
        let journal = Memory::default();
        let mut runs = Vec::new();
        for id in ["run", "run", "another"] {
            let run = flow.execute().journal(&journal, id).await.unwrap();
            let (identity, path) = run[task].clone().unwrap();
            assert_eq!(path, "task");
            let of = |path: &str| Some((identity.clone(), path.to_owned()));
            assert_eq!(run[elements], [of("list[0]"), of("list[1]")]);
            runs.push(identity);
        }
        assert!(runs[0] == runs[1] && runs[0] != runs[2]);
    }

    async fn what_is_not_durable_is_not_looked_up<R>() {
        let (mut flow, calls) = (Flow::<R>::new(), Calls::default());
        let task = flow.add(calls.counted());
        flow.add(Arc::new(Flow::<R>::new()));
        let open = Gate::new();
        open.open();
        let journal = Memory::with(State { looks: Some(open), ..State::default() });
        let run = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!((run[task], journal.0.looking.is_open()), (1, false));
    }

    async fn failures_and_cancelled_tasks_are_not_recorded<R>() {
        let journal = Memory::default();
        let mut flow = Flow::<R>::new();
        let started = Gate::new();
        let opens = started.clone();
        flow.add(durable(move || { opens.open(); std::future::pending::<u32>() }).named("hangs"));
        let waits = passes(&started);
        let waits = flow.add(waits);
        flow.add(durable(|| Err::<(), _>("no luck")).after(waits).named("fails"));
        flow.add(durable(|| -> u8 { panic!("out of cheese") }).after(waits).named("panics"));
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Failed);
        assert!(journal.keys().is_empty());
    }

    async fn a_new_version_forgets_the_old_value<R>() {
        let (journal, calls) = (Memory::default(), Calls::default());
        let execute = async |version: u32| {
            let mut flow = Flow::<R>::new();
            let task = flow.add(durable(calls.counted()).version(version).named("task"));
            let run = flow.execute().journal(&journal, "run").await.unwrap();
            (run[task], run.report().status(task))
        };
        assert_eq!(execute(0).await, (1, TaskStatus::Succeeded));
        assert_eq!(execute(0).await, (1, TaskStatus::Restored));
        assert_eq!(execute(1).await, (2, TaskStatus::Succeeded));
        assert_eq!(execute(1).await, (2, TaskStatus::Restored));
        assert_eq!(execute(0).await, (3, TaskStatus::Succeeded));
    }

    async fn a_value_that_does_not_fit_is_an_error<R>() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        let journal = FileJournal::open(&path).unwrap();
        let mut before = Flow::<R>::new();
        before.add(durable(|| String::from("text")).named("task"));
        before.execute().journal(&journal, "run").await.unwrap();

        let mut flow = Flow::<R>::new();
        let task = flow.add(durable(|| 1_u32).named("task").retry(at_once(3)));
        let downstream = flow.add((|_: &u32| ()).inputs(task));
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "task `task` failed: the record of `task` (version 0) in run `run` of journal \
                 `{}` does not fit the type of its output: invalid type: string, expected integer; \
                 to run the task again, raise its version with `.version(1)`, or forget the run \
                 (1 skipped)",
                path.display()
            )
        );
        assert_eq!(error.report().unwrap().status(downstream), skipped(task));
        let failure = error.failures().next().unwrap();
        let cause = failure.error().downcast_ref::<JournalError>().unwrap();
        assert_eq!(cause.kind(), JournalErrorKind::Unfit);
    }

    async fn as_an_argument_of_the_attributes<R>() {
        let mut nightly = NightlyFlow::<R>::new(Nightly { calls: AtomicUsize::new(0) });
        let sum = nightly.sum;

        #[task(nightly, durable)]
        async fn double(sum: &u32) -> Result<u32, String> {
            Ok(sum * 2)
        }

        let journal = Memory::default();
        for status in [TaskStatus::Succeeded, TaskStatus::Restored] {
            let run = nightly.execute().journal(&journal, "run").await.unwrap();
            assert_eq!(run[double], 6);
            for task in [nightly.list.id(), sum.id(), double.id()] {
                assert_eq!(run.report().status(task), status);
            }
            assert_eq!(run[nightly.calls], 2, "each was called once");
        }
    }

    async fn a_second_execution_at_once_is_refused<R>() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(folder.path().join("runs.db")).unwrap();
        let (mut flow, calls, gate) = (Flow::<R>::new(), Calls::default(), Gate::new());
        let task = flow.add(durable(calls.counted()).named("task"));
        flow.add(passes(&gate).after(task));
        let first = flow.execute().journal(&journal, "run").start();
        for _ in 0..2 {
            let error = flow.execute().journal(&journal, "run").await.unwrap_err();
            assert_eq!(error.kind(), FlowErrorKind::Refused);
            assert!(error.to_string().starts_with("run `run` of journal `"), "{error}");
            let source = std::error::Error::source(&error).unwrap();
            let source = source.downcast_ref::<JournalError>().unwrap();
            assert_eq!(source.kind(), JournalErrorKind::InUse);
            let started = flow.execute().journal(&journal, "run").start().await;
            assert_eq!(started.unwrap_err().kind(), FlowErrorKind::Refused);
        }
        assert_eq!(journal.forget("run").unwrap_err().kind(), JournalErrorKind::InUse);
        gate.open();
        flow.execute().journal(&journal, "another").await.unwrap();
        first.await.unwrap();
        // At once, and however the execution before has ended.
        for _ in 0..100 {
            let run = flow.execute().journal(&journal, "run").await.unwrap();
            assert_eq!(run.report().status(task), TaskStatus::Restored);
            let mut polled = Box::pin(flow.execute().journal(&journal, "run"));
            let _ = futures::poll!(polled.as_mut());
        }
        assert_eq!(calls.count(), 2);
        drop(flow.execute().journal(&journal, "run").start());
        let free = || futures::executor::block_on(Journal::begin(&journal, "run")).is_ok();
        eventually::<R>("the dropped run has ended", free).await;
    }

    async fn an_execution_that_is_refused_gives_its_run_back<R>() {
        let journal = Memory::default();
        let mut flow = Flow::<R>::new();
        flow.input::<u8>("number");
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert!(error.to_string().starts_with("input `number` was not given"), "{error}");
        assert!(journal.0.in_use.lock().unwrap().is_empty());
    }

    async fn an_attempt_that_succeeds_is_recorded<R>() {
        let (journal, calls) = (Memory::default(), Calls::default());
        let mut flow = Flow::<R>::new();
        let lock = Lock::new();
        let attempt = || {
            let calls = calls.clone();
            move || match calls.call() % 3 {
                0 => Ok(vec![1_u8, 2]),
                _ => Err("no luck"),
            }
        };
        let plain = flow.add(durable(attempt()).retry(at_once(5)).with_lock(&lock).named("plain"));
        let asynchronous = attempt();
        let asynchronous = move || ready(asynchronous());
        let asynchronous = durable(asynchronous).retry(at_once(5)).with_lock(&lock).after(plain);
        let asynchronous = flow.add(asynchronous.named("async"));
        let run = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!(run.report().task(plain).attempts(), 3);
        assert_eq!(journal.keys(), ["async", "plain"]);

        // What is restored takes no permits.
        let gate = Gate::new();
        let holding = hold::<R>(&lock, &gate).await;
        let run = flow.execute().journal(&journal, "run").max_concurrency(1).await.unwrap();
        assert_eq!((&*run[plain], &*run[asynchronous]), (&[1, 2][..], &[1, 2][..]));
        assert_eq!(calls.count(), 6);
        gate.open();
        holding.await.unwrap();
    }

    async fn an_output_that_cannot_be_recorded_fails_its_task<R>() {
        let journal = Memory::with(State { broken: true, ..State::default() });
        let (mut flow, calls) = (Flow::<R>::new(), Calls::default());
        let task = flow.add(durable(calls.counted()).retry(at_once(5)).named("task"));
        let downstream = flow.add((|_: &usize| ()).inputs(task));
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.to_string(), "task `task` failed: memory is full (1 skipped)");
        assert_eq!(error.report().unwrap().status(downstream), skipped(task));
        assert_eq!(error.outputs().unwrap().get(task), None);
        assert_eq!(calls.count(), 1, "it has succeeded, so it is not attempted again");
    }

    async fn a_stop_does_not_interrupt_a_record<R>() {
        let gate = Gate::new();
        let journal = Memory::with(State { gate: Some(gate.clone()), ..State::default() });
        let (mut flow, storing) = (Flow::<R>::new(), journal.0.storing.clone());
        let task = flow.add(durable(|| 7).named("task"));
        let wait = flow.add(passes(&storing));
        let fails = flow.add((|| ready(Err::<(), _>("no luck"))).after(wait).named("fails"));
        let opens = gate.clone();
        flow.add((move || opens.open()).after(fails).always());
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.failures().count(), 1);
        assert_eq!(error.report().unwrap().status(task), TaskStatus::Succeeded);
        assert_eq!(journal.keys(), ["task"]);
    }

    async fn flows_inside_use_the_journal<R>() {
        let (journal, calls) = (Memory::default(), Calls::default());
        let flow = |depth_first: &str| {
            let mut inner = Flow::<R>::new();
            inner.add(durable(calls.counted()).named("task"));
            let mut middle = Flow::<R>::new();
            middle.add(durable(calls.counted()).named("task"));
            middle.add(series![Arc::new(inner)]);
            let mut outer = Flow::<R>::new();
            outer.add(durable(calls.counted()).named("task"));
            outer.add(durable(calls.counted()).named(depth_first));
            outer.add(series![Arc::new(middle)]);
            outer
        };
        flow("flow/task").execute().journal(&journal, "run").await.unwrap();
        assert_eq!(calls.count(), 4);
        let keys = journal.keys();
        assert_eq!(keys, ["flow/flow/task", "flow/task", r"flow\/task", "task"]);
        flow("flow/task").execute().journal(&journal, "run").await.unwrap();
        assert_eq!(calls.count(), 4);
    }

    async fn flows_executed_by_a_task_have_journals_of_their_own<R>() {
        let journal = Memory::default();
        for executed in [3, 0] {
            let (mut inner, calls) = (Flow::<R>::new(), Calls::default());
            inner.add(durable(calls.counted()).named("step"));
            let mut flow = Flow::<R>::new();
            let own = journal.clone();
            let inner = flow.value(inner);
            let steps = async |cx: &TaskContext, inner: &Flow<R>, own: &Memory| {
                cx.execute(inner).await?;
                // The same flow again is not taken for the same run.
                for step in 0..2 {
                    cx.execute(inner).journal(own, format!("run/{step}")).await?;
                }
                Ok::<_, FlowError>(())
            };
            let own = flow.value(own);
            flow.add(steps.inputs((context(), inner, own)));
            flow.execute().journal(&journal, "run").await.unwrap();
            assert_eq!(calls.count(), executed.max(1));
        }
        assert_eq!(journal.keys(), ["step", "step"]);
    }

    async fn outputs_that_are_moved_or_not_kept<R>() {
        let journal = Memory::default();
        for status in [TaskStatus::Succeeded, TaskStatus::Restored] {
            let mut flow = Flow::<R>::new();
            let list = flow.add(durable(|| vec![1, 2, 3]).named("list"));
            let sum = |list: Vec<i32>| list.into_iter().sum::<i32>();
            let sum = flow.add(durable(sum).inputs(list.moved()).named("sum"));
            let unused = flow.add(durable(async || String::from("unused")).named("unused"));
            let last = flow.add((|sum: &i32| *sum).inputs(sum).after(unused));
            let run = flow.execute().only(last).journal(&journal, "run").await.unwrap();
            assert_eq!(run[last], 6);
            for task in [TaskId::from(list), sum.into(), unused.into()] {
                assert_eq!(run.report().status(task), status);
            }
        }
        assert_eq!(journal.keys(), ["list", "sum", "unused"]);
    }

    async fn a_given_value_comes_first<R>() {
        let journal = Memory::default();
        let mut flow = Flow::<R>::new();
        let task = flow.add(durable(|| 1).named("task"));
        let run = flow.execute().journal(&journal, "run").given(task, 2).await.unwrap();
        assert_eq!((run[task], run.report().status(task)), (2, TaskStatus::Given));
        assert!(journal.keys().is_empty());
        flow.execute().journal(&journal, "run").await.unwrap();
        let run = flow.execute().journal(&journal, "run").given(task, 3).await.unwrap();
        assert_eq!(run[task], 3);
    }

    async fn observers_are_told_of_restored_tasks<R>() {
        struct Told(Log);

        impl Observer for Told {
            fn task_ready(&self, task: TaskRef<'_>) {
                self.0.push(format!("{} ready", task.name()));
            }

            fn task_started(&self, task: TaskRef<'_>, _: u32) {
                self.0.push(format!("{} started", task.name()));
            }

            fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
                self.0.push(format!("{} {status}", task.name()));
            }
        }

        let (journal, log) = (Memory::default(), Log::new());
        let mut flow = Flow::<R>::new();
        flow.add(durable(|| 1).named("task"));
        flow.execute().journal(&journal, "run").await.unwrap();
        let told = Told(log.clone());
        let run = flow.execute().journal(&journal, "run").observe(told).timed().await.unwrap();
        assert_eq!(log.events(), ["task ready", "task restored"]);
        let task = run.report().tasks().next().unwrap();
        assert_eq!((task.ran(), task.attempts()), (None, 0));
        assert!(task.times().unwrap().ended.is_some());
    }
}
