//! The report: the critical path, the table, the form that is written with serde.

use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{CriticalPath, Semaphore};
use asyncflow_tests::{on_every_backend, pause};

fn names<'a>(path: &CriticalPath<'a>) -> Vec<&'a str> {
    path.tasks().iter().map(|task| task.name()).collect()
}

on_every_backend! {
    async fn the_critical_path_follows_what_was_waited_for<R>() {
        let mut flow = Flow::<R>::new();
        let sleeper = |millis| move || async move { pause::<R>(Duration::from_millis(millis)).await };
        let root = flow.add(sleeper(5).named("root"));
        let long = flow.add(sleeper(80).after(root).named("long"));
        let short = flow.add(sleeper(1).after(root).named("short"));
        let last = flow.add(sleeper(5).after([long, short]).named("last"));
        flow.add(sleeper(1).after(last).named("end"));
        flow.add(sleeper(1).named("aside"));
        let run = flow.execute().timed().await.unwrap();
        let path = run.report().critical_path().unwrap();
        assert_eq!(names(&path), ["root", "long", "last", "end"]);
        assert!(path.ran() >= Duration::from_millis(80));
        assert!(path.ran() + path.waited() <= run.report().wall().unwrap());
        let text = path.to_string();
        assert!(text.starts_with("critical path: 4 tasks, ran "), "{text}");
        assert_eq!(text.lines().count(), 5);
    }

    async fn the_critical_path_goes_through_gates<R>() {
        let mut flow = Flow::<R>::new();
        let sleeper = |millis| move || async move { pause::<R>(Duration::from_millis(millis)).await };
        flow.add(series![
            parallel![sleeper(60).named("a"), sleeper(1).named("b"), sleeper(1).named("c")],
            parallel![sleeper(1).named("d"), sleeper(60).named("e"), sleeper(1).named("f")],
        ]);
        let run = flow.execute().timed().await.unwrap();
        assert_eq!(names(&run.report().critical_path().unwrap()), ["a", "e"]);

        let mut flow = Flow::<R>::new();
        let slow = flow.add(sleeper(60).named("slow"));
        let quick = flow.add(sleeper(1).named("quick"));
        flow.add(sleeper(200).after_any([slow, quick]).named("first come"));
        let run = flow.execute().timed().await.unwrap();
        assert_eq!(names(&run.report().critical_path().unwrap()), ["quick", "first come"]);
    }

    async fn the_critical_path_shows_waiting_for_permits<R>() {
        let (mut flow, one) = (Flow::<R>::new(), Semaphore::new(1));
        let sleeper = |millis| move || async move { pause::<R>(Duration::from_millis(millis)).await };
        let root = flow.add(sleeper(1).named("root"));
        for name in ["first", "second"] {
            flow.add(sleeper(40).after(root).with_lock(&one).named(name));
        }
        let run = flow.execute().timed().await.unwrap();
        let path = run.report().critical_path().unwrap();
        assert_eq!(path.tasks().len(), 2);
        assert_eq!(names(&path)[0], "root");
        assert!(path.waited() >= Duration::from_millis(35), "{path}");
        assert!(path.to_string().contains(", waited "), "{path}");
    }

    async fn the_critical_path_of_what_did_not_run<R>() {
        let mut flow = Flow::<R>::new();
        let run = flow.execute().timed().await.unwrap();
        assert!(run.report().critical_path().unwrap().tasks().is_empty());
        let fails = flow.add((|| Err::<(), _>("no")).named("fails"));
        let skipped = flow.add((|| ()).after(fails).named("skipped"));
        flow.add((|| ()).after(skipped).always().named("cleanup"));
        let error = flow.execute().timed().await.unwrap_err();
        let path = error.report().unwrap().critical_path().unwrap();
        assert_eq!(names(&path), ["fails", "cleanup"], "what is skipped takes no time");
        assert!(path.to_string().contains(", failed"), "{path}");
        let error = flow.execute().await.unwrap_err();
        assert!(error.report().unwrap().critical_path().is_none(), "it was not timed");
    }
}
