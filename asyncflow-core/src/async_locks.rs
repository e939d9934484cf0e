//! The lock and semaphore of the crate `async-lock`, for the runtimes that use it.

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

/// `async-lock`'s semaphore, and a turnstile for those who need several permits.
///
/// The native semaphore gives out one permit at a time. Whoever waits for permits first passes the
/// turnstile and collects them behind it; so only one at a time holds some and waits for more, and
/// those who hold the others have all that they need. It also keeps those who wait in order.
#[derive(Debug)]
pub struct TurnstileSemaphore {
    permits: Arc<Semaphore>,
    turnstile: Arc<Mutex<()>>,
}

/// Permits of a [`TurnstileSemaphore`].
#[derive(Debug)]
pub struct TurnstilePermits {
    /// The first is kept apart, since it mostly is the only one.
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
        // Not past those who wait.
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
