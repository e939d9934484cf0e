//! Executing a flow more than once, at the same time, and without waiting for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asyncflow::prelude::*;
use asyncflow_tests::{Log, on_every_backend};
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
        flow.add(once(async move || sender.send("done").unwrap()).after(first));
        let mut running = flow.start();
        // Nobody polls it, and yet it ends.
        assert_eq!(receiver.await, Ok("done"));
        assert!(running.report().is_some());
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
