//! The ledger of a run: what its tasks have come to, statuses and outputs.
//!
//! An output is written once, by the task, and read by reference from then on. Two kinds of output
//! leave the run earlier than that: those that a consumer takes by value, and, when only some
//! targets are asked for, those that have had their last consumer. They are kept in a [`Shared`]
//! that can be emptied; consumers hold on to the value while they run.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::bits::Bits;
use crate::declare::function::{Body, is_unit};
use crate::graph::Graph;

use super::fates::Fates;
use super::unwind;

/// An output whose type is known to its consumers only.
pub(crate) type Output = Box<dyn Any + Send + Sync>;

/// An output that may be taken out again while the run goes on.
struct Shared(Mutex<Option<Arc<dyn Any + Send + Sync>>>);

impl Shared {
    fn take(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn share(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[doc(hidden)]
pub struct Ledger {
    pub(crate) graph: Arc<Graph>,
    pub(crate) fates: Fates,
    /// A place for each task whose output is not `()`.
    outputs: Box<[OnceLock<Output>]>,
    /// Set when outputs may leave early, which the common run need not ask about.
    shares: bool,
    /// In a run for some targets: how many consumers each output still has.
    consumers: Option<Consumers>,
}

/// Who still needs which output, in a run for some targets.
struct Consumers {
    /// Outputs that stay to the end.
    kept: Bits,
    /// For each place of an output.
    left: Box<[AtomicU32]>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl Ledger {
    pub(crate) fn new(graph: Arc<Graph>) -> Self {
        let outputs = (0..graph.slots()).map(|_| OnceLock::new()).collect();
        Self {
            fates: Fates::new(graph.len()),
            outputs,
            shares: !graph.moved.is_empty(),
            consumers: None,
            graph,
        }
    }

    /// Lets go of every output that is not `kept` once its last consumer among `selected` has
    /// ended.
    pub(crate) fn keep_only(&mut self, kept: Bits, selected: &Bits) {
        let left: Box<[AtomicU32]> = self.outputs.iter().map(|_| AtomicU32::new(0)).collect();
        for (index, node) in self.graph.tasks() {
            if selected.contains(index) {
                node.visit_inputs(&mut |task, _| {
                    if let Some(slot) = self.graph.slot(task.index) {
                        left[slot].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        self.shares = true;
        self.consumers = Some(Consumers { kept, left });
    }

    /// Whether every output stays where it was stored.
    pub(crate) fn keeps_all(&self) -> bool {
        !self.shares
    }

    /// The body of a task, as the type that it has.
    pub(crate) fn async_body<B: Any>(&self, index: u32) -> &B {
        let Body::Async(body) = &self.graph.node(index).body else {
            unreachable!("a job is started by the async body of its own task");
        };
        body.as_any()
            .downcast_ref()
            .expect("a job is started by the body of its own task")
    }

    /// Stores the output of a task.
    pub(crate) fn store<T: Any + Send + Sync>(&self, index: u32, value: T) {
        if is_unit::<T>() {
            return;
        }
        let Some(slot) = self.graph.slot(index) else {
            return;
        };
        let output: Output = if self.shares && self.leaves_early(index, slot) {
            let unused = self
                .consumers
                .as_ref()
                .is_some_and(|consumers| consumers.left[slot].load(Ordering::Relaxed) == 0);
            if unused {
                return unwind::contain(|| drop(value));
            }
            Box::new(Shared(Mutex::new(Some(Arc::new(value)))))
        } else {
            Box::new(value)
        };
        // A second attempt stores nothing if an attempt that had timed out did; no attempt that
        // succeeds finds its place taken, because only one is ever `wanted`.
        if let Err(unwanted) = self.outputs[slot].set(output) {
            unwind::contain(|| drop(unwanted));
        }
    }

    fn leaves_early(&self, index: u32, _slot: usize) -> bool {
        self.graph.is_moved(index)
            || self
                .consumers
                .as_ref()
                .is_some_and(|consumers| !consumers.kept.contains(index))
    }

    /// The output of a task that succeeded.
    pub(crate) fn output<T: Any>(&self, index: u32) -> Option<&T> {
        match self.graph.slot(index) {
            Some(slot) => self.outputs[slot].get()?.downcast_ref(),
            None if self.fates.status(index).is_success() => unit(),
            None => None,
        }
    }

    /// The output of a task that may leave the run while it is in use; `None` when it stays.
    pub(crate) fn shared<T: Any + Send + Sync>(&self, index: u32) -> Option<Arc<T>> {
        if !self.shares {
            return None;
        }
        let stored = self.outputs[self.graph.slot(index)?].get()?;
        let value = stored.downcast_ref::<Shared>()?.share()?;
        value.downcast().ok()
    }

    /// The output of a task, for the one consumer that takes it by value.
    pub(crate) fn take_moved<T: Any + Send + Sync>(&self, index: u32) -> Option<T> {
        if is_unit::<T>() {
            // It has no place to be taken from; a new one is as good.
            let unit: Box<dyn Any> = Box::new(());
            return unit.downcast().ok().map(|unit| *unit);
        }
        let stored = self.outputs[self.graph.slot(index)?].get()?;
        let value = stored.downcast_ref::<Shared>()?.take()?;
        Arc::into_inner(value.downcast().ok()?)
    }

    /// Takes note that a task has ended, and lets go of the outputs that it was the last to need.
    #[inline]
    pub(crate) fn consumed(&self, index: u32) {
        if let Some(consumers) = &self.consumers {
            self.consume(consumers, index);
        }
    }

    fn consume(&self, consumers: &Consumers, index: u32) {
        self.graph.node(index).visit_inputs(&mut |task, _| {
            let Some(slot) = self.graph.slot(task.index) else {
                return;
            };
            // AcqRel: the last consumer drops the value after all others are done with it.
            let last = consumers.left[slot].fetch_sub(1, Ordering::AcqRel) == 1;
            if last && !consumers.kept.contains(task.index) {
                let shared = self.outputs[slot]
                    .get()
                    .and_then(|stored| stored.downcast_ref::<Shared>());
                if let Some(value) = shared.and_then(Shared::take) {
                    unwind::contain(|| drop(value));
                }
            }
        });
    }

    /// Everything that the run has come to: its graph, the fate of each node, and each output that
    /// is still here and may be handed out.
    pub(crate) fn close(self) -> (Arc<Graph>, Fates, Vec<Option<Output>>) {
        let mut outputs: Vec<Option<Output>> = self
            .outputs
            .into_vec()
            .into_iter()
            .map(OnceLock::into_inner)
            .collect();
        if self.shares {
            for output in &mut outputs {
                if let Some(shared) = output.take_if(|output| output.is::<Shared>()) {
                    unwind::contain(|| drop(shared));
                }
            }
        }
        (self.graph, self.fates, outputs)
    }
}

/// The one `()`, as a reference to whatever type `T` is; `None` unless that is `()`.
pub(crate) fn unit<T: Any>() -> Option<&'static T> {
    let unit: &'static dyn Any = &();
    unit.downcast_ref()
}
