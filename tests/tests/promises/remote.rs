//! Tasks on other machines: here with a local cluster, which has the same encoding. Those with a real
//! engine are in `asyncflow-restate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::Failure;
use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::restate::{Cluster, Job, RemoteError, RemoteErrorKind};
use asyncflow_tests::{Gate, Inside, at_once, eventually, on_every_backend};

const LENGTH: Job<String, u64> = Job::new("length", 1);
const SQUARE: Job<u64, u64> = Job::new("square", 2);
const NEWER: Job<u64, u64> = Job::new("square", 3);

/// The kind of the error of the only task that failed.
fn kind(error: &FlowError) -> RemoteErrorKind {
    let failure = error.failures().next().unwrap();
    failure
        .error()
        .downcast_ref::<RemoteError>()
        .unwrap()
        .kind()
}

on_every_backend! {
    async fn functions_of_all_kinds<R>() {
        #[expect(clippy::ptr_arg, reason = "a `String` is the input of the job")]
        async fn length(text: &String) -> u64 {
            text.len() as u64
        }

        fn square(number: u64) -> Result<u64, String> {
            number.checked_mul(number).ok_or_else(|| format!("{number} is too large"))
        }

        let cluster = Cluster::local().job(LENGTH, length).job(SQUARE, square);
        let mut flow = Flow::<R>::new();
        let text = flow.input::<String>("text");
        let length = flow.add(cluster.remote(LENGTH).inputs(text).named("length"));
        let square = flow.add(cluster.remote(SQUARE).inputs(length).named("square"));
        let run = flow.execute().given(text, "seven".into()).await.unwrap();
        assert_eq!((run[length], run[square]), (5, 25));
        assert_eq!(run.report().task(square).note(), Some("on this process"));

        let async_owned = Cluster::local().job(LENGTH, async |text: String| Ok::<_, String>(text.len() as u64));
        let plain_borrowed = async_owned.job(SQUARE, |number: &u64| number + 1);
        let square = flow.add(plain_borrowed.remote(SQUARE).inputs(length));
        let run = flow.execute().given(text, "seven".into()).await.unwrap();
        assert_eq!(run[square], 6);
    }

    async fn errors_and_panics_are_failures_of_the_task<R>() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let cluster = Cluster::local().job(SQUARE, move |number: &u64| {
            match counted.fetch_add(1, Ordering::SeqCst) {
                0 => Err("no luck"),
                1 => panic!("out of cheese"),
                _ => Ok(number * number),
            }
        });
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 3_u64);
        let once = flow.add(cluster.remote(SQUARE).inputs(number).named("square"));
        let error = flow.execute().await.unwrap_err();
        let text = "task `square` failed: job `square` (version 2) failed: no luck";
        assert_eq!((error.to_string().as_str(), kind(&error)), (text, RemoteErrorKind::Failed));
        let again = cluster.remote(SQUARE).inputs(number).after(once).retry(at_once(3)).named("again");
        let again = flow.add(again);
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("failed: panicked: out of cheese"), "{error}");
        let run = flow.execute().await.unwrap();
        assert_eq!((run[once], run[again]), (9, 9));
    }

    async fn payloads_that_panic_when_dropped<R>() {
        struct Bomb;

        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }

        let plain = |_: &u64| -> u64 { std::panic::panic_any(Bomb) };
        let awaits = async |_: u64| -> u64 { std::panic::panic_any(Bomb) };
        let cluster = Cluster::local().job(SQUARE, plain).job(NEWER, awaits);
        for job in [SQUARE, NEWER] {
            let mut flow = Flow::<R>::new();
            let number = flow.add(|| 3_u64);
            flow.add(cluster.remote(job).inputs(number));
            let error = flow.execute().await.unwrap_err();
            assert_eq!(kind(&error), RemoteErrorKind::Failed);
            assert!(error.to_string().ends_with("panicked: a payload that is not a string"), "{error}");
        }
    }

    async fn unknown_jobs_and_other_versions_are_errors<R>() {
        let cluster = Cluster::local().job(SQUARE, |number: &u64| *number);
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 3_u64);
        flow.add(cluster.remote(NEWER).inputs(number).named("newer"));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(kind(&error), RemoteErrorKind::UnknownJob);
        assert!(error.to_string().contains("does not offer job `square` (version 3)"), "{error}");
    }

    async fn a_value_of_another_type_is_an_error<R>() {
        const TEXT: Job<u64, String> = Job::new("square", 2);
        const OF_TEXT: Job<String, u64> = Job::new("square", 2);
        let cluster = Cluster::local().job(SQUARE, |number: &u64| *number);
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 3_u64);
        flow.add(cluster.remote(TEXT).inputs(number));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(kind(&error), RemoteErrorKind::Unfit);
        assert!(error.to_string().contains("raise the version of the job"), "{error}");
        let mut flow = Flow::<R>::new();
        let text = flow.add(|| String::from("three"));
        flow.add(cluster.remote(OF_TEXT).inputs(text));
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("the worker cannot read the input"), "{error}");
    }

    async fn never_more_jobs_than_the_limit<R>() {
        let inside = Inside::new();
        let visits = inside.clone();
        let cluster = Cluster::local().concurrency(2).job(SQUARE, move |number: u64| {
            let visit = visits.enter(1);
            let future = tokio::time::sleep(Duration::from_millis(1));
            async move {
                future.await;
                drop(visit);
                number * number
            }
        });
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 3_u64);
        let squares: Vec<_> = (0..20).map(|_| flow.add(cluster.remote(SQUARE).inputs(number))).collect();
        let run = flow.execute().await.unwrap();
        assert!(squares.iter().all(|square| run[*square] == 9));
        assert_eq!(inside.most(), 2);
    }

    async fn a_run_that_is_cancelled_drops_its_jobs<R>() {
        let (started, dropped) = (Gate::new(), Gate::new());
        let (opens, drops) = (started.clone(), dropped.clone());
        let cluster = Cluster::local().job(SQUARE, move |number: u64| {
            let held = drops.opener();
            opens.open();
            async move {
                std::future::pending::<()>().await;
                drop(held);
                number
            }
        });
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 3_u64);
        flow.add(cluster.remote(SQUARE).inputs(number));
        let running = flow.execute().start();
        started.pass().await;
        assert!(running.cancel().await.unwrap_err().is_cancelled());
        eventually::<R>("the job is dropped", || dropped.is_open()).await;
    }

    async fn each_element_is_a_job<R>() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let cluster = Cluster::local().job(SQUARE, move |number: &u64| {
            counted.fetch_add(1, Ordering::SeqCst);
            number.checked_mul(*number).ok_or("it is too large")
        });
        let mut flow = Flow::<R>::new();
        let list = flow.input::<Vec<u64>>("list");
        let squares = flow.add(each(cluster.remote(SQUARE)).inputs(list).named("square"));
        let kept = each(cluster.remote(SQUARE)).inputs(list).retry(at_once(1)).with_lock(Lock::new());
        let kept = flow.add(kept.fallback(|failure| failure.name().len() as u64).named("kept"));
        let run = flow.execute().given(list, (0..100).collect()).max_concurrency(3).await.unwrap();
        let expected: Vec<_> = (0..100).map(|number| number * number).collect();
        assert_eq!((&run[squares], &run[kept]), (&expected, &expected));
        assert_eq!(calls.swap(0, Ordering::SeqCst), 200);

        let error = flow.execute().given(list, vec![1, u64::MAX, 2]).keep_going().await.unwrap_err();
        let text = "task `square[1]` failed: job `square` (version 2) failed: it is too large";
        assert_eq!((error.to_string().as_str(), kind(&error)), (text, RemoteErrorKind::Failed));
        assert_eq!(error.outputs().unwrap()[kept], [1, 7, 4]);
        assert_eq!(calls.load(Ordering::SeqCst), 7, "each element has its attempts");
    }

    async fn jobs_are_recorded<R>() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(folder.path().join("runs.db")).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let cluster = Cluster::local().job(SQUARE, move |number: &u64| {
            // The last element fails in the first execution.
            match (counted.fetch_add(1, Ordering::SeqCst), number) {
                (..4, 5) => Err("no luck"),
                _ => Ok(number * number),
            }
        });
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![2_u64, 3, 5]);
        let number = flow.value(7_u64);
        let one = flow.add(durable(cluster.remote(SQUARE)).version(1).inputs(number).named("one"));
        let squares = each(durable(cluster.remote(SQUARE))).inputs(list).after(one);
        let squares = flow.add(squares.named("squares"));
        flow.execute().journal(&journal, "run").keep_going().await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        for (calls_by_then, status) in [(5, TaskStatus::Succeeded), (5, TaskStatus::Restored)] {
            let run = flow.execute().journal(&journal, "run").await.unwrap();
            assert_eq!((run[one], &*run[squares]), (49, &[4, 9, 25][..]));
            assert_eq!(run.report().status(one), TaskStatus::Restored);
            assert_eq!(run.report().status(squares), status);
            assert_eq!(calls.load(Ordering::SeqCst), calls_by_then);
        }
    }

    async fn with_a_journal_and_a_fallback<R>() {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(folder.path().join("runs.db")).unwrap();
        let cluster = Cluster::local().job(SQUARE, |_: &u64| Err::<u64, _>("no luck"));
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 3_u64);
        let square = cluster.remote(SQUARE).inputs(number);
        let square = flow.add(square.fallback(|_: &Failure| 0_u64));
        let run = flow.execute().journal(&journal, "run").await.unwrap();
        assert_eq!((run[square], run.report().status(square)), (0, TaskStatus::Recovered));
    }
}
