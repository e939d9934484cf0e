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

    /// A committed thread will never come; gives the work that nobody will take now.
    pub(crate) fn desert(&self) -> VecDeque<T> {
        let mut state = lock(&self.0);
        state.committed -= 1;
        match state.committed {
            0 => std::mem::take(&mut state.queue),
            _ => VecDeque::new(),
        }
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

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::{AtomicUsize, Ordering};

    struct Shared {
        crew: Crew<()>,
        done: AtomicUsize,
    }

    impl Shared {
        /// A committed thread.
        fn work(&self) {
            while let Some(((), _ask)) = self.crew.take() {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
        }

        /// Only committed threads are certain to come.
        fn push(&self) {
            if self.crew.push(()) == Ask::Committed {
                self.work();
            }
        }
    }

    /// Guards that leaving and finding the queue empty are one step: if `take` gave up the lock
    /// in between, a task pushed there would be left behind.
    #[test]
    fn loom_thread_leaves_while_work_arrives() {
        loom::model(|| {
            let shared = Arc::new(Shared {
                crew: Crew::new(),
                done: AtomicUsize::new(0),
            });
            let pushers = [(); 2].map(|()| {
                let shared = shared.clone();
                thread::spawn(move || shared.push())
            });
            shared.push();
            for pusher in pushers {
                pusher.join().unwrap();
            }
            assert_eq!(
                shared.done.load(Ordering::Relaxed),
                3,
                "work was left behind"
            );
        });
    }

    /// Guards that one thread is asked for at a time: if `ask` did not remember, each push beside
    /// a busy thread would ask for one more.
    #[test]
    fn loom_one_thread_is_asked_for_at_a_time() {
        loom::model(|| {
            let crew = Arc::new(Crew::new());
            assert_eq!(crew.push(()), Ask::Committed);
            let push = |crew: &Arc<Crew<()>>| {
                let crew = crew.clone();
                move || usize::from(crew.push(()) == Ask::Another)
            };
            let other = thread::spawn(push(&crew));
            let asked = push(&crew)() + other.join().unwrap();
            assert_eq!(asked, 1);
        });
    }
}
