//! `RuntimeLock` for the mutex of the crate `async-lock`, for runtimes without locks of their own.
//!
//! Its semaphore is not among them: it gives out one permit at a time, with a guard for each. An
//! acquisition of a million permits would take a million steps, and as many guards. Such runtimes use
//! [`WeightedSemaphore`](crate::WeightedSemaphore).

use std::future::Future;
use std::sync::Arc;

use crate::runtime::RuntimeLock;
use async_lock::{Mutex, MutexGuardArc};

impl RuntimeLock for Mutex<()> {
    type Guard = MutexGuardArc<()>;

    fn new() -> Self {
        Self::default()
    }

    fn try_acquire(self: &Arc<Self>) -> Option<Self::Guard> {
        self.try_lock_arc()
    }

    fn acquire(self: &Arc<Self>) -> impl Future<Output = Self::Guard> + Send + 'static {
        self.lock_arc()
    }
}
