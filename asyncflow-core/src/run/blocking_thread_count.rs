//! How many blocking threads serve the queue of plain functions of a run. For a run that has threads
//! of its own, [`super::blocking_threads`] has a further bound.
//!
//! # Protocol
//!
//! Plain functions lie in one queue. A thread takes one after the other, and leaves when it finds
//! none. If it takes one and leaves others behind, it first asks for one more thread, unless one
//! is on its way. So functions that block for long soon have a thread each, while short ones share a
//! few. A push beside busy threads asks for one, too, unless one is on its way.
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
    /// Whether a thread is on its way that was asked for by a push or a take.
    coming: bool,
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
            coming: false,
        }))
    }

    pub(crate) fn push(&self, priority: i32, work: T) -> Ask {
        let mut state = lock(&self.0);
        state.insert(priority, work, |before| before >= priority);
        if state.committed == 0 {
            state.committed = 1;
            state.coming = true;
            return Ask::Committed;
        }
        state.ask()
    }

    /// Puts back a piece of work that a committed thread does not do itself, before all others of its
    /// priority.
    pub(crate) fn push_front(&self, priority: i32, work: T) {
        lock(&self.0).insert(priority, work, |before| before > priority);
    }

    /// A committed thread leaves if there is something in the queue, and will come again.
    pub(crate) fn leave_for_a_turn(&self) -> bool {
        let mut state = lock(&self.0);
        let leaves = !state.queue.is_empty();
        state.coming |= leaves;
        leaves
    }

    /// Takes note that a committed thread has come.
    pub(crate) fn arrive(&self) {
        lock(&self.0).coming = false;
    }

    /// Commits a thread that was asked for and has come.
    pub(crate) fn join(&self) {
        let mut state = lock(&self.0);
        state.coming = false;
        state.committed += 1;
    }

    /// Takes note that a thread that was asked for will never come.
    pub(crate) fn decline(&self) {
        lock(&self.0).coming = false;
    }

    /// Takes note that a committed thread will never come. Returns the work that no other thread
    /// will take.
    pub(crate) fn abandon(&self) -> VecDeque<(i32, T)> {
        let mut state = lock(&self.0);
        state.committed -= 1;
        state.coming = false;
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
        match std::mem::replace(&mut self.coming, true) {
            true => Ask::Nothing,
            false => Ask::Another,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A push beside a thread that is on its way asks for none: that one will, when it leaves something
    /// behind.
    #[test]
    fn a_thread_that_comes_asks_for_the_next() {
        let queue = BlockingQueue::new();
        assert_eq!(queue.push(0, 'a'), Ask::Committed);
        assert_eq!(queue.push(0, 'b'), Ask::Nothing);
        assert_eq!(queue.push(0, 'c'), Ask::Nothing);
        queue.arrive();
        assert_eq!(queue.take(), Some(('a', Ask::Another)));
        queue.join();
        assert_eq!(queue.take(), Some(('b', Ask::Another)));
        queue.decline();
        assert_eq!(queue.take(), Some(('c', Ask::Nothing)));
        assert_eq!(queue.take(), None);
        assert_eq!(queue.take(), None);
        assert_eq!(queue.push(0, 'd'), Ask::Committed);
    }

    /// Both threads that are committed are busy, so another has to come.
    #[test]
    fn a_push_beside_a_busy_thread_asks_for_another() {
        let queue = BlockingQueue::new();
        assert_eq!(queue.push(0, 'a'), Ask::Committed);
        queue.arrive();
        assert_eq!(queue.take(), Some(('a', Ask::Nothing)));
        assert_eq!(queue.push(0, 'b'), Ask::Another);
        assert_eq!(queue.push(0, 'c'), Ask::Nothing);
    }

    /// A thread that gives others a turn counts as one on its way, if it leaves anything behind.
    #[test]
    fn a_thread_that_leaves_for_a_turn_is_on_its_way() {
        let queue = BlockingQueue::new();
        assert_eq!(queue.push(0, 'a'), Ask::Committed);
        queue.arrive();
        assert_eq!(queue.take(), Some(('a', Ask::Nothing)));
        assert!(!queue.leave_for_a_turn());
        assert_eq!(queue.push(0, 'b'), Ask::Another);
        queue.decline();
        assert!(queue.leave_for_a_turn());
        assert_eq!(queue.push(0, 'c'), Ask::Nothing);
    }

    /// What no other thread will take is given back by the last that will never come.
    #[test]
    fn the_last_committed_thread_gives_back_what_is_left() {
        let queue = BlockingQueue::new();
        assert_eq!(queue.push(0, 'a'), Ask::Committed);
        queue.arrive();
        queue.join();
        assert!(queue.abandon().is_empty());
        assert_eq!(queue.abandon(), [(0, 'a')]);
        assert_eq!(queue.push(0, 'b'), Ask::Committed);
    }

    #[test]
    fn work_is_taken_by_priority_and_then_in_order() {
        let queue = BlockingQueue::new();
        for (priority, work) in [(0, 'c'), (1, 'a'), (0, 'd'), (1, 'b')] {
            let _ = queue.push(priority, work);
        }
        queue.push_front(0, 'x');
        queue.push_front(1, 'y');
        let order = std::iter::from_fn(|| queue.take()).map(|(work, _)| work);
        assert_eq!(order.collect::<String>(), "yabxcd");
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
            queue.arrive();
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
