//! An execution that was started goes on by itself, and reports how far it is.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use asyncflow::Report;
use asyncflow::prelude::*;
use asyncflow_tests::{
    Gate, Guards, again, at_once, eventually, on_every_backend, panic_message, passes, poll_times,
    skipped, turns, waits, yield_now,
};
use futures::channel::oneshot;

on_every_backend! {
    async fn is_a_future_of_the_run<R>() {
        let mut flow = Flow::<R>::new();
        let number = flow.add(async || { yield_now().await; 20 });
        let double = flow.add((|n: &i32| 2 * n).inputs(number));
        let run = flow.start().await.unwrap();
        assert_eq!(run[double], 40);
        let run = flow.execute().max_concurrency(1).start().await.unwrap();
        assert_eq!(run[double], 40);
    }

    async fn goes_on_by_itself<R>() {
        let mut flow = Flow::<R>::new();
        let (sender, receiver) = oneshot::channel();
        let first = flow.add(|| ());
        let last = flow.add(once(async move || sender.send("done").unwrap()).after(first));
        let running = flow.start();
        // It is not polled, and yet it ends.
        assert_eq!(receiver.await, Ok("done"));
        eventually::<R>("the end", || {
            running.report().is_some_and(|report| report.status(last).is_success())
        })
        .await;
        running.await.unwrap();
    }

    // The report of a run that goes on says how far it is.
    async fn report_of_what_is_given_and_left_out<R>() {
        let (mut flow, gate, reached) = (Flow::<R>::new(), Gate::new(), Gate::new());
        let first = flow.add((|| 1).named("first"));
        let (wait, open) = (gate.clone(), reached.clone());
        let waits = flow.add(again!((wait, open) { open.open(); wait.pass().await }).after(first));
        let last = flow.add((|| ()).after(waits));
        let given = flow.input::<u8>("given");
        let unused = flow.add(|| ());
        let running = flow.execute().given(given, 1).only((last, given)).start();
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
        // An earlier report does not change.
        assert_eq!(report.status(last), TaskStatus::Unfinished);
        let run = running.await.unwrap();
        assert_eq!(run.report().status(last), TaskStatus::Succeeded);
    }

    async fn report_so_far<R>() {
        let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
        let (started, go) = (Gate::new(), Gate::new());
        let before = flow.add(|| 1);
        let failed = flow.add((async || Err::<(), _>("no")).after(before));
        let skip = flow.add((|| ()).after(failed));
        let (opened, passed) = (started.clone(), go.clone());
        let held = again!((opened, passed) { opened.open(); passed.pass().await });
        let held = flow.add(held.after(skip).always());
        let after = flow.add(waits(&guards, &Gate::new()).after(held).timeout(Duration::from_millis(1)));
        let running = flow.execute().keep_going().start();
        started.pass().await;
        let report: Report = running.report().unwrap();
        assert_eq!(report.status(before), TaskStatus::Succeeded);
        assert_eq!(report.status(failed), TaskStatus::Failed);
        assert_eq!(report.status(skip), skipped(failed));
        assert_eq!(report.status(held), TaskStatus::Unfinished);
        assert_eq!(report.status(after), TaskStatus::Unfinished);
        go.open();
        let mut last = None;
        eventually::<R>("the end", || {
            last = running.report();
            // There is none while the run is being closed.
            last.as_ref().is_some_and(|last| last.count(|status| status == TaskStatus::Unfinished) == 0)
        }).await;
        assert_eq!(last.unwrap().status(after), TaskStatus::TimedOut);
        let error = running.await.unwrap_err();
        assert_eq!(error.failures().count(), 2);
        assert_eq!(guards.live(), 0);
    }

    // A status other than `Unfinished` does not change any more.
    async fn reports_do_not_go_back<R>() {
        let mut flow = Flow::<R>::new();
        let mut last = vec![];
        for number in 0..60 {
            let fails = number % 9 == 7;
            let task = again!(() { turns(2).await; if fails { Err("no") } else { Ok(()) } });
            let before = last.clone();
            let task = match number % 4 {
                0 => flow.add((|| ()).after(&before)),
                1 => flow.add(task.after(&before).retry(at_once(1))),
                2 => flow.add(task.after(&before).always()),
                _ => flow.add(task.after(&before).with_lock(Lock::new())),
            };
            last.push(task);
            if last.len() > 3 {
                last.remove(0);
            }
        }
        let mut running = flow.execute().keep_going().timed().start();
        let mut seen: Vec<TaskStatus> = vec![];
        let error = loop {
            let polled = poll_times(pin!(&mut running), 1).await;
            if let Some(result) = polled {
                break result.unwrap_err();
            }
            // There is none for a moment while the run is being closed.
            let Some(report) = running.report() else {
                yield_now().await;
                continue;
            };
            let now: Vec<_> = report.tasks().map(|task| task.status()).collect();
            for (before, now) in seen.iter().zip(&now) {
                assert!(before == now || *before == TaskStatus::Unfinished, "{before} became {now}");
            }
            seen = now;
            yield_now().await;
        };
        let end: Vec<_> = error.report().unwrap().tasks().map(|task| task.status()).collect();
        assert!(seen.iter().zip(&end).all(|(before, end)| before == end || *before == TaskStatus::Unfinished));
        assert!(!end.contains(&TaskStatus::Unfinished));
    }

    // A run owns the functions that it executes.
    async fn flow_is_dropped_while_it_runs<R>() {
        for depth in 0..3 {
            let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
            let passes = gate.clone();
            let first = flow.add(again!((passes) { passes.pass().await; 20 }));
            let last = flow.add((|first: &i32| 2 * first + 2).inputs(first));
            let mut running = None;
            if depth == 0 {
                running = Some(flow.start());
            }
            let mut around = flow;
            for _ in 0..depth {
                let mut outer = Flow::<R>::new();
                outer.add(Arc::new(around));
                around = outer;
            }
            let running = running.unwrap_or_else(|| around.start());
            drop(around);
            gate.open();
            let run = running.await.unwrap();
            assert!(run.report().tasks().all(|task| task.status().is_success()));
            if depth == 0 {
                assert_eq!(run[last], 42);
            }
        }
    }

    // An execution is configured before it is polled.
    async fn configured_too_late<R>() {
        let (mut flow, gate) = (Flow::<R>::new(), Gate::new());
        flow.add(passes(&gate));
        let mut execute = flow.execute();
        assert!(poll_times(pin!(&mut execute), 1).await.is_none());
        assert!(panic_message(|| execute.keep_going()).contains("after it was polled"));
        let mut execute = flow.execute();
        assert!(poll_times(pin!(&mut execute), 1).await.is_none());
        assert!(panic_message(|| execute.start()).contains("after it was polled"));
        gate.open();
        flow.execute().await.unwrap();
    }
}
