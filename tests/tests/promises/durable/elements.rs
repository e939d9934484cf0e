//! Journals and `each`: every element has a record of its own.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use asyncflow::durable::{FileJournal, JournalError, JournalErrorKind, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::{ElementRef, FlowErrorKind, Observer, Run, Runtime, TaskRef};
use asyncflow_tests::{
    Gate, Kept, Log, at_once, hold, on_every_backend, passes, poll_while_woken, skipped,
};

use super::{Memory, State};

/// What the functions of the elements share.
#[derive(Default)]
struct Shared {
    called: Mutex<Vec<u32>>,
    /// The number for which the function fails; 0 for none.
    fails: AtomicU32,
}

impl Shared {
    /// Takes the numbers for which the function was called, in their order.
    fn called(&self) -> Vec<u32> {
        let mut called = std::mem::take(&mut *self.called.lock().unwrap());
        called.sort_unstable();
        called
    }
}

fn double(number: &u32, shared: &Shared) -> Result<u32, String> {
    shared.called.lock().unwrap().push(*number);
    match shared.fails.load(Ordering::SeqCst) == *number {
        true => Err(format!("no luck with {number}")),
        false => Ok(number * 2),
    }
}

async fn double_async(number: &u32, shared: &Shared) -> Result<u32, String> {
    double(number, shared)
}

/// A flow with one task `double` for each of these numbers, with a plain or an async function.
struct Doubles<R: Runtime> {
    flow: Flow<R>,
    shared: Task<Shared>,
    double: Task<Vec<u32>>,
    sum: Task<u32>,
}

impl<R: Runtime + Default> Doubles<R> {
    fn new(plain: bool, numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::of_version(plain, numbers, 0)
    }

    fn of_version(plain: bool, numbers: impl IntoIterator<Item = u32>, version: u32) -> Self {
        let mut flow = Flow::<R>::new();
        let list = flow.value(numbers.into_iter().collect::<Vec<_>>());
        let shared = flow.value(Shared::default());
        let inputs = (list, shared);
        let double = match plain {
            true => {
                let task = each(durable(double).version(version)).inputs(inputs);
                flow.add(task.named("double"))
            }
            false => {
                let task = each(durable(double_async).version(version)).inputs(inputs);
                flow.add(task.named("double"))
            }
        };
        let sum = flow.add((|doubled: &Vec<u32>| doubled.iter().sum::<u32>()).inputs(double));
        Self {
            flow,
            shared,
            double,
            sum,
        }
    }

    /// Executes it, and returns the run, and the numbers for which the function was called.
    async fn execute(&self, journal: &Memory) -> (Run, Vec<u32>) {
        let run = self.flow.execute().journal(journal, "run").await.unwrap();
        let called = run[self.shared].called();
        (run, called)
    }
}

on_every_backend! {
    async fn few_are_looked_up_at_a_time<R>() {
        let journal = Memory::with(State { turns: 3, ..State::default() });
        Doubles::<R>::new(false, 1..=300).execute(&journal).await;
        let most = journal.0.loads.most();
        assert!((2..=64).contains(&most), "{most} of 300 at a time");
    }

    async fn each_element_is_restored<R>() {
        for plain in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let journal = FileJournal::open(folder.path().join("runs.db")).unwrap();
            let flow = Doubles::<R>::new(plain, 1..=5);
            let failing = Shared { fails: 3.into(), ..Shared::default() };
            let execution = flow.flow.execute().journal(&journal, "run").keep_going();
            let error = execution.given(flow.shared, failing).await.unwrap_err();
            assert!(error.to_string().starts_with("task `double[2]` failed: no luck with 3"), "{error}");
            assert_eq!(error.outputs().unwrap()[flow.shared].called(), [1, 2, 3, 4, 5]);
            assert_eq!(journal.runs().unwrap()[0].records(), 4);

            let run = flow.flow.execute().journal(&journal, "run").await.unwrap();
            assert_eq!((&*run[flow.double], run[flow.sum]), (&[2, 4, 6, 8, 10][..], 30));
            assert_eq!(run[flow.shared].called(), [3]);
            assert_eq!(run.report().status(flow.double), TaskStatus::Succeeded);
            assert_eq!(run.report().task(flow.double).attempts(), 1);

            for limit in [1, 100] {
                let run = flow.flow.execute().journal(&journal, "run").max_concurrency(limit).await.unwrap();
                assert_eq!((&*run[flow.double], run[flow.sum]), (&[2, 4, 6, 8, 10][..], 30));
                assert!(run[flow.shared].called().is_empty());
                assert_eq!(run.report().status(flow.double), TaskStatus::Restored);
                assert_eq!(run.report().task(flow.double).attempts(), 0);
            }

            let without = flow.flow.execute().await.unwrap();
            assert_eq!(without[flow.shared].called(), [1, 2, 3, 4, 5]);
            let another = flow.flow.execute().journal(&journal, "another run").await.unwrap();
            assert_eq!(another[flow.shared].called(), [1, 2, 3, 4, 5]);
            assert!(journal.forget("run").unwrap());
            let forgotten = flow.flow.execute().journal(&journal, "run").await.unwrap();
            assert_eq!(forgotten[flow.shared].called(), [1, 2, 3, 4, 5]);
        }
    }

    // Also with more elements than are looked up at a time.
    async fn keys_have_the_index<R>() {
        let journal = Memory::default();
        let mut inner = Doubles::<R>::new(true, 1..=2);
        inner.flow.add(durable(|| ()).named("double[0]"));
        let mut outer = Flow::<R>::new();
        outer.add(series![std::sync::Arc::new(inner.flow)]);
        outer.execute().journal(&journal, "run").await.unwrap();
        assert_eq!(journal.keys(), ["flow/double[0]", "flow/double[1]", r"flow/double\[0]"]);

        let journal = Memory::default();
        let flow = Doubles::<R>::new(false, 1..=1000);
        let (run, called) = flow.execute(&journal).await;
        assert_eq!((run[flow.sum], called.len(), journal.keys().len()), (1_001_000, 1000, 1000));
        let (run, called) = flow.execute(&journal).await;
        assert_eq!((run[flow.sum], called.len()), (1_001_000, 0));
    }

    // The key is the index, whatever the element is.
    async fn lists_that_change<R>() {
        let journal = Memory::default();
        let execute = async |numbers: &[u32], version| {
            let flow = Doubles::<R>::of_version(false, numbers.iter().copied(), version);
            let (run, called) = flow.execute(&journal).await;
            (run[flow.double].clone(), called, run.report().status(flow.double))
        };
        use TaskStatus::{Restored, Succeeded};
        assert_eq!(execute(&[], 0).await, (vec![], vec![], Succeeded));
        assert_eq!(execute(&[1, 2], 0).await, (vec![2, 4], vec![1, 2], Succeeded));
        assert_eq!(execute(&[1, 2, 3], 0).await, (vec![2, 4, 6], vec![3], Succeeded));
        assert_eq!(execute(&[1], 0).await, (vec![2], vec![], Restored));
        assert_eq!(execute(&[9, 8, 7], 0).await, (vec![2, 4, 6], vec![], Restored));
        assert_eq!(execute(&[9], 1).await, (vec![18], vec![9], Succeeded));
        assert_eq!(execute(&[9, 8, 7], 1).await, (vec![18, 16, 14], vec![7, 8], Succeeded));
        assert_eq!(execute(&[], 1).await, (vec![], vec![], Succeeded));
    }

    async fn elements_are_recorded_before_anything_downstream_starts<R>() {
        let gate = Gate::new();
        let journal = Memory::with(State { gate: Some(gate.clone()), ..State::default() });
        let log = journal.0.log.clone();
        let mut flow = Doubles::<R>::new(false, 1..=3);
        flow.flow.add(log.note("after").after(flow.double));
        let running = flow.flow.execute().journal(&journal, "run").start();
        journal.0.storing.pass().await;
        assert!(log.events().is_empty());
        gate.open();
        running.await.unwrap();
        assert_eq!(log.events().len(), 4);
        assert_eq!(log.place("after"), 3);
    }

    async fn an_element_that_does_not_fit_is_an_error<R>() {
        let journal = Memory::default();
        let before = |number: &u32| match number {
            1 => String::from("text"),
            _ => String::new(),
        };
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![1_u32]);
        flow.add(each(durable(before)).inputs(list).named("double"));
        flow.execute().journal(&journal, "run").await.unwrap();

        let flow = Doubles::<R>::new(false, [1, 2]);
        let shared = || Shared { fails: 2.into(), ..Shared::default() };
        for keep_going in [false, true] {
            let execution = flow.flow.execute().journal(&journal, "run").given(flow.shared, shared());
            let error = match keep_going {
                true => execution.keep_going().await.unwrap_err(),
                false => execution.await.unwrap_err(),
            };
            let failures: Vec<_> = error.failures().map(|failure| failure.name().to_owned()).collect();
            let called = error.outputs().unwrap()[flow.shared].called();
            match keep_going {
                true => assert_eq!((&*failures, &*called), (&["double[0]".into(), "double[1]".into()][..], &[2][..])),
                false => assert_eq!((&*failures, &*called), (&["double[0]".into()][..], &[][..])),
            }
            let failure = error.failures().next().unwrap();
            let cause = failure.error().downcast_ref::<JournalError>().unwrap();
            assert_eq!(cause.kind(), JournalErrorKind::Unfit);
            let text = cause.to_string();
            let expected = "the record of `double[0]` (version 0) in run `run` of journal `memory` does not fit";
            assert!(text.starts_with(expected), "{text}");
            assert_eq!(error.report().unwrap().status(flow.sum), skipped(flow.double));
        }
        assert_eq!(journal.keys(), ["double[0]"]);
    }

    async fn failures_and_cancelled_elements_are_not_recorded<R>() {
        let journal = Memory::default();
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![0_u32, 1, 2]);
        let storing = flow.value(journal.0.storing.clone());
        let f = async |number: &u32, storing: &Gate| match number {
            0 => std::future::pending().await,
            1 => Ok(()),
            _ => {
                storing.pass().await;
                Err("no luck")
            }
        };
        let task = flow.add(each(durable(f)).inputs((list, storing)).named("f"));
        let panics = |_: &u32| -> u8 { panic!("out of cheese") };
        let panics = flow.add(each(durable(panics)).inputs(list).named("panics").allow_failure());
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Failed);
        assert_eq!(journal.keys(), ["f[1]"]);
        assert_eq!(error.report().unwrap().status(task), TaskStatus::Failed);
        assert_ne!(error.report().unwrap().status(panics), TaskStatus::Succeeded);
    }

    async fn a_second_execution_of_elements_at_once_is_refused<R>() {
        let journal = Memory::default();
        let mut flow = Flow::<R>::new();
        let (list, gate) = (flow.value(vec![1_u32, 2]), Gate::new());
        let waits = flow.value(gate.clone());
        let f = async |number: &u32, gate: &Gate| {
            gate.pass().await;
            *number
        };
        flow.add(each(durable(f)).inputs((list, waits)));
        let first = flow.execute().journal(&journal, "run").start();
        let error = flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Refused);
        gate.open();
        first.await.unwrap();
    }

    async fn attempts_and_fallbacks_of_elements<R>() {
        let journal = Memory::default();
        let mut flow = Flow::<R>::new();
        let (lock, list) = (Lock::new(), flow.value(vec![1_u32, 2, 3]));
        fn flaky(number: &u32, cx: &TaskContext) -> Result<u32, &'static str> {
            match (number, cx.attempt()) {
                (3, _) | (2, 1) => Err("no luck"),
                (number, _) => Ok(number + 10),
            }
        }
        let awaits = async |number: &u32, cx: &TaskContext| flaky(number, cx);
        let plain = each(durable(flaky)).inputs((list, context())).retry(at_once(1));
        let plain = flow.add(plain.fallback(|_| 0).with_lock(&lock).named("plain"));
        let awaits = each(durable(awaits)).inputs((list, context())).retry(at_once(1));
        let awaits = flow.add(awaits.fallback(|_| 0).with_lock(&lock).named("awaits"));
        let run = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!((&*run[plain], &*run[awaits]), (&[11, 12, 0][..], &[11, 12, 0][..]));
        assert_eq!(run.report().status(plain), TaskStatus::Recovered);
        let recorded = ["awaits[0]", "awaits[1]", "plain[0]", "plain[1]"];
        assert_eq!(journal.keys(), recorded, "what a fallback made is not recorded");
        let run = flow.execute().journal(&journal, "run").max_concurrency(1).await.unwrap();
        assert_eq!((&*run[plain], &*run[awaits]), (&[11, 12, 0][..], &[11, 12, 0][..]));
        assert_eq!(run.report().status(awaits), TaskStatus::Recovered);
    }

    async fn restored_elements_take_no_permits<R>() {
        let (journal, lock) = (Memory::default(), Lock::new());
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![1_u32, 2, 3]);
        let plain = flow.add(each(durable(|n: &u32| *n)).inputs(list).with_lock(&lock).named("plain"));
        let awaits = flow.add(each(durable(async |n: &u32| *n)).inputs(list).with_lock(&lock).named("awaits"));
        flow.execute().journal(&journal, "run").await.unwrap();
        let gate = Gate::new();
        let holding = hold::<R>(&lock, &gate).await;
        let run = flow.execute().journal(&journal, "run").max_concurrency(1).await.unwrap();
        assert_eq!((&*run[plain], &*run[awaits]), (&[1, 2, 3][..], &[1, 2, 3][..]));
        gate.open();
        holding.await.unwrap();
    }

    async fn elements_by_value_and_outputs_that_are_not_kept<R>() {
        let journal = Memory::default();
        for calls in [2, 1, 0] {
            let mut flow = Flow::<R>::new();
            let list = flow.add(|| vec![String::from("a"), String::from("bc"), String::from("def")]);
            let log = flow.value(Log::new());
            let length = move |text: String, log: &Log| {
                log.push(text.clone());
                match (text.len(), calls) {
                    (2, 2) => Err("no luck"),
                    (length, _) => Ok(length),
                }
            };
            let lengths = flow.add(each(durable(length)).inputs((list.moved(), log)).named("length"));
            let sum = flow.add((|lengths: Vec<usize>| lengths.into_iter().sum::<usize>()).inputs(lengths.moved()));
            let execution = flow.execute().only((sum, log)).journal(&journal, "run").keep_going();
            match execution.await {
                Ok(run) => assert_eq!((run[sum], run[log].events().len()), (6, calls)),
                Err(error) => assert_eq!((error.failures().count(), calls), (1, 2)),
            }
        }
        assert_eq!(journal.keys(), ["length[0]", "length[1]", "length[2]"]);
    }

    async fn an_element_that_cannot_be_recorded_fails<R>() {
        for panics in [false, true] {
            let journal = Memory::with(State { broken: !panics, panics, ..State::default() });
            let flow = Doubles::<R>::new(panics, [1, 2]);
            let error = flow.flow.execute().journal(&journal, "run").keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 2);
            let failure = error.failures().nth(1).unwrap();
            assert_eq!(failure.name(), "double[1]");
            let why = if panics { "the journal panics" } else { "memory is full" };
            assert!(failure.to_string().ends_with(why), "{failure}");
            assert_eq!(error.outputs().unwrap()[flow.shared].called(), [1, 2], "without another attempt");
            assert_eq!(error.outputs().unwrap().get(flow.double), None);
        }
    }

    async fn a_stop_does_not_interrupt_the_record_of_an_element<R>() {
        let gate = Gate::new();
        let journal = Memory::with(State { gate: Some(gate.clone()), ..State::default() });
        let mut flow = Doubles::<R>::new(true, [1]);
        let wait = flow.flow.add(passes(&journal.0.storing));
        let fails = || std::future::ready(Err::<(), _>("no luck"));
        let fails = flow.flow.add(fails.after(wait).named("fails"));
        let opens = gate.clone();
        flow.flow.add((move || opens.open()).after(fails).always());
        let error = flow.flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.failures().count(), 1);
        assert_eq!(journal.keys(), ["double[0]"]);
    }

    async fn a_stop_interrupts_the_look_for_records<R>() {
        let gate = Gate::new();
        let journal = Memory::with(State { looks: Some(gate.clone()), ..State::default() });
        let mut flow = Doubles::<R>::new(true, 0..100);
        let wait = flow.flow.add(passes(&journal.0.looking));
        let fails = || std::future::ready(Err::<(), _>("no luck"));
        flow.flow.add(fails.after(wait).named("fails"));
        let error = flow.flow.execute().journal(&journal, "run").await.unwrap_err();
        assert_eq!(error.report().unwrap().status(flow.double), TaskStatus::Cancelled);
        assert!(journal.keys().is_empty());
    }

    async fn observers_are_told_of_restored_elements<R>() {
        struct Told(Log);

        impl Observer for Told {
            fn task_started(&self, task: TaskRef<'_>, _: u32) {
                self.0.push(format!("{} started", task.name()));
            }

            fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
                if task.name() == "double" {
                    self.0.push(format!("{} {status}", task.name()));
                }
            }

            fn element_started(&self, element: ElementRef<'_>, _: u32) {
                self.0.push(format!("{element} started"));
            }

            fn element_ended(&self, element: ElementRef<'_>, status: TaskStatus) {
                self.0.push(format!("{element} {status}"));
            }
        }

        let journal = Memory::default();
        for plain in [true, false] {
            let flow = Doubles::<R>::of_version(plain, [1, 2, 3], u32::from(plain));
            let failing = Shared { fails: 2.into(), ..Shared::default() };
            let failed = flow.flow.execute().journal(&journal, "run").keep_going();
            failed.given(flow.shared, failing).await.unwrap_err();
            let told = async || {
                let log = Log::new();
                let execution = flow.flow.execute().only(flow.double).journal(&journal, "run").timed();
                let run = execution.observe(Told(log.clone())).await.unwrap();
                let task = run.report().task(flow.double);
                assert_eq!(task.attempts() > 0, task.ran().is_some());
                log.events()
            };
            let expected = [
                "double started", "double[0] restored", "double[2] restored", "double[1] started",
                "double[1] succeeded", "double succeeded",
            ];
            assert_eq!(told().await, expected);
            let restored = ["double[0] restored", "double[1] restored", "double[2] restored", "double restored"];
            assert_eq!(told().await, restored);
        }
    }

    async fn elements_as_an_argument_of_the_attributes<R>() {
        struct Nightly;

        #[flow]
        impl Nightly {
            #[task]
            async fn list() -> Vec<u32> {
                vec![1, 2, 3]
            }

            #[task(durable = 2)]
            async fn double(#[each(list)] number: &u32) -> Result<u32, String> {
                Ok(number * 2)
            }
        }

        let mut nightly = NightlyFlow::<R>::new();
        let doubled = nightly.double;

        #[task(nightly, durable)]
        fn again(#[each(doubled)] number: &u32) -> u32 {
            number * 2
        }

        let journal = Memory::default();
        for status in [TaskStatus::Succeeded, TaskStatus::Restored] {
            let run = nightly.execute().journal(&journal, "run").await.unwrap();
            assert_eq!(run[again], [4, 8, 12]);
            assert_eq!((run.report().status(doubled), run.report().status(again)), (status, status));
        }
        assert_eq!(journal.keys().len(), 6);
    }
}

/// Lookups that wait are not polled until one of them goes on.
#[test]
fn lookups_that_wait_take_no_turns() {
    let gate = Gate::new();
    let journal = Memory::with(State {
        looks: Some(gate.clone()),
        ..State::default()
    });
    let doubles = Doubles::<Kept>::new(false, 1..=3);
    let execute = doubles.flow.execute().only(doubles.double);
    let mut execute = pin!(execute.journal(&journal, "run"));
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    gate.open();
    assert!(poll_while_woken(execute).is_ready());
}
