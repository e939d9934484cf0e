//! Passes one value from one place to another.
//!
//! # Protocol
//!
//! Both ends share a state under one lock. It is *empty*, with the waker of the receiver once that has been
//! polled, until the sender puts the value into it or is dropped, or the receiver is dropped. So a receiver
//! that finds it empty has left its waker before the sender looks for it. The receiver takes the value, and the
//! state is *over*.
//!
//! Values and wakers are woken and dropped without the lock, because that may run any code.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, lock};
use crate::unwind;

/// Makes the two ends.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State::Empty(None)));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

/// Waits for the value.
pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

/// The sender was dropped without sending anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Canceled;

enum State<T> {
    Empty(Option<Waker>),
    Sent(T),
    /// The value was taken, or one of the ends was dropped before.
    Over,
}

impl<T> Sender<T> {
    /// Sends the value. Gives it back if the receiver was dropped.
    pub(crate) fn send(self, value: T) -> Result<(), T> {
        let mut state = lock(&self.0);
        match mem::replace(&mut *state, State::Over) {
            State::Empty(waker) => {
                *state = State::Sent(value);
                drop(state);
                wake(waker);
                Ok(())
            }
            State::Sent(_) | State::Over => Err(value),
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        unwind::contain(|| waker.wake());
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        if let State::Empty(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Over;
            drop(state);
            wake(waker);
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Canceled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.0);
        if let State::Empty(waker) = &mut *state {
            let before = match waker {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                _ => waker.replace(cx.waker().clone()),
            };
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        match mem::replace(&mut *state, State::Over) {
            State::Sent(value) => Poll::Ready(Ok(value)),
            State::Empty(_) | State::Over => Poll::Ready(Err(Canceled)),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let state = mem::replace(&mut *lock(&self.0), State::Over);
        drop(state);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::Wakes;

    fn poll<T>(wakes: &Arc<Wakes>, receiver: &mut Receiver<T>) -> Poll<Result<T, Canceled>> {
        let waker = Waker::from(Arc::clone(wakes));
        Pin::new(receiver).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn a_value_wakes_the_last_waker() {
        let (sender, mut receiver) = channel();
        let (first, last) = (Arc::<Wakes>::default(), Arc::<Wakes>::default());
        assert!(poll(&first, &mut receiver).is_pending());
        assert!(poll(&last, &mut receiver).is_pending());
        assert_eq!(sender.send(7), Ok(()));
        assert_eq!((first.count(), last.count()), (0, 1));
        assert!(matches!(poll(&last, &mut receiver), Poll::Ready(Ok(7))));
        assert!(matches!(
            poll(&last, &mut receiver),
            Poll::Ready(Err(Canceled))
        ));
    }

    #[test]
    fn a_sender_that_is_dropped_wakes() {
        let (sender, mut receiver) = channel::<()>();
        let wakes = Arc::<Wakes>::default();
        assert!(poll(&wakes, &mut receiver).is_pending());
        drop(sender);
        assert_eq!(wakes.count(), 1);
        assert!(matches!(
            poll(&wakes, &mut receiver),
            Poll::Ready(Err(Canceled))
        ));
    }

    #[test]
    fn a_value_that_nobody_takes_is_given_back_or_dropped() {
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(sender.send(7), Err(7));

        let value = Arc::new(());
        let (sender, receiver) = channel();
        assert!(sender.send(Arc::clone(&value)).is_ok());
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    /// As a slot does: dropping it passes it on to the next.
    #[test]
    fn a_value_may_send_when_it_is_dropped() {
        struct PassesOn(Option<Sender<u8>>);

        impl Drop for PassesOn {
            fn drop(&mut self) {
                let _ = self.0.take().expect("it is dropped once").send(7);
            }
        }

        let (next, mut passed) = channel();
        let (sender, receiver) = channel();
        assert!(sender.send(PassesOn(Some(next))).is_ok());
        drop(receiver);
        let wakes = Arc::<Wakes>::default();
        assert!(matches!(poll(&wakes, &mut passed), Poll::Ready(Ok(7))));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::Arc as StdArc;

    use loom::thread;

    use super::*;
    use crate::sync::Wakes;

    /// Proves that the waker is left under the lock under which the state was found empty. If not, a value, or
    /// the end of a sender, could come between the two, and the receiver would wait forever.
    #[test]
    fn loom_what_is_sent_is_received_or_wakes() {
        for sends in [true, false] {
            loom::model(move || {
                let (sender, mut receiver) = channel();
                let woken = StdArc::new(Wakes::default());
                let sending = thread::spawn(move || match sends {
                    true => assert!(sender.send(()).is_ok()),
                    false => drop(sender),
                });
                let waker = Waker::from(woken.clone());
                let mut poll = || Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker));
                let first = poll();
                sending.join().unwrap();
                let end = match first {
                    Poll::Ready(end) => end,
                    Poll::Pending => {
                        assert!(woken.count() > 0, "the receiver was not woken");
                        match poll() {
                            Poll::Ready(end) => end,
                            Poll::Pending => panic!("it was woken for nothing"),
                        }
                    }
                };
                assert_eq!(end.is_ok(), sends);
            });
        }
    }
}
