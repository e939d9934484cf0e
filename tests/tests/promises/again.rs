//! Executing a flow again, or several times at once, gives independent runs; a `once` function is called
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use asyncflow::Running;
use asyncflow::prelude::*;
use asyncflow_tests::{
    Gate, Guards, Log, Meeting, again, on_every_backend, passes, poll_times, turns,
};
use futures::channel::oneshot;
use futures::future::join_all;

on_every_backend! {
    async fn twice<R>() {
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        let number = flow.add(move || counted.fetch_add(1, Ordering::SeqCst));
        let next = flow.add((async |n: &usize| n + 1).inputs(number));
        let first = flow.execute().await.unwrap();
        let second = flow.execute().await.unwrap();
        assert_eq!((first[next], second[next]), (1, 2), "the runs are independent");
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    async fn many_at_the_same_time<R>() {
        let mut flow = Flow::<R>::new();
        let n = flow.input::<usize>("n");
        let plain = flow.add((|n: &usize| n * 2).inputs(n));
        let sum = flow.add((async |n: &usize, plain: &usize| n + plain).inputs((n, plain)));
        let runs = join_all((0..50).map(|value| {
            let execute = flow.execute().given(n, value);
            async move { (value, execute.await.unwrap()) }
        }))
        .await;
        for (value, run) in runs {
            assert_eq!((run[n], run[plain], run[sum]), (value, value * 2, value * 3));
        }
    }

    async fn add_between_executions<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let first = flow.add(log.note("first"));
        let run = flow.execute().await.unwrap();
        let second = flow.add(log.note("second").after(first));
        let again = flow.execute().await.unwrap();
        assert_eq!(log.events(), ["first", "first", "second"]);
        assert_eq!(run.report().tasks().count(), 1);
        assert_eq!(again.report().status(second), TaskStatus::Succeeded);
    }

    async fn add_while_it_runs<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let (go, wait) = oneshot::channel::<()>();
        let wait = flow.add(once(async move || wait.await.map_err(|error| error.to_string())));
        let running = flow.start();
        // The run that goes on does not have it.
        let later = flow.add(log.note("later").after(wait));
        go.send(()).unwrap();
        let run = running.await.unwrap();
        assert_eq!(run.report().tasks().count(), 1);
        assert!(log.events().is_empty());
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("once"), "{error}");
        let run = flow.execute().given(wait, ()).await.unwrap();
        assert_eq!(run.report().status(later), TaskStatus::Succeeded);
    }

    async fn in_another_task<R>() {
        // `Execute` is `Send`, and so is what it gives.
        fn send<T: Send>(value: T) -> T {
            value
        }
        let mut flow = Flow::<R>::new();
        let task = flow.add(|| 5);
        assert_eq!(send(send(flow.execute()).await).unwrap()[task], 5);
    }
}

/// Executions at the same time.
mod concurrently {
    use super::*;

    on_every_backend! {
        // All of them are in the middle of it at the same time.
        async fn in_one_place<R>() {
            let (mut flow, meeting) = (Flow::<R>::new(), Meeting::of(40));
            let count = Arc::new(AtomicUsize::new(0));
            let first = flow.add(meeting.task());
            let counted = count.clone();
            let number = flow.add((move || counted.fetch_add(1, Ordering::SeqCst)).after(first));
            let next = flow.add((async |n: &usize| { turns(n % 3).await; *n }).inputs(number));
            let runs = join_all((0..40).map(|_| flow.execute())).await;
            let mut numbers: Vec<usize> = runs.into_iter().map(|run| {
                let run = run.unwrap();
                assert_eq!(run[number], run[next]);
                run[number]
            }).collect();
            numbers.sort();
            assert!(numbers.into_iter().eq(0..40));
        }

        async fn by_themselves<R>() {
            let (mut flow, meeting) = (Flow::<R>::new(), Meeting::of(20));
            let id = flow.input::<usize>("id");
            let meet = flow.add(meeting.task().after(id));
            let double = flow.add((|id: &usize| id * 2).inputs(id).after(meet));
            let running: Vec<Running> = (0..20).map(|n| flow.execute().given(id, n).start()).collect();
            // The runs own what they execute.
            drop(flow);
            for (n, running) in running.into_iter().enumerate() {
                assert_eq!(running.await.unwrap()[double], 2 * n);
            }
        }

        // Polled on other threads, beside the runtime.
        async fn on_many_threads<R>() {
            let mut flow = Flow::<R>::new();
            let id = flow.input::<usize>("id");
            let plain = flow.add((|id: &usize| id + 1).inputs(id));
            let list = flow.add((async |id: &usize, plain: &usize| { turns(3).await; vec![*id, *plain] }).inputs((id, plain)));
            let flow = Arc::new(flow);
            let threads = (0..4).map(|n| {
                let (flow, (done, wait)) = (flow.clone(), oneshot::channel());
                thread::spawn(move || {
                    for n in (0..20).map(|m| n * 100 + m) {
                        let run = futures::executor::block_on(flow.execute().given(id, n)).unwrap();
                        assert_eq!(run[list], [n, n + 1]);
                    }
                    done.send(()).unwrap();
                });
                wait
            });
            for done in join_all(threads.collect::<Vec<_>>()).await {
                done.expect("a thread panicked");
            }
        }

        // One fails, one is dropped, one is cancelled; the others end as if they were alone.
        async fn with_different_ends<R>() {
            let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
            let fails = flow.input::<bool>("fails");
            let waits = flow.add(passes(&gate).after(fails));
            let maybe = |fails: &bool| if *fails { Err("it failed") } else { Ok(7) };
            let maybe = flow.add(maybe.inputs(fails));
            let last = flow.add((|n: &i32| n + 1).inputs(maybe).after(waits));
            let execute = |fails_now| flow.execute().given(fails, fails_now);
            let (good, other) = (execute(false).start(), execute(false).start());
            let bad = execute(true).await.unwrap_err();
            assert!(bad.to_string().contains("failed: it failed"), "{bad}");
            assert_eq!(bad.failures().next().unwrap().task(), maybe.into());
            let mut dropped = Box::pin(execute(false));
            assert!(poll_times(dropped.as_mut(), 1).await.is_none());
            drop(dropped);
            assert!(other.cancel().await.unwrap_err().is_cancelled());
            gate.open();
            assert_eq!(good.await.unwrap()[last], 8);
        }

        // Tasks added while a run goes on are not in that run.
        async fn while_the_flow_grows<R>() {
            let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
            let wait = gate.clone();
            let waits = flow.add(again!((wait) { wait.pass().await; 1_usize }));
            let mut running = vec![flow.start()];
            let mut last = waits;
            for _ in 0..30 {
                last = flow.add((|n: &usize| n + 1).inputs(last));
                running.push(flow.start());
            }
            gate.open();
            for (n, running) in running.into_iter().enumerate() {
                let run = running.await.unwrap();
                assert_eq!(run.report().tasks().count(), n + 1);
                assert!(run.report().tasks().all(|task| task.status() == TaskStatus::Succeeded));
            }
            assert_eq!(flow.execute().await.unwrap()[last], 31);
            assert_eq!(flow.len(), 31);
        }
    }
}

/// Functions that can be called once.
mod only_once {
    use super::*;

    on_every_backend! {
        async fn once_is_spent<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            flow.add(log.note("apart"));
            let text = String::from("moved out");
            let plain = flow.add(once(move || text).named("plain one"));
            let other = flow.add(once(async move || 1));
            let run = flow.execute().await.unwrap();
            assert_eq!((&*run[plain], run[other]), ("moved out", 1));
            for _ in 0..2 {
                let error = flow.execute().await.unwrap_err();
                assert!(error.to_string().contains("`plain one`") && error.to_string().contains("once"));
                assert!(error.report().is_none() && error.outputs().is_none());
                assert!(flow.start().await.unwrap_err().to_string().contains("`plain one`"));
            }
            assert_eq!(log.events().len(), 1);
            // It can be spent where it is not needed.
            let given = flow.execute().given(plain, String::from("given")).given(other, 2).await.unwrap();
            assert_eq!((&*given[plain], given[other]), ("given", 2));

            let mut flow = Flow::<R>::new();
            let before = flow.add(once(|| 1));
            let spent = flow.add(once(|| 2));
            let after = flow.add(once(|| 3));
            flow.execute().only(spent).await.unwrap();
            assert!(flow.execute().await.unwrap_err().to_string().contains("once"));
            // The refused execution did not spend the others.
            let run = flow.execute().only([before, after]).await.unwrap();
            assert_eq!((run[before], run[after]), (1, 3));
        }

        async fn functions_of_all_kinds<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let (text, list, guard) = (String::from("text"), vec![1, 2], guards.guard());
            let plain = flow.add(once(move || text));
            let with_inputs = flow.add(once(move |text: &String| { drop(guard); text.len() }).inputs(plain));
            let async_ = flow.add(once(async move || { turns(2).await; list }));
            let both = flow.add(once(async move |text: &String, list: Vec<i32>| Ok::<_, String>(text.len() + list.len()))
                .inputs((plain, async_.moved())).after(with_inputs).named("both"));
            assert_eq!(guards.live(), 1);
            let run = flow.execute().await.unwrap();
            assert_eq!((run[with_inputs], run[both], guards.live()), (4, 6, 0));
        }

        // Of executions at the same time one calls it, and the others are refused.
        async fn called_by_one_of_many_executions<R>() {
            for _ in 0..10 {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let notes = log.clone();
                flow.add(log.note("beside"));
                let task = flow.add(once(move || { notes.push("once"); 1 }).named("single"));
                flow.add(once(|| ()));
                let runs = join_all((0..5).map(|_| flow.execute())).await;
                let (good, bad): (Vec<_>, Vec<_>) = runs.into_iter().partition(Result::is_ok);
                assert_eq!((good.len(), bad.len()), (1, 4));
                assert_eq!(good.into_iter().next().unwrap().unwrap()[task], 1);
                for error in bad {
                    let error = error.unwrap_err();
                    assert!(error.to_string().contains("`single`") && error.report().is_none(), "{error}");
                }
                assert_eq!(log.events().len(), 2);
            }
        }

        // An execution that starts spends it, also if it fails or is not reached.
        async fn also_if_it_fails_or_is_not_reached<R>() {
            for form in 0..4 {
                let mut flow = Flow::<R>::new();
                let failed = flow.add(|| Err::<(), _>("no"));
                match form {
                    0 => flow.add(once(|| Err::<(), _>("no")).named("single")),
                    1 => flow.add(once(|| -> () { panic!("no") }).named("single")),
                    2 => flow.add(once(|| ()).after(failed).named("single")),
                    _ => flow.add(once(async || std::future::pending::<()>().await).after(failed).named("single")),
                };
                assert!(flow.execute().await.unwrap_err().report().is_some());
                let error = flow.execute().await.unwrap_err();
                assert!(error.to_string().contains("`single`") && error.report().is_none(), "{error}");
            }
        }

        // Not if it is given, not asked for, or if the execution was never polled.
        async fn not_if_it_is_not_needed<R>() {
            let mut flow = Flow::<R>::new();
            let single = flow.add(once(|| 1));
            let other = flow.add(|| 2);
            for _ in 0..3 {
                drop(flow.execute());
                assert_eq!(flow.execute().given(single, 5).await.unwrap()[single], 5);
                assert_eq!(flow.execute().only(other).await.unwrap()[other], 2);
            }
            assert_eq!(flow.execute().await.unwrap()[single], 1);
            flow.execute().await.unwrap_err();
            // Others are still there.
            assert_eq!(flow.execute().only(other).await.unwrap()[other], 2);
            assert_eq!(flow.execute().given(single, 6).await.unwrap()[single], 6);
        }

        async fn a_spent_flow_in_a_flow<R>() {
            let (mut inner, mut flow, log) = (Flow::<R>::new(), Flow::<R>::new(), Log::new());
            inner.add(once(|| ()).named("single"));
            flow.add(log.note("beside"));
            flow.add(Arc::new(inner));
            flow.execute().await.unwrap();
            let error = flow.execute().await.unwrap_err();
            assert!(error.to_string().contains("`single`"), "{error}");
            // It was found before anything started.
            assert!(error.report().is_none());
            assert_eq!(log.events().len(), 1);
        }
    }
}
