//! Mistakes are found before anything starts, and the error says what to do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread::{ThreadId, current};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Member, Runtime, Upstreams};
use asyncflow_tests::{at_once, on_every_backend, on_every_backend_in_child};

/// A flow, and whether any of its tasks ran.
fn flow_that_must_not_run<R: Runtime + Default>() -> (Flow<R>, Arc<AtomicBool>) {
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

    async fn a_fallback_of_what_takes_an_input_by_value<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let buffer = flow.add((|| vec![0_u8]).named("buffer"));
        flow.add((|bytes: Vec<u8>| bytes).inputs(buffer.moved()).fallback(|_| Vec::new()).named("fill"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`fill`", "`buffer`", "by value", "fallback"]);
    }

    async fn a_list_with_more_elements_than_fit<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![(); usize::MAX]);
        let awaits = flow.add(each(async |(): &()| 1_u64).inputs(list).named("too many"));
        let after = flow.add((|_: &Vec<u64>| ()).inputs(awaits));
        let error = flow.execute().await.unwrap_err();
        assert!(error.to_string().contains("task `too many`"), "{error}");
        assert!(error.to_string().contains("capacity"), "{error}");
        assert!(error.report().unwrap().status(after) != TaskStatus::Succeeded);
    }

    async fn retry_when_without_retry<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add((|| Err::<(), _>("no")).retry_when(|_| true).named("once"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`once`", "`retry_when` without `retry`", "`.retry(policy)`"]);
    }

    async fn a_rate_of_zero<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add((|| ()).with_lock(RateLimit::per_second(0).named("api")).named("stuck"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`stuck`", "at most 0 starts per 1s of api", "could never start"]);
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add(parallel![(|| ()).named("member")].with_lock(RateLimit::per(0, Duration::MAX)));
        refused(flow.execute().await.unwrap_err(), &ran, &["`member`"]);
    }

    async fn no_concurrency<R>() {
        let (flow, ran) = flow_that_must_not_run::<R>();
        let error = flow.execute().max_concurrency(0).await.unwrap_err();
        refused(error, &ran, &["max_concurrency(0)", "at least one"]);
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

    // Alone, and in a tuple with a task of the flow.
    async fn foreign_target<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let (own, foreign) = (flow.add(|| 1), Flow::<R>::new().add(|| 1));
        let both: &dyn Upstreams = &(own, foreign);
        for error in [flow.execute().only(foreign).await, flow.execute().only(both).await] {
            refused(error.unwrap_err(), &ran, &["`only`", "another flow"]);
        }
    }

    // However the task is added: in a group, with the lock around all of it, nested.
    async fn permits_in_groups<R>() {
        let semaphore = Semaphore::new(2);
        for form in 0..4 {
            let (mut flow, ran) = flow_that_must_not_run::<R>();
            let greedy = (|| ()).named("greedy");
            match form {
                0 => flow.add(series![|| (), with_lock(greedy, semaphore.permits(3))]),
                1 => flow.add(with_lock(parallel![greedy], semaphore.permits(3))),
                2 => flow.add(with_lock(series![parallel![series![greedy]]], semaphore.permits(3))),
                _ => flow.add(with_lock(series![with_lock(greedy, &semaphore)], semaphore.permits(3))),
            };
            refused(flow.execute().await.unwrap_err(), &ran, &["`greedy`", "3 permits", "has 2"]);
        }
    }

    async fn permits_beyond_counting<R>() {
        for (capacity, wanted) in [(0, 1), (1, 2), (1, usize::MAX), (u32::MAX as usize, usize::MAX)] {
            let (mut flow, ran) = flow_that_must_not_run::<R>();
            flow.add((async || ()).with_lock(Semaphore::new(capacity).permits(wanted)).named("greedy"));
            let says = [format!("{wanted} permits"), format!("has {capacity}")];
            refused(flow.execute().await.unwrap_err(), &ran, &["`greedy`", &says[0], &says[1]]);
        }
        // The largest numbers are no mistake.
        let mut flow = Flow::<R>::new();
        flow.add((|| ()).with_lock(Semaphore::new(usize::MAX)));
        flow.execute().max_concurrency(usize::MAX).await.unwrap();
    }

    // A mistake in the graph is found whatever is asked for, and whatever is given.
    async fn found_though_it_is_not_needed<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let fine = flow.add(|| 1);
        let greedy = flow.add((|| 2).with_lock(Semaphore::new(1).permits(2)).named("greedy"));
        refused(flow.execute().only(fine).await.unwrap_err(), &ran, &["`greedy`"]);
        refused(flow.execute().given(greedy, 3).await.unwrap_err(), &ran, &["`greedy`"]);
    }

    async fn the_same_name_twice<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let first = flow.input::<u8>("id");
        flow.input::<u8>("id");
        refused(flow.execute().given(first, 1).await.unwrap_err(), &ran, &["`id#2`"]);
    }

    async fn every_input_that_is_needed<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let (first, second) = (flow.input::<u8>("first"), flow.input::<()>("second"));
        let both = flow.add((|_: &u8, (): &()| ()).inputs((first, second)));
        refused(flow.execute().await.unwrap_err(), &ran, &["`first`"]);
        refused(flow.execute().given(first, 1).await.unwrap_err(), &ran, &["`second`"]);
        refused(flow.execute().given(second, ()).only(both).await.unwrap_err(), &ran, &["`first`"]);
        let ordinary = flow.execute().given(both, ()).await.unwrap_err();
        refused(ordinary, &ran, &["`first`"]);
        flow.execute().given(both, ()).only(both).await.unwrap();
    }

    async fn given_twice_to_an_ordinary_task<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let task = flow.add((async || 1).named("ordinary"));
        let execute = flow.execute().given(task, 1).keep_going().given(task, 1);
        refused(execute.await.unwrap_err(), &ran, &["`ordinary`", "two values"]);
    }

    async fn moved_twice_into_one<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let big = flow.add((|| vec![1]).named("big"));
        flow.add((|_: Vec<i32>, _: Vec<i32>| ()).inputs((big.moved(), big.moved())).named("greedy"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`big`", "`greedy`"]);
    }

    // However another task uses it, and whichever is declared first.
    async fn moved_and_used_otherwise<R>() {
        for form in 0..6 {
            let (mut flow, ran) = flow_that_must_not_run::<R>();
            let big = flow.add((|| true).named("big"));
            let take = (|_: bool| ()).inputs(big.moved()).named("taker");
            let other = match form {
                0 => flow.add((|_: bool| ()).inputs(big.moved()).named("other")),
                1 => flow.add((|_: &bool| ()).inputs(big).named("other")),
                2 => flow.add((|_: Vec<&bool>| ()).inputs([big]).named("other")),
                3 => flow.add((|_: Option<&bool>| ()).inputs(big.optional()).named("other")),
                4 => flow.add((|| ()).run_if(big).named("other")),
                _ => flow.add((|| ()).after(big)),
            };
            flow.add(take);
            match form {
                // To depend on it without its output is no use of it.
                5 => assert!(flow.execute().await.is_ok()),
                _ => refused(flow.execute().await.unwrap_err(), &ran, &["`big`", "`taker`", "`other`"]),
            }
            let _ = other;
        }
    }

    async fn moved_and_its_own_condition<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let flag = flow.add((|| true).named("flag"));
        flow.add((|_: bool| ()).inputs(flag.moved()).run_if(flag).named("taker"));
        refused(flow.execute().await.unwrap_err(), &ran, &["`flag`", "`taker`"]);
    }

    async fn moved_targets_in_all_forms<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let big = flow.add((|| vec![1]).named("big"));
        let taker = flow.add((|_: Vec<i32>| ()).inputs(big.moved()).named("taker"));
        let says = &["`big`", "`taker`", "targets"];
        refused(flow.execute().only(big).await.unwrap_err(), &ran, says);
        refused(flow.execute().only((taker, [big])).await.unwrap_err(), &ran, says);
        refused(flow.execute().only(taker).only(Some(big)).await.unwrap_err(), &ran, says);
        flow.execute().only(taker).await.unwrap();
    }

    async fn moved_into_retries_beside_others<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let (big, one) = (flow.add((|| vec![1]).named("big")), flow.add(|| 1));
        let taker = (async |_: &i32, _: Vec<i32>| ()).retry(at_once(2)).inputs((one, big.moved()));
        flow.add(taker.named("taker").timeout(Duration::MAX));
        refused(flow.execute().await.unwrap_err(), &ran, &["`big`", "`taker`", "retry"]);
    }

    async fn once_with_retries_in_a_group<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.add(series![|| (), parallel![once(async || ()).named("single").retry(at_once(2))]]);
        refused(flow.execute().await.unwrap_err(), &ran, &["`single`", "once", "retry"]);
    }

    async fn always_with_inputs_that_may_be_missing<R>() {
        for form in 0..5 {
            let (mut flow, ran) = flow_that_must_not_run::<R>();
            let server = flow.add((|| 80).named("server"));
            match form {
                0 => flow.add((|_: Vec<&i32>| ()).inputs([server]).always().named("stop")),
                1 => flow.add((|_: i32| ()).always().inputs(server.moved()).named("stop")),
                2 => flow.add((|_: Option<&i32>, _: &i32| ()).inputs((server.optional(), server)).always().named("stop")),
                3 => flow.add((|_: &i32| ()).inputs(server).always().named("stop")),
                _ => flow.add((async |_: &i32| ()).inputs(server).always().named("stop")),
            };
            refused(flow.execute().await.unwrap_err(), &ran, &["`stop`", "`server.optional()`"]);
        }
    }

    // What was refused has spent nothing, and is refused again.
    async fn refused_again_and_again<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        let (id, single) = (flow.input::<u8>("id"), flow.add(once(|| 1)));
        let foreign = Flow::<R>::new().add(|| 1);
        for _ in 0..3 {
            refused(flow.execute().await.unwrap_err(), &ran, &["`id`"]);
            refused(flow.execute().given(id, 1).max_concurrency(0).await.unwrap_err(), &ran, &["max_concurrency(0)"]);
            refused(flow.execute().given(id, 1).only(foreign).await.unwrap_err(), &ran, &["`only`"]);
            refused(flow.execute().given(id, 1).given(foreign, 1).await.unwrap_err(), &ran, &["`given`"]);
        }
        assert_eq!(flow.execute().given(id, 1).await.unwrap()[single], 1);
    }

    // Also by an execution that was started.
    async fn refused_at_the_start<R>() {
        let (flow, ran) = flow_that_must_not_run::<R>();
        let running = flow.execute().max_concurrency(0).start();
        assert!(running.report().is_none());
        refused(running.await.unwrap_err(), &ran, &["max_concurrency(0)"]);
        let running = flow.execute().max_concurrency(0).start();
        refused(running.cancel().await.unwrap_err(), &ran, &["max_concurrency(0)"]);
        drop(flow.execute().max_concurrency(0).start());
    }

        async fn the_error_is_like_any_other<R>() {
        let (mut flow, ran) = flow_that_must_not_run::<R>();
        flow.input::<u8>("id");
        let error = flow.execute().await.unwrap_err();
        assert!(std::error::Error::source(&error).is_none());
        assert!(!error.is_cancelled());
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().starts_with(char::is_lowercase), "{error}");
        assert!(error.into_outputs().is_none());
        let boxed: Box<dyn std::error::Error + Send + Sync> = flow.execute().await.unwrap_err().into();
        refused(*boxed.downcast().unwrap(), &ran, &["`id`"]);
    }
}

mod foreign_handles {
    use super::*;

    /// Where the panics of each thread were: of this process, which the test has to itself.
    static PLACES: Mutex<Vec<(ThreadId, String, u32)>> = Mutex::new(Vec::new());

    /// Notes the places of panics in [`PLACES`].
    fn note_places() {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let place = info.location().unwrap();
                let place = (current().id(), place.file().to_owned(), place.line());
                PLACES.lock().unwrap().push(place);
                before(info);
            }));
        });
    }

    /// Asserts that `f` panics in the very line that calls this, about another flow.
    #[track_caller]
    fn panics_here<T>(f: impl FnOnce() -> T) {
        let caller = std::panic::Location::caller();
        let payload = catch_unwind(AssertUnwindSafe(f))
            .err()
            .expect("it did not panic");
        let message = payload.downcast::<&str>().unwrap();
        assert!(
            message.contains("another flow") && message.contains("`add`"),
            "{message}"
        );
        let places = PLACES.lock().unwrap();
        let (_, file, line) = places
            .iter()
            .rev()
            .find(|(thread, ..)| *thread == current().id())
            .unwrap();
        assert_eq!((file.as_str(), *line), (caller.file(), caller.line()));
    }

    on_every_backend_in_child! {
        #[rustfmt::skip]
        async fn panic_where_they_are_used<R>() {
            note_places();
            let (mut flow, mut other) = (Flow::<R>::new(), Flow::<R>::new());
            let (foreign, flag) = (other.add(|| 1), other.add(|| true));
            let group = other.add(series![|| ()]);
            let empty = other.add(parallel![]);
            let list = other.value(vec![1_u8]);
            let own = flow.add(|| 2);
            panics_here(|| flow.add((|| ()).after(foreign)));
            panics_here(|| flow.add((async || ()).after(own).after(foreign)));
            panics_here(|| flow.add((|| ()).after((own, Some([foreign])))));
            panics_here(|| flow.add((|| ()).after(TaskId::from(foreign))));
            panics_here(|| flow.add((|| ()).after(vec![own.id(), foreign.id()])));
            panics_here(|| flow.add((|| ()).after(group)));
            panics_here(|| flow.add((|| ()).after(empty)));
            panics_here(|| flow.add((|| ()).after_any(foreign)));
            panics_here(|| flow.add((|| ()).after_any([own, foreign])));
            panics_here(|| flow.add((|| ()).run_if(flag)));
            panics_here(|| flow.add((|| ()).run_unless(flag)));
            panics_here(|| flow.add((|| ()).run_when(foreign, |number| *number > 0)));
            panics_here(|| flow.add(each(|_: &u8| ()).inputs(list)));
            panics_here(|| flow.add(each(|_: u8| ()).inputs(list.moved())));
            panics_here(|| flow.add((|_: Vec<Option<&i32>>| ()).inputs(vec![foreign.optional()])));
            panics_here(|| flow.add((|_: &i32| ()).inputs(foreign)));
            panics_here(|| flow.add((|_: &i32, _: &i32| ()).inputs((own, foreign))));
            panics_here(|| flow.add((|_: Vec<&i32>| ()).inputs(vec![own, foreign])));
            panics_here(|| flow.add((|_: Vec<&i32>| ()).inputs([foreign])));
            panics_here(|| flow.add((|_: i32| ()).inputs(foreign.moved())));
            panics_here(|| flow.add((|_: Option<&i32>| ()).inputs(foreign.optional())));
            panics_here(|| flow.add(once(|| ()).after(foreign)));
            panics_here(|| flow.add(series![|| ()].after(foreign)));
            panics_here(|| flow.add(parallel![].after(foreign)));
            panics_here(|| flow.add(parallel![(|| ()).after(foreign)]));
            panics_here(|| flow.add(series![parallel![], series![parallel![(|| ()).after(group)]]]));
            panics_here(|| flow.add(Member::new((|| ()).after(foreign))));
            // The flow is as it was.
            assert_eq!(flow.len(), 1);
            assert_eq!(flow.execute().await.unwrap()[own], 2);
            // The other flow is as it was, too; its handles are refused also after it was dropped.
            other.execute().await.unwrap();
            drop(other);
            panics_here(|| flow.add((|| ()).after(foreign)));
        }
    }
}
