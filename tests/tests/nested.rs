//! Flows in flows: what may be held for them, and what their tasks take.

use std::future::ready;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asyncflow::prelude::*;
use asyncflow::{Lockable, Runtime};
use asyncflow_tests::{
    Gate, Guards, Inside, TokioRuntime, Visit, on_every_backend, on_tokio_current, poll_times,
    turns,
};

/// An execution that is refused; the error.
async fn refused<R: Runtime>(flow: &Flow<R>) -> String {
    let error = flow.execute().await.unwrap_err();
    assert!(error.report().is_none(), "{error}");
    error.to_string()
}

fn named<R: Runtime + Default>(lock: impl Lockable) -> Arc<Flow<R>> {
    let mut flow = Flow::new();
    flow.add(async || ());
    flow.add((|| ()).with_lock(lock).named("taker"));
    Arc::new(flow)
}

on_every_backend! {
    // It would wait for what is held on its own account.
    async fn same_lock_outside_and_inside_is_refused<R>() {
        static DISK: Lock = Lock::named("disk");
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(series![named::<R>(&DISK)], &DISK));
        let error = refused(&flow).await;
        for word in ["task `flow`", "`taker`", "lock disk", "take the lock off the flow"] {
            assert!(error.contains(word), "{word:?} in {error:?}");
        }
    }

    // One that holds the first and waits for the second, and one the other way round.
    async fn other_locks_inside_are_refused<R>() {
        let (a, b) = (Lock::new(), Lock::new());
        for (outside, inside) in [(&a, &b), (&b, &a)] {
            let mut flow = Flow::<R>::new();
            flow.add(with_lock(series![named::<R>(inside)], outside));
            assert!(refused(&flow).await.contains("`taker`"));
        }
    }

    // Also if there are permits left: as many flows as there are permits would use them up.
    async fn permits_inside_are_refused_whatever_the_counts<R>() {
        let semaphore = Semaphore::new(100);
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(series![named::<R>(&semaphore)], semaphore.permits(2)));
        let error = refused(&flow).await;
        assert!(error.contains("2 of 100 permits") && error.contains("1 of 100 permits"), "{error}");
    }

    async fn refused_at_any_depth<R>() {
        let lock = Lock::new();
        let mut inner = named::<R>(&lock);
        for _ in 0..50 {
            let mut flow = Flow::<R>::new();
            flow.add(parallel![|| (), series![inner]]);
            inner = Arc::new(flow);
        }
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(series![|| (), parallel![Arc::clone(&inner)]], Lock::new()));
        assert!(refused(&flow).await.contains("`taker`"));
        // And where that is inside of another flow.
        let mut around = Flow::<R>::new();
        around.add(async || ());
        around.add(Arc::new(flow));
        assert!(refused(&around).await.contains("`taker`"));
        // Without the lock outside there is nothing wrong.
        let mut flow = Flow::<R>::new();
        flow.add(parallel![inner, (|| ()).with_lock(&lock)]);
        flow.execute().await.unwrap();
    }

    // A lock for a whole flow holds from its first task to its last.
    async fn lock_for_a_whole_flow<R>() {
        let (lock, inside) = (Lock::new(), Inside::new());
        let whole = || {
            let inside = inside.clone();
            let visit: Arc<Mutex<Option<Visit>>> = Arc::default();
            let (enter, leave) = (visit.clone(), visit);
            let mut flow = Flow::<R>::new();
            let first = flow.add(move || *enter.lock().unwrap() = Some(inside.enter(1)));
            let pause = flow.add((async || turns(3).await).after(first));
            flow.add((move || drop(leave.lock().unwrap().take())).after(pause));
            Arc::new(flow)
        };
        let mut flow = Flow::<R>::new();
        flow.add(with_lock(parallel![whole(), whole(), series![whole(), inside.task(1)]], &lock));
        flow.add(inside.plain(1).with_lock(&lock));
        flow.execute().await.unwrap();
        assert_eq!((inside.most(), inside.visits()), (1, 5));
    }

    // The flow holds no slot that another needs who holds what a task in the flow needs.
    async fn limit_and_a_lock_that_is_wanted_inside<R>() {
        for _ in 0..20 {
            let (lock, inside) = (Lock::new(), Inside::new());
            let mut inner = Flow::<R>::new();
            inner.add(inside.task(1));
            inner.add(inside.task(1).with_lock(&lock));
            inner.add(inside.plain(1).with_lock(&lock));
            let inner = Arc::new(inner);
            let mut flow = Flow::<R>::new();
            flow.add(inner.clone());
            flow.add(inside.task(1).with_lock(&lock));
            flow.add(series![inside.plain(1), inner.clone()]);
            flow.add(inside.plain(1).with_lock(&lock));
            let mut middle = Flow::<R>::new();
            middle.add(parallel![inner, inside.task(1).with_lock(&lock)]);
            flow.add(Arc::new(middle));
            flow.execute().max_concurrency(1).await.unwrap();
            assert_eq!((inside.most(), inside.visits()), (1, 13));
        }
    }

    // The tasks of all flows in it count together.
    async fn limit_holds_for_the_tasks_inside<R>() {
        let (inside, lock) = (Inside::new(), Lock::new());
        let mut inner = Flow::<R>::new();
        inner.add(parallel![inside.task(1), inside.plain(1), inside.task(1), inside.plain(1)]);
        let inner = Arc::new(inner);
        let mut flow = Flow::<R>::new();
        flow.add(parallel![inner.clone(), inner.clone(), inside.task(1), with_lock(series![inner], &lock)]);
        for limit in [1, 2, 3] {
            flow.execute().max_concurrency(limit).await.unwrap();
            assert!(inside.most() <= limit, "{} of {limit}", inside.most());
        }
        assert_eq!(inside.visits(), 39);
    }

    // A cancelled run gives back what its flows wait for.
    async fn stop_while_tasks_inside_wait_for_slots<R>() {
        let (started, guards) = (Gate::new(), Guards::new());
        let mut inner = Flow::<R>::new();
        for _ in 0..5 {
            let (started, guards) = (started.clone(), guards.clone());
            inner.add(move || {
                let (started, guard) = (started.clone(), guards.guard());
                async move {
                    let _guard = guard;
                    started.open();
                    std::future::pending::<()>().await;
                }
            });
        }
        let mut flow = Flow::<R>::new();
        let inner = Arc::new(inner);
        flow.add(parallel![inner.clone(), inner]);
        let running = flow.execute().max_concurrency(2).start();
        started.pass().await;
        assert!(running.cancel().await.unwrap_err().is_cancelled());
        assert_eq!(guards.live(), 0);
    }
}

/// A large flow is made ready a slice at a time. If the run that it is a task of stops meanwhile, it
/// does not start.
///
/// On one thread, where it is known what comes first.
#[test]
fn nothing_starts_in_a_flow_that_is_stopped_before_it_is_ready() {
    on_tokio_current(|| async {
        for dropped in [false, true] {
            let count = Arc::new(AtomicUsize::new(0));
            let mut inner = Flow::<TokioRuntime>::new();
            for _ in 0..30_000 {
                let count = Arc::clone(&count);
                inner.add(move || ready(count.fetch_add(1, Ordering::Relaxed)));
            }
            let mut flow = Flow::<TokioRuntime>::new();
            let inner = flow.add(Arc::new(inner));
            match dropped {
                true => {
                    flow.add(async || std::future::pending::<()>().await);
                    let mut execute = Box::pin(flow.execute());
                    let mut pinned = pin!(execute.as_mut());
                    assert!(poll_times(pinned.as_mut(), 1).await.is_none());
                    drop(execute);
                    turns(100).await;
                }
                false => {
                    flow.add(async || Err::<(), _>("no"));
                    let error = flow.execute().await.unwrap_err();
                    assert_eq!(error.failures().count(), 1, "{error}");
                    let report = error.report().unwrap();
                    assert_eq!(report.status(inner), TaskStatus::Cancelled);
                }
            }
            assert_eq!(count.load(Ordering::Relaxed), 0, "dropped: {dropped}");
        }
    });
}
