//! Turns: letting others run, waiting, and polling so many times.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use asyncflow::Runtime;

/// Lets everything else have so many turns.
pub async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Polls a future, and again as often as it wakes itself.
///
/// # Panics
///
/// If it wakes itself again and again, without end.
#[track_caller]
pub fn poll_while_woken<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut polls = 0;
    while woken.0.swap(false, Ordering::SeqCst) {
        polls += 1;
        assert!(polls < 100_000, "it wakes itself without end");
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            return polled;
        }
    }
    Poll::Pending
}

/// Numbers that look random, the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One that is smaller than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Lets everything else have a turn, once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls `future` at most this many times, each time that it asks to be polled again; `None` if
/// it is not ready by then.
pub async fn poll_times<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == times {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls `future`, which must not be ready, together with `until`, until that is.
///
/// The future is polled here and nowhere else, so that it stands still when `until` is ready.
pub async fn poll_until<F: Future>(mut future: Pin<&mut F>, until: impl Future<Output = ()>) {
    let mut until = pin!(until);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        until.as_mut().poll(cx)
    })
    .await;
}

/// Waits on the runtime's own timer.
pub async fn pause<R: Runtime + Default>(duration: Duration) {
    let runtime = R::default().attach().unwrap();
    runtime.sleep(duration).await;
}

/// Waits until `condition` holds, by looking at it again and again: for what nothing notifies of.
///
/// # Panics
///
/// If it does not hold within 20 seconds, far longer than anything takes.
pub async fn eventually<R: Runtime + Default>(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        pause::<R>(Duration::from_millis(1)).await;
    }
    panic!("waited in vain for: {what}");
}
