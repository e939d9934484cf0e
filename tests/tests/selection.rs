//! Runs for some targets, and values that are given.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asyncflow::prelude::*;
use asyncflow_tests::{Log, on_every_backend};

/// Counts how many of its kind there are, and the most there were.
struct Counted(Arc<Alive>);

#[derive(Default)]
struct Alive {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Counted {
    fn new(alive: &Arc<Alive>) -> Self {
        let now = alive.now.fetch_add(1, Ordering::SeqCst) + 1;
        alive.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

on_every_backend! {
    async fn only_what_the_targets_need<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let a = flow.add(log.note("a"));
        let b = flow.add(log.note_blocking("b").after(a));
        let c = flow.add(log.note("c").after(a));
        let d = flow.add(log.note("d").after([b, c]));
        let run = flow.execute().only(b).await.unwrap();
        assert_eq!(log.events(), ["a", "b"]);
        let report = run.report();
        assert_eq!(report.status(b), TaskStatus::Succeeded);
        assert_eq!([report.status(c), report.status(d)], [TaskStatus::NotSelected; 2]);
    }

    async fn several_targets_and_groups<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let group = flow.add(parallel![log.note("a"), series![log.note("b"), log.note("c")]]);
        let last = flow.add(log.note("last").after(group));
        let other = flow.add(log.note("other"));
        flow.execute().only(group).only(other).await.unwrap();
        let mut events = log.events();
        events.sort();
        assert_eq!(events, ["a", "b", "c", "other"]);
        log.assert_order(&["b", "c"]);
        let run = flow.execute().only((group, last)).await.unwrap();
        assert_eq!(run.report().status(other), TaskStatus::NotSelected);
    }

    async fn outputs_leave_after_their_last_consumer<R>() {
        const LENGTH: usize = 1_000;
        let (mut flow, alive) = (Flow::<R>::new(), Arc::new(Alive::default()));
        let make = |alive: &Arc<Alive>| {
            let alive = Arc::clone(alive);
            move || Ok::<_, String>(Counted::new(&alive))
        };
        let mut last = flow.add(make(&alive));
        for _ in 0..LENGTH {
            let alive = Arc::clone(&alive);
            let step = move |_: &Counted| Ok::<_, String>(Counted::new(&alive));
            last = flow.add(step.inputs(last));
        }
        let run = flow.execute().only(last).await.unwrap();
        assert_eq!(alive.now.load(Ordering::SeqCst), 1, "only the target is kept");
        assert!(alive.most.load(Ordering::SeqCst) <= 3, "memory stays flat");
        assert!(run.get(last).is_some());
        drop(run);
        assert_eq!(alive.now.load(Ordering::SeqCst), 0);

        // Without targets everything is one, and stays.
        let run = flow.execute().await.unwrap();
        assert_eq!(alive.now.load(Ordering::SeqCst), LENGTH + 1);
        drop(run);
        assert_eq!(alive.now.load(Ordering::SeqCst), 0);
    }

    async fn a_target_stays_though_others_use_it<R>() {
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 4);
        let double = flow.add((|n: &i32| n * 2).inputs(number));
        let list = flow.add((|n: Vec<&i32>| n.len()).inputs(vec![number, double]));
        let run = flow.execute().only((number, list)).await.unwrap();
        assert_eq!((run[number], run.get(double), run[list]), (4, None, 2));
    }

    async fn an_unused_output_is_dropped_at_once<R>() {
        let (mut flow, alive) = (Flow::<R>::new(), Arc::new(Alive::default()));
        let counted = Arc::clone(&alive);
        let first = flow.add(move || Ok::<_, String>(Counted::new(&counted)));
        let seen = Arc::clone(&alive);
        let last = flow.add((move || seen.now.load(Ordering::SeqCst)).after(first));
        let run = flow.execute().only(last).await.unwrap();
        assert_eq!((run[last], alive.most.load(Ordering::SeqCst)), (0, 1));
    }

    async fn given_in_place_of_a_function<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let noted = log.clone();
        let before = flow.add(log.note("before"));
        let page = flow.add((move || { noted.push("page"); "real".to_owned() }).after(before));
        let length = flow.add((|page: &String| page.len()).inputs(page));
        let run = flow.execute().given(page, "mocked".into()).await.unwrap();
        assert_eq!(run[length], 6);
        assert_eq!(run[page], "mocked");
        assert_eq!(run.report().status(page), TaskStatus::Given);
        // Its function is replaced; what comes before it is not.
        assert_eq!(log.events(), ["before"]);
    }

    async fn given_to_a_run_for_targets_needs_no_upstreams<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let before = flow.add(log.note("before"));
        let page = flow.add((|| "real".to_owned()).after(before));
        let length = flow.add((|page: &String| page.len()).inputs(page));
        let run = flow.execute().given(page, "cached".into()).only(length).await.unwrap();
        assert_eq!(run[length], 6);
        assert_eq!(run.report().status(before), TaskStatus::NotSelected);
        assert!(log.events().is_empty());
    }

    async fn given_is_skipped_like_any_other<R>() {
        let mut flow = Flow::<R>::new();
        let failed = flow.add(|| -> Result<(), &'static str> { Err("no") });
        let page = flow.add((|| 1).after(failed));
        let next = flow.add((|n: Option<&i32>| n.copied()).inputs(page.optional()).always());
        let error = flow.execute().given(page, 2).await.unwrap_err();
        let report = error.report().unwrap();
        assert_eq!(report.status(page), TaskStatus::Skipped { because: failed.into() });
        assert_eq!(error.outputs().unwrap()[next], None, "a value that was not reached");
    }

    async fn inputs_are_given<R>() {
        let mut flow = Flow::<R>::new();
        let (id, unit) = (flow.input::<u64>("id"), flow.input::<()>("go"));
        let next = flow.add((|id: &u64, (): &()| id + 1).inputs((id, unit)));
        let run = flow.execute().given(id, 41).given(unit, ()).await.unwrap();
        assert_eq!((run[id], run[next]), (41, 42));
        assert_eq!(run.report().status(id), TaskStatus::Given);
        assert_eq!(run.report().task(id).name(), "id");
        // An input that the targets do not need is not asked for.
        let other = flow.input::<u8>("other");
        assert!(flow.execute().given(id, 1).given(unit, ()).await.is_err());
        flow.execute().given(id, 1).given(unit, ()).only(next).await.unwrap();
        let _ = other;
    }
}
