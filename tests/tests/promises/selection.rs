//! Runs for some targets, and values that are given.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow_tests::{
    Gate, Guard, Guards, Log, Meeting, at_once, hold, on_every_backend, panic_message, skipped,
    slow, turns,
};
use futures::future::join_all;

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

        // Without targets every task is one, and its output stays.
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
        assert_eq!(report.status(page), skipped(failed));
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

mod only {
    use super::*;

    on_every_backend! {
        // It takes what `after` takes.
        async fn every_form_of_targets<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| flow.add(log.note(name)));
            let number = flow.add(|| 5);
            let group = flow.add(parallel![log.note("e"), series![log.note("f"), parallel![]]]);
            let empty = flow.add(series![]);
            let nothing: [Task<()>; 0] = [];
            let reference = &b;
            let all = || flow.execute();
            for (execute, expected) in [
                (all().only(a), &["a"][..]),
                (all().only(reference), &["b"]),
                (all().only(TaskId::from(c)), &["c"]),
                (all().only([a, b]), &["a", "b"]),
                (all().only(&[a, b][..]), &["a", "b"]),
                (all().only(vec![c, d, c]), &["c", "d"]),
                (all().only((a, number, [d])), &["a", "d"]),
                (all().only(Some(a)).only(None::<TaskId>), &["a"]),
                (all().only(a).only(d), &["a", "d"]),
                (all().only(group), &["e", "f"]),
                (all().only((group, a)), &["a", "e", "f"]),
                (all().only(nothing), &[]),
                (all().only(()), &[]),
                (all().only(empty), &[]),
            ] {
                let before = log.events().len();
                let run = execute.await.unwrap();
                let mut events = log.events().split_off(before);
                events.sort();
                assert_eq!(events, expected);
                let selected = run.report().count(|status| status == TaskStatus::Succeeded);
                let others = run.report().count(|status| status == TaskStatus::NotSelected);
                assert_eq!((selected + others, others > 0), (7, true));
            }
        }

        // What is not needed is not started, whatever it is: a failure, one that never ends, one
        // that was spent, one that is not given, one for the clean-up of such a task.
        async fn what_is_not_needed_does_no_harm<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let first = flow.add(log.note("first"));
            let fails = flow.add((|| Err::<(), _>("no")).after(first));
            flow.add((async || -> () { panic!("no") }).after(first));
            flow.add((async || std::future::pending::<()>().await).after(first));
            flow.add(log.note("always").after(fails).always());
            let input = flow.input::<u8>("input");
            flow.add((|_: &u8| ()).inputs(input));
            let spent = flow.add(once(|| ()));
            let target = flow.add(log.note("target").after(first));
            flow.execute().only(spent).await.unwrap();
            for _ in 0..2 {
                let run = flow.execute().only(target).await.unwrap();
                assert_eq!(run.report().count(|status| status == TaskStatus::Succeeded), 2);
            }
            assert_eq!(log.events(), ["first", "target", "first", "target"]);
        }

        async fn what_is_needed_fails<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let failed = flow.add(|| Err::<u8, _>("no"));
            let next = flow.add((|_: &u8| 1).inputs(failed));
            let other = flow.add(log.note("other"));
            let beside = flow.add(log.note("beside"));
            let error = flow.execute().only((next, beside)).keep_going().await.unwrap_err();
            let report = error.report().unwrap();
            assert_eq!(report.status(failed), TaskStatus::Failed);
            assert_eq!(report.status(next), skipped(failed));
            assert_eq!(report.status(other), TaskStatus::NotSelected);
            assert_eq!(log.events(), ["beside"]);
        }

        // Clean-up that is a target waits for what it is after, and sees what came of it.
        async fn clean_up_as_a_target<R>() {
            let mut flow = Flow::<R>::new();
            let failed = flow.add(|| Err::<u8, _>("no"));
            let fine = flow.add(|| 3);
            let clean = flow.add((|failed: Option<&u8>, fine: Option<&i32>| (failed.copied(), fine.copied()))
                .inputs((failed.optional(), fine.optional()))
                .always());
            let error = flow.execute().only(clean).keep_going().await.unwrap_err();
            assert_eq!(error.outputs().unwrap()[clean], (None, Some(3)));
            assert_eq!(error.outputs().unwrap().get(fine), None);
        }

        // In a wide and deep graph few values are alive at a time: each is dropped when the last task
        // that uses it has ended.
        async fn each_value_lives_as_long_as_it_is_used<R>() {
            let (mut flow, guards, alive) = (Flow::<R>::new(), Guards::new(), Arc::new(Alive::default()));
            const WIDTH: usize = 4;
            let live = guards.clone();
            let mut row = vec![flow.add(move || Ok::<Guard, String>(live.guard()))];
            for n in 0..300 {
                row = (0..WIDTH).map(|place| {
                    let (live, alive) = (guards.clone(), alive.clone());
                    let next = move |above: Vec<&Guard>| {
                        assert!(!above.is_empty());
                        let guard = live.guard();
                        alive.most.fetch_max(live.live(), Ordering::SeqCst);
                        Ok::<Guard, String>(guard)
                    };
                    match (n + place) % 2 {
                        0 => flow.add(next.inputs(row.clone())),
                        _ => flow.add((move |above: Vec<&Guard>| ready(next(above))).inputs(row.clone())),
                    }
                }).collect();
            }
            let last = flow.add((|row: Vec<&Guard>| row.len()).inputs(row.clone()));
            let run = flow.execute().only(last).await.unwrap();
            assert_eq!((run[last], guards.live()), (WIDTH, 0));
            let most = alive.most.load(Ordering::SeqCst);
            assert!(most <= 2 * WIDTH, "{most} alive at the same time");
            let run = flow.execute().only((last, row[0])).await.unwrap();
            assert_eq!(guards.live(), 1);
            drop(run);
        }

        // While it is in use it is not dropped, though all others that use it have ended.
        async fn a_value_in_use_stays<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let live = guards.clone();
            let value = flow.add(move || Ok::<Guard, String>(live.guard()));
            let gate = flow.input::<Gate>("gate");
            let quick = flow.add((|_: &Guard| ()).inputs(value));
            let quick = flow.add((async |_: &Guard, gate: &Gate| gate.open()).inputs((value, gate)).after(quick));
            let uses = async |_: &Guard, gate: &Gate, guards: &Guards| {
                gate.pass().await;
                turns(20).await;
                guards.live()
            };
            let count = flow.input::<Guards>("guards");
            let slow = flow.add(uses.inputs((value, gate, count)));
            let execute = flow.execute().given(gate, Gate::new()).given(count, guards.clone());
            let run = execute.only((slow, quick)).await.unwrap();
            assert_eq!((run[slow], guards.live()), (1, 0));
        }

        // A pipeline that passes a value on by value: one is alive at a time.
        async fn moved_through_a_pipeline<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let live = guards.clone();
            let mut last = flow.add(move || Ok::<_, String>((0, live.guard())));
            for n in 0..500 {
                let seen = guards.clone();
                let next = move |(count, guard): (usize, Guard)| {
                    assert_eq!((count, seen.live()), (n, 1));
                    Ok::<_, String>((count + 1, guard))
                };
                last = match n % 2 {
                    0 => flow.add(next.inputs(last.moved())),
                    _ => flow.add((move |value| ready(next(value))).inputs(last.moved())),
                };
            }
            let run = flow.execute().only(last).await.unwrap();
            assert_eq!((run[last].0, guards.live()), (500, 1));
            drop(run);
            let run = flow.execute().await.unwrap();
            assert_eq!((run[last].0, guards.live()), (500, 1));
        }
    }
}

mod given {
    use super::*;

    on_every_backend! {
        // In place of functions of every kind: none is called, and no lock is taken.
        async fn nothing_of_the_function_happens<R>() {
            let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Semaphore::new(1));
            let notes = log.clone();
            let function = move || { notes.push("called"); 1 };
            let waits = |n: usize| async move { turns(n).await; 1 };
            let tasks = [
                flow.add(function.clone()),
                flow.add((move || waits(3)).named("waits")),
                flow.add(function.clone().with_lock(&lock)),
                flow.add(function.clone().timeout(Duration::ZERO)),
                flow.add(function.clone().retry(at_once(3))),
                flow.add(|| Err::<i32, _>("no")),
                flow.add(async || -> i32 { panic!("no") }),
                flow.add(async || std::future::pending::<i32>().await),
                flow.add(once(function)),
            ];
            // Another run has the lock.
            let go = Gate::new();
            let holder = hold::<R>(&lock, &go).await;
            let sum = flow.add((|all: Vec<&i32>| all.into_iter().sum::<i32>()).inputs(tasks));
            for limit in [1, 5, usize::MAX] {
                let mut execute = flow.execute().max_concurrency(limit);
                for task in tasks {
                    execute = execute.given(task, 10);
                }
                let run = execute.await.unwrap();
                assert_eq!(run[sum], 90);
                for task in tasks {
                    assert_eq!(run.report().status(task), TaskStatus::Given);
                    assert_eq!(run.report().task(task).attempts(), 0);
                    assert_eq!(run[task], 10);
                }
            }
            go.open();
            holder.await.unwrap();
            assert!(log.events().is_empty());
        }

        // To an input, a unit, a flag, a flow in a flow, one that is taken by value.
        async fn to_tasks_of_all_kinds<R>() {
            let (mut inner, mut flow) = (Flow::<R>::new(), Flow::<R>::new());
            let number = inner.add(|| 3);
            let run = inner.execute().await.unwrap();
            let (input, unit, flag) = (flow.input::<String>("text"), flow.add(|| ()), flow.add(|| false));
            let nested = flow.add(Arc::new(inner));
            let taken = flow.add(|| Ok::<Vec<u8>, &str>(vec![]));
            let all = |text: &String, (): &(), nested: &Run, taken: Vec<u8>| (text.len(), taken.len(), nested.report().tasks().count());
            let all = flow.add(all.inputs((input, unit, nested, taken.moved())).run_if(flag));
            let three = flow.add((move |run: &Run| run[number]).inputs(nested));
            let run = flow
                .execute()
                .given(input, "four".to_owned())
                .given(unit, ())
                .given(flag, true)
                .given(nested, run)
                .given(taken, vec![0; 5])
                .await
                .unwrap();
            assert_eq!((run[all], run[three]), ((4, 5, 1), 3));
            assert_eq!(run.report().count(|status| status == TaskStatus::Given), 5);
            // Not given, the flag is `false`.
            let run = flow.execute().given(input, String::new()).await.unwrap();
            assert_eq!(run.report().status(all), skipped(flag));
        }

        // Many at the same time, each with values of its own, and those it was not given computed.
        async fn to_many_executions_at_once<R>() {
            let (mut flow, meeting) = (Flow::<R>::new(), Meeting::of(30));
            let id = flow.input::<usize>("id");
            let meet = flow.add(meeting.task().after(id));
            let user = flow.add((async |id: &usize| { turns(id % 3).await; format!("user {id}") }).inputs(id).after(meet));
            let page = flow.add((|user: &String, id: &usize| format!("<{user}> {id}")).inputs((user, id)));
            let runs = join_all((0..30).map(|n| {
                let execute = flow.execute().given(id, n);
                match n % 2 {
                    0 => execute,
                    _ => execute.given(user, format!("nobody {n}")),
                }
            }));
            for (n, run) in runs.await.into_iter().enumerate() {
                let who = if n % 2 == 0 { "user" } else { "nobody" };
                assert_eq!(run.unwrap()[page], format!("<{who} {n}> {n}"));
            }
        }

        // A value that is given and not used is gone when the execution has returned.
        async fn unused_values_do_not_outlive_the_execution<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let failed = flow.add((|| Err::<(), _>("no")).named("failed"));
            let skipped = flow.add((|| Err::<Guard, _>("no")).after(failed));
            let tasks: Vec<Task<Guard>> = (0..50).map(|_| flow.add(|| Err::<Guard, _>("no"))).collect();
            let other = flow.add(|| std::thread::sleep(Duration::from_micros(100)));
            for _ in 0..20 {
                let mut execute = flow.execute().only(other);
                for task in &tasks {
                    execute = execute.given(*task, guards.guard());
                }
                let run = execute.await.unwrap();
                assert_eq!(guards.live(), 0, "not selected");
                drop(run);
                let error = flow.execute().only(skipped).given(skipped, guards.guard()).await;
                assert_eq!(guards.live(), 1, "it needs nothing");
                drop(error);
                let error = flow.execute().only((skipped, failed)).given(skipped, guards.guard()).await;
                assert!(error.is_err());
                drop(error);
                assert_eq!(guards.live(), 0);
                let running = flow.execute().given(skipped, guards.guard()).keep_going().start();
                let error = running.await.unwrap_err();
                assert_eq!(guards.live(), 0, "skipped");
                drop(error);
                // Refused, and never polled.
                drop(flow.execute().given(tasks[0], guards.guard()));
                let refused = flow.execute().max_concurrency(0).given(tasks[0], guards.guard());
                assert!(refused.await.is_err());
                assert_eq!(guards.live(), 0);
            }
        }
    }
}

/// What a run says when asked for an output.
mod outputs {
    use super::*;

    on_every_backend! {
        async fn that_are_there<R>() {
            let mut flow = Flow::<R>::new();
            let (number, unit, list) = (flow.add(|| 1), flow.add(async || ()), flow.add(|| vec![1]));
            let mut run = flow.execute().await.unwrap();
            assert_eq!((run[number], run[unit], run[list].as_slice()), (1, (), [1].as_slice()));
            assert_eq!((run.get(number), run.get(unit)), (Some(&1), Some(&())));
            assert_eq!((run.take(number), run.take(number)), (Some(1), None));
            assert_eq!((run.take(list), run.get(list)), (Some(vec![1]), None));
            assert_eq!(run.take(unit), Some(()));
            assert!(format!("{run:?}").contains("Succeeded"), "{run:?}");
        }

        // The message of the panic names the task and says why there is nothing.
        async fn that_are_not<R>() {
            let mut flow = Flow::<R>::new();
            let failed = flow.add((|| Err::<u8, _>("no")).named("failed one"));
            let panicked = flow.add((|| -> u8 { panic!("no") }).named("panicked one"));
            let late = flow.add((async || std::future::pending::<u8>().await).named("late one").timeout(Duration::from_millis(1)));
            let skipped = flow.add((|| 1_u8).after(failed).named("skipped one"));
            let unit = flow.add((|| ()).after(failed).named("skipped unit"));
            let other = flow.add((|| 2_u8).named("other one"));
            let all = [failed, panicked, late, skipped, other];
            let error = flow.execute().keep_going().only((failed, panicked, late, skipped, unit)).await.unwrap_err();
            let mut run = error.into_outputs().unwrap();
            for (task, says) in all.into_iter().zip([
                "`failed one` has no output: its status is `failed`",
                "`panicked one` has no output: its status is `panicked`",
                "`late one` has no output: its status is `timed out`",
                "`skipped one` has no output: its status is `skipped`",
                "`other one` has no output: its status is `not selected`",
            ]) {
                assert!(run.get(task).is_none() && run.take(task).is_none());
                let message = panic_message(|| run[task]);
                assert!(message.contains(says), "{message}");
            }
            assert!(run.get(unit).is_none() && run.take(unit).is_none());
            assert!(panic_message(|| run[unit]).contains("`skipped unit`"));
        }

        async fn that_are_no_more<R>() {
            let mut flow = Flow::<R>::new();
            let first = flow.add((|| 1).named("first"));
            let next = flow.add((|n: &i32| *n).inputs(first).named("next"));
            let mut run = flow.execute().only(next).await.unwrap();
            let message = panic_message(|| run[first]);
            assert!(message.contains("`first`") && message.contains("no target"), "{message}");
            run.take(next);
            assert!(panic_message(|| run[next]).contains("`next`"));
        }

        async fn of_tasks_that_are_not_the_runs<R>() {
            let mut flow = Flow::<R>::new();
            let task = flow.add(|| 1);
            let mut run = flow.execute().await.unwrap();
            let later = flow.add(|| 2);
            let foreign = Flow::<R>::new().add(|| 3);
            for other in [later, foreign] {
                assert!(panic_message(|| run[other]).contains("not of a task of this run"));
                assert!(panic_message(|| run.get(other).is_some()).contains("not of a task of this run"));
                assert!(panic_message(|| run.take(other)).contains("not of a task of this run"));
                assert!(panic_message(|| run.report().status(other)).contains("not of a task of this run"));
            }
            assert_eq!(run[task], 1);
        }
    }
}

on_every_backend! {
    // What is set up is torn down; directly, behind a group, a gate and other clean-up.
    async fn clean_up_belongs_to_what_it_cleans_up<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let server = flow.add(log.note("server"));
        let client = flow.add(log.note("client"));
        let test = flow.add(slow(&log, "test").after(server));
        let stop = flow.add(log.note("stop").after([test, client]).always());
        let count = flow.add(log.note("count").after(stop).always());
        let report = flow.add(log.note("report").after(stop));
        let group = flow.add(parallel![log.note("left"), log.note("right")]);
        let sweep = flow.add(log.note("sweep").after(group).always());
        let any = flow.add(log.note("any").after_any([client, test]).always());
        let other = flow.add(log.note("other").always());

        let run = flow.execute().only(test).await.unwrap();
        let status = |task: Task<()>| run.report().status(task);
        for task in [server, test, stop, count, any] {
            assert_eq!(status(task), TaskStatus::Succeeded, "{:?}", run.report());
        }
        for task in [client, report, sweep, other] {
            assert_eq!(status(task), TaskStatus::NotSelected);
        }
        log.assert_order(&["server", "test", "stop", "count"]);
        log.assert_order(&["test", "any"]);

        let run = flow.execute().only(group).await.unwrap();
        let status = |task: Task<()>| run.report().status(task);
        assert_eq!(status(sweep), TaskStatus::Succeeded);
        assert_eq!((status(stop), status(any)), (TaskStatus::NotSelected, TaskStatus::NotSelected));
    }

    // Its inputs are `None` if their tasks have no part in the run.
    async fn clean_up_of_a_part<R>() {
        let mut flow = Flow::<R>::new();
        let a = flow.add(|| 1_u32);
        let b = flow.add(|| 2_u32);
        let fails = flow.add((|_: &u32| Err::<u32, _>("no")).inputs(a));
        let tidy = |a: Option<&u32>, b: Option<&u32>, fails: Option<&u32>| (a.copied(), b.copied(), fails.copied());
        let tidy = flow.add(tidy.inputs((a.optional(), b.optional(), fails.optional())).always());
        let error = flow.execute().only((fails, tidy)).keep_going().await.unwrap_err();
        assert_eq!(error.outputs().unwrap()[tidy], (Some(1), Some(2), None));
        // The output of a task that is no target is dropped, but not what it did.
        let error = flow.execute().only(fails).keep_outputs().await.unwrap_err();
        assert_eq!(error.outputs().unwrap()[tidy], (Some(1), None, None));
        assert_eq!(error.report().unwrap().status(b), TaskStatus::NotSelected);
        let run = flow.execute().only(a).keep_outputs().await.unwrap();
        assert_eq!(run[tidy], (Some(1), None, None));
    }

    // Whether it runs is decided by its condition, which therefore belongs to the run.
    async fn clean_up_with_a_condition<R>() {
        for keep in [false, true] {
            let mut flow = Flow::<R>::new();
            let asked = flow.add(|| ());
            let keep = flow.add((move || keep).after(asked));
            let server = flow.add(|| "server");
            let stop = flow.add((|| "stopped").after(server).run_unless(keep).always());
            let run = flow.execute().only(server).keep_outputs().await.unwrap();
            assert_eq!(run.report().status(asked), TaskStatus::Succeeded);
            let expected = if run[keep] { skipped(keep) } else { TaskStatus::Succeeded };
            assert_eq!(run.report().status(stop), expected);
        }
    }

    // A value that clean-up borrows belongs to the run as well.
    async fn clean_up_that_borrows_a_value<R>() {
        let mut flow = Flow::<R>::new();
        let name = flow.value(String::from("server"));
        let server = flow.add(|| 1);
        let stop = |name: &String, server: Option<&i32>| format!("{name} {server:?}");
        let stop = flow.add(stop.inputs((name, server.optional())).always());
        let run = flow.execute().only(server).keep_outputs().await.unwrap();
        assert_eq!(run[stop], "server Some(1)");
    }

    // Clean-up that is a target, or needed by one, brings its upstreams along.
    async fn clean_up_that_is_needed<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let a = flow.add(log.note("a"));
        let b = flow.add(log.note("b"));
        let stop = flow.add(log.note("stop").after([a, b]).always());
        let last = flow.add(log.note("last").after(stop));
        for target in [stop, last] {
            let run = flow.execute().only((a, target)).await.unwrap();
            assert_eq!(run.report().status(b), TaskStatus::Succeeded);
        }
        let run = flow.execute().only(a).await.unwrap();
        assert_eq!((run.report().status(b), run.report().status(last)), (TaskStatus::NotSelected, TaskStatus::NotSelected));
        assert_eq!(run.report().status(stop), TaskStatus::Succeeded);
    }

    async fn keep_outputs_keeps_all<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let made = guards.clone();
        let first = flow.add(move || Ok::<Guard, String>(made.guard()));
        let second = flow.add((|_: &Guard| 2).inputs(first));
        let other = flow.add(|| 3);
        let run = flow.execute().only(second).keep_outputs().await.unwrap();
        assert!(run.get(first).is_some());
        assert_eq!((run[second], run.get(other)), (2, None));
        assert_eq!(guards.live(), 1);
        drop(run);
        let run = flow.execute().only(second).await.unwrap();
        assert!(run.get(first).is_none());
        assert_eq!(guards.live(), 0);
        // Without targets, everything is kept anyway.
        let run = flow.execute().keep_outputs().await.unwrap();
        assert_eq!((run.get(first).is_some(), run[other]), (true, 3));
    }

    // Linear in the size of the flow: clean-up behind clean-up, and gates of many tasks.
    async fn clean_up_of_a_large_flow<R>() {
        const LENGTH: usize = 20_000;
        let mut flow = Flow::<R>::new();
        let first = flow.add(async || ());
        let flag = flow.add((async || true).after(first));
        let mut last = first;
        for _ in 0..LENGTH {
            last = flow.add((async || ()).after(last).run_if(flag).always());
        }
        let many: Parallel = (0..LENGTH).map(|_| async || ()).collect();
        let many = flow.add(many.after(first));
        for _ in 0..LENGTH {
            flow.add((async || ()).after(many).always());
        }
        let run = flow.execute().only(first).await.unwrap();
        assert_eq!(run.report().count(|status| status == TaskStatus::Succeeded), LENGTH + 2);
        let run = flow.execute().only(many).await.unwrap();
        assert_eq!(run.report().count(|status| status == TaskStatus::Succeeded), flow.len());
    }
}
