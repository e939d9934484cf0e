//! Events, in the order in which they happened.

use std::sync::{Arc, Mutex};

/// A list of events, in the order in which they were noted; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event.
    pub fn push(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    /// An async function that adds an event; a task.
    pub fn note(
        &self,
        event: &'static str,
    ) -> impl Fn() -> std::future::Ready<()> + Send + Sync + 'static {
        let log = self.clone();
        move || {
            log.push(event);
            std::future::ready(())
        }
    }

    /// A plain function that adds an event; a task on a blocking thread.
    pub fn note_blocking(&self, event: &'static str) -> impl Fn() + Send + Sync + 'static {
        let log = self.clone();
        move || log.push(event)
    }

    /// Forgets all events.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// All events so far.
    pub fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Where an event is in the log.
    ///
    /// # Panics
    ///
    /// If it is not there exactly once.
    #[track_caller]
    pub fn place(&self, event: &str) -> usize {
        let events = self.events();
        let mut places = events
            .iter()
            .enumerate()
            .filter(|(_, other)| *other == event);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => place,
            (None, _) => panic!("`{event}` is not among {events:?}"),
            _ => panic!("`{event}` is more than once among {events:?}"),
        }
    }

    /// Asserts that each of these events was noted before the next.
    #[track_caller]
    pub fn assert_order(&self, events: &[&str]) {
        let places: Vec<usize> = events.iter().map(|event| self.place(event)).collect();
        assert!(
            places.is_sorted(),
            "expected {events:?} in this order, in {:?}",
            self.events()
        );
    }
}
