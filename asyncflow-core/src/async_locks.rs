//! `RuntimeLock` and `RuntimeSemaphore` for the crate `async-lock`, for runtimes without locks of
//! their own.

use std::future::Future;
use std::sync::Arc;

use crate::runtime::{RuntimeLock, RuntimeSemaphore};
use async_lock::{Mutex, MutexGuardArc, Semaphore, SemaphoreGuardArc};

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

/// The semaphore of `async-lock`, with a lock that allows taking several permits.
///
/// The native semaphore gives out one permit at a time. So a future that waits for permits first
/// takes the lock, called the turnstile, and keeps it until it has all of them. Only one future at a
/// time holds some permits and waits for more, so futures cannot deadlock. The lock also keeps them
/// in order.
#[derive(Debug)]
pub struct TurnstileSemaphore {
    permits: Arc<Semaphore>,
    turnstile: Arc<Mutex<()>>,
}

/// Permits of a [`TurnstileSemaphore`].
#[derive(Debug)]
pub struct TurnstilePermits {
    /// Apart from the others, because it usually is the only one and then needs no allocation.
    _first: Option<SemaphoreGuardArc>,
    _others: Vec<SemaphoreGuardArc>,
}

impl RuntimeSemaphore for TurnstileSemaphore {
    type Permits = TurnstilePermits;

    fn new(permits: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            turnstile: Arc::default(),
        }
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<TurnstilePermits> {
        // Fails if others are waiting, so that it does not overtake them.
        let _turn = self.turnstile.try_lock()?;
        let mut taken = (0..count).map(|_| self.permits.try_acquire_arc());
        let first = match taken.next() {
            Some(permit) => Some(permit?),
            None => None,
        };
        Some(TurnstilePermits {
            _first: first,
            _others: taken.collect::<Option<_>>()?,
        })
    }

    fn acquire(
        self: &Arc<Self>,
        count: usize,
    ) -> impl Future<Output = TurnstilePermits> + Send + 'static {
        let semaphore = Arc::clone(self);
        async move {
            let _turn = semaphore.turnstile.lock().await;
            let mut permits = TurnstilePermits {
                _first: None,
                _others: Vec::new(),
            };
            for place in 0..count {
                let permit = semaphore.permits.acquire_arc().await;
                match place {
                    0 => permits._first = Some(permit),
                    _ => permits._others.push(permit),
                }
            }
            permits
        }
    }
}
