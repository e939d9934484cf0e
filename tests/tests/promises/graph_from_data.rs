//! Graphs from data (`add_graph`): in any order, each task once its upstreams are there, and nothing at all
//! if something is wrong.

use std::collections::BTreeMap;

use asyncflow::GraphError;
use asyncflow::prelude::*;
use asyncflow_tests::{Log, on_every_backend};

/// Adds a task for each line like `app: main lib`.
fn add<R: asyncflow::Runtime>(
    flow: &mut Flow<R>,
    log: &Log,
    lines: &'static str,
) -> Result<BTreeMap<&'static str, Task<()>>, GraphError<&'static str>> {
    let tasks = lines.lines().map(|line| {
        let (target, upstreams) = line.split_once(':').unwrap();
        (target.trim(), upstreams.split_whitespace())
    });
    let handles = flow.add_graph(tasks, |flow, target, upstreams| {
        flow.add(log.note(target).after(upstreams).named(*target))
    })?;
    Ok(handles.into_iter().collect())
}

on_every_backend! {
    async fn runs_in_the_order_of_its_dependencies<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let handles = add(&mut flow, &log, "app: main lib\nmain: lib\nlib:\ndocs: lib").unwrap();
        assert_eq!(handles.keys().collect::<Vec<_>>(), [&"app", &"docs", &"lib", &"main"]);
        let run = flow.execute().await.unwrap();
        log.assert_order(&["lib", "main", "app"]);
        log.assert_order(&["lib", "docs"]);
        assert_eq!(run.report().task(handles["app"]).name(), "app");
        // In the same order each time.
        let names: Vec<_> = run.report().tasks().map(|task| task.name().to_owned()).collect();
        assert_eq!(names, ["lib", "main", "app", "docs"]);
        flow.execute().only(handles["main"]).await.unwrap();
        assert_eq!(log.events().len(), 4 + 2);
    }

    async fn passes_outputs_on<R>() {
        let mut flow = Flow::<R>::new();
        let tasks = (0..100_u64).rev().map(|n| (n, [n.wrapping_sub(1), n.wrapping_sub(2)]));
        let tasks = tasks.map(|(n, upstreams)| (n, upstreams.into_iter().filter(move |m| *m < n)));
        let handles = flow.add_graph(tasks, |flow, n, upstreams: Vec<Task<u64>>| {
            let n = *n;
            let add = move |before: Vec<&u64>| n.max(before.into_iter().fold(0, |sum, n| sum.wrapping_add(*n)));
            flow.add(add.inputs(upstreams))
        }).unwrap();
        let run = flow.execute().await.unwrap();
        assert_eq!((run[handles[&2]], run[handles[&3]], run[handles[&10]]), (2, 3, 89));
    }

    async fn mistakes_add_nothing<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        flow.add(log.note("before"));
        let mut fails = |lines| {
            let error = add(&mut flow, &log, lines).unwrap_err();
            assert_eq!(flow.len(), 1);
            error.to_string()
        };
        assert_eq!(
            fails("a: b\nx: a\nb: a"),
            "tasks wait for each other: a → b → a; take out one of these dependencies"
        );
        assert_eq!(
            fails("a: b\nb: nowhere"),
            "task `b` depends on `nowhere`, which is not among the tasks: add it or correct its name"
        );
        assert_eq!(fails("a:\na:"), "two tasks have the key `a`: give each a key of its own");
        let error = add(&mut flow, &log, "a: c\nb: a\nc: b").unwrap_err();
        assert_eq!(error, GraphError::Cycle(vec!["a", "b", "c"]));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["before"]);
    }
}
