//! How many blocking threads serve the queue of plain functions of a run. For a run that has threads
//! of its own, [`super::blocking_threads`] has a further bound.
//!
//! # Protocol
//!
//! Plain functions lie in one queue. A thread takes one after the other, and leaves when it finds
//! none. If it takes one and leaves others behind, it first asks for one more thread, unless one
//! has been asked for that has not come yet. So functions that block for long soon have a thread
//! each, while short ones share a few.
//!
//! A thread that is merely *asked for* does not keep the run alive. It may be stuck behind other
//! work in a full pool, and the run must not wait for it once its tasks are done. But while there is
//! something in the queue, one thread is always *committed* to it, which does keep the run alive.
//! All of that changes under one lock, so no task is left behind between a thread that finds the
//! queue empty and a task that is pushed.

use std::collections::VecDeque;

use crate::sync::{Mutex, lock};

#[derive(Debug)]
pub(crate) struct BlockingQueue<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    /// By priority, and then in the order in which it came.
    queue: VecDeque<(i32, T)>,
    /// Threads that will look at the queue before they leave.
    committed: usize,
    /// Whether one more was asked for, and has not come.
    asked: bool,
}

/// What a thread that touched the queue has to ask the runtime for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    /// A thread that is counted as committed already.
    Committed,
    /// A thread that joins when it comes.
    Another,
}

impl<T> BlockingQueue<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            queue: VecDeque::new(),
            committed: 0,
            asked: false,
        }))
    }

    pub(crate) fn push(&self, priority: i32, work: T) -> Ask {
        let mut state = lock(&self.0);
        state.insert(priority, work, |before| before >= priority);
        if state.committed == 0 {
            state.committed = 1;
            return Ask::Committed;
        }
        state.ask()
    }

    /// Puts back a piece of work that a committed thread does not do itself, before all others of its
    /// priority.
    pub(crate) fn push_front(&self, priority: i32, work: T) {
        lock(&self.0).insert(priority, work, |before| before > priority);
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).queue.is_empty()
    }

    /// Commits a thread that was asked for and has come.
    pub(crate) fn join(&self) {
        let mut state = lock(&self.0);
        state.asked = false;
        state.committed += 1;
    }

    /// Takes note that a thread that was asked for will never come.
    pub(crate) fn decline(&self) {
        lock(&self.0).asked = false;
    }

    /// Takes note that a committed thread will never come. Returns the work that no other thread
    /// will take.
    pub(crate) fn abandon(&self) -> VecDeque<(i32, T)> {
        let mut state = lock(&self.0);
        state.committed -= 1;
        match state.committed {
            0 => std::mem::take(&mut state.queue),
            _ => VecDeque::new(),
        }
    }

    /// The next piece of work for a committed thread. If there is none, the thread has left.
    pub(crate) fn take(&self) -> Option<(T, Ask)> {
        let mut state = lock(&self.0);
        match state.queue.pop_front() {
            Some((_, work)) => {
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
    /// Puts work behind what comes before it.
    fn insert(&mut self, priority: i32, work: T, comes_before: impl Fn(i32) -> bool) {
        let place = match self.queue.back() {
            // As it is without priorities.
            Some((last, _)) if comes_before(*last) => self.queue.len(),
            _ => self
                .queue
                .partition_point(|(before, _)| comes_before(*before)),
        };
        self.queue.insert(place, (priority, work));
    }

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
        queue: BlockingQueue<()>,
        done: AtomicUsize,
    }

    impl Shared {
        /// A committed thread.
        fn work(&self) {
            while let Some(((), _ask)) = self.queue.take() {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
        }

        /// Only committed threads are certain to come.
        fn push(&self) {
            if self.queue.push(0, ()) == Ask::Committed {
                self.work();
            }
        }
    }

    /// Proves that leaving and finding the queue empty are one step. If `take` gave up the lock in
    /// between, a task that is pushed there would be left behind.
    #[test]
    fn loom_thread_leaves_while_work_arrives() {
        loom::model(|| {
            let shared = Arc::new(Shared {
                queue: BlockingQueue::new(),
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

    /// Proves that one thread is asked for at a time. If `ask` did not remember, each push beside a
    /// busy thread would ask for one more.
    #[test]
    fn loom_one_thread_is_asked_for_at_a_time() {
        loom::model(|| {
            let queue = Arc::new(BlockingQueue::new());
            assert_eq!(queue.push(0, ()), Ask::Committed);
            let push = |queue: &Arc<BlockingQueue<()>>| {
                let queue = queue.clone();
                move || usize::from(queue.push(0, ()) == Ask::Another)
            };
            let other = thread::spawn(push(&queue));
            let asked = push(&queue)() + other.join().unwrap();
            assert_eq!(asked, 1);
        });
    }
}
