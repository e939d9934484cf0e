//! Agents: who keeps a run alive, and how its end is found.
//!
//! Drivers, waiting tasks and blocking threads each hold an [`Agent`]. A run ends when the last of
//! them is dropped, in whatever way: by leaving, by a panic, by a runtime that shuts down. There
//! is no counter of tasks that every task would touch, and nothing can make a run hang whose
//! agents are gone: what they left undone is then seen, and reported.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::execution::Execution;

/// A share in a run.
pub(crate) struct Agent(
    /// Always there, until it is dropped.
    Option<Arc<Execution>>,
);

impl Agent {
    pub(crate) fn new(execution: Execution) -> Self {
        Self(Some(Arc::new(execution)))
    }

    /// A share in the run of which one has a plain reference.
    pub(crate) fn of(execution: &Arc<Execution>) -> Self {
        Self(Some(Arc::clone(execution)))
    }

    /// A plain reference, for what is dropped before this agent is.
    pub(crate) fn share(&self) -> Arc<Execution> {
        let execution = self.0.as_ref();
        Arc::clone(execution.expect("an agent has its share until it is dropped"))
    }

    /// A way back to the run that does not keep it alive.
    pub(crate) fn downgrade(&self) -> Weak<Execution> {
        self.0.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// A share in a run that is not over yet.
    pub(crate) fn upgrade(weak: &Weak<Execution>) -> Option<Self> {
        weak.upgrade().map(|execution| Self(Some(execution)))
    }
}

impl Clone for Agent {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Agent {
    type Target = Execution;

    fn deref(&self) -> &Execution {
        self.0
            .as_deref()
            .expect("an agent has its share until it is dropped")
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // `into_inner` gives the run to exactly one of those who drop their shares at the same
        // time, the last, and orders all that the others did before that.
        // With it may end the run that it is a task of, and so on.
        let mut share = self.0.take();
        while let Some(execution) = share.and_then(Arc::into_inner) {
            share = execution.finish().and_then(|mut outer| outer.0.take());
        }
    }
}
