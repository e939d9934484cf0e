//! A runtime that starts a thread for everything that is spawned, and needs no crate.
//!
//! For tests that need any runtime, and for those of the conformance suite: what it checks is simple
//! enough here to be seen to be right, and to be broken one rule at a time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use asyncflow::{Runtime, RuntimeLock, RuntimeSemaphore};

/// A runtime that starts a thread for each future, blocking function and sleep.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRuntime;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future to its end on the current thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

impl Runtime for ThreadRuntime {
    type Lock = Counter;
    type Semaphore = Counter;

    fn parallelism(&self) -> usize {
        2
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(move || block_on(future));
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        thread::spawn(function);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let end = Instant::now() + duration;
        let mut started = false;
        poll_fn(move |cx| {
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut started, true) {
                let waker = cx.waker().clone();
                thread::spawn(move || {
                    thread::sleep(end.saturating_duration_since(Instant::now()));
                    waker.wake();
                });
            }
            Poll::Pending
        })
    }
}

/// A lock and a semaphore in one; each acquire that has to wait does so on a thread.
#[derive(Debug)]
pub struct Counter {
    free: Mutex<usize>,
    returned: Condvar,
}

/// Permits of a [`Counter`].
#[derive(Debug)]
pub struct Counted(Arc<Counter>, usize);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += self.1;
        self.0.returned.notify_all();
    }
}

impl RuntimeSemaphore for Counter {
    type Permits = Counted;

    fn new(permits: usize) -> Self {
        Self {
            free: Mutex::new(permits),
            returned: Condvar::new(),
        }
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Counted> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(count)?;
        Some(Counted(Arc::clone(self), count))
    }

    fn acquire(self: &Arc<Self>, count: usize) -> impl Future<Output = Counted> + Send + 'static {
        let counter = Arc::clone(self);
        poll_fn(move |cx| {
            let permits = RuntimeSemaphore::try_acquire(&counter, count);
            match permits {
                Some(permits) => Poll::Ready(permits),
                None => {
                    let (counter, waker) = (Arc::clone(&counter), cx.waker().clone());
                    thread::spawn(move || {
                        let free = counter.free.lock().unwrap_or_else(PoisonError::into_inner);
                        let waited = counter.returned.wait_while(free, |free| *free < count);
                        drop(waited);
                        waker.wake();
                    });
                    Poll::Pending
                }
            }
        })
    }
}

impl RuntimeLock for Counter {
    type Guard = Counted;

    fn new() -> Self {
        RuntimeSemaphore::new(1)
    }

    fn try_acquire(self: &Arc<Self>) -> Option<Counted> {
        RuntimeSemaphore::try_acquire(self, 1)
    }

    fn acquire(self: &Arc<Self>) -> impl Future<Output = Counted> + Send + 'static {
        RuntimeSemaphore::acquire(self, 1)
    }
}
