//! Mistakes are found before anything starts, and said clearly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{SmolRuntime, TokioFlow};
use asyncflow_tests::on_every_backend;

/// A flow, and whether any of its tasks ran.
fn flow_that_must_not_run<R: asyncflow::Runtime + Default>() -> (Flow<R>, Arc<AtomicBool>) {
    let mut flow = Flow::new();
    let ran = Arc::new(AtomicBool::new(false));
    let running = Arc::clone(&ran);
    flow.add((move || running.store(true, Ordering::SeqCst)).named("canary"));
    (flow, ran)
}

#[track_caller]
fn refused(error: FlowError, ran: &AtomicBool, says: &[&str]) {
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "expected {part:?} in {text:?}");
    }
    assert!(
        error.report().is_none() && error.outputs().is_none(),
        "nothing started"
    );
    assert_eq!(error.failures().count(), 0);
    assert!(!ran.load(Ordering::SeqCst), "nothing ran");
}

on_every_backend! {
    async fn more_permits_than_there_are<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let semaphore = Semaphore::new(2);
        flow.add((|| ()).with_lock(semaphore.permits(3)).named("greedy"));
        let error = flow.execute().await.unwrap_err();
        refused(error, &ran, &["`greedy`", "3 permits", "has 2"]);
    }

    async fn no_permits<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add((|| ()).with_lock(Semaphore::new(2).permits(0)).named("modest"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`modest`", "0 permits"]);
    }

    async fn a_semaphore_without_permits<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add((|| ()).with_lock(Semaphore::new(0)).named("stuck"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`stuck`", "has 0"]);
    }

    async fn no_concurrency<R>() {
        let (flow, ran) = flow_that_must_not_run::<R>();
        let error = flow.execute().max_concurrency(0).await.unwrap_err();
        refused(error, &ran, &["max_concurrency(0)", "at least one"]);
    }

    async fn foreign_target<R>() {
        let (flow, ran) = flow_that_must_not_run::<R>();
        let foreign = Flow::<R>::new().add(|| 1);
        let error = flow.execute().only(foreign).await.unwrap_err();
        refused(error, &ran, &["`only`", "another flow"]);
    }

    async fn foreign_task_given<R>() {
        let (flow, ran) = flow_that_must_not_run::<R>();
        let foreign = Flow::<R>::new().add(|| 1);
        let error = flow.execute().given(foreign, 2).await.unwrap_err();
        refused(error, &ran, &["`given`", "another flow"]);
    }

    async fn input_not_given<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.input::<u8>("user id");
        refused(flow.execute().await.unwrap_err(), &ran, &["`user id`", ".given("]);
    }

    async fn given_twice<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let id = flow.input::<u8>("id");
        let error = flow.execute().given(id, 1).given(id, 2).await.unwrap_err();
        refused(error, &ran, &["`id`", "two values"]);
    }

    async fn moved_to_two<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let big = flow.add((|| vec![1]).named("big"));
        flow.add((|_: Vec<i32>| ()).inputs(big.moved()).named("taker"));
        flow.add((|_: &Vec<i32>| ()).inputs(big).named("reader"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`big`", "`taker`", "`reader`"]);
    }

    async fn moved_and_asked_for<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let big = flow.add((|| vec![1]).named("big"));
        let taker = flow.add((|_: Vec<i32>| ()).inputs(big.moved()).named("taker"));
        let error = flow.execute().only([TaskId::from(big), taker.into()]).await.unwrap_err();
        refused(error, &ran, &["`big`", "`taker`"]);
    }

    async fn moved_into_a_retried_task<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let big = flow.add((|| vec![1]).named("big"));
        let retry = std::iter::repeat_n(Duration::ZERO, 2);
        flow.add((|_: Vec<i32>| ()).inputs(big.moved()).retry(retry).named("taker"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`big`", "`taker`", "retry"]);
    }

    async fn once_and_retried<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add(once(|| ()).retry(std::iter::repeat_n(Duration::ZERO, 2)).named("single"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`single`", "once", "retry"]);
    }

    async fn always_with_an_input_that_may_be_missing<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let server = flow.add((|| 80).named("server"));
        flow.add((|_: &i32| ()).inputs(server).always().named("stop"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`stop`", "`server.optional()`"]);
    }
}

#[test]
fn outside_of_a_tokio_runtime() {
    let mut flow = TokioFlow::new();
    let task = flow.add(|| 1);
    let error = futures::executor::block_on(flow.execute()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("#[tokio::main]") && text.contains("TokioFlow::on"),
        "{text}"
    );
    assert!(error.report().is_none());
    // The same flow works as soon as there is one.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(flow.execute()).unwrap()[task], 1);
}

#[test]
fn a_flow_outlives_the_runtime_it_was_made_in() {
    let make = || tokio::runtime::Runtime::new().unwrap();
    let (flow, task) = make().block_on(async {
        let mut flow = TokioFlow::new();
        let task = flow.add(|| 1);
        (flow, task)
    });
    for _ in 0..2 {
        assert_eq!(make().block_on(flow.execute()).unwrap()[task], 1);
    }
}

#[test]
fn a_foreign_handle_panics_where_it_is_used() {
    let mut flow = Flow::<SmolRuntime>::new();
    let mut other = Flow::<SmolRuntime>::new();
    let foreign = other.add(|| 1);
    let group = other.add(series![|| ()]);
    let place = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&place);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let location = info.location().map(|location| location.file().to_owned());
        *seen.lock().unwrap() = location;
    }));
    let mut found = Vec::new();
    let mut check = |what: &'static str, add: &mut dyn FnMut(&mut Flow<SmolRuntime>)| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| add(&mut flow)));
        let message = panic
            .err()
            .and_then(|payload| payload.downcast::<&str>().ok());
        found.push((what, message, place.lock().unwrap().take()));
    };
    check("after", &mut |flow| {
        let _ = flow.add((|| ()).after(foreign));
    });
    check("after any", &mut |flow| {
        let _ = flow.add((|| ()).after_any(foreign));
    });
    check("inputs", &mut |flow| {
        let _ = flow.add((|_: &i32| ()).inputs(foreign));
    });
    check("after a group", &mut |flow| {
        let _ = flow.add((|| ()).after(group));
    });
    check("group after", &mut |flow| {
        let _ = flow.add(series![|| ()].after(foreign));
    });
    check("member after", &mut |flow| {
        let _ = flow.add(parallel![(|| ()).after(foreign)]);
    });
    std::panic::set_hook(before);
    for (what, message, place) in found {
        let message = message.unwrap_or_else(|| panic!("{what}: no panic"));
        assert!(message.contains("another flow"), "{what}: {message}");
        let place = place.unwrap();
        assert!(place.ends_with("mistakes.rs"), "{what}: {place}");
    }
    // The flow is as it was.
    assert_eq!(flow.len(), 0);
    smol::block_on(flow.execute()).unwrap();
}
