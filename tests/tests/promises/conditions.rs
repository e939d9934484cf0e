//! Conditions: `run_if` skips, `after_any` opens at the first success.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asyncflow::prelude::*;
use asyncflow::{Observer, TaskRef};
use asyncflow_tests::{
    Gate, LONG, Log, on_every_backend, panic_message, passes, skipped, yield_now,
};

on_every_backend! {
    async fn true_runs_and_false_skips<R>() {
        for value in [true, false] {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let flag = flow.add(move || value);
            let work = flow.add(log.note("work").run_if(flag));
            let more = flow.add(log.note_blocking("more").after(work));
            let number = flow.add((|| 7).run_if(flag));
            let double = flow.add((|n: &i32| 2 * n).inputs(number));
            let apart = flow.add(log.note("apart").after(flag));
            // With an upstream besides the flag, a lock and an attempt.
            let locked = (|| 1).after(apart).run_if(flag).with_lock(Lock::new()).timeout(LONG);
            let locked = flow.add(locked);
            let run = flow.execute().await.unwrap();
            let expected = if value { TaskStatus::Succeeded } else { skipped(flag) };
            for task in [work.id(), more.id(), number.id(), double.id(), locked.id()] {
                assert_eq!(run.report().status(task), expected);
            }
            assert_eq!(run.report().status(apart), TaskStatus::Succeeded);
            assert_eq!(run.get(double).copied(), value.then_some(14));
            assert_eq!(log.events().len(), if value { 3 } else { 1 });
        }
    }

    // The same when only some tasks are asked for, and the flag is none of them.
    async fn flag_of_a_run_for_some_targets<R>() {
        for value in [true, false] {
            let mut flow = Flow::<R>::new();
            let flag = flow.add(move || value);
            let work = flow.add((async || 1).run_if(flag));
            let plain = flow.add((|| 2).run_if(flag));
            let run = flow.execute().only((work, plain)).await.unwrap();
            let expected = if value { TaskStatus::Succeeded } else { skipped(flag) };
            assert_eq!(run.report().status(work), expected);
            assert_eq!(run.report().status(plain), expected);
            assert_eq!(run.get(work).copied(), value.then_some(1));
        }
    }

    async fn flag_that_is_given<R>() {
        for value in [true, false] {
            let mut flow = Flow::<R>::new();
            let flag = flow.input::<bool>("flag");
            let work = flow.add((async || ()).run_if(flag));
            let expected = if value { TaskStatus::Succeeded } else { skipped(flag) };
            let run = flow.execute().given(flag, value).await.unwrap();
            assert_eq!(run.report().status(work), expected);
            let run = flow.execute().given(flag, value).only(work).await.unwrap();
            assert_eq!(run.report().status(work), expected);
        }
    }

    async fn flag_that_fails<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let flag = flow.add(|| Err::<bool, _>("no"));
        let work = flow.add(log.note("work").run_if(flag));
        let clean = flow.add(log.note("clean").run_if(flag).always());
        for keep_going in [true, false] {
            let execute = flow.execute();
            let execute = if keep_going { execute.keep_going() } else { execute };
            let error = execute.await.unwrap_err();
            assert_eq!(error.report().unwrap().status(work), skipped(flag));
            // Clean-up, too, is skipped without the value of its condition.
            assert_eq!(error.report().unwrap().status(clean), skipped(flag));
        }
        assert_eq!(log.events().len(), 0);
    }

    // A condition that depends on a condition: the cause is the flag that was false.
    async fn flags_behind_flags<R>() {
        let mut flow = Flow::<R>::new();
        let outer = flow.add(|| false);
        let inner = flow.add((|| true).run_if(outer));
        let work = flow.add((|| ()).run_if(inner));
        let other = flow.add(|| false);
        let both = flow.add((|| ()).after(work).run_if(other));
        let clean = flow.add((|| ()).run_if(inner).always());
        let run = flow.execute().await.unwrap();
        for task in [inner.id(), work.id(), both.id(), clean.id()] {
            assert_eq!(run.report().status(task), skipped(outer));
        }
    }

    async fn branches_join_again<R>() {
        for value in [true, false] {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let flag = flow.add(move || value);
            let not = flow.add((|flag: &bool| !flag).inputs(flag));
            let yes = flow.add(log.note("yes").run_if(flag));
            let yes = flow.add(log.note("yes too").after(yes));
            let no = flow.add(log.note("no").run_if(not));
            let join = flow.add(log.note("join").after_any([yes, no]));
            flow.add(log.note("after").after(join));
            flow.execute().await.unwrap();
            match value {
                true => assert_eq!(log.events(), ["yes", "yes too", "join", "after"]),
                false => assert_eq!(log.events(), ["no", "join", "after"]),
            }
        }
    }

    // The slow branch ends only after the join has run.
    async fn any_opens_at_the_first_success<R>() {
        for plain in [false, true] {
            let (mut flow, log, joined) = (Flow::<R>::new(), Log::new(), Gate::new());
            let slow = match plain {
                false => flow.add(passes(&joined)),
                true => flow.add({
                    let joined = joined.clone();
                    move || joined.pass_blocking()
                }),
            };
            let fast = flow.add(async || yield_now().await);
            let join = flow.add({
                let (log, joined) = (log.clone(), joined.clone());
                (move || {
                    log.push("join");
                    std::future::ready(joined.open())
                }).after_any([slow, fast])
            });
            flow.add(log.note("end").after([slow, join]));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["join", "end"]);
        }
    }

    async fn any_opens_though_a_branch_failed<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let bad = flow.add(async || Err::<(), _>("no"));
        let good = flow.add((|| ()).after_any((bad, None::<TaskId>)));
        let join = flow.add(log.note("join").after_any([bad, good]));
        let error = flow.execute().keep_going().await.unwrap_err();
        let report = error.report().unwrap();
        assert_eq!(report.status(good), skipped(bad));
        assert_eq!(report.status(join), skipped(bad));

        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let bad = flow.add(async || Err::<(), _>("no"));
        let good = flow.add(|| ());
        flow.add(log.note("join").after_any([bad, good]));
        flow.execute().keep_going().await.unwrap_err();
        assert_eq!(log.events(), ["join"]);
    }

    async fn any_is_skipped_when_none_succeeds<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let flag = flow.add(|| false);
        let first = flow.add((|| ()).run_if(flag));
        let second = flow.add((async || yield_now().await).run_if(flag));
        let join = flow.add(log.note("join").after_any([second, first]));
        let after = flow.add(log.note("after").after(join));
        let clean = flow.add(log.note("clean").after_any([first, second]).always());
        let run = flow.execute().await.unwrap();
        assert_eq!(run.report().status(join), skipped(flag));
        assert_eq!(run.report().status(after), skipped(flag));
        assert_eq!(run.report().status(clean), TaskStatus::Succeeded);
        assert_eq!(log.events(), ["clean"]);
    }

    // Each list needs a success of its own; an empty one needs none.
    async fn several_lists<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let (yes, no) = (flow.add(|| true), flow.add(|| false));
        let a = flow.add(log.note("a").run_if(yes));
        let b = flow.add((|| ()).run_if(no));
        let c = flow.add(log.note("c").run_if(yes));
        let both = flow.add(log.note("both").after_any([a, b]).after_any([b, c]));
        let neither = flow.add(log.note("neither").after_any([a, c]).after_any([b]));
        let empty = flow.add(log.note("empty").after_any(Vec::<TaskId>::new()).after(both));
        let run = flow.execute().await.unwrap();
        log.assert_order(&["a", "both", "empty"]);
        log.assert_order(&["c", "both"]);
        assert_eq!(run.report().status(neither), skipped(no));
        assert!(run.report().status(empty).is_success());
    }
}

on_every_backend! {
    // A flag and its negation, in both kinds of function.
    async fn unless_is_the_opposite_of_if<R>() {
        for value in [true, false] {
            let mut flow = Flow::<R>::new();
            let flag = flow.add(move || value);
            let yes = flow.add((async || "yes").run_if(flag));
            let no = flow.add((|| "no").run_unless(flag));
            let join = |yes: Option<&&'static str>, no: Option<&&'static str>| yes.or(no).copied().unwrap();
            let join = join.inputs((yes.optional(), no.optional())).after_any((yes, no));
            let join = flow.add(join);
            let run = flow.execute().await.unwrap();
            assert_eq!(run[join], if value { "yes" } else { "no" });
            let skips = if value { no } else { yes };
            assert_eq!(run.report().status(skips), skipped(flag));
        }
    }

    // The predicate sees the output, also in a run for some targets, and is called once, observed or not.
    async fn a_predicate_decides_once<R>() {
        for observed in [false, true] {
            for value in [3_usize, 30] {
                let (mut flow, calls) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
                let pages = flow.add(move || vec![String::from("page"); value]);
                let count = calls.clone();
                let few = (|| ()).run_when(pages, move |pages: &Vec<String>| {
                    count.fetch_add(1, Ordering::SeqCst);
                    pages.len() < 10
                });
                let few = flow.add(few.named("few"));
                let many = flow.add((async || ()).run_when(pages, |pages| pages.len() >= 10));
                for only in [false, true] {
                    for limit in [1, usize::MAX] {
                        calls.store(0, Ordering::SeqCst);
                        let execute = flow.execute().max_concurrency(limit);
                        let execute = if only { execute.only((few, many)) } else { execute };
                        let execute = if observed { execute.observe(Nothing) } else { execute };
                        let run = execute.await.unwrap();
                        assert_eq!(calls.load(Ordering::SeqCst), 1);
                        let (runs, skips) = if value < 10 { (few, many) } else { (many, few) };
                        assert_eq!(run.report().status(runs), TaskStatus::Succeeded);
                        assert_eq!(run.report().status(skips), skipped(pages));
                    }
                }
            }
        }
    }

    // Of several that do not hold, the task that was declared first is the reason; the others are not
    // asked any more.
    async fn all_conditions_must_hold<R>() {
        for values in 0..8_u32 {
            let mut flow = Flow::<R>::new();
            let bit = move |bit: u32| values & 1 << bit != 0;
            let flags: Vec<Task<bool>> = (0..2).map(|index| { let flag = bit(index); flow.add(move || flag) }).collect();
            let number = flow.add(move || u32::from(bit(2)));
            let asked = Arc::new(AtomicUsize::new(0));
            let count = asked.clone();
            let work = (|| ()).run_when(number, move |number| {
                count.fetch_add(1, Ordering::SeqCst);
                *number == 1
            });
            let work = flow.add(work.run_unless(flags[1]).run_if(flags[0]));
            let run = flow.execute().await.unwrap();
            let because = [(bit(0), flags[0].id()), (!bit(1), flags[1].id()), (bit(2), number.id())];
            let because = because.iter().find(|(holds, _)| !holds).map(|(_, task)| *task);
            let expected = because.map_or(TaskStatus::Succeeded, skipped);
            assert_eq!(run.report().status(work), expected, "{values:b}");
            assert_eq!(asked.load(Ordering::SeqCst), usize::from(bit(0) && !bit(1)));
        }
    }

    async fn a_predicate_that_panics_fails_the_task<R>() {
        for observed in [false, true] {
            for allowed in [false, true] {
                let (mut flow, told) = (Flow::<R>::new(), Told::default());
                let number = flow.add(|| 1);
                let work = (|| 7).run_when(number, |_| panic!("cannot tell")).named("work");
                let work = work.fallback(|_| 8);
                let work = flow.add(if allowed { work.allow_failure() } else { work });
                let after = flow.add((|_: &i32| ()).inputs(work));
                let optional = flow.add((|n: Option<&i32>| n.is_none()).inputs(work.optional()).always());
                let execute = flow.execute();
                let execute = if observed { execute.observe(told.clone()) } else { execute };
                let result = execute.await;
                assert_eq!(result.is_ok(), allowed);
                let (report, outputs) = match &result {
                    Ok(run) => (run.report(), run),
                    Err(error) => (error.report().unwrap(), error.outputs().unwrap()),
                };
                assert_eq!(report.status(work), TaskStatus::Panicked);
                assert_eq!(report.task(work).attempts(), 0);
                let failure = report.task(work).failure().unwrap();
                assert_eq!(failure.to_string(), "task `work` panicked: cannot tell");
                assert_eq!(report.status(after), skipped(work));
                assert!(outputs[optional]);
                if observed {
                    assert_eq!(*told.0.lock().unwrap(), ["failed 0: cannot tell", "ended panicked"]);
                }
            }
        }
    }

    // The task of a condition may fail, be skipped, or be of another flow.
    async fn a_predicate_without_an_output<R>() {
        let mut flow = Flow::<R>::new();
        let fails = flow.add((|| Err::<u32, _>("no")).allow_failure());
        let work = flow.add((|| ()).run_when(fails, |_| panic!("not called")));
        let tidy = flow.add((|| ()).run_when(fails, |_| panic!("not called")).always());
        let run = flow.execute().await.unwrap();
        assert_eq!(run.report().status(work), skipped(fails));
        assert_eq!(run.report().status(tidy), skipped(fails));
        let mut other = Flow::<R>::new();
        let message = panic_message(|| other.add((|| ()).run_when(fails, |_| true)));
        assert!(message.contains("the handle of a task of another flow"), "{message}");
        assert!(other.is_empty());
    }

    async fn a_predicate_of_an_output_that_is_taken<R>() {
        let mut flow = Flow::<R>::new();
        let text = flow.add((|| String::from("text")).named("text"));
        flow.add((|text: String| text).inputs(text.moved()).named("takes"));
        flow.add((|| ()).run_when(text, |text| text.is_empty()).named("asks"));
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("`text` is taken by value by `takes`, but `asks` needs it"), "{error}");
    }
}

/// An observer that does nothing.
struct Nothing;

impl Observer for Nothing {}

/// What an observer is told of the task `work`.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Observer for Told {
    fn task_ready(&self, task: TaskRef<'_>) {
        assert_ne!(task.name(), "work", "it is not to be started");
    }

    fn attempt_failed(&self, _: TaskRef<'_>, attempt: u32, why: &dyn std::fmt::Display) {
        self.0
            .lock()
            .unwrap()
            .push(format!("failed {attempt}: {why}"));
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        if task.name() == "work" {
            self.0.lock().unwrap().push(format!("ended {status}"));
        }
    }
}
