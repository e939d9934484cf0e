//! Checks that a [`Runtime`] guarantees what flows need.
//!
//! A crate with a runtime of its own calls [`check`] in a test. The check takes a few seconds at most.
//! If the runtime breaks a rule, it panics with a message that names the rule. It uses nothing but
//! the trait and must be polled on the runtime that it checks, like a flow.
//!
//! ```
//! use asyncflow::TokioRuntime;
//! use asyncflow::runtime::conformance;
//!
//! # #[tokio::main]
//! # async fn main() {
//! conformance::check(TokioRuntime::default()).await;
//! # }
//! ```

use std::future::{Future, poll_fn};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::oneshot;
use crate::runtime::{Runtime, RuntimeLock, RuntimeSemaphore};

/// How long the check of a rule may take before the rule counts as broken. All of them together take
/// a few seconds on a working runtime.
const PATIENCE: Duration = Duration::from_secs(30);

/// The unit of the sleeps, and how long a check waits for an event that must not happen.
const MOMENT: Duration = Duration::from_millis(30);

type Check = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The name of a rule, and its check.
type Rule<R> = (&'static str, fn(R) -> Check);

/// Checks every rule.
///
/// # Panics
///
/// Panics if a rule is broken, or if its check takes longer than half a minute. The message names
/// the rule. If the runtime polls nothing any more, the name is only printed.
pub async fn check<R: Runtime>(runtime: R) {
    let runtime = match runtime.attach() {
        Ok(runtime) => runtime,
        Err(error) => panic!("conformance: `attach` must succeed where the check runs: {error}"),
    };
    for (name, rule) in rules::<R>() {
        watched(name, rule(runtime.clone()), PATIENCE).await;
    }
}

/// Checks one rule, for the tests of this suite.
#[doc(hidden)]
pub async fn check_rule<R: Runtime>(runtime: R, name: &str, patience: Duration) {
    let mut rules = rules::<R>().into_iter();
    let (name, rule) = rules
        .find(|(rule, _)| *rule == name)
        .expect("there is a rule of this name");
    watched(name, rule(runtime), patience).await;
}

/// Every rule, in the order in which [`check`] checks them.
fn rules<R: Runtime>() -> Vec<Rule<R>> {
    vec![
        ("parallelism is at least one", |runtime| {
            Box::pin(async move { assert!(runtime.parallelism() >= 1) })
        }),
        ("what is spawned is polled to its end", |runtime| {
            Box::pin(spawned_to_the_end(runtime))
        }),
        ("`spawn` does not poll", |runtime| {
            Box::pin(spawn_does_not_poll(runtime))
        }),
        ("a future is polled again when it is woken", |runtime| {
            Box::pin(woken(runtime))
        }),
        ("a future is dropped once it is done", |runtime| {
            Box::pin(dropped_when_done(runtime))
        }),
        ("`spawn` works on any thread", |runtime| {
            Box::pin(spawn_from_anywhere(runtime))
        }),
        ("blocking functions are all called", |runtime| {
            Box::pin(blocking_functions(runtime))
        }),
        ("`spawn_blocking` does not call", |runtime| {
            Box::pin(spawn_blocking_does_not_call(runtime))
        }),
        ("a blocking function delays no future", |runtime| {
            Box::pin(blocking_holds_up_nothing(runtime))
        }),
        ("`sleep` takes as long as it is asked to", |runtime| {
            Box::pin(sleeps(runtime))
        }),
        ("`sleep` works in `enter`, on any thread", |runtime| {
            Box::pin(sleeps_on_a_foreign_thread(runtime))
        }),
        ("a lock excludes", |runtime| {
            Box::pin(lock_excludes(runtime))
        }),
        ("a lock loses no wake-up", |runtime| {
            Box::pin(lock_loses_no_wake_up(runtime))
        }),
        ("a semaphore counts", |runtime| {
            Box::pin(semaphore_counts(runtime))
        }),
        ("several permits are acquired all or none", |runtime| {
            Box::pin(several_permits(runtime))
        }),
        ("a semaphore counts as far as `usize`", |runtime| {
            Box::pin(large_counts(runtime))
        }),
        ("a semaphore loses no wake-up", |runtime| {
            Box::pin(semaphore_loses_no_wake_up(runtime))
        }),
    ]
}

/// Awaits the check of a rule.
///
/// # Panics
///
/// If the rule is broken, or takes longer than `patience`.
async fn watched(name: &'static str, rule: impl Future<Output = ()>, patience: Duration) {
    let (late, mut is_late) = oneshot::channel();
    let (alive, over) = mpsc::channel::<()>();
    // A thread of its own, since the runtime cannot be relied upon to wake anything.
    thread::spawn(move || {
        if over.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Printed as well: the panic needs another poll, and a caller that is blocked never polls.
            eprintln!("conformance: \"{name}\" is broken: it hangs");
            let _ = late.send(());
        }
    });
    let _watched = Watched {
        name,
        _alive: alive,
    };
    let mut rule = pin!(rule);
    poll_fn(|cx| {
        if let Poll::Ready(()) = rule.as_mut().poll(cx) {
            return Poll::Ready(());
        }
        if let Poll::Ready(Ok(())) = Pin::new(&mut is_late).poll(cx) {
            panic!("conformance: \"{name}\" is broken: it hangs");
        }
        Poll::Pending
    })
    .await;
}

/// Ends the watch over a rule when it is dropped, and names the rule if that is because it panics.
struct Watched {
    name: &'static str,
    _alive: mpsc::Sender<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("conformance: \"{}\" is broken", self.name);
        }
    }
}

/// Waits for a signal. Panics if the sender was dropped.
async fn signal(receiver: oneshot::Receiver<()>, what: &str) {
    if receiver.await.is_err() {
        panic_any(format!("{what} was dropped before its end"));
    }
}

/// Ready at the second poll.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Spawns a future. Returns a future of its output.
fn spawn<R: Runtime, T: Send + 'static>(
    runtime: &R,
    future: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    runtime.spawn(async move {
        // Fails if the receiver was dropped.
        let _ = sender.send(future.await);
    });
    receiver
}

async fn spawned_to_the_end<R: Runtime>(runtime: R) {
    const MANY: usize = 10_000;
    let done = Arc::new(AtomicUsize::new(0));
    let (last, all) = oneshot::channel();
    let last = Arc::new(Mutex::new(Some(last)));
    for _ in 0..MANY {
        let (done, last) = (Arc::clone(&done), Arc::clone(&last));
        runtime.spawn(async move {
            yield_once().await;
            if done.fetch_add(1, Ordering::AcqRel) + 1 == MANY {
                let last = last.lock().unwrap().take().unwrap();
                let _ = last.send(());
            }
        });
    }
    drop(last);
    signal(all, "a spawned future").await;
}

async fn spawn_does_not_poll<R: Runtime>(runtime: R) {
    // Held during the call, so that a future that is polled within it finds the lock taken.
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let (sender, receiver) = oneshot::channel();
    let inner = Arc::clone(&lock);
    let here = thread::current().id();
    let within = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&within);
    runtime.spawn(async move {
        let polled_within = thread::current().id() == here && still.load(Ordering::Acquire);
        if !polled_within {
            drop(inner.lock());
        }
        let _ = sender.send(polled_within);
    });
    within.store(false, Ordering::Release);
    drop(held);
    assert_eq!(receiver.await, Ok(false), "polled from within `spawn`");
}

async fn woken<R: Runtime>(runtime: R) {
    // Wakes from another thread, after a poll and during it, with several clones, more than once.
    let (sender, receiver) = mpsc::channel::<Waker>();
    let waking = thread::spawn(move || {
        for waker in receiver {
            let clone = waker.clone();
            waker.wake_by_ref();
            clone.wake();
            waker.wake();
        }
    });
    let rounds = spawn(&runtime, {
        let mut rounds = 0;
        poll_fn(move |cx| {
            rounds += 1;
            if rounds == 100 {
                return Poll::Ready(rounds);
            }
            sender.send(cx.waker().clone()).unwrap();
            Poll::Pending
        })
    });
    assert_eq!(rounds.await, Ok(100), "a spawned future was dropped");
    waking.join().unwrap();

    // A waker may outlive its future and be used afterwards.
    let (sender, receiver) = mpsc::channel::<Waker>();
    let done = spawn(
        &runtime,
        poll_fn(move |cx| {
            sender.send(cx.waker().clone()).unwrap();
            Poll::Ready(())
        }),
    );
    signal(done, "a spawned future").await;
    receiver.recv().unwrap().wake();
}

async fn dropped_when_done<R: Runtime>(runtime: R) {
    struct Dropped(Option<oneshot::Sender<()>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }

    let (sender, receiver) = oneshot::channel();
    let dropped = Dropped(Some(sender));
    let (keep, kept) = mpsc::channel::<Waker>();
    runtime.spawn(poll_fn(move |cx| {
        let _dropped = &dropped;
        keep.send(cx.waker().clone()).unwrap();
        Poll::Ready(())
    }));
    // Even while a waker of the future exists.
    signal(receiver, "a spawned future").await;
    drop(kept);
}

async fn spawn_from_anywhere<R: Runtime>(runtime: R) {
    let from_a_thread = thread::spawn({
        let runtime = runtime.clone();
        move || spawn(&runtime, yield_once())
    });
    signal(
        from_a_thread.join().unwrap(),
        "a future spawned from a thread",
    )
    .await;

    let inner = runtime.clone();
    let (sender, receiver) = oneshot::channel();
    runtime.spawn(async move {
        let _ = sender.send(spawn(&inner, yield_once()));
    });
    let from_a_future = receiver.await.expect("a spawned future was dropped");
    signal(from_a_future, "a future spawned from a future").await;

    let (sender, receiver) = oneshot::channel();
    let inner = runtime.clone();
    runtime.spawn_blocking(move || {
        let _ = sender.send(spawn(&inner, yield_once()));
    });
    let from_blocking = receiver.await.expect("a blocking function was dropped");
    signal(from_blocking, "a future spawned from a blocking function").await;

    let (sender, receiver) = oneshot::channel();
    let inner = runtime.clone();
    runtime.spawn_blocking(move || {
        inner.spawn_blocking(move || {
            let _ = sender.send(());
        });
    });
    signal(receiver, "a blocking function").await;
}

async fn blocking_functions<R: Runtime>(runtime: R) {
    const MANY: usize = 1_000;
    let (sender, receiver) = oneshot::channel();
    let left = Arc::new(Mutex::new((MANY, Some(sender))));
    for _ in 0..MANY {
        let left = Arc::clone(&left);
        runtime.spawn_blocking(move || {
            let mut left = left.lock().unwrap();
            left.0 -= 1;
            if left.0 == 0 {
                let _ = left.1.take().unwrap().send(());
            }
        });
    }
    drop(left);
    signal(receiver, "a blocking function").await;
}

async fn spawn_blocking_does_not_call<R: Runtime>(runtime: R) {
    let here = thread::current().id();
    let within = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&within);
    let (sender, receiver) = oneshot::channel();
    runtime.spawn_blocking(move || {
        let _ = sender.send(thread::current().id() == here && still.load(Ordering::Acquire));
    });
    within.store(false, Ordering::Release);
    assert_eq!(
        receiver.await,
        Ok(false),
        "called from within `spawn_blocking`"
    );
}

async fn blocking_holds_up_nothing<R: Runtime>(runtime: R) {
    // One blocking function for each worker, so that they would block all workers if they were called
    // there, and one more future than workers.
    let workers = runtime.parallelism();
    let mut releases = Vec::new();
    let mut ended = Vec::new();
    for _ in 0..workers {
        let (release, hold) = mpsc::channel::<()>();
        let (sender, end) = oneshot::channel();
        runtime.spawn_blocking(move || {
            let _ = hold.recv();
            let _ = sender.send(());
        });
        releases.push(release);
        ended.push(end);
    }
    let futures: Vec<_> = (0..=workers)
        .map(|_| spawn(&runtime, yield_once()))
        .collect();
    for future in futures {
        signal(future, "a spawned future").await;
    }
    drop(releases);
    for end in ended {
        signal(end, "a blocking function").await;
    }
}

async fn sleeps<R: Runtime>(runtime: R) {
    let start = Instant::now();
    runtime.sleep(MOMENT).await;
    assert!(start.elapsed() >= MOMENT, "it slept too short a time");

    // Several sleeps at the same time end in the order of their lengths.
    let order = Arc::new(Mutex::new(Vec::new()));
    let sleepers: Vec<_> = [8, 4, 1]
        .map(|length| {
            let sleep = runtime.sleep(MOMENT * length);
            let order = Arc::clone(&order);
            spawn(&runtime, async move {
                sleep.await;
                order.lock().unwrap().push(length);
            })
        })
        .into_iter()
        .collect();
    // A sleep that is dropped does not affect the others.
    let mut dropped = Box::pin(runtime.sleep(MOMENT));
    assert!(
        dropped
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending(),
        "it did not sleep"
    );
    drop(dropped);
    for sleeper in sleepers {
        signal(sleeper, "a future that sleeps").await;
    }
    assert_eq!(
        *order.lock().unwrap(),
        [1, 4, 8],
        "the shorter sleep ends first"
    );
}

async fn sleeps_on_a_foreign_thread<R: Runtime>(runtime: R) {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut sleep = Box::pin(runtime.sleep(MOMENT));
        let (wake, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Wake(Mutex::new(wake))));
        let mut cx = Context::from_waker(&waker);
        while runtime.enter(|| sleep.as_mut().poll(&mut cx)).is_pending() {
            woken.recv().unwrap();
        }
        let _ = sender.send(());
    });
    signal(receiver, "the thread that sleeps").await;

    struct Wake(Mutex<mpsc::Sender<()>>);

    impl std::task::Wake for Wake {
        fn wake(self: Arc<Self>) {
            let _ = self.0.lock().unwrap().send(());
        }
    }
}

async fn lock_excludes<R: Runtime>(runtime: R) {
    let lock = Arc::new(R::Lock::new());
    let guard = lock.try_acquire().expect("a new lock is free");
    assert!(
        lock.try_acquire().is_none(),
        "a lock that is held was acquired"
    );
    // A guard may be dropped on another thread.
    thread::spawn(move || drop(guard)).join().unwrap();
    drop(
        lock.try_acquire()
            .expect("a guard that is dropped frees the lock"),
    );

    let inside = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (lock, inside) = (Arc::clone(&lock), Arc::clone(&inside));
            spawn(&runtime, async move {
                let guard = lock.acquire().await;
                assert_eq!(
                    inside.fetch_add(1, Ordering::AcqRel),
                    0,
                    "two hold the lock"
                );
                yield_once().await;
                inside.fetch_sub(1, Ordering::AcqRel);
                drop(guard);
            })
        })
        .collect();
    for task in tasks {
        signal(task, "a task that holds a lock").await;
    }
}

/// Polls a future once, with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn lock_loses_no_wake_up<R: Runtime>(runtime: R) {
    let lock = Arc::new(R::Lock::new());
    let guard = lock.try_acquire().expect("a new lock is free");
    let mut impatient = Box::pin(lock.acquire());
    assert!(
        poll_once(impatient.as_mut()).is_pending(),
        "a lock that is held was acquired"
    );
    let waits = spawn(&runtime, {
        let lock = Arc::clone(&lock);
        async move { drop(lock.acquire().await) }
    });
    // Now both wait. The first is woken, and dropped before it takes the lock.
    runtime.sleep(MOMENT).await;
    drop(guard);
    drop(impatient);
    signal(waits, "a task that waits for a lock").await;
}

async fn semaphore_counts<R: Runtime>(runtime: R) {
    let semaphore = Arc::new(R::Semaphore::new(2));
    let one = semaphore.try_acquire(1).expect("both permits are free");
    let other = semaphore.try_acquire(1).expect("one permit is free");
    assert!(
        semaphore.try_acquire(1).is_none(),
        "a third of two permits was acquired"
    );
    thread::spawn(move || drop(one)).join().unwrap();
    drop(
        semaphore
            .try_acquire(1)
            .expect("a permit that is dropped is free"),
    );
    drop(other);

    let inside = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
            spawn(&runtime, async move {
                let permit = semaphore.acquire(1).await;
                let others = inside.fetch_add(1, Ordering::AcqRel);
                assert!(others < 2, "three hold one of two permits");
                yield_once().await;
                inside.fetch_sub(1, Ordering::AcqRel);
                drop(permit);
            })
        })
        .collect();
    for task in tasks {
        signal(task, "a task that holds a permit").await;
    }
    drop(semaphore.try_acquire(2).expect("all permits came back"));
}

async fn several_permits<R: Runtime>(runtime: R) {
    let semaphore = Arc::new(R::Semaphore::new(4));
    assert!(
        semaphore.try_acquire(5).is_none(),
        "five of four permits were acquired"
    );
    let three = semaphore.try_acquire(3).expect("all four permits are free");
    assert!(
        semaphore.try_acquire(2).is_none(),
        "two were acquired where one is free"
    );
    drop(
        semaphore
            .try_acquire(1)
            .expect("a failed `try_acquire` leaves the permit that is free"),
    );
    drop(three);

    // Tasks that need three permits exclude each other. None of them may deadlock, and neither they
    // nor the tasks that need one permit may starve those that need all four.
    let inside = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..90)
        .map(|number| {
            let count = [3, 1, 4][number % 3];
            let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
            spawn(&runtime, async move {
                for _ in 0..5 {
                    let permits = semaphore.acquire(count).await;
                    let others = inside.fetch_add(count, Ordering::AcqRel);
                    assert!(
                        others + count <= 4,
                        "more than four of four permits are held"
                    );
                    yield_once().await;
                    inside.fetch_sub(count, Ordering::AcqRel);
                    drop(permits);
                }
            })
        })
        .collect();
    for task in tasks {
        signal(task, "a task that holds several permits").await;
    }
    drop(semaphore.try_acquire(4).expect("all permits came back"));
}

async fn large_counts<R: Runtime>(runtime: R) {
    const BITS_32: usize = u32::MAX as usize;
    for capacity in [
        BITS_32,
        BITS_32.saturating_add(1),
        // The most that Tokio's semaphore has, and one more.
        usize::MAX / 8,
        usize::MAX / 8 + 1,
        usize::MAX,
    ] {
        let semaphore = Arc::new(R::Semaphore::new(capacity));
        let all = semaphore
            .try_acquire(capacity)
            .unwrap_or_else(|| panic!("all of {capacity} permits are free"));
        assert!(
            semaphore.try_acquire(1).is_none(),
            "one more than {capacity} permits was acquired"
        );
        // More than half exclude each other.
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks = [(); 4].map(|()| {
            let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
            spawn(&runtime, async move {
                let permits = semaphore.acquire(capacity / 8 * 5).await;
                assert_eq!(
                    inside.fetch_add(1, Ordering::AcqRel),
                    0,
                    "two hold five eighths each of {capacity} permits"
                );
                yield_once().await;
                inside.fetch_sub(1, Ordering::AcqRel);
                drop(permits);
            })
        });
        drop(all);
        for task in tasks {
            signal(task, "a task that holds many permits").await;
        }
        drop(
            semaphore
                .try_acquire(capacity)
                .expect("all permits came back"),
        );
    }
}

async fn semaphore_loses_no_wake_up<R: Runtime>(runtime: R) {
    let semaphore = Arc::new(R::Semaphore::new(2));
    let one = semaphore.try_acquire(1).expect("both permits are free");
    // Waits for the second permit, may hold the first meanwhile, and is dropped.
    let mut impatient = Box::pin(semaphore.acquire(2));
    assert!(
        poll_once(impatient.as_mut()).is_pending(),
        "a permit that is held was acquired"
    );
    let waits = spawn(&runtime, {
        let semaphore = Arc::clone(&semaphore);
        async move { drop(semaphore.acquire(2).await) }
    });
    runtime.sleep(MOMENT).await;
    drop(one);
    drop(impatient);
    signal(waits, "a task that waits for permits").await;
    let all = pin!(semaphore.acquire(2)).await;
    drop(all);

    // The first that waits needs both permits, of which one is free, and is dropped. The next needs
    // only this one.
    let one = semaphore.try_acquire(1).expect("both permits are free");
    let mut first = Box::pin(semaphore.acquire(2));
    assert!(
        poll_once(first.as_mut()).is_pending(),
        "a permit that is held was acquired"
    );
    let waits = spawn(&runtime, {
        let semaphore = Arc::clone(&semaphore);
        async move { drop(semaphore.acquire(1).await) }
    });
    runtime.sleep(MOMENT).await;
    drop(first);
    signal(waits, "a task that waits for a permit that is free").await;
    drop(one);
    drop(semaphore.try_acquire(2).expect("all permits came back"));
}
