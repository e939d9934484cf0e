//! Pending: for each node of a graph, how many of its upstreams have not ended.
//!
//! # Protocol
//!
//! Every upstream that ends takes one off the count. The thread that takes off the last passes the
//! node on. Each decrement releases what the upstream wrote, its output and its skip cause; the last
//! one acquires what all of them wrote.
//!
//! A gate that opens with the *first* success works otherwise. A success sets a mark, and the thread
//! that sets it first passes the gate on. Only an upstream without success takes one off. So either
//! there is a success, and the count never comes to zero, or there is none, and no mark.

use smallvec::SmallVec;

use crate::node_index::NodeIndex;
use crate::sync::{AtomicU32, Ordering};

/// The mark of a gate that has opened.
const OPENED: u32 = 1 << 31;

#[derive(Debug)]
pub(crate) struct Pending(
    /// In place if the flow is small.
    SmallVec<[AtomicU32; 8]>,
);

impl FromIterator<u32> for Pending {
    fn from_iter<I: IntoIterator<Item = u32>>(counts: I) -> Self {
        Self(counts.into_iter().map(AtomicU32::new).collect())
    }
}

impl Extend<u32> for Pending {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, counts: I) {
        self.0.extend(counts.into_iter().map(AtomicU32::new));
    }
}

impl Pending {
    pub(crate) fn with_capacity(nodes: usize) -> Self {
        Self(SmallVec::with_capacity(nodes))
    }

    /// Takes note that an upstream of a node has ended. Returns whether it was the last.
    pub(crate) fn countdown(&self, node: NodeIndex) -> bool {
        let pending = &self.0[node.get()];
        // If only one is left, it is this one, and no other thread touches the count: a load is
        // enough, and was measured to cost a tenth of a decrement.
        pending.load(Ordering::Acquire) == 1 || pending.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Takes note that an upstream of a gate for any has succeeded. Returns whether it was the first.
    pub(crate) fn open(&self, gate: NodeIndex) -> bool {
        self.0[gate.get()].fetch_or(OPENED, Ordering::AcqRel) & OPENED == 0
    }

    /// Takes note that an upstream of a gate for any has ended without success. Returns whether it
    /// was the last, and none has succeeded.
    pub(crate) fn shut(&self, gate: NodeIndex) -> bool {
        self.0[gate.get()].fetch_sub(1, Ordering::AcqRel) == 1
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::AtomicUsize;

    const NODE: NodeIndex = NodeIndex::from_word(0);

    /// Proves the orderings of `countdown`. With `Relaxed` in place of `Acquire` or of `AcqRel`, the
    /// last upstream misses what another wrote.
    #[test]
    fn loom_last_upstream_sees_what_all_wrote() {
        loom::model(|| {
            let pending: Arc<Pending> = Arc::new([3].into_iter().collect());
            let outputs: Arc<[AtomicUsize; 3]> =
                Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)));
            let passed = Arc::new(AtomicUsize::new(0));
            let upstream = |own: usize| {
                let (pending, outputs) = (pending.clone(), outputs.clone());
                let passed = passed.clone();
                move || {
                    outputs[own].store(1, Ordering::Relaxed);
                    if pending.countdown(NODE) {
                        let sum: usize = outputs.iter().map(|o| o.load(Ordering::Relaxed)).sum();
                        assert_eq!(sum, 3, "an output was not visible");
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            let threads = [thread::spawn(upstream(0)), thread::spawn(upstream(1))];
            upstream(2)();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(passed.load(Ordering::Relaxed), 1, "passed on exactly once");
        });
    }

    /// Proves that a gate for any is passed on once. With a load and a store in place of `fetch_or`,
    /// two upstreams open it.
    #[test]
    fn loom_gate_for_any_is_passed_on_once() {
        for successes in 0..=2 {
            loom::model(move || {
                let pending: Arc<Pending> = Arc::new([2].into_iter().collect());
                let upstream = |succeeds: bool| {
                    let pending = pending.clone();
                    move || match succeeds {
                        true => usize::from(pending.open(NODE)),
                        false => usize::from(pending.shut(NODE)),
                    }
                };
                let other = thread::spawn(upstream(successes > 1));
                let passed = upstream(successes > 0)() + other.join().unwrap();
                assert_eq!(passed, 1);
            });
        }
    }
}
