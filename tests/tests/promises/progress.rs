//! What a progress bar draws, on a terminal in memory.

use std::collections::HashSet;

use asyncflow::prelude::*;
use asyncflow::view::progress::Progress;
use asyncflow_tests::{Gate, at_once, eventually, on_every_backend, passes};
use indicatif::{InMemoryTerm, ProgressDrawTarget};

fn terminal() -> (Progress, InMemoryTerm) {
    let terminal = InMemoryTerm::new(40, 80);
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    (Progress::with_draw_target(target), terminal)
}

on_every_backend! {
    async fn the_last_picture<R>() {
        let (mut flow, (progress, terminal)) = (Flow::<R>::new(), terminal());
        let fails = flow.add((|| Err::<(), _>("no luck")).retry(at_once(1)).named("fails"));
        flow.add((|| ()).after(fails).named("behind"));
        flow.add(async || {});
        flow.add((|| -> () { panic!("at all") }).named("panics"));
        let left_out = flow.add(|| ());
        let all: Vec<TaskId> = flow.structure().nodes().filter_map(|node| node.id()).collect();
        let all: Vec<_> = all.into_iter().filter(|id| *id != left_out.into()).collect();
        let execute = flow.execute().keep_going().only(all).observe(progress);
        execute.await.unwrap_err();
        let drawn = terminal.contents();
        assert!(drawn.contains("task `fails` failed: no luck"), "{drawn}");
        assert!(drawn.contains("task `panics` panicked: at all"), "{drawn}");
        assert!(drawn.contains("4/4"), "not selected tasks do not count: {drawn}");
        assert!(drawn.contains("1 succeeded, 1 retried, 1 not run, 2 failed"), "{drawn}");
        assert_eq!(drawn.lines().count(), 4, "{drawn}");
    }

    async fn while_tasks_run_and_wait<R>() {
        let (mut flow, (progress, terminal)) = (Flow::<R>::new(), terminal());
        let (lock, gate) = (Lock::new(), Gate::new());
        for name in ["one of two", "other of two"] {
            flow.add(passes(&gate).with_lock(&lock).named(name));
        }
        let running = flow.execute().observe(progress.clone()).start();
        eventually::<R>("a task that runs long", || {
            let drawn = terminal.contents();
            drawn.contains("1 running, 1 waiting for permits") && drawn.contains(" of two")
        }).await;
        progress.println("a line of the user's");
        let suspended = progress.suspend(|| terminal.contents());
        assert_eq!(suspended.trim(), "a line of the user's", "nothing else while suspended");
        gate.open();
        running.await.unwrap();
        let drawn = terminal.contents();
        assert!(drawn.starts_with("a line of the user's\n"), "{drawn}");
        assert!(drawn.contains("2/2"), "{drawn}");
        assert_eq!(drawn.lines().count(), 3, "the lines of tasks are gone: {drawn}");
    }

    async fn elements_and_what_tasks_tell_are_counted<R>() {
        let (mut flow, (progress, terminal)) = (Flow::<R>::new(), terminal());
        let gate = Gate::new();
        let list = flow.value((0..4).collect::<Vec<u64>>());
        let go = flow.value(gate.clone());
        let fetch = async |index: &u64, go: &Gate, cx: &TaskContext| {
            // It is the element that tells, and not its task.
            cx.progress(7, 9);
            if *index > 0 {
                go.pass().await;
            }
        };
        flow.add(each(fetch).inputs((list, go, context())).named("fetch"));
        let load = async |cx: &TaskContext, go: &Gate| {
            cx.progress(1_203, 100_000);
            go.pass().await;
        };
        flow.add(load.inputs((context(), go)).named("load"));
        let running = flow.execute().observe(progress).start();
        eventually::<R>("both are shown", || {
            let drawn = terminal.contents();
            drawn.contains("fetch 1/4") && drawn.contains("load 1,203/100,000")
        }).await;
        gate.open();
        running.await.unwrap();
        let drawn = terminal.contents();
        assert!(drawn.contains("4/4 [====") && drawn.lines().count() == 2, "{drawn}");
    }

    async fn many_short_tasks_are_not_drawn_one_by_one<R>() {
        let (mut flow, (progress, terminal)) = (Flow::<R>::new(), terminal());
        for _ in 0..100_000 {
            flow.add(async || {});
        }
        terminal.moves_since_last_check();
        let start = std::time::Instant::now();
        flow.execute().observe(progress).await.unwrap();
        let took = start.elapsed();
        let drawn = terminal.contents();
        assert!(drawn.contains("100,000/100,000"), "{drawn}");
        let pictures = terminal.moves_since_last_check().matches("100,000").count();
        // Ten a second, the first and the last, each drawn up to four times.
        let most = 4 * (took.as_millis() as usize / 100 + 3);
        assert!(pictures <= most, "{pictures} pictures in {took:?}");
    }

    async fn many_failures_and_hostile_names<R>() {
        let (mut flow, (progress, terminal)) = (Flow::<R>::new(), terminal());
        let long = "long\n".repeat(1 << 18);
        for name in ["\u{1b}[2J\nforged", "\u{202e}gnp", "", "`tick", &long] {
            flow.add((|| Err::<(), _>("\u{1b}[31mred\nline")).named(name));
        }
        for _ in 0..30 {
            flow.add(|| Err::<(), _>("no"));
        }
        flow.execute().keep_going().observe(progress).await.unwrap_err();
        // What was written: the terminal in memory leaves out codes that it does not know.
        let written = terminal.moves_since_last_check();
        for bad in ["\\u{1b}", "\\n", "\\u{202e}"] {
            assert!(!written.contains(bad), "{bad} in {written}");
        }
        assert!(written.contains("and 15 more failures"), "{written}");
        let named: HashSet<&str> = written.lines().filter(|line| line.contains("task `")).collect();
        assert_eq!(named.len(), 20, "{named:#?}");
    }

    async fn it_ends_when_the_run_is_dropped<R>() {
        let (mut flow, (progress, terminal)) = (Flow::<R>::new(), terminal());
        flow.add(async || std::future::pending::<()>().await);
        let running = flow.execute().observe(progress).start();
        eventually::<R>("the start", || terminal.contents().contains("1 running")).await;
        drop(running);
        eventually::<R>("the end", || terminal.contents().contains("1 not run")).await;
    }
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let hidden = Progress::new().hidden();
    let mut flow = asyncflow::SmolFlow::new();
    flow.add(|| ());
    smol::block_on(async { flow.execute().observe(hidden.clone()).await }).unwrap();
    // Still written, to stderr.
    hidden.println("a line");
}
