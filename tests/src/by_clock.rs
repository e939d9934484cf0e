//! A runtime whose time passes when a test says so.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use asyncflow::{Flow, Runtime, Unavailable};

use crate::forward_to_runtime;
use crate::yield_now;

/// A flow on a runtime like `R`, and the clock by which its sleeps end.
pub fn by_clock<R: Runtime + Default>() -> (Flow<ByClock<R>>, Clock) {
    let clock = Clock::default();
    (clock.flow(), clock)
}

/// A runtime like `R`, but that goes by a [`Clock`].
#[derive(Clone, Debug)]
pub struct ByClock<R> {
    runtime: R,
    clock: Clock,
}

/// A clock that a test sets; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Instant,
    /// When each sleep that was polled ends, and its waker.
    sleeps: Vec<(u64, Instant, Waker)>,
    begun: u64,
    readings: usize,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            now: Instant::now(),
            sleeps: Vec::new(),
            begun: 0,
            readings: 0,
        })))
    }
}

impl Clock {
    /// A flow on a runtime like `R` that goes by this clock.
    pub fn flow<R: Runtime + Default>(&self) -> Flow<ByClock<R>> {
        Flow::on(ByClock {
            runtime: R::default(),
            clock: self.clone(),
        })
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.0.lock().unwrap().now
    }

    /// How often the engine has asked for the time.
    pub fn readings(&self) -> usize {
        self.0.lock().unwrap().readings
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        let mut state = self.0.lock().unwrap();
        state.now += time;
        let wakers: Vec<Waker> = state.sleeps.iter().map(|sleep| sleep.2.clone()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many sleeps wait for their time.
    pub fn sleeps(&self) -> usize {
        let state = self.0.lock().unwrap();
        state
            .sleeps
            .iter()
            .filter(|sleep| sleep.1 > state.now)
            .count()
    }

    /// Waits until so many sleeps wait for their time.
    pub async fn until_asleep(&self, sleeps: usize) {
        while self.sleeps() != sleeps {
            yield_now().await;
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let mut state = self.0.lock().unwrap();
        state.begun += 1;
        let sleep = Sleep {
            clock: self.clone(),
            key: state.begun,
            end: state.now.checked_add(duration),
        };
        drop(state);
        poll_fn(move |cx| sleep.poll(cx.waker()))
    }
}

struct Sleep {
    clock: Clock,
    key: u64,
    /// `None` if it never ends.
    end: Option<Instant>,
}

impl Sleep {
    fn poll(&self, waker: &Waker) -> Poll<()> {
        let Some(end) = self.end else {
            return Poll::Pending;
        };
        let mut state = self.clock.0.lock().unwrap();
        state.sleeps.retain(|sleep| sleep.0 != self.key);
        if end <= state.now {
            return Poll::Ready(());
        }
        state.sleeps.push((self.key, end, waker.clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut state = self.clock.0.lock().unwrap();
        let (gone, left) = std::mem::take(&mut state.sleeps)
            .into_iter()
            .partition(|sleep| sleep.0 == self.key);
        state.sleeps = left;
        drop(state);
        let gone: Vec<(u64, Instant, Waker)> = gone;
        drop(gone);
    }
}

impl<R: Runtime> Runtime for ByClock<R> {
    forward_to_runtime!();

    fn attach(&self) -> Result<Self, Unavailable> {
        Ok(Self {
            runtime: self.runtime.attach()?,
            clock: self.clock.clone(),
        })
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.clock.sleep(duration)
    }

    fn now(&self) -> Instant {
        let mut state = self.clock.0.lock().unwrap();
        state.readings += 1;
        state.now
    }
}
