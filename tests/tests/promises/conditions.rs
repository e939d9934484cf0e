//! Conditions: `run_if` skips, `after_any` opens at the first success.

use asyncflow::prelude::*;
use asyncflow_tests::{Gate, LONG, Log, on_every_backend, passes, skipped, yield_now};

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
