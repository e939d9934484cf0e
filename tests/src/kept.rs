//! A runtime that keeps what it is asked to run, until a test runs or drops it.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use asyncflow::Runtime;

use crate::{Counter, Job, ThreadRuntime};

/// A runtime of two workers that does nothing by itself; clones share what it was asked for. So a flow goes
/// on in its own future, and in what the test takes from here.
#[derive(Clone, Debug)]
pub struct Kept(Arc<Asked>);

struct Asked {
    futures: Requests<Job>,
    functions: Requests<Function>,
    now: Mutex<Instant>,
}

/// A function for a blocking thread.
pub type Function = Box<dyn FnOnce() + Send>;

/// What was not taken yet, and how much there was in all.
struct Requests<T>(Mutex<(VecDeque<T>, usize)>);

impl<T> Requests<T> {
    fn new() -> Self {
        Self(Mutex::new((VecDeque::new(), 0)))
    }

    fn push(&self, request: T) {
        let mut requests = self.0.lock().unwrap();
        requests.0.push_back(request);
        requests.1 += 1;
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap().0.pop_front()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("futures", &self.futures.count())
            .field("functions", &self.functions.count())
            .finish_non_exhaustive()
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self(Arc::new(Asked {
            futures: Requests::new(),
            functions: Requests::new(),
            now: Mutex::new(Instant::now()),
        }))
    }
}

impl Kept {
    /// A runtime that was asked for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many futures were spawned so far.
    pub fn futures(&self) -> usize {
        self.0.futures.count()
    }

    /// How many functions blocking threads were asked to call so far.
    pub fn functions(&self) -> usize {
        self.0.functions.count()
    }

    /// Takes the oldest future that was spawned.
    pub fn take_future(&self) -> Option<Job> {
        self.0.futures.take()
    }

    /// Takes the oldest function that a blocking thread was asked to call.
    pub fn take_function(&self) -> Option<Function> {
        self.0.functions.take()
    }

    /// Calls all functions that blocking threads were asked to call, on this thread.
    pub fn call_functions(&self) {
        while let Some(function) = self.take_function() {
            function();
        }
    }

    /// Lets time pass. Its sleeps end by another clock.
    pub fn pass(&self, time: Duration) {
        *self.0.now.lock().unwrap() += time;
    }
}

impl Runtime for Kept {
    type Lock = Counter;
    type Semaphore = Counter;

    fn parallelism(&self) -> usize {
        2
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.futures.push(Box::pin(future));
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        self.0.functions.push(Box::new(function));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        ThreadRuntime.sleep(duration)
    }

    fn now(&self) -> Instant {
        *self.0.now.lock().unwrap()
    }
}
