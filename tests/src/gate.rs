//! Gates: what holds tasks up until a test lets them go on.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};

use asyncflow::prelude::*;
use asyncflow::{Lockable, Observer, Running, Runtime, TaskRef};

use crate::{Job, again};

/// Holds up tasks until it is opened; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<Barred>, Condvar)>);

#[derive(Debug, Default)]
struct Barred {
    open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    /// A shut gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it, for good.
    pub fn open(&self) {
        let mut barred = self.0.0.lock().unwrap();
        barred.open = true;
        let wakers = std::mem::take(&mut barred.wakers);
        drop(barred);
        self.0.1.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.0.lock().unwrap().open
    }

    /// Waits until it is open.
    pub async fn pass(&self) {
        poll_fn(|cx| {
            let mut barred = self.0.0.lock().unwrap();
            if barred.open {
                return Poll::Ready(());
            }
            barred.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until it is open, with the thread.
    pub fn pass_blocking(&self) {
        let barred = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(barred, |barred| !barred.open).unwrap());
    }

    /// Opens it when dropped.
    pub fn opener(&self) -> Opener {
        Opener(self.clone())
    }
}

/// Opens a [`Gate`] when dropped, which is how a test sees that a future was.
#[derive(Debug)]
pub struct Opener(Gate);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Holds tasks up until so many have arrived: that they go on shows that they ran at the same time.
/// Clones share it.
///
/// If more arrive, they go on in groups of as many.
#[derive(Clone, Debug)]
pub struct Meeting(Arc<Mutex<Arrivals>>);

#[derive(Debug)]
struct Arrivals {
    /// How many meet.
    count: usize,
    /// How many of the group that gathers are still to come.
    missing: usize,
    /// Opened for the group that gathers.
    gate: Gate,
}

impl Meeting {
    /// A meeting of so many.
    pub fn of(count: usize) -> Self {
        Self(Arc::new(Mutex::new(Arrivals {
            count,
            missing: count,
            gate: Gate::new(),
        })))
    }

    /// Takes note of one more, and gives what it has to pass.
    fn arrive(&self) -> Gate {
        let mut arrivals = self.0.lock().unwrap();
        arrivals.missing -= 1;
        let gate = arrivals.gate.clone();
        if arrivals.missing == 0 {
            arrivals.missing = arrivals.count;
            arrivals.gate = Gate::new();
            drop(arrivals);
            gate.open();
        }
        gate
    }

    /// Waits for the others.
    pub async fn meet(&self) {
        self.arrive().pass().await;
    }

    /// Waits for the others, with the thread.
    pub fn meet_blocking(&self) {
        self.arrive().pass_blocking();
    }

    /// An async task that waits for the others.
    pub fn task(&self) -> impl Fn() -> Job + Send + Sync + use<> {
        let meeting = self.clone();
        move || {
            let meeting = meeting.clone();
            Box::pin(async move { meeting.meet().await })
        }
    }
}

/// A run of one task that has these permits, and keeps them until `go` is opened.
pub async fn hold<R: Runtime + Default>(permits: impl Lockable, go: &Gate) -> Running {
    let (mut flow, has, go) = (Flow::<R>::new(), Gate::new(), go.clone());
    let opens = has.clone();
    let holder = again!((opens, go) {
        opens.open();
        go.pass().await;
    });
    flow.add(holder.with_lock(permits).named("holder"));
    let running = flow.start();
    has.pass().await;
    running
}

/// A gate that is opened when these tasks have ended, and the observer that opens it.
pub fn ended<const N: usize>(names: [&'static str; N]) -> (Gate, impl Observer) {
    struct Opens<const N: usize>([&'static str; N], AtomicUsize, Gate);
    impl<const N: usize> Observer for Opens<N> {
        fn task_ended(&self, task: TaskRef<'_>, _: TaskStatus) {
            if self.0.contains(&task.name()) && self.1.fetch_add(1, Ordering::SeqCst) + 1 == N {
                self.2.open();
            }
        }
    }
    let gate = Gate::new();
    (gate.clone(), Opens(names, AtomicUsize::new(0), gate))
}

/// A gate that is opened when a run has ended, and the observer that opens it.
pub fn run_ended() -> (Gate, impl Observer) {
    struct Opens(Gate);
    impl Observer for Opens {
        fn run_ended(&self) {
            self.0.open();
        }
    }
    let gate = Gate::new();
    (gate.clone(), Opens(gate))
}
