//! Counts: what is alive, and what is inside of something at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::{Job, turns};

/// Counts the values that are alive: each running task of a test holds a [`Guard`].
#[derive(Clone, Debug, Default)]
pub struct Guards(Arc<AtomicUsize>);

/// Alive until it is dropped; made by [`Guards::guard`].
#[derive(Debug)]
pub struct Guard(Arc<AtomicUsize>);

impl Guards {
    /// None alive.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more that is alive.
    pub fn guard(&self) -> Guard {
        self.0.fetch_add(1, Ordering::SeqCst);
        Guard(Arc::clone(&self.0))
    }

    /// How many are alive.
    pub fn live(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts what is inside at the same time, and the most that were; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Inside(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    visits: AtomicUsize,
}

/// Inside until it is dropped; made by [`Inside::enter`].
#[derive(Debug)]
pub struct Visit {
    inside: Inside,
    weight: usize,
}

impl Inside {
    /// Nothing inside.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters, and counts as so many.
    pub fn enter(&self, weight: usize) -> Visit {
        let now = self.0.now.fetch_add(weight, Ordering::SeqCst) + weight;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        self.0.visits.fetch_add(1, Ordering::SeqCst);
        Visit {
            inside: self.clone(),
            weight,
        }
    }

    /// The most that were inside at the same time.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// How many came in.
    pub fn visits(&self) -> usize {
        self.0.visits.load(Ordering::SeqCst)
    }

    /// Asserts that so many came in, and never more than `most` at once.
    #[track_caller]
    pub fn assert(&self, most: usize, visits: usize) {
        assert!(self.most() <= most, "{} at once, not {most}", self.most());
        assert_eq!(self.visits(), visits);
    }

    /// An async task that stays inside while others have a turn.
    pub fn task(&self, weight: usize) -> impl Fn() -> Job + Send + Sync + use<> {
        let inside = self.clone();
        move || {
            let inside = inside.clone();
            Box::pin(async move {
                let _visit = inside.enter(weight);
                turns(4).await;
            })
        }
    }

    /// A plain task that stays inside for a moment.
    pub fn plain(&self, weight: usize) -> impl Fn() + Send + Sync + use<> {
        let inside = self.clone();
        move || {
            let _visit = inside.enter(weight);
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.inside.0.now.fetch_sub(self.weight, Ordering::SeqCst);
    }
}
