//! Consumers: how many uses each output still has, in a run for some targets.
//!
//! # Protocol
//!
//! A task that ends takes one off the count of each output that it uses. The thread that takes off
//! the last one drops the output. Each decrement releases the use that was made of the output, and
//! the last one acquires all of them, so the output is dropped after every use.

use crate::bit_set::BitSet;
use crate::node_index::NodeIndex;
use crate::sync::{AtomicU32, Ordering};

#[derive(Debug)]
pub(crate) struct Consumers {
    /// The tasks whose outputs stay to the end.
    kept: BitSet,
    /// For each output, how many of its uses have not ended.
    left: Box<[AtomicU32]>,
}

impl Consumers {
    pub(crate) fn new(kept: BitSet, counts: Vec<u32>) -> Self {
        Self {
            kept,
            left: counts.into_iter().map(AtomicU32::new).collect(),
        }
    }

    /// Whether the output of a task stays to the end.
    pub(crate) fn keep(&self, task: NodeIndex) -> bool {
        self.kept.contains(task)
    }

    /// Whether an output that is about to be stored has no use.
    pub(crate) fn none(&self, output: usize) -> bool {
        self.left[output].load(Ordering::Relaxed) == 0
    }

    /// Takes note that a use of an output has ended. Returns whether it was the last.
    pub(crate) fn used(&self, output: usize) -> bool {
        self.left[output].fetch_sub(1, Ordering::AcqRel) == 1
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Guards the ordering of `used`: with `Relaxed`, an output is dropped while another task uses
    /// it; with a load and a store in place of `fetch_sub`, it is dropped twice or never.
    #[test]
    fn loom_output_is_dropped_after_its_last_use() {
        loom::model(|| {
            let consumers = Arc::new(Consumers::new(BitSet::new(1), vec![3]));
            // Its content does not matter: loom checks that its uses are ordered.
            let output = Arc::new(UnsafeCell::new(()));
            let consumer = || {
                let (consumers, output) = (consumers.clone(), output.clone());
                move || {
                    output.with(|_| ());
                    let last = consumers.used(0);
                    if last {
                        output.with_mut(|_| ());
                    }
                    usize::from(last)
                }
            };
            let threads = [thread::spawn(consumer()), thread::spawn(consumer())];
            let here = consumer()();
            let others: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
            assert_eq!(here + others, 1, "dropped exactly once");
            assert!(consumers.none(0));
        });
    }
}
