//! A rate limit spaces starts: over tasks, attempts, runs and flows, in the order of asking. Who waits for
//! it holds nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{FlowErrorKind, Runtime};
use asyncflow_tests::{
    Clock, Gate, again, at_once, by_clock, eventually, hold, on_every_backend, passes, poll_times,
    turns,
};
use futures::future::join_all;

const SECOND: Duration = Duration::from_secs(1);

/// When tasks started, by a clock, and their names.
#[derive(Clone)]
struct Starts(
    Arc<Mutex<Vec<(&'static str, Duration)>>>,
    Clock,
    std::time::Instant,
);

impl Starts {
    fn new(clock: &Clock) -> Self {
        Self(Arc::default(), clock.clone(), clock.now())
    }

    fn note(&self, name: &'static str) {
        let since = self.1.now().duration_since(self.2);
        self.0.lock().unwrap().push((name, since));
    }

    fn named(&self, name: &'static str) -> impl Fn() + Clone + Send + Sync + use<> {
        let starts = self.clone();
        move || starts.note(name)
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn names(&self) -> Vec<&'static str> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(name, _)| *name)
            .collect()
    }

    fn seconds(&self) -> Vec<u64> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(_, at)| at.as_secs())
            .collect()
    }

    /// Lets a second pass whenever one more has started, until so many have.
    async fn pass_seconds<R: Runtime + Default>(&self, count: usize) {
        for started in 1..=count {
            eventually::<R>("a start", || self.count() == started).await;
            if started < count {
                // Only the first one sleeps; the others wait behind it.
                self.1.until_asleep(1).await;
                self.1.advance(SECOND - Duration::from_nanos(1));
                turns(10).await;
                assert_eq!(self.count(), started, "a nanosecond is missing");
                self.1.advance(Duration::from_nanos(1));
            }
        }
    }
}

on_every_backend! {
    // Async and plain functions, with and without other configuration, a flow, a group.
    async fn starts_are_spaced<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (rate, starts) = (RateLimit::per(5, 5 * SECOND), Starts::new(&clock));
        let start = starts.named("");
        let begin = start.clone();
        let begin = again!((begin) { begin() });
        flow.add(begin.clone().with_lock(&rate));
        flow.add(start.clone().with_lock(&rate));
        flow.add(start.clone().with_lock(&rate).with_lock(Lock::new()).timeout(SECOND));
        flow.add(with_lock(parallel![start.clone(), begin], &rate));
        let mut inner = clock.flow::<R>();
        inner.add(start.clone());
        flow.add(Arc::new(inner).with_lock(rate.clone()));
        let (run, ()) = futures::join!(flow.execute(), starts.pass_seconds::<R>(6));
        run.unwrap();
        assert_eq!(starts.seconds(), [0, 1, 2, 3, 4, 5]);
    }

    // Every attempt is a start.
    async fn attempts_are_spaced<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (rate, starts) = (RateLimit::per_second(1), Starts::new(&clock));
        let start = starts.named("");
        let fails = (move || { start(); Err::<(), _>("no") }).retry(at_once(3)).with_lock(&rate);
        let fails = flow.add(fails);
        let (result, ()) = futures::join!(flow.execute(), starts.pass_seconds::<R>(4));
        assert_eq!(result.unwrap_err().report().unwrap().task(fails).attempts(), 4);
        assert_eq!(starts.seconds(), [0, 1, 2, 3]);
    }

    // Over runs and flows, through clones and a `static`; in the order in which they asked.
    async fn over_runs_and_flows_in_order<R>() {
        let clock = Clock::default();
        let (rate, starts) = (RateLimit::per_second(1).named("api"), Starts::new(&clock));
        let names = ["a", "b", "c", "d", "e"];
        let flows: Vec<_> = names.iter().map(|name| {
            let mut flow = clock.flow::<R>();
            flow.add(starts.named(name).with_lock(rate.clone()));
            flow
        }).collect();
        flows[0].execute().await.unwrap();
        // The first poll asks, on this thread.
        let others = flows[1..].iter();
        let mut runs: Vec<_> = others.map(|flow| Box::pin(flow.execute())).collect();
        for run in &mut runs {
            assert!(poll_times(run.as_mut(), 1).await.is_none());
        }
        let ((), runs) = futures::join!(starts.pass_seconds::<R>(5), join_all(runs));
        assert!(runs.iter().all(Result::is_ok));
        assert_eq!((starts.names(), starts.seconds()), (names.to_vec(), vec![0, 1, 2, 3, 4]));
    }

    // Neither a lock nor a slot, however many wait.
    async fn who_waits_holds_nothing<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (rate, lock, starts) = (RateLimit::per_second(1), Lock::new(), Starts::new(&clock));
        // Handed the slot of the task before it.
        let before = flow.add(|| ());
        for _ in 0..3 {
            flow.add(starts.named("limited").with_lock(&lock).with_lock(&rate).after(before));
        }
        let first = flow.add(starts.named("first").with_lock(&rate));
        let free = flow.add(starts.named("free").with_lock(&lock));
        let last = flow.add(starts.named("free").after(free));
        for _ in 0..10 {
            flow.add(starts.named("free"));
        }
        let (run, ()) = futures::join!(flow.execute().max_concurrency(1), async {
            eventually::<R>("all that is free", || starts.count() == 13).await;
            for count in 14..=16 {
                clock.until_asleep(1).await;
                clock.advance(SECOND);
                eventually::<R>("one more", || starts.count() == count).await;
            }
        });
        let run = run.unwrap();
        assert!([first, last].iter().all(|task| run.report().status(*task).is_success()));
        assert_eq!(starts.seconds().iter().filter(|at| **at == 0).count(), 13);
    }

    // Permits that come free at once let no two start at once.
    async fn what_waited_for_permits_is_spaced_too<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (rate, starts, go) = (RateLimit::per_second(1), Starts::new(&clock), Gate::new());
        let semaphore = Semaphore::new(3);
        let holder = hold::<R>(semaphore.permits(3), &go).await;
        for _ in 0..3 {
            flow.add(starts.named("").with_lock(&semaphore).with_lock(&rate));
        }
        let (run, ()) = futures::join!(flow.execute(), async {
            turns(20).await;
            assert_eq!(starts.count(), 0);
            clock.advance(10 * SECOND);
            turns(20).await;
            go.open();
            starts.pass_seconds::<R>(3).await;
        });
        run.unwrap();
        holder.await.unwrap();
        assert_eq!(starts.seconds(), [10, 11, 12]);
    }

    // A stop and a drop end the wait, and lose no start.
    async fn a_stop_ends_the_wait<R>() {
        let clock = Clock::default();
        let (rate, starts) = (RateLimit::per_second(1), Starts::new(&clock));
        let mut flow = clock.flow::<R>();
        flow.add(starts.named("first").with_lock(&rate));
        flow.execute().await.unwrap();
        let mut many = clock.flow::<R>();
        for task in 0..1_000 {
            match task % 2 {
                0 => many.add(starts.named("never").with_lock(&rate)),
                _ => many.add((async || ()).with_lock(&rate).timeout(SECOND)),
            };
        }
        let tidy = many.add((|| ()).always());
        for dropped in [false, true] {
            let running = many.start();
            clock.until_asleep(1).await;
            turns(10).await;
            match dropped {
                false => {
                    let error = running.cancel().await.unwrap_err();
                    assert_eq!(error.kind(), FlowErrorKind::Cancelled);
                    assert_eq!(error.report().unwrap().status(tidy), TaskStatus::Succeeded);
                }
                true => drop(running),
            }
            clock.until_asleep(0).await;
        }
        // The next one waits for one second, and not for a thousand.
        let (run, ()) = futures::join!(flow.execute(), async {
            clock.until_asleep(1).await;
            clock.advance(SECOND);
        });
        run.unwrap();
        assert_eq!((starts.names(), starts.seconds()), (vec!["first", "first"], vec![0, 1]));
    }

    async fn time_limits_do_not_count_the_wait<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (rate, starts) = (RateLimit::per(1, 100 * SECOND), Starts::new(&clock));
        let start = starts.named("");
        flow.add(start.clone().with_lock(&rate).timeout(SECOND));
        flow.add(again!((start) { start() }).with_lock(&rate).timeout(SECOND));
        let (run, ()) = futures::join!(flow.execute(), async {
            eventually::<R>("a start", || starts.count() == 1).await;
            clock.until_asleep(1).await;
            clock.advance(100 * SECOND);
        });
        run.unwrap();
        assert_eq!(starts.seconds(), [0, 100]);
    }

    // Who waits for the slower one does not hold up those that need the faster one only.
    async fn several_limits<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let (fast, slow) = (RateLimit::per_second(1), RateLimit::per(1, 100 * SECOND));
        let starts = Starts::new(&clock);
        for _ in 0..2 {
            flow.add(starts.named("both").with_lock(&slow).with_lock(&fast));
        }
        let (run, ()) = futures::join!(flow.execute(), async {
            eventually::<R>("a start", || starts.count() == 1).await;
            clock.until_asleep(1).await;
            let mut quick = clock.flow::<R>();
            quick.add(starts.named("fast").with_lock(&fast));
            for _ in 0..3 {
                clock.advance(SECOND);
                quick.execute().await.unwrap();
            }
            clock.advance(97 * SECOND);
        });
        run.unwrap();
        assert_eq!(starts.names(), ["both", "fast", "fast", "fast", "both"]);
        assert_eq!(starts.seconds(), [0, 1, 2, 3, 100]);
    }

    // By the clock of the runtime; so many that it is no limit; nothing that needs a clock.
    async fn on_the_clock<R>() {
        static RATE: RateLimit = RateLimit::per(1, Duration::from_millis(2)).named("clock");
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..5 {
            let count = count.clone();
            flow.add((move || { count.fetch_add(1, Ordering::SeqCst); }).with_lock(&RATE));
        }
        let run = flow.execute().timed().await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 5);
        assert!(run.report().wall().unwrap() >= Duration::from_millis(8), "{run:?}");
        let mut flow = Flow::<R>::new();
        let gate = Gate::new();
        gate.open();
        let free = [RateLimit::per_second(u32::MAX), RateLimit::per(1, Duration::ZERO)];
        for task in 0..1_000 {
            flow.add(passes(&gate).with_lock(&free[task % 2]));
        }
        flow.execute().await.unwrap();
    }
}
