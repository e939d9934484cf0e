//! Faults, row 13: the same flow twice at once, and mistakes that are found before anything
//! starts.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asyncflow::Upstreams;
use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;
use asyncflow_tests::{Gate, Log, on_every_backend, on_every_backend_in_child, yield_now};

/// The message of the panic that `f` ends with.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().unwrap();
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// Asserts that an execution was refused, before anything started.
fn assert_refused(error: &FlowError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} in {text:?}");
    }
    assert!(error.report().is_none() && error.outputs().is_none());
    assert_eq!(error.failures().count(), 0);
    assert!(!error.is_cancelled());
}

on_every_backend! {
    // Both are in the middle of it at the same time, and neither knows of the other.
    async fn same_flow_twice_at_once<R>() {
        let mut flow = Flow::<R>::new();
        let (calls, gates) = (Arc::new(AtomicUsize::new(0)), [Gate::new(), Gate::new()]);
        let number = flow.input::<usize>("number");
        let meets = flow.add({
            let calls = Arc::clone(&calls);
            (move |number: &usize| {
                let (own, gates) = (calls.fetch_add(1, Ordering::SeqCst), gates.clone());
                let number = *number;
                async move {
                    gates[own].open();
                    gates[1 - own].pass().await;
                    number
                }
            }).inputs(number)
        });
        let double = flow.add((|n: &usize| 2 * n).inputs(meets));
        let (ten, twenty) = futures::join!(
            flow.execute().given(number, 10),
            flow.execute().given(number, 20),
        );
        assert_eq!((ten.unwrap()[double], twenty.unwrap()[double]), (20, 40));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    // One of them fails; the other does not care.
    async fn failure_of_one_execution_is_its_own<R>() {
        let mut flow = Flow::<R>::new();
        let fails = flow.input::<bool>("fails");
        let work = flow.add((async |fails: &bool| {
            yield_now().await;
            if *fails { Err("no") } else { Ok(()) }
        }).inputs(fails));
        let after = flow.add((|| ()).after(work));
        let (good, bad) = futures::join!(
            flow.execute().given(fails, false),
            flow.execute().given(fails, true),
        );
        assert!(good.unwrap().report().status(after).is_success());
        assert!(bad.unwrap_err().report().unwrap().status(work).is_failure());
    }

    async fn executing_again_is_independent<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let first = flow.add(log.note("first"));
        flow.add(log.note_blocking("second").after(first));
        for times in 1..5 {
            flow.execute().await.unwrap();
            assert_eq!(log.events().len(), 2 * times);
        }
        // And with what was added in between, also while a run is using the flow as it was.
        let run = flow.start();
        let third = flow.add(log.note("third").after(first));
        let before = run.await.unwrap();
        assert!(!log.events().contains(&"third".into()));
        flow.execute().await.unwrap();
        log.place("third");
        // That run knows nothing of the new task.
        let message = panic_of(|| before.report().status(third));
        assert!(message.contains("not part of its run"), "{message}");
    }

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
            assert_refused(&error, &["`plain one`", "once"]);
            assert_refused(&flow.start().await.unwrap_err(), &["`plain one`"]);
        }
        assert_eq!(log.events().len(), 1);
        // Where it is not needed, it does not matter.
        let given = flow.execute().given(plain, String::from("given")).given(other, 2).await.unwrap();
        assert_eq!((&*given[plain], given[other]), ("given", 2));

        let mut flow = Flow::<R>::new();
        let spent = flow.add(once(|| 1));
        let left = flow.add(once(|| 2));
        flow.execute().only(spent).await.unwrap();
        assert_refused(&flow.execute().await.unwrap_err(), &["once"]);
        // The refusal took nothing from the other one.
        assert_eq!(flow.execute().only(left).await.unwrap()[left], 2);
    }

    async fn once_with_retries_is_refused<R>() {
        let mut flow = Flow::<R>::new();
        let retry = ConstantBuilder::default();
        flow.add(once(|| ()).retry(retry).named("again"));
        assert_refused(&flow.execute().await.unwrap_err(), &["`again`", "once", "retry"]);
    }

    // Spent, and of two executions at once only one has it.
    async fn once_in_two_executions_at_once<R>() {
        for _ in 0..50 {
            let mut flow = Flow::<R>::new();
            flow.add(once(async move || yield_now().await));
            let flow = Arc::new(flow);
            let (one, other) = futures::join!(flow.execute(), flow.execute());
            assert!(one.is_ok() != other.is_ok());
        }
    }

    async fn handle_of_another_flow_panics_at_the_call<R>() {
        let mut other = Flow::<R>::new();
        let foreign = other.add(|| 1_u32);
        let flag = other.add(|| true);
        let group = other.add(series![|| (), || ()]);
        let mut flow = Flow::<R>::new();
        let own = flow.add(|| 2_u32);
        let expected = "handle of a task of another flow";
        for message in [
            panic_of(|| flow.add((|| ()).after(foreign))),
            panic_of(|| flow.add((|| ()).after((own, foreign)))),
            panic_of(|| flow.add((|| ()).after(vec![own.id(), foreign.id()]))),
            panic_of(|| flow.add((|| ()).after(group))),
            panic_of(|| flow.add((|| ()).after_any([own, foreign]))),
            panic_of(|| flow.add((|_: &u32| ()).inputs(foreign))),
            panic_of(|| flow.add((|_: Option<&u32>| ()).inputs(foreign.optional()).always())),
            panic_of(|| flow.add((|_: u32| ()).inputs(foreign.moved()))),
            panic_of(|| flow.add((|_: Vec<&u32>| ()).inputs([own, foreign]))),
            panic_of(|| flow.add((|| ()).run_if(flag))),
            panic_of(|| flow.add(series![|| (), || ()].after(foreign))),
            panic_of(|| flow.add(parallel![|| (), (|| ()).after(foreign)])),
        ] {
            assert!(message.contains(expected), "{message}");
        }
        // What it was added to is as it was.
        assert_eq!(flow.execute().only(own).await.unwrap()[own], 2);
    }

    async fn unknown_target_is_refused<R>() {
        let mut other = Flow::<R>::new();
        let foreign = other.add(|| 1_u32);
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let own = flow.add(log.note("never"));
        assert_refused(&flow.execute().only(foreign).await.unwrap_err(), &["`only`", "another flow"]);
        let both: &dyn Upstreams = &(own, foreign);
        assert_refused(&flow.execute().only(both).await.unwrap_err(), &["`only`"]);
        assert_refused(&flow.execute().given(foreign, 3).await.unwrap_err(), &["`given`", "another flow"]);
        assert_eq!(log.events().len(), 0);
        flow.execute().only(own).await.unwrap();
        // Asking for nothing is no mistake.
        flow.execute().only(Vec::<TaskId>::new()).await.unwrap();
        assert_eq!(log.events().len(), 1);
    }

    async fn input_that_is_not_given_is_refused<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let number = flow.input::<u32>("number");
        let needs = flow.add((|n: &u32| *n).inputs(number));
        let apart = flow.add(log.note("apart"));
        assert_refused(&flow.execute().await.unwrap_err(), &["`number`", "given"]);
        let twice = flow.execute().given(number, 1).given(number, 2).await.unwrap_err();
        assert_refused(&twice, &["`number`", "two values"]);
        assert_eq!(log.events().len(), 0);
        // Where nobody needs it, it need not be given.
        flow.execute().only(apart).await.unwrap();
        assert_eq!(flow.execute().given(number, 3).only(needs).await.unwrap()[needs], 3);
        assert_eq!(log.events().len(), 1);
    }
}

// In a process of its own, because of the panic hook.
on_every_backend_in_child! {
    async fn panic_is_at_the_line_that_adds<R>() {
        let mut other = Flow::<R>::new();
        let foreign = other.add(|| ());
        let mut flow = Flow::<R>::new();
        let place = Arc::new(std::sync::Mutex::new(None));
        let before = std::panic::take_hook();
        let seen = Arc::clone(&place);
        let this = std::thread::current().id();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == this {
                *seen.lock().unwrap() = info.location().map(|at| (at.file().to_owned(), at.line()));
            }
        }));
        let line = line!() + 1;
        let _ = catch_unwind(AssertUnwindSafe(|| flow.add((|| ()).after(foreign))));
        std::panic::set_hook(before);
        let (file, at) = place.lock().unwrap().take().unwrap();
        assert!(file.ends_with("faults_refusals.rs"), "{file}");
        assert_eq!(at, line);
    }
}
