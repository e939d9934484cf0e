//! The crew: how many blocking threads a run has, and who asks for another.
//!
//! # Protocol
//!
//! Plain functions lie in one queue. A thread of the crew takes one after the other, and leaves
//! when it finds none. If it takes one and leaves others behind, it asks for one more thread
//! first, unless one has been asked for that has not come yet. That makes a cascade: functions
//! that block for long soon have a thread each, while short ones share a few.
//!
//! A thread that is merely *asked for* does not keep the run alive: it may be stuck behind the
//! work of others in a full pool, and the run must not wait for it once its tasks are done. But
//! while there is something in the queue there is always one thread that is *committed* to it,
//! which does. All of that changes under one lock, so there is no gap between a thread that finds
//! the queue empty and a task that is put there.

use std::collections::VecDeque;

use crate::sync::{Mutex, lock};

#[derive(Debug)]
pub(crate) struct Crew<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    /// Threads that will look at the queue before they leave.
    committed: usize,
    /// Whether one more was asked for, and has not come.
    asked: bool,
}

/// What somebody who touched the queue has to ask the runtime for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    /// A thread that is committed already.
    Committed,
    /// A thread that joins when it comes.
    Another,
}

impl<T> Crew<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            queue: VecDeque::new(),
            committed: 0,
            asked: false,
        }))
    }

    pub(crate) fn push(&self, work: T) -> Ask {
        let mut state = lock(&self.0);
        state.queue.push_back(work);
        if state.committed == 0 {
            state.committed = 1;
            return Ask::Committed;
        }
        state.ask()
    }

    /// A thread that was asked for is here; it is committed from now on.
    pub(crate) fn join(&self) {
        let mut state = lock(&self.0);
        state.asked = false;
        state.committed += 1;
    }

    /// A thread that was asked for will never come.
    pub(crate) fn decline(&self) {
        lock(&self.0).asked = false;
    }

    /// The next piece of work for a committed thread; with none the thread has left.
    pub(crate) fn take(&self) -> Option<(T, Ask)> {
        let mut state = lock(&self.0);
        match state.queue.pop_front() {
            Some(work) => {
                let ask = match state.queue.is_empty() {
                    true => Ask::Nothing,
                    false => state.ask(),
                };
                Some((work, ask))
            }
            None => {
                state.committed -= 1;
                None
            }
        }
    }
}

impl<T> State<T> {
    fn ask(&mut self) -> Ask {
        match std::mem::replace(&mut self.asked, true) {
            true => Ask::Nothing,
            false => Ask::Another,
        }
    }
}
