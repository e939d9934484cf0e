//! The ledger of a run: what its tasks have come to, statuses and outputs.
//!
//! An output is written once, by the task, and read by reference from then on. Two kinds of output
//! leave the run earlier than that: those that a consumer takes by value, and, when only some
//! targets are asked for, those that have had their last consumer. They are kept in a [`Shared`]
//! that can be emptied; consumers hold on to the value while they run.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bits::Bits;
use crate::column::{AnyColumn, Column, Slot};
use crate::declare::function::{Body, is_unit};
use crate::graph::Graph;

use super::consumers::Consumers;
use super::fates::Fates;
use super::unwind;

/// An output that may be taken out again while the run goes on.
#[derive(Default)]
struct Shared(Mutex<Option<Arc<dyn Any + Send + Sync>>>);

impl Shared {
    fn set(&self, value: Arc<dyn Any + Send + Sync>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

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
    /// The outputs that are not `()`.
    columns: Box<[AnyColumn]>,
    /// For each output a place to be taken out of again; empty if none leaves early, which the
    /// common run need not ask about.
    shared: Vec<Shared>,
    /// In a run for some targets: how many consumers each output still has.
    consumers: Option<Consumers>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl Ledger {
    /// A ledger with no room yet: see [`Self::grow`].
    pub(crate) fn new(graph: Arc<Graph>) -> Self {
        Self {
            fates: Fates::with_capacity(graph.len()),
            columns: graph.make_columns(),
            shared: Vec::new(),
            consumers: None,
            graph,
        }
    }

    /// Makes room for so many more nodes, and for so many more outputs of each type. Whether that
    /// was the last of it.
    pub(crate) fn grow(&mut self, slice: usize) -> bool {
        let nodes = self.fates.grow(self.graph.len(), slice);
        let outputs = self.graph.grow_columns(&mut self.columns, slice);
        let shared = self.graph.moved.is_empty() || self.share(slice);
        nodes && outputs && shared
    }

    /// Makes some more places for outputs to be taken out of again. Whether those were the last.
    fn share(&mut self, slice: usize) -> bool {
        let outputs = self.graph.outputs();
        let to = outputs.min(self.shared.len().saturating_add(slice));
        self.shared.reserve_exact(outputs - self.shared.len());
        self.shared.resize_with(to, Shared::default);
        to == outputs
    }

    /// Lets go of every output that is not `kept` once its last consumer among `selected` has
    /// ended.
    pub(crate) fn keep_only(&mut self, kept: Bits, selected: &Bits) {
        let outputs = 0..self.graph.outputs();
        let mut left: Vec<u32> = outputs.map(|_| 0).collect();
        for (index, node) in self.graph.tasks() {
            if selected.contains(index) {
                node.visit_inputs(&mut |task, _| {
                    if let Some(slot) = self.graph.slot(task.index) {
                        left[self.graph.ordinal(slot)] += 1;
                    }
                });
            }
        }
        self.share(usize::MAX);
        self.consumers = Some(Consumers::new(kept, left));
    }

    /// Whether every output stays where it was stored.
    pub(crate) fn keeps_all(&self) -> bool {
        self.shared.is_empty()
    }

    /// The body of a task, as the type that it has.
    #[inline]
    pub(crate) fn async_body<B: Any>(&self, index: u32) -> &B {
        let Body::Async(body) = &self.graph.node(index).body else {
            unreachable!("a job is started by the async body of its own task");
        };
        body.as_any()
            .downcast_ref()
            .expect("a job is started by the body of its own task")
    }

    /// Stores the output of a task.
    #[inline]
    pub(crate) fn store<T: Any + Send + Sync>(&self, index: u32, value: T) {
        if is_unit::<T>() {
            return;
        }
        let Some(slot) = self.graph.slot(index) else {
            return;
        };
        if !self.shared.is_empty() && self.leaves_early(index) {
            return self.store_shared(slot, value);
        }
        if let Some(column) = Column::of(&self.columns[slot.column as usize]) {
            column.set(slot.place, value);
        }
    }

    #[cold]
    fn store_shared<T: Any + Send + Sync>(&self, slot: Slot, value: T) {
        let ordinal = self.graph.ordinal(slot);
        let unused = self
            .consumers
            .as_ref()
            .is_some_and(|consumers| consumers.none(ordinal));
        match unused {
            true => unwind::contain(|| drop(value)),
            false => self.shared[ordinal].set(Arc::new(value)),
        }
    }

    #[cold]
    fn leaves_early(&self, index: u32) -> bool {
        self.graph.is_moved(index)
            || self
                .consumers
                .as_ref()
                .is_some_and(|consumers| !consumers.keep(index))
    }

    /// The output of a task that succeeded.
    #[inline]
    pub(crate) fn output<T: Any + Send + Sync>(&self, index: u32) -> Option<&T> {
        match self.graph.slot(index) {
            Some(slot) => Column::of(&self.columns[slot.column as usize])?.get(slot.place),
            None if self.fates.status(index).is_success() => unit(),
            None => None,
        }
    }

    /// The output of a task that may leave the run while it is in use; `None` when it stays.
    #[inline]
    pub(crate) fn shared<T: Any + Send + Sync>(&self, index: u32) -> Option<Arc<T>> {
        if self.shared.is_empty() {
            return None;
        }
        let ordinal = self.graph.ordinal(self.graph.slot(index)?);
        self.shared[ordinal].share()?.downcast().ok()
    }

    /// The output of a condition, wherever it is kept.
    pub(crate) fn flag(&self, index: u32) -> Option<bool> {
        match self.shared(index) {
            Some(flag) => Some(*flag),
            None => self.output(index).copied(),
        }
    }

    /// The output of a task, for the one consumer that takes it by value.
    pub(crate) fn take_moved<T: Any + Send + Sync>(&self, index: u32) -> Option<T> {
        if is_unit::<T>() {
            // It has no place to be taken from; a new one is as good.
            let unit: Box<dyn Any> = Box::new(());
            return unit.downcast().ok().map(|unit| *unit);
        }
        let ordinal = self.graph.ordinal(self.graph.slot(index)?);
        Arc::into_inner(self.shared[ordinal].take()?.downcast().ok()?)
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
            let ordinal = self.graph.ordinal(slot);
            if consumers.used(ordinal) && !consumers.keep(task.index) {
                let value = self.shared[ordinal].take();
                unwind::contain(|| drop(value));
            }
        });
    }

    /// Everything that the run has come to: its graph, the fate of each node, and the outputs that
    /// may be handed out.
    pub(crate) fn close(self) -> (Arc<Graph>, Fates, Box<[AnyColumn]>) {
        for shared in &self.shared {
            let value = shared.take();
            unwind::contain(|| drop(value));
        }
        (self.graph, self.fates, self.columns)
    }
}

/// The one `()`, as a reference to whatever type `T` is; `None` unless that is `()`.
pub(crate) fn unit<T: Any>() -> Option<&'static T> {
    let unit: &'static dyn Any = &();
    unit.downcast_ref()
}
