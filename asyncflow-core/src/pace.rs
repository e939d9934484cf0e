//! Long computations in slices, so that other tasks of the runtime get their turn in between.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::unwind;

/// How many nodes or edges of a large flow are worked on in one go. Measured to take less than a
/// millisecond.
pub(crate) const SLICE: usize = 10_000;

/// How often a computation yields: after each slice of work, or never.
#[derive(Debug)]
pub(crate) struct Pace {
    slice: usize,
    left: usize,
}

impl Pace {
    pub(crate) fn in_slices_of(slice: usize) -> Self {
        Self { slice, left: slice }
    }

    /// Without a yield; for [`now`].
    pub(crate) fn at_once() -> Self {
        Self::in_slices_of(usize::MAX)
    }

    /// The most work to be done in one go.
    pub(crate) fn slice(&self) -> usize {
        self.slice
    }

    /// Takes note of some work. Yields if that completes a slice.
    #[inline]
    pub(crate) async fn spend(&mut self, work: usize) {
        match self.left.checked_sub(work) {
            Some(left @ 1..) => self.left = left,
            _ => self.next_slice().await,
        }
    }

    #[cold]
    fn next_slice(&mut self) -> impl Future<Output = ()> + use<> {
        self.left = self.slice;
        yield_now()
    }
}

/// Polls a future once, with the waker of the caller's task.
pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Lets the executor poll something else first: pending once, and woken at once.
pub(crate) fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| match std::mem::replace(&mut yielded, true) {
        true => Poll::Ready(()),
        false => {
            // The caller's waker may panic.
            unwind::contain(|| cx.waker().wake_by_ref());
            Poll::Pending
        }
    })
}

/// The output of a future, for which this thread waits.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The output of a future that never yields.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a computation that is done at once does not yield"),
    }
}
