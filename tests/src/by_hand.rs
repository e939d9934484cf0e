//! A runtime whose sleeps end when a test says so, and not by a clock.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use asyncflow::{Flow, Runtime, Unavailable};
use smol::future::or;

use crate::Gate;
use crate::forward_to_runtime;

/// The length of the sleeps that end by hand; all others end by the clock.
pub const BY_HAND: Duration = Duration::from_secs(4242);

/// A flow on a runtime like `R`, and what ends its sleeps of [`BY_HAND`].
pub fn by_hand<R: Runtime + Default>() -> (Flow<ByHand<R>>, Sleeps) {
    let (begun, sleeps) = channel();
    let sleeps = Sleeps(Arc::new(Shared {
        count: AtomicUsize::new(0),
        begun: Mutex::new(sleeps),
        over: Gate::new(),
    }));
    let runtime = ByHand {
        runtime: R::default(),
        sleeps: sleeps.clone(),
        begun,
    };
    (Flow::on(runtime), sleeps)
}

/// A runtime like `R`, but that sleeps of [`BY_HAND`] end when a test says so.
#[derive(Clone, Debug)]
pub struct ByHand<R> {
    runtime: R,
    sleeps: Sleeps,
    begun: Sender<Sleep>,
}

/// The sleeps of [`BY_HAND`] on a runtime; clones share them.
#[derive(Clone, Debug)]
pub struct Sleeps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    count: AtomicUsize,
    begun: Mutex<Receiver<Sleep>>,
    over: Gate,
}

#[derive(Debug)]
struct Sleep {
    over: Gate,
    gone: Gate,
}

impl Sleeps {
    /// How many have begun.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Waits with the thread for the next one to begin, ends it, and waits until it is dropped: then
    /// the engine has seen that it is over.
    pub fn end_one_blocking(&self) {
        let sleep = self.0.begun.lock().unwrap().recv().unwrap();
        sleep.over.open();
        sleep.gone.pass_blocking();
    }

    /// Ends all of them, also those to come.
    pub fn end_all(&self) {
        self.0.over.open();
    }
}

impl<R: Runtime> Runtime for ByHand<R> {
    forward_to_runtime!();

    fn attach(&self) -> Result<Self, Unavailable> {
        Ok(Self {
            runtime: self.runtime.attach()?,
            ..self.clone()
        })
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let clock = (duration != BY_HAND).then(|| self.runtime.sleep(duration));
        let (over, all_over, gone) = (Gate::new(), self.sleeps.0.over.clone(), Gate::new());
        if clock.is_none() {
            self.sleeps.0.count.fetch_add(1, Ordering::SeqCst);
            let sleep = Sleep {
                over: over.clone(),
                gone: gone.clone(),
            };
            // Received only by a test that ends sleeps one by one.
            let _ = self.begun.send(sleep);
        }
        let mut sleep = Box::pin(async move {
            match clock {
                Some(clock) => clock.await,
                None => or(over.pass(), all_over.pass()).await,
            }
        });
        let gone = gone.opener();
        poll_fn(move |cx| {
            // It is dropped with this future, and not already when that is ready.
            let _ = &gone;
            sleep.as_mut().poll(cx)
        })
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }
}
