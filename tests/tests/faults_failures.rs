//! Faults, row 4: what fails, what is skipped because of it, and what is told of both.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::time::Duration;

use anyhow::Context as _;
use asyncflow::prelude::*;
use asyncflow::{Failure, Panic, Report, Runtime, TimedOut};
use asyncflow_tests::{Gate, Guards, Log, on_every_backend, yield_now};

fn skipped(because: impl Into<TaskId>) -> TaskStatus {
    TaskStatus::Skipped {
        because: because.into(),
    }
}

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

on_every_backend! {
    // Half of the tasks depend on the root, in two layers; they are skipped because of it. The
    // others have nothing to do with it.
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
            let culprit = if left_fails { left } else { right };
            assert_eq!(report.status(bottom), skipped(culprit));
            assert_eq!(error.outputs().unwrap().get(bottom), None);
            let good = if left_fails { right } else { left };
            let good = error.outputs().unwrap().get(good);
            assert_eq!(good.is_some(), !(left_fails && right_fails));
        }
    }

    // The one declared first is the one to blame, whichever fails first.
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
    // reported, in the order in which they were declared, though nobody keeps going.
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

    async fn many_fail_and_all_are_reported_in_order<R>() {
        let mut flow = Flow::<R>::new();
        let mut expected = vec![];
        for index in 0..300 {
            match index % 5 {
                0 => expected.push(flow.add(move || Err::<(), _>(format!("plain {index}"))).id()),
                1 => expected.push(flow.add(move || async move { Err::<(), _>(format!("async {index}")) }).id()),
                2 => expected.push(flow.add(move || -> () { panic!("panic {index}") }).id()),
                3 => expected.push(flow.add(pending::<()>.timeout(Duration::from_millis(1))).id()),
                _ => drop(flow.add(|| ())),
            }
        }
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(failed(&error), expected);
        assert_eq!(error.report().unwrap().count(TaskStatus::is_success), 60);
        for (failure, id) in error.failures().zip(expected) {
            assert_eq!(failure.status(), error.report().unwrap().status(id));
            assert_eq!(failure.name(), error.report().unwrap().task(id).name());
        }
    }

    // Nothing of it is running any more when the error is there.
    async fn first_failure_stops_everything<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let started = Gate::new();
        for index in 0..50 {
            let (guards, started) = (guards.clone(), started.clone());
            match index % 2 {
                0 => flow.add(move || {
                    let (guard, started) = (guards.guard(), started.clone());
                    async move { let _guard = guard; started.open(); pending::<()>().await }
                }),
                _ => flow.add(move || {
                    let _guard = guards.guard();
                    std::thread::sleep(Duration::from_millis(1));
                }),
            };
        }
        let bad = flow.add(move || {
            let started = started.clone();
            async move { started.pass().await; Err::<(), _>("no") }
        });
        let late = flow.add((|| ()).after(bad));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(guards.live(), 0);
        assert_eq!(failed(&error), [bad.id()]);
        assert_eq!(error.report().unwrap().status(late), skipped(bad));
        assert_complete(&flow, error.report().unwrap());
    }

    // From the error of the flow down to what the task failed of, nothing is lost.
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
        // And on, in somebody else's chain.
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

    // What did succeed can be had from the error.
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
}
