//! A `Runtime` without its type, so that the engine is compiled once and not for every runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lock::Permits;
use crate::runtime::{Runtime, Unavailable};
use crate::unwind;

use super::blocking_threads::{AnotherThread, CommittedThread};
use super::deadline::DeadlineTimer;
use super::drive::Invited;
use super::future::Home;
use super::permits::{LockOf, NativeLock, SemaphoreOf};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the engine asks of a runtime.
///
/// The methods that spawn take the engine's own types, so that these need no box.
pub(crate) trait Backend: Send + Sync {
    fn attach(&self) -> Result<Arc<dyn Backend>, Unavailable>;
    fn enter(&self, f: &mut dyn FnMut());
    fn parallelism(&self) -> usize;
    fn drive(&self, home: Home);
    fn drive_invited(&self, invited: Invited);
    fn time(&self, timer: DeadlineTimer);
    fn block(&self, thread: CommittedThread);
    fn block_another(&self, another: AnotherThread);
    fn call_blocking(&self, function: Box<dyn FnOnce() + Send>);
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
    fn now(&self) -> Instant;
    /// The native form of the lock or semaphore that permits are of.
    fn lock(&self, permits: &Permits) -> Arc<dyn NativeLock>;
}

/// A runtime as a [`Backend`].
pub(crate) struct Erased<R>(pub(crate) R);

impl<R: Runtime> Backend for Erased<R> {
    fn attach(&self) -> Result<Arc<dyn Backend>, Unavailable> {
        Ok(Arc::new(Self(self.0.attach()?)))
    }

    fn enter(&self, f: &mut dyn FnMut()) {
        self.0.enter(f);
    }

    fn parallelism(&self) -> usize {
        self.0.parallelism().max(1)
    }

    fn drive(&self, home: Home) {
        self.0.spawn(home);
    }

    fn drive_invited(&self, invited: Invited) {
        self.0.spawn(invited);
    }

    fn time(&self, timer: DeadlineTimer) {
        self.0.spawn(timer);
    }

    fn block(&self, thread: CommittedThread) {
        self.0.spawn_blocking(move || thread.run());
    }

    fn block_another(&self, another: AnotherThread) {
        self.0.spawn_blocking(move || another.run());
    }

    fn call_blocking(&self, function: Box<dyn FnOnce() + Send>) {
        self.0.spawn_blocking(function);
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
