//! Executing a flow more than once, at the same time, and without waiting for it.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use asyncflow::prelude::*;
use asyncflow::{Observer, Running};
use asyncflow_tests::{
    Gate, Guards, Log, Meeting, eventually, on_every_backend, on_every_backend_in_child,
    poll_times, turns,
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
        // The run that goes on knows nothing of it.
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

    async fn once_runs_once<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let text = String::from("moved");
        let task = flow.add(once(move || text).named("take it"));
        flow.add(log.note("other"));
        assert_eq!(flow.execute().await.unwrap()[task], "moved");
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("`take it`"), "{error}");
        assert!(error.report().is_none());
        assert_eq!(log.events(), ["other"], "nothing ran the second time");
    }

    async fn a_refused_execution_spends_nothing<R>() {
        let mut flow = Flow::<R>::new();
        let first = flow.add(once(|| 1));
        let second = flow.add(once(|| 2));
        flow.execute().only(second).await.unwrap();
        flow.execute().await.unwrap_err();
        // The first was not spent by the execution that was refused for the second.
        assert_eq!(flow.execute().only(first).await.unwrap()[first], 1);
    }

    async fn running_goes_on_by_itself<R>() {
        let mut flow = Flow::<R>::new();
        let (sender, receiver) = oneshot::channel();
        let first = flow.add(|| ());
        let last = flow.add(once(async move || sender.send("done").unwrap()).after(first));
        let mut running = flow.start();
        // Nobody polls it, and yet it ends.
        assert_eq!(receiver.await, Ok("done"));
        eventually::<R>("the end", || {
            running.report().is_some_and(|report| report.status(last).is_success())
        })
        .await;
        running.await.unwrap();
    }

    async fn nothing_starts_before_it_is_polled<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        flow.add(log.note("started"));
        drop(flow.execute());
        let execute = flow.execute();
        assert!(log.events().is_empty());
        execute.await.unwrap();
        assert_eq!(log.events(), ["started"]);
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

    async fn an_empty_flow<R>() {
        let flow = Flow::<R>::new();
        assert!(flow.is_empty());
        assert_eq!(flow.execute().await.unwrap().report().tasks().count(), 0);
    }
}

/// Executions at the same time, which know nothing of each other.
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
            // They need the flow no more.
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

        // What becomes of one is nothing to the others: one fails, one is dropped, one cancelled.
        async fn with_different_ends<R>() {
            let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
            let fails = flow.input::<bool>("fails");
            let wait = gate.clone();
            let waits = flow.add((move || {
                let wait = wait.clone();
                async move { wait.pass().await }
            }).after(fails));
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

        // A flow grows between executions, one of which goes on with what it began with.
        async fn while_the_flow_grows<R>() {
            let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
            let wait = gate.clone();
            let waits = flow.add(move || {
                let wait = wait.clone();
                async move { wait.pass().await; 1_usize }
            });
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

        // Of executions at the same time one has it, and the others nothing.
        async fn by_one_of_many<R>() {
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

        // Spent is what an execution took on, whatever came of it.
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
            let (mut inner, mut flow) = (Flow::<R>::new(), Flow::<R>::new());
            inner.add(once(|| ()).named("single"));
            flow.add(Arc::new(inner));
            flow.execute().await.unwrap();
            let error = flow.execute().await.unwrap_err();
            assert!(error.to_string().contains("`single`"), "{error}");
        }
    }
}

/// Executions that were started.
mod running {
    use super::*;

    on_every_backend! {
        // The report of a run that goes on says how far it is.
        async fn report<R>() {
            let (mut flow, gate, reached) = (Flow::<R>::new(), Gate::new(), Gate::new());
            let first = flow.add((|| 1).named("first"));
            let (wait, open) = (gate.clone(), reached.clone());
            let waits = flow.add((move || {
                let (wait, open) = (wait.clone(), open.clone());
                async move { open.open(); wait.pass().await }
            }).after(first));
            let last = flow.add((|| ()).after(waits));
            let given = flow.input::<u8>("given");
            let unused = flow.add(|| ());
            let mut running = flow.execute().given(given, 1).only((last, given)).start();
            reached.pass().await;
            eventually::<R>("the given task", || {
                running.report().unwrap().status(given) == TaskStatus::Given
            }).await;
            let report = running.report().unwrap();
            assert_eq!(report.status(first), TaskStatus::Succeeded);
            assert_eq!([report.status(waits), report.status(last)], [TaskStatus::Unfinished; 2]);
            assert_eq!(report.status(unused), TaskStatus::NotSelected);
            gate.open();
            eventually::<R>("the last task", || {
                running.report().is_some_and(|report| report.status(last) == TaskStatus::Succeeded)
            }).await;
            // What was reported before is as it was.
            assert_eq!(report.status(last), TaskStatus::Unfinished);
            let run = running.await.unwrap();
            assert_eq!(run.report().status(last), TaskStatus::Succeeded);
        }

        async fn report_of_a_failure<R>() {
            let mut flow = Flow::<R>::new();
            let failed = flow.add((|| Err::<(), _>("no")).named("failed"));
            let skipped = flow.add((|| ()).after(failed));
            let mut running = flow.start();
            let because = failed.into();
            eventually::<R>("the skip", || {
                running.report().is_some_and(|report| report.status(skipped) == TaskStatus::Skipped { because })
            }).await;
            let error = running.await.unwrap_err();
            assert!(error.to_string().contains("`failed` failed: no"), "{error}");
        }

        // Cancelling waits for everything: nothing lives on, nothing new starts.
        async fn cancel<R>() {
            let (mut flow, guards, log) = (Flow::<R>::new(), Guards::new(), Log::new());
            let meeting = Meeting::of(11);
            let mut last = Vec::new();
            for _ in 0..10 {
                let (guards, meeting) = (guards.clone(), meeting.clone());
                let waits = flow.add(move || {
                    let (guard, meeting) = (guards.guard(), meeting.clone());
                    async move {
                        let _guard = guard;
                        meeting.meet().await;
                        std::future::pending::<()>().await;
                    }
                });
                last.push(flow.add(log.note("never").after(waits)));
            }
            let running = flow.start();
            meeting.meet().await;
            assert_eq!(guards.live(), 10);
            let error = running.cancel().await.unwrap_err();
            assert_eq!(guards.live(), 0);
            assert!(error.is_cancelled() && error.failures().count() == 0, "{error}");
            assert_eq!(error.to_string(), "the run was cancelled (20 cancelled)");
            let report = error.report().unwrap();
            assert_eq!(report.count(|status| status == TaskStatus::Cancelled), 20);
            assert!(log.events().is_empty());
            // The flow is as good as new.
            let gone = flow.start();
            meeting.meet().await;
            drop(gone);
            eventually::<R>("everything to be dropped", || guards.live() == 0).await;
        }

        async fn cancel_at_the_end<R>() {
            let mut flow = Flow::<R>::new();
            let task = flow.add(|| 1);
            let mut running = flow.start();
            eventually::<R>("the end", || running.report().is_some_and(|report| report.status(task).is_success())).await;
            // It may be that only its end is on its way; then there is nothing to cancel.
            assert_eq!(running.cancel().await.unwrap()[task], 1);
        }

        // How to execute is said before it is polled.
        async fn configured_too_late<R>() {
            let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
            let wait = gate.clone();
            flow.add(move || {
                let wait = wait.clone();
                async move { wait.pass().await }
            });
            let mut execute = flow.execute();
            assert!(poll_times(pin!(&mut execute), 1).await.is_none());
            let payload = catch_unwind(AssertUnwindSafe(|| drop(execute.keep_going()))).unwrap_err();
            assert!(payload.downcast::<&str>().unwrap().contains("after it was polled"));
            let mut execute = flow.execute();
            assert!(poll_times(pin!(&mut execute), 1).await.is_none());
            let payload = catch_unwind(AssertUnwindSafe(|| drop(execute.start()))).unwrap_err();
            assert!(payload.downcast::<&str>().unwrap().contains("after it was polled"));
            gate.open();
            flow.execute().await.unwrap();
        }
    }

    /// An observer whose drop panics.
    struct Bad;

    impl Observer for Bad {}

    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("a bad drop");
        }
    }

    on_every_backend_in_child! {
        async fn observers_that_panic_when_dropped<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let plain = flow.add(log.note_blocking("plain"));
            flow.add((move || ready(())).after(plain));
            for _ in 0..5 {
                flow.execute().observe(Bad).observe(Bad).await.unwrap();
                flow.execute().observe(Bad).observe(Bad).timed().start().await.unwrap();
            }
            assert_eq!(log.events().len(), 10);
        }
    }
}
