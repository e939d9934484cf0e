//! Ready tasks: where they lie until a driver takes them.
//!
//! Small graphs and graphs with priorities keep them *in order*: in one
//! [`ReadySet`], from which each driver takes the first. All others have local queues from which
//! drivers *steal*, so that the drivers of a large run do not contend for one lock. There, a driver
//! looks at these places, in this order:
//!
//! * its *local queue*: a work-stealing queue, last in, first out for the driver itself, from which
//!   other drivers steal the oldest tasks, half of the queue at a time;
//! * the *injector*, for tasks from blocking threads, which have no local queue, for those that were
//!   given a slot, and for what is left of an end that is announced in slices;
//! * the *roots*, claimed a chunk at a time with one counter instead of being pushed;
//! * the local queues of other drivers.
//!
//! A run in order has the injector, the set and the roots, of which it takes the one that comes
//! first.

use std::collections::VecDeque;
use std::sync::OnceLock;

use crossbeam_deque::{Steal, Stealer, Worker};

use crate::graph::Graph;
use crate::node_index::NodeIndex;
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

use super::concurrency_limit::Slot;
use super::guard::RunGuard;
use super::ready_set::ReadySet;
use super::settle::Announcements;

/// How many roots a driver claims at a time: enough to make the shared counter cheap, few enough
/// to leave some for other drivers.
const CHUNK: usize = 32;

/// Up to how many nodes a graph is small. Its ready tasks are kept in order, in one word. A larger
/// graph may have enough of them for drivers to contend.
const SMALL: usize = 64;

/// What is injected for whichever driver comes first.
#[derive(Debug)]
pub(crate) enum Injected {
    /// A ready task, and its slot if it was given one.
    Task(NodeIndex, Option<Slot>),
    /// The rest of ends that are announced in slices.
    Announcements(Box<Announcements>),
}

pub(crate) struct ReadyQueues {
    shared: Mutex<Shared>,
    /// How much is shared, so that looking needs no lock.
    len: AtomicUsize,
    next_root: AtomicUsize,
    /// Absent in a run that keeps its tasks in order.
    stealing: Option<Box<Stealing>>,
}

#[derive(Default)]
struct Shared {
    /// Boxed, because most small runs have none.
    #[expect(clippy::box_collection, reason = "a box is a quarter of its size")]
    injected: Option<Box<VecDeque<Injected>>>,
    ready: ReadySet,
    /// Tasks that became ready since a driver's slice of time was over, if one was and not all that
    /// were ready then have been taken. They come after those of the same priority, wherever they were
    /// declared, so that no chain of tasks keeps another from starting.
    young: Option<Box<ReadySet>>,
}

/// The local queues.
struct Stealing {
    /// One for each driver that there can be. Set when its local queue is first used.
    stealers: Box<[OnceLock<Stealer<NodeIndex>>]>,
    /// Local queues that no driver uses.
    unused: Mutex<Vec<Worker<NodeIndex>>>,
    /// How many local queues have been made.
    made: AtomicUsize,
}

impl ReadyQueues {
    pub(crate) fn new(drivers: usize, graph: &Graph) -> Self {
        let in_order = graph.len() <= SMALL || graph.start_order.is_some();
        Self {
            shared: Mutex::default(),
            len: AtomicUsize::new(0),
            next_root: AtomicUsize::new(0),
            stealing: (!in_order).then(|| {
                Box::new(Stealing {
                    stealers: (0..drivers).map(|_| OnceLock::new()).collect(),
                    unused: Mutex::new(Vec::new()),
                    made: AtomicUsize::new(0),
                })
            }),
        }
    }

    /// Whether ready tasks are kept in order.
    #[inline]
    pub(crate) fn in_order(&self) -> bool {
        self.stealing.is_none()
    }

    /// Puts something where any driver can take it. Returns how much that was.
    pub(crate) fn inject(
        &self,
        graph: &Graph,
        injected: impl IntoIterator<Item = Injected>,
    ) -> usize {
        let mut shared = lock(&self.shared);
        let mut added = 0;
        for injected in injected {
            added += 1;
            match injected {
                Injected::Task(task, None) if self.in_order() => shared.insert(task, graph),
                injected => {
                    shared.injected.get_or_insert_default().push_back(injected);
                }
            }
        }
        self.change_len(|len| len + added);
        added
    }

    /// Shares some ready tasks of a run that keeps them in order, and returns the first of all.
    pub(crate) fn share_in_order(
        &self,
        graph: &Graph,
        roots: &[NodeIndex],
        tasks: &[NodeIndex],
    ) -> Option<NodeIndex> {
        let mut shared = lock(&self.shared);
        for task in tasks {
            shared.insert(*task, graph);
        }
        let first = self.take_first(&mut shared, graph, roots);
        let taken = usize::from(matches!(first, Some(Found::Shared(_))));
        self.change_len(|len| len + tasks.len() - taken);
        first.map(Found::task)
    }

    /// Takes what was injected or, in a run that keeps tasks in order, the first task.
    pub(crate) fn take_shared(&self, graph: &Graph, roots: &[NodeIndex]) -> Option<Injected> {
        let roots = match self.in_order() {
            true => roots,
            // They are claimed.
            false => &[],
        };
        if !self.any_shared(roots) {
            return None;
        }
        let mut shared = lock(&self.shared);
        let injected = shared.injected.as_mut();
        if let Some(injected) = injected.and_then(|injected| injected.pop_front()) {
            self.change_len(|len| len - 1);
            return Some(injected);
        }
        if !self.in_order() {
            return None;
        }
        let first = self.take_first(&mut shared, graph, roots)?;
        if let Found::Shared(_) = first {
            self.change_len(|len| len - 1);
        }
        Some(Injected::Task(first.task(), None))
    }

    /// Lets the tasks that are ready now start before those that become ready from now on, if the run
    /// keeps tasks in order.
    pub(crate) fn age(&self) {
        let mut shared = lock(&self.shared);
        if self.in_order() {
            shared.young.get_or_insert_default();
        }
    }

    /// Only with the lock.
    fn change_len(&self, change: impl FnOnce(usize) -> usize) {
        let len = self.len.load(Ordering::Relaxed);
        self.len.store(change(len), Ordering::Release);
    }

    /// The first of the shared tasks and the roots.
    fn take_first(&self, shared: &mut Shared, graph: &Graph, roots: &[NodeIndex]) -> Option<Found> {
        let next = self.next_root.load(Ordering::Relaxed);
        let root = roots.get(next).map(|root| graph.rank(*root));
        if let Some(young) = &mut shared.young {
            let old = root.into_iter().chain(shared.ready.first()).min();
            let priority = |rank| graph.node(graph.node_of_rank(rank)).priority();
            let first = young.first();
            let first =
                first.filter(|young| old.is_none_or(|old| priority(*young) > priority(old)));
            if let Some(rank) = first {
                young.remove(rank);
                return Some(Found::Shared(graph.node_of_rank(rank)));
            }
            if old.is_none() {
                shared.young = None;
            }
        }
        match (root, shared.ready.first()) {
            (Some(root), ready) if ready.is_none_or(|rank| root < rank) => {
                // Only with the lock in a run that keeps tasks in order.
                self.next_root.store(next + 1, Ordering::Relaxed);
                Some(Found::Roots(graph.node_of_rank(root)))
            }
            (_, Some(rank)) => {
                shared.ready.remove(rank);
                Some(Found::Shared(graph.node_of_rank(rank)))
            }
            (_, None) => None,
        }
    }

    fn any_roots(&self, roots: &[NodeIndex]) -> bool {
        self.next_root.load(Ordering::Relaxed) < roots.len()
    }

    /// How much there is to take, apart from what is in local queues.
    pub(crate) fn len(&self, roots: &[NodeIndex]) -> usize {
        let next_root = self.next_root.load(Ordering::Relaxed);
        self.len.load(Ordering::Acquire) + roots.len().saturating_sub(next_root)
    }

    /// Whether there is anything to take, apart from what is in local queues.
    #[inline]
    pub(crate) fn any_shared(&self, roots: &[NodeIndex]) -> bool {
        self.len.load(Ordering::Acquire) > 0 || self.any_roots(roots)
    }

    /// Whether there is anything to take, for a driver whose local queue is empty.
    pub(crate) fn any(&self, roots: &[NodeIndex]) -> bool {
        self.any_shared(roots)
            || self.stealing.as_ref().is_some_and(|stealing| {
                let mut stealers = stealing.stealers.iter().map_while(OnceLock::get);
                stealers.any(|stealer| !stealer.is_empty())
            })
    }

    /// Gives back a local queue, which is empty.
    pub(crate) fn give_back(&self, queue: Worker<NodeIndex>) {
        if let Some(stealing) = &self.stealing {
            lock(&stealing.unused).push(queue);
        }
    }
}

/// A task, and where it was.
enum Found {
    Shared(NodeIndex),
    Roots(NodeIndex),
}

impl Found {
    fn task(self) -> NodeIndex {
        match self {
            Self::Shared(task) | Self::Roots(task) => task,
        }
    }
}

impl Shared {
    fn insert(&mut self, task: NodeIndex, graph: &Graph) {
        let set = self.young.as_deref_mut().unwrap_or(&mut self.ready);
        set.insert(graph.rank(task), graph.len());
    }
}

impl Stealing {
    /// A local queue for a driver. At most as many are in use as there can be drivers.
    fn local_queue(&self) -> Worker<NodeIndex> {
        if let Some(queue) = lock(&self.unused).pop() {
            return queue;
        }
        let queue = Worker::new_lifo();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.stealers.get(number) {
            // The number is new, so the place is empty.
            let _ = place.set(queue.stealer());
        }
        queue
    }

    /// Steals from another driver: takes one task, and moves up to half of the others to the local
    /// queue.
    fn steal(&self, local: &mut LocalQueue<'_>) -> Option<NodeIndex> {
        for place in &self.stealers {
            let Some(stealer) = place.get() else { break };
            if stealer.is_empty() {
                continue;
            }
            loop {
                match stealer.steal_batch_and_pop(local.queue(self)) {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => break,
                    Steal::Retry => std::hint::spin_loop(),
                }
            }
        }
        None
    }
}

/// The local queue of a driver in a run that has them, made when it is first needed: a chain needs
/// none.
pub(crate) struct LocalQueue<'a> {
    pub(crate) ready: &'a ReadyQueues,
    pub(crate) queue: &'a mut Option<Worker<NodeIndex>>,
}

impl LocalQueue<'_> {
    /// Returns `false` if the run has no local queues.
    #[inline]
    pub(crate) fn push(&mut self, task: NodeIndex) -> bool {
        let Some(stealing) = &self.ready.stealing else {
            return false;
        };
        self.queue(stealing).push(task);
        true
    }

    /// Claims some roots: returns the first, and keeps the others in such an order that they are
    /// taken in the order of declaration. Invites another driver if there are more than one.
    pub(crate) fn claim_roots(&mut self, guard: &RunGuard) -> Option<Injected> {
        let (ready, roots) = (self.ready, guard.roots());
        if !ready.any_roots(roots) {
            return None;
        }
        let start = ready.next_root.fetch_add(CHUNK, Ordering::Relaxed);
        let end = roots.len().min(start.saturating_add(CHUNK));
        let (first, rest) = roots.get(start..end)?.split_first()?;
        for task in rest.iter().rev() {
            self.push(*task);
        }
        Some(self.found(guard, *first))
    }

    /// Steals from another driver, and invites another one if there is more to steal.
    pub(crate) fn steal(&mut self, guard: &RunGuard) -> Option<Injected> {
        let stealing = self.ready.stealing.as_ref()?;
        let task = stealing.steal(self)?;
        Some(self.found(guard, task))
    }

    fn found(&self, guard: &RunGuard, task: NodeIndex) -> Injected {
        // There may be more than this driver needs, in its queue or elsewhere.
        if self.queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
            guard.scheduler.call(guard, !guard.short_resumes());
        }
        Injected::Task(task, None)
    }

    #[inline]
    fn queue(&mut self, stealing: &Stealing) -> &Worker<NodeIndex> {
        self.queue.get_or_insert_with(|| stealing.local_queue())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use crate::graph::Declared;
    use crate::graph::body::{Body, Gate};
    use crate::task::config::{Config, Request};

    use super::*;

    /// Nodes without upstreams.
    fn graph(priorities: &[i32]) -> Arc<Graph> {
        let mut declared = Declared::new();
        for priority in priorities {
            let config = (*priority != 0).then(|| Config {
                priority: *priority,
                ..Config::default()
            });
            let request = Request {
                config: config.map(Box::new),
                ..Request::default()
            };
            declared.add_task(Body::Gate(Gate::All), request, &[]);
        }
        declared.look()
    }

    fn inject(ready: &ReadyQueues, graph: &Graph, numbers: &[usize]) {
        let tasks = numbers.iter().map(|number| NodeIndex::new(*number));
        let added = ready.inject(graph, tasks.map(|task| Injected::Task(task, None)));
        assert_eq!(added, numbers.len());
    }

    /// Takes all that is shared, and of these roots.
    fn take_all(ready: &ReadyQueues, graph: &Graph, roots: &[NodeIndex]) -> Vec<usize> {
        let take = || match ready.take_shared(graph, roots)? {
            Injected::Task(task, None) => Some(task.get()),
            other => panic!("it was not injected: {other:?}"),
        };
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn roots_and_shared_tasks_start_in_the_order_of_declaration() {
        let graph = graph(&[0; 10]);
        let ready = ReadyQueues::new(1, &graph);
        let roots = [0, 3, 6].map(NodeIndex::new);
        inject(&ready, &graph, &[5, 1, 9]);
        assert_eq!(ready.len(&roots), 6);
        assert_eq!(take_all(&ready, &graph, &roots), [0, 1, 3, 5, 6, 9]);
        assert_eq!(ready.len(&roots), 0);
        assert!(!ready.any(&roots));
    }

    #[test]
    fn what_became_ready_after_a_slice_starts_behind_what_was_ready_then() {
        let graph = graph(&[0; 10]);
        let ready = ReadyQueues::new(1, &graph);
        inject(&ready, &graph, &[5, 7]);
        ready.age();
        inject(&ready, &graph, &[1, 6]);
        assert_eq!(take_all(&ready, &graph, &[]), [5, 7, 1, 6]);
        // All have been taken, so the order is that of declaration again.
        inject(&ready, &graph, &[8, 2]);
        assert_eq!(take_all(&ready, &graph, &[]), [2, 8]);
    }

    #[test]
    fn a_higher_priority_comes_first_whenever_it_became_ready() {
        let graph = graph(&[0, 0, 1, -1, 2]);
        let ready = ReadyQueues::new(1, &graph);
        inject(&ready, &graph, &[3, 1]);
        ready.age();
        inject(&ready, &graph, &[0, 2, 4]);
        assert_eq!(take_all(&ready, &graph, &[]), [4, 2, 1, 0, 3]);
    }

    #[test]
    fn local_queues_are_used_again_and_can_be_stolen_from() {
        let graph = graph(&[0; SMALL + 1]);
        let ready = ReadyQueues::new(2, &graph);
        let tasks = [1, 2, 3, 4].map(NodeIndex::new);
        for _ in 0..5 {
            let (mut own, mut other) = (None, None);
            for task in tasks {
                let queue = &mut own;
                assert!(
                    LocalQueue {
                        ready: &ready,
                        queue
                    }
                    .push(task)
                );
            }
            assert!(ready.any(&[]) && !ready.any_shared(&[]));
            let stealing = ready.stealing.as_ref().expect("the graph is not small");
            let queue = &mut other;
            let mut local = LocalQueue {
                ready: &ready,
                queue,
            };
            let stolen = stealing.steal(&mut local);
            assert!(
                stolen.is_some_and(|task| tasks[..2].contains(&task)),
                "one of the oldest"
            );
            for queue in [own, other].into_iter().flatten() {
                while queue.pop().is_some() {}
                ready.give_back(queue);
            }
            assert!(!ready.any(&[]));
        }
        inject(&ready, &graph, &[5]);
        assert!(ready.any(&[]));
    }
}
