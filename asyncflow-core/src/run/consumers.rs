//! Consumers: who still needs which output, in a run for some targets.
//!
//! # Protocol
//!
//! Every task that ends takes one off the count of each output that it uses. Who takes off the last
//! lets go of the output. Taking off releases the use that was made of it; taking off the last
//! acquires the use that all made of it, so that an output is dropped after all of it.

use crate::bits::Bits;
use crate::sync::{AtomicU32, Ordering};

#[derive(Debug)]
pub(crate) struct Consumers {
    /// The tasks whose outputs stay to the end.
    kept: Bits,
    /// For each output, how many tasks that use it have not ended.
    left: Box<[AtomicU32]>,
}

impl Consumers {
    pub(crate) fn new(kept: Bits, counts: Vec<u32>) -> Self {
        Self {
            kept,
            left: counts.into_iter().map(AtomicU32::new).collect(),
        }
    }

    /// Whether the output of a task stays to the end.
    pub(crate) fn keep(&self, task: u32) -> bool {
        self.kept.contains(task)
    }

    /// Whether nobody uses an output, when it is stored.
    pub(crate) fn none(&self, output: usize) -> bool {
        self.left[output].load(Ordering::Relaxed) == 0
    }

    /// A task that uses an output has ended; whether it was the last.
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
    fn loom_output_is_let_go_after_its_last_use() {
        loom::model(|| {
            let consumers = Arc::new(Consumers::new(Bits::new(1), vec![3]));
            // What is in it does not matter: loom sees whether its uses are in order.
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
            assert_eq!(here + others, 1, "let go exactly once");
            assert!(consumers.none(0));
        });
    }
}
