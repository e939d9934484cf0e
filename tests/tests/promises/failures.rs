//! A failure lets nothing downstream start, stops the run unless it keeps going, and is reported with
//! its cause.

use std::error::Error;
use std::future::pending;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fmt, io};

use anyhow::Context as _;
use asyncflow::prelude::*;
use asyncflow::{Failure, Panic, Report, Runtime, TimedOut};
use asyncflow_tests::{
    Gate, Guards, Log, again, on_every_backend, skipped, slow, turns, waits, yield_now,
};

/// The tasks that failed, in the order in which they are reported.
fn failed(error: &FlowError) -> Vec<TaskId> {
    error.failures().map(Failure::task).collect()
}

/// Asserts that each task is reported once, and has a status.
fn assert_complete<R: Runtime>(flow: &Flow<R>, report: &Report) {
    let mut ids: Vec<TaskId> = report.tasks().map(|task| task.id()).collect();
    assert!(ids.is_sorted(), "in the order of declaration");
    ids.dedup();
    assert_eq!(ids.len(), flow.len());
    assert_eq!(report.count(|status| status == TaskStatus::Unfinished), 0);
}

/// One of the ways to fail.
fn fails<R: Runtime>(flow: &mut Flow<R>, how: usize, after: Option<Task<()>>) -> Task<()> {
    match how {
        0 => flow.add((async || Err::<(), _>("no")).after(after)),
        1 => flow.add((|| Err::<(), _>("no")).after(after)),
        2 => flow.add(
            (async || {
                yield_now().await;
                Err::<(), _>("no")
            })
            .after(after),
        ),
        3 => flow.add((async || -> () { panic!("no") }).after(after)),
        _ => flow.add((|| -> () { panic!("no") }).after(after)),
    }
}

on_every_backend! {
    async fn keep_going_runs_what_is_independent<R>() {
        for how in 0..5 {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let first = flow.add(log.note("first"));
            let failed = fails(&mut flow, how, Some(first));
            let child = flow.add(log.note("child").after(failed));
            let grandchild = flow.add(log.note_blocking("grandchild").after((child, first)));
            let sibling = flow.add(slow(&log, "sibling").after(first));
            let both = flow.add(log.note("both").after([sibling, failed]));
            let niece = flow.add(log.note_blocking("niece").after(sibling));
            let grandniece = flow.add(log.note("grandniece").after(niece));
            let other = flow.add(slow(&log, "other"));
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 1);
            let report = error.report().unwrap();
            assert!(report.status(failed).is_failure());
            let skipped = skipped(failed);
            for task in [child, grandchild, both] {
                assert_eq!(report.status(task), skipped);
            }
            for task in [first, sibling, niece, grandniece, other] {
                assert_eq!(report.status(task), TaskStatus::Succeeded);
            }
            log.assert_order(&["first", "sibling", "niece", "grandniece"]);
            log.place("other");
            assert_eq!(log.events().len(), 5);
        }
    }

    async fn nothing_downstream_starts<R>() {
        for how in 0..5 {
            for limit in [1, usize::MAX] {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let first = flow.add(log.note("first"));
                let failed = fails(&mut flow, how, Some(first));
                let child = flow.add(log.note("child").after(failed));
                flow.add(log.note_blocking("plain child").after(failed));
                flow.add(log.note("grandchild").after(child));
                flow.add(series![log.note("in a group"), log.note("in it, too")].after(failed));
                let group = flow.add(parallel![log.note("a"), log.note("b")].after([failed]));
                flow.add(log.note_blocking("after it").after((group, first)));
                let error = flow.execute().max_concurrency(limit).await.unwrap_err();
                assert_eq!(error.failures().count(), 1);
                assert_eq!(log.events(), ["first"]);
                let skipped = skipped(failed);
                assert_eq!(error.report().unwrap().status(child), skipped);
            }
        }
    }

    // Half of the tasks depend on the root, in two layers; they are skipped because of it. The
    // others are independent.
    async fn error_at_the_root_of_a_wide_graph<R>() {
        for keep_going in [true, false] {
            for plain in [true, false] {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let root = match plain {
                    true => flow.add(|| Err::<(), _>("no")),
                    false => flow.add(async || { yield_now().await; Err::<(), _>("no") }),
                };
                let other = flow.add(log.note("other"));
                let (mut behind, mut apart) = (vec![], vec![]);
                for _ in 0..250 {
                    let first = flow.add(log.note("never").after(root));
                    let second = flow.add(log.note_blocking("never").after([first, other]));
                    behind.extend([first, second]);
                    let first = flow.add(log.note("apart").after(other));
                    apart.push(flow.add(log.note_blocking("apart").after(first)));
                    apart.push(first);
                }
                let end = flow.add(log.note("never").after(&behind).after(&apart));
                let execute = flow.execute();
                let execute = if keep_going { execute.keep_going() } else { execute };
                let error = execute.await.unwrap_err();
                let report = error.report().unwrap();
                assert_complete(&flow, report);
                assert_eq!(failed(&error), [root.id()]);
                for task in behind {
                    assert_eq!(report.status(task), skipped(root));
                }
                assert_eq!(report.status(end), skipped(root));
                let ran = apart.iter().filter(|task| report.status(**task).is_success()).count();
                if keep_going {
                    assert_eq!(ran, apart.len());
                } else {
                    let cut = apart.iter().filter(|task| report.status(**task) == TaskStatus::Cancelled);
                    assert_eq!(ran + cut.count(), apart.len());
                }
                let events = log.events();
                assert!(!events.contains(&"never".into()));
                assert_eq!(events.iter().filter(|event| *event == "apart").count(), ran);
                let text = error.to_string();
                assert!(text.contains("501 skipped"), "{text}");
            }
        }
    }

    async fn one_arm_of_a_diamond_fails<R>() {
        for (left_fails, right_fails) in [(true, false), (false, true), (true, true)] {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let arm = |fails: bool, event| {
                let log = log.clone();
                move || {
                    log.push(event);
                    let result = if fails { Err("broken arm") } else { Ok(1_u8) };
                    async move { yield_now().await; result }
                }
            };
            let top = flow.add(log.note("top"));
            let left = flow.add(arm(left_fails, "left").after(top));
            let right = flow.add(arm(right_fails, "right").after(top));
            let bottom = flow.add((|l: &u8, r: &u8| l + r).inputs((left, right)));
            let error = flow.execute().keep_going().await.unwrap_err();
            let report = error.report().unwrap();
            log.assert_order(&["top", "left"]);
            log.assert_order(&["top", "right"]);
            assert_eq!(report.status(left).is_failure(), left_fails);
            assert_eq!(report.status(right).is_failure(), right_fails);
            let cause = if left_fails { left } else { right };
            assert_eq!(report.status(bottom), skipped(cause));
            assert_eq!(error.outputs().unwrap().get(bottom), None);
            let good = if left_fails { right } else { left };
            let good = error.outputs().unwrap().get(good);
            assert_eq!(good.is_some(), !(left_fails && right_fails));
        }
    }

    // The one declared first is the cause, whichever fails first.
    async fn cause_is_the_first_declared<R>() {
        for first_fails_first in [true, false] {
            let (mut flow, go) = (Flow::<R>::new(), Gate::new());
            let fails = |waits: bool| {
                let go = go.clone();
                move || {
                    let go = go.clone();
                    async move {
                        if waits {
                            go.pass().await;
                        }
                        let _opener = go.opener();
                        Err::<(), _>("no")
                    }
                }
            };
            let a = flow.add(fails(!first_fails_first));
            let b = flow.add(fails(first_fails_first));
            let after_b = flow.add((|| ()).after(b));
            let after_both = flow.add((|| ()).after([b, a]));
            let after_all = flow.add((|| ()).after([after_b, after_both]));
            let error = flow.execute().keep_going().await.unwrap_err();
            let report = error.report().unwrap();
            assert_eq!(failed(&error), [a.id(), b.id()]);
            assert_eq!(report.status(after_b), skipped(b));
            assert_eq!(report.status(after_both), skipped(a));
            assert_eq!(report.status(after_all), skipped(a));
        }
    }

    // A plain function that is running when another task fails, and fails as well: both are
    // reported, in the order in which they were declared, though the run does not keep going.
    async fn two_fail_at_once<R>() {
        for plain_first in [true, false] {
            let mut flow = Flow::<R>::new();
            let (guards, started, stopped) = (Guards::new(), Gate::new(), Gate::new());
            let waiting = Gate::new();
            // Dropped when the run stops, which is how the plain function sees it.
            flow.add({
                let (stopped, waiting) = (stopped.clone(), waiting.clone());
                move || {
                    let opener = stopped.opener();
                    waiting.open();
                    async move { let _opener = opener; pending::<()>().await }
                }
            });
            let plain = {
                let (guards, started) = (guards.clone(), started.clone());
                move || {
                    let _guard = guards.guard();
                    started.open();
                    stopped.pass_blocking();
                    Err::<(), _>("the plain one")
                }
            };
            let fails = move || {
                let (started, waiting) = (started.clone(), waiting.clone());
                async move {
                    // Both: if the run stopped before the first had started, nothing would ever
                    // release the plain one.
                    started.pass().await;
                    waiting.pass().await;
                    Err::<(), _>("the async one")
                }
            };
            let both = match plain_first {
                true => [flow.add(plain), flow.add(fails)],
                false => [flow.add(fails), flow.add(plain)],
            };
            let error = flow.execute().await.unwrap_err();
            assert_eq!(guards.live(), 0);
            assert_eq!(failed(&error), both.map(Task::id));
            let text = error.to_string();
            let (plain, other) = (text.find("the plain one").unwrap(), text.find("the async one").unwrap());
            assert_eq!(plain < other, plain_first, "{text}");
            let source = error.source().unwrap().to_string();
            assert_eq!(source, if plain_first { "the plain one" } else { "the async one" });
        }
    }

    // Each with a task downstream that does not start; beside each, one that runs.
    async fn many_fail_and_all_are_reported_in_order<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let mut expected = vec![];
        for index in 0..240 {
            let failing = match index % 4 {
                0 => flow.add(move || Err::<(), _>(format!("plain {index}"))),
                1 => flow.add(move || async move { Err::<(), _>(format!("async {index}")) }),
                2 => flow.add(move || -> () { panic!("panic {index}") }),
                _ => flow.add(pending::<()>.timeout(Duration::from_millis(1))),
            };
            expected.push(failing.id());
            flow.add(log.note("downstream").after(failing));
            let fine = flow.add(async || turns(3).await);
            flow.add(log.note("fine").after(fine));
        }
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(failed(&error), expected);
        assert_eq!(log.events(), ["fine"; 240]);
        assert_eq!(error.report().unwrap().count(TaskStatus::is_success), 480);
        for (failure, id) in error.failures().zip(expected) {
            assert_eq!(failure.status(), error.report().unwrap().status(id));
            assert_eq!(failure.name(), error.report().unwrap().task(id).name());
        }
    }

    // What runs is dropped, or has returned, when the error is there; nothing new starts.
    async fn first_failure_stops_everything<R>() {
        let (mut flow, log, guards) = (Flow::<R>::new(), Log::new(), Guards::new());
        let (started, mut cancelled) = (Gate::new(), vec![]);
        for _ in 0..25 {
            let waiting = flow.add(waits(&guards, &started));
            cancelled.extend([waiting, flow.add(log.note("next").after(waiting))]);
            let guards = guards.clone();
            flow.add(move || {
                let _guard = guards.guard();
                std::thread::sleep(Duration::from_millis(1));
            });
        }
        let bad = flow.add(again!((started) { started.pass().await; Err::<(), _>("no") }));
        let late = flow.add((|| ()).after(bad));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(guards.live(), 0);
        assert!(log.events().is_empty());
        assert_eq!(failed(&error), [bad.id()]);
        let report = error.report().unwrap();
        assert_eq!(report.status(late), skipped(bad));
        for task in cancelled {
            assert_eq!(report.status(task), TaskStatus::Cancelled);
        }
        assert_complete(&flow, report);
    }

    // The text of an error is made for those who ask for it, and only an observer does so in a run.
    async fn text_of_an_error_is_not_made_in_vain<R>() {
        #[derive(Debug)]
        struct Counts(Arc<AtomicUsize>);
        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fetch_add(1, Ordering::SeqCst);
                f.write_str("counted")
            }
        }
        impl Error for Counts {}
        let (mut flow, made) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let counts = Arc::clone(&made);
        flow.add(move || Err::<(), _>(Counts(Arc::clone(&counts))));
        let error = flow.execute().timed().await.unwrap_err();
        assert_eq!(made.load(Ordering::SeqCst), 0);
        assert_eq!(error.failures().next().unwrap().error().to_string(), "counted");
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    // From the error of the flow down to the first cause, every source is there.
    async fn chain_of_sources_is_intact<R>() {
        #[derive(Debug)]
        struct Deep(io::Error);
        impl fmt::Display for Deep {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("deep")
            }
        }
        impl Error for Deep {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let deep = || Err::<(), _>(Deep(io::Error::new(io::ErrorKind::NotFound, "no such file")));

        let mut flow = Flow::<R>::new();
        flow.add(deep);
        flow.add(move || async move { yield_now().await; deep() });
        let error = flow.execute().keep_going().await.unwrap_err();
        assert!(error.source().unwrap().is::<Deep>());
        for failure in error.failures() {
            let deep = failure.error().downcast_ref::<Deep>().unwrap();
            assert_eq!(deep.0.kind(), io::ErrorKind::NotFound);
            let source = failure.error().source().unwrap().downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.to_string(), "no such file");
        }
        let debug = format!("{error:?}");
        assert!(debug.contains("no such file"), "{debug}");
    }

    async fn contexts_of_anyhow_are_kept<R>() {
        fn read() -> anyhow::Result<()> {
            let read: Result<(), io::Error> = Err(io::Error::other("bad sector"));
            read.context("reading the config").context("starting up")
        }
        let mut flow = Flow::<R>::new();
        flow.add(read);
        flow.add(async || { yield_now().await; read() });
        flow.add(|| anyhow::Ok(()));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(error.failures().count(), 2);
        for failure in error.failures() {
            let mut chain = vec![failure.error().to_string()];
            let mut cause = failure.error().source();
            let mut last_is_io = false;
            while let Some(error) = cause {
                chain.push(error.to_string());
                last_is_io = error.is::<io::Error>();
                cause = error.source();
            }
            assert_eq!(chain, ["starting up", "reading the config", "bad sector"]);
            assert!(last_is_io);
        }
        let debug = format!("{error:?}");
        assert!(debug.contains("reading the config") && debug.contains("bad sector"), "{debug}");
        // And in the chain of an error around it.
        let outer = anyhow::Error::from(error).context("the flow");
        let chain: Vec<String> = outer.chain().map(ToString::to_string).collect();
        assert_eq!(chain.last().unwrap(), "bad sector");
        assert!(outer.downcast_ref::<FlowError>().is_some());
    }

    async fn errors_of_every_kind<R>() {
        let mut flow = Flow::<R>::new();
        flow.add(|| Err::<(), _>("a str"));
        flow.add(|| Err::<(), _>(String::from("a string")));
        flow.add(|| "x".parse::<i32>());
        flow.add(|| Err::<(), Box<dyn Error + Send + Sync>>("boxed".into()));
        flow.add(|| -> () { panic!("a panic") });
        flow.add(pending::<()>.timeout(Duration::from_millis(3)));
        let error = flow.execute().keep_going().await.unwrap_err();
        let failures: Vec<&Failure> = error.failures().collect();
        assert_eq!(failures.len(), 6);
        assert_eq!(failures[0].error().to_string(), "a str");
        assert_eq!(failures[1].error().to_string(), "a string");
        assert!(failures[2].error().is::<std::num::ParseIntError>());
        assert_eq!(failures[3].error().to_string(), "boxed");
        assert_eq!(failures[4].error().downcast_ref::<Panic>().unwrap().message(), "a panic");
        assert_eq!(failures[4].status(), TaskStatus::Panicked);
        assert!(failures[4].panic().is_some() && failures[3].panic().is_none());
        let limit = failures[5].error().downcast_ref::<TimedOut>().unwrap().limit();
        assert_eq!((limit, failures[5].status()), (Duration::from_millis(3), TaskStatus::TimedOut));
    }

    async fn display_names_every_failure_and_counts_the_rest<R>() {
        let mut flow = Flow::<R>::new();
        let first = flow.add((|| Err::<(), _>("no disk")).named("write"));
        let second = flow.add((async || -> () { panic!("at the disco") }).named("dance"));
        flow.add((|| ()).after(first));
        flow.add((|| ()).after([first, second]));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "task `write` failed: no disk; task `dance` panicked: at the disco (2 skipped)",
        );
        let mut failures = error.failures().map(ToString::to_string);
        assert_eq!(failures.next().unwrap(), "task `write` failed: no disk");
        assert_eq!(failures.next().unwrap(), "task `dance` panicked: at the disco");
        assert!(format!("{error:?}").starts_with(&error.to_string()));
        let table = error.report().unwrap().to_string();
        for word in ["write", "failed", "dance", "panicked", "skipped", "because of `write`"] {
            assert!(table.contains(word), "{word} in\n{table}");
        }
    }

    // The outputs of what succeeded are in the error.
    async fn outputs_of_what_succeeded<R>() {
        let mut flow = Flow::<R>::new();
        let good = flow.add(async || String::from("kept"));
        let bad = flow.add((|text: &String| Err::<u8, _>(text.clone())).inputs(good));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.outputs().unwrap()[good], "kept");
        assert_eq!(error.outputs().unwrap().get(bad), None);
        let mut run = error.into_outputs().unwrap();
        assert_eq!(run.take(good).as_deref(), Some("kept"));
    }

    async fn messages_of_megabytes<R>() {
        let long = "ä\n`<".repeat(1 << 20);
        let mut flow = Flow::<R>::new();
        let (a, b) = (long.clone(), long.clone());
        flow.add(move || Err::<(), String>(a.clone()));
        flow.add(again!((b) { if !b.is_empty() { panic_any(b) } }).named(long.clone()));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert!(error.to_string().len() > 3 * long.len());
        assert_eq!(error.source().unwrap().to_string(), long);
    }
}
