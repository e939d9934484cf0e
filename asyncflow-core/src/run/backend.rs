//! A `Runtime` without its type, so that the engine is compiled once and not for every runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::lock::Permits;
use crate::runtime::{Runtime, Unavailable};
use crate::unwind;

use super::blocking_threads::{AnotherThread, CommittedThread};
use super::deadline::DeadlineTimer;
use super::drive::Invited;
use super::future::Home;
use super::permits::{LockOf, NativeLock, SemaphoreOf};
use super::scheduler::Scheduler;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the engine asks of a runtime.
///
/// The methods that spawn take one type each, so that a runtime's code for spawning is compiled once, and no
/// box is needed.
pub(crate) trait Backend: Send + Sync {
    /// The scheduler of a run, with the runtime that it runs on.
    fn attach(&self) -> Result<Arc<Scheduler>, Unavailable>;
    fn enter(&self, f: &mut dyn FnMut());
    fn parallelism(&self) -> usize;
    fn spawn(&self, future: Spawned);
    fn spawn_blocking(&self, work: Blocking);
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
    fn now(&self) -> Instant;
    /// The native form of the lock or semaphore that permits are of.
    fn lock(&self, permits: &Permits) -> Arc<dyn NativeLock>;
}

/// What the engine has a runtime poll.
pub(crate) enum Spawned {
    Home(Home),
    Invited(Invited),
    Deadline(DeadlineTimer),
}

impl Future for Spawned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Home(home) => Pin::new(home).poll(cx),
            Self::Invited(invited) => Pin::new(invited).poll(cx),
            Self::Deadline(timer) => Pin::new(timer).poll(cx),
        }
    }
}

/// What the engine has a runtime call on a blocking thread.
pub(crate) enum Blocking {
    Committed(CommittedThread),
    Another(AnotherThread),
    Work(Box<dyn FnOnce() + Send>),
}

impl Blocking {
    fn run(self) {
        match self {
            Self::Committed(thread) => thread.run(),
            Self::Another(thread) => thread.run(),
            Self::Work(work) => work(),
        }
    }
}

/// A runtime as a [`Backend`].
pub(crate) struct Erased<R>(pub(crate) R);

impl<R: Runtime> Backend for Erased<R> {
    fn attach(&self) -> Result<Arc<Scheduler>, Unavailable> {
        Ok(Arc::new(Scheduler::new(Self(self.0.attach()?))))
    }

    fn enter(&self, f: &mut dyn FnMut()) {
        self.0.enter(f);
    }

    fn parallelism(&self) -> usize {
        self.0.parallelism().max(1)
    }

    fn spawn(&self, future: Spawned) {
        self.0.spawn(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        self.0.spawn_blocking(move || work.run());
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(self.0.sleep(duration))
    }

    fn now(&self) -> Instant {
        // Called in drops, too, where a panic of the runtime would abort the process.
        unwind::catch(|| self.0.now()).unwrap_or_else(|payload| {
            unwind::discard(payload);
            Instant::now()
        })
    }

    fn lock(&self, permits: &Permits) -> Arc<dyn NativeLock> {
        let shared = &permits.shared;
        match shared.capacity() {
            None => shared.native(LockOf::<R::Lock>::new),
            Some(capacity) => shared.native(|| SemaphoreOf::<R::Semaphore>::new(capacity)),
        }
    }
}
