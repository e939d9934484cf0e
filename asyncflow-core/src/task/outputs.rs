//! Outputs: where the outputs of a flow lie, and those of one run.
//!
//! An output is written once, by its task, and read by reference from then on. Two kinds of output
//! leave the run before it ends: one that a consumer takes by value and, if only some targets are
//! asked for, one that has had its last consumer. These are kept in a [`Shared`] cell, which can be
//! emptied; a consumer keeps the value alive while it runs.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use crate::bit_set::BitSet;
use crate::node_index::NodeIndex;
use crate::output::BoxError;
use crate::record::CodecFns;
use crate::unwind;

use super::column::{self, AnyColumn, CellIndex, Column, ColumnSpan};
use super::consumers::Consumers;
use super::statuses::Statuses;

/// Where in a run each output of a flow lies. Part of the compiled graph.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// For each node its cell, or [`NO_CELL`]; up to the last node that has one.
    pub(crate) cells: Vec<CellIndex>,
    /// A column for each type of output.
    pub(crate) columns: Vec<ColumnSpan>,
    /// The tasks whose output is taken by value, and by which task. Sorted.
    pub(crate) moved: Vec<(NodeIndex, NodeIndex)>,
}

/// The cell of a task whose output is `()`.
pub(crate) const NO_CELL: CellIndex = CellIndex {
    column: u32::MAX,
    row: 0,
};

impl Layout {
    #[inline]
    pub(crate) fn cell(&self, node: NodeIndex) -> Option<CellIndex> {
        let cell = self.cells.get(node.get())?;
        (*cell != NO_CELL).then_some(*cell)
    }

    /// How many outputs there are.
    fn len(&self) -> usize {
        let last = self.columns.last();
        last.map_or(0, |column| (column.before + column.len) as usize)
    }

    /// The number of an output among all outputs.
    fn ordinal(&self, cell: CellIndex) -> usize {
        (self.columns[cell.column as usize].before + cell.row) as usize
    }

    /// The task that takes the output of `node` by value, if one does.
    pub(crate) fn mover(&self, node: NodeIndex) -> Option<NodeIndex> {
        let found = self
            .moved
            .binary_search_by_key(&node, |(output, _)| *output);
        found.ok().map(|place| self.moved[place].1)
    }

    /// Drops an output.
    pub(crate) fn clear(&self, columns: &mut [AnyColumn], node: NodeIndex) {
        if let Some(cell) = self.cell(node) {
            let column = cell.column as usize;
            self.columns[column].clear(&mut columns[column], cell.row);
        }
    }
}

/// An output that may be taken out again while the run goes on.
#[derive(Default)]
struct Shared(Mutex<Option<Arc<dyn Any + Send + Sync>>>);

impl Shared {
    fn cell(&self) -> impl std::ops::DerefMut<Target = Option<Arc<dyn Any + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The columns of a run: few, since there is one for each type.
pub(crate) type Columns = SmallVec<[AnyColumn; 2]>;

/// The outputs of a run, and its statuses.
pub(crate) struct OutputStore {
    pub(crate) statuses: Statuses,
    columns: Columns,
    /// A cell for each output. Empty if no output leaves early, so that the usual run need not ask
    /// about one.
    shared: Vec<Shared>,
    /// In a run for some targets: how many consumers each output still has.
    consumers: Option<Box<Consumers>>,
    /// In a run with a recorder: the encoded outputs that are yet to be recorded.
    records: Option<Box<Records>>,
}

/// What makes an output: a task, or one of its elements.
pub(crate) type Producer = (NodeIndex, Option<usize>);

type Records = Mutex<HashMap<Producer, Vec<u8>>>;

impl fmt::Debug for OutputStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputStore").finish_non_exhaustive()
    }
}

impl OutputStore {
    /// A store with no room yet; see [`grow`](Self::grow).
    pub(crate) fn new(nodes: usize, layout: &Layout) -> Self {
        Self {
            statuses: Statuses::with_capacity(nodes),
            columns: layout.columns.iter().map(ColumnSpan::make).collect(),
            shared: Vec::new(),
            consumers: None,
            records: None,
        }
    }

    /// A store without outputs.
    pub(crate) fn of_report(statuses: Statuses) -> Self {
        Self {
            statuses,
            columns: Columns::new(),
            shared: Vec::new(),
            consumers: None,
            records: None,
        }
    }

    /// Encodes the outputs of recorded tasks.
    pub(crate) fn keep_records(&mut self) {
        self.records = Some(Box::default());
    }

    /// Takes the encoded form of an output that was just stored.
    pub(crate) fn take_record(&self, producer: Producer) -> Option<Vec<u8>> {
        let records = self.records.as_ref()?;
        let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
        records.remove(&producer)
    }

    /// Makes room for up to `slice` more nodes, and as many outputs of each type. Returns whether
    /// that is done.
    pub(crate) fn grow(&mut self, nodes: usize, layout: &Layout, slice: usize) -> bool {
        let mut done = self.statuses.grow(nodes, slice);
        for (span, column) in layout.columns.iter().zip(&mut self.columns) {
            done &= span.grow(column, slice);
        }
        done & (layout.moved.is_empty() || self.grow_shared(layout, slice))
    }

    fn grow_shared(&mut self, layout: &Layout, slice: usize) -> bool {
        let outputs = layout.len();
        let to = outputs.min(self.shared.len().saturating_add(slice));
        self.shared.reserve_exact(outputs - self.shared.len());
        self.shared.resize_with(to, Shared::default);
        to == outputs
    }

    /// Drops every output that is not `kept` when the last of its uses ended. `visit` is to call
    /// its argument with the output of each use.
    pub(crate) fn keep_only(
        &mut self,
        layout: &Layout,
        kept: BitSet,
        visit: impl FnOnce(&mut dyn FnMut(NodeIndex)),
    ) {
        let mut uses: Vec<u32> = (0..layout.len()).map(|_| 0).collect();
        visit(&mut |output| {
            if let Some(cell) = layout.cell(output) {
                uses[layout.ordinal(cell)] += 1;
            }
        });
        self.grow_shared(layout, usize::MAX);
        self.consumers = Some(Box::new(Consumers::new(kept, uses)));
    }

    /// Whether outputs leave the run when their last use ended.
    pub(crate) fn counts_uses(&self) -> bool {
        self.consumers.is_some()
    }

    /// Takes note that a use of an output has ended, and drops the output if that was the last.
    pub(crate) fn used(&self, layout: &Layout, output: NodeIndex) {
        let (Some(consumers), Some(cell)) = (&self.consumers, layout.cell(output)) else {
            return;
        };
        let ordinal = layout.ordinal(cell);
        if consumers.used(ordinal) && !consumers.keep(output) {
            let value = self.shared[ordinal].cell().take();
            unwind::contain(|| drop(value));
        }
    }

    /// Drops what cannot be handed out when the run is over: every output that did not stay, and what a
    /// task stored that then ended otherwise.
    pub(crate) fn close(&mut self, layout: &Layout, all_succeeded: bool) {
        for shared in std::mem::take(&mut self.shared) {
            let value = shared.cell().take();
            unwind::contain(|| drop(value));
        }
        self.consumers = None;
        if !all_succeeded {
            for node in NodeIndex::all(self.statuses.len()) {
                if !self.statuses.get(node).is_success() {
                    layout.clear(&mut self.columns, node);
                }
            }
        }
    }

    /// Takes out the outputs. The statuses are left.
    pub(crate) fn take_columns(&mut self) -> Columns {
        std::mem::take(&mut self.columns)
    }
}

/// The outputs of a run, for reading and writing them.
#[derive(Clone, Copy)]
pub struct Outputs<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) store: &'a OutputStore,
}

impl fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outputs").finish_non_exhaustive()
    }
}

impl<'a> Outputs<'a> {
    /// Whether every output stays in the run to its end.
    pub(crate) fn keeps_all(self) -> bool {
        self.store.shared.is_empty()
    }

    /// Stores the output of a task.
    #[inline]
    pub(crate) fn set<T: Any + Send + Sync>(self, node: NodeIndex, value: T) {
        if is_unit::<T>() {
            return;
        }
        let Some(cell) = self.layout.cell(node) else {
            return;
        };
        if !self.keeps_all() && self.leaves_early(node) {
            return self.set_leaving(cell, Arc::new(value));
        }
        match Column::of(&self.store.columns[cell.column as usize]) {
            Some(column) => column.set(cell.row, value),
            // Given in place of a value of the flow.
            None => self.set_shared(node, Arc::new(value)),
        }
    }

    /// Stores a share in a value as the output of a task.
    #[cold]
    pub(crate) fn set_shared<T: Any + Send + Sync>(self, node: NodeIndex, value: Arc<T>) {
        let Some(cell) = self.layout.cell(node) else {
            return;
        };
        if !self.keeps_all() && self.leaves_early(node) {
            return self.set_leaving(cell, value);
        }
        if let Some(column) = Column::of(&self.store.columns[cell.column as usize]) {
            column.set(cell.row, value);
        }
    }

    /// The record of an output, if there is to be one.
    #[inline]
    pub(crate) fn encode<T>(
        self,
        codec: Option<CodecFns<T>>,
        value: &T,
    ) -> Result<Option<Vec<u8>>, BoxError> {
        match (codec, &self.store.records) {
            (Some(codec), Some(_)) => (codec.encode)(value).map(Some),
            _ => Ok(None),
        }
    }

    /// Keeps the record of an output, if there is one, until it is [taken](OutputStore::take_record).
    #[inline]
    pub(crate) fn keep_record(self, producer: Producer, record: Option<Vec<u8>>) {
        if let Some(record) = record {
            self.insert_record(producer, record);
        }
    }

    #[cold]
    fn insert_record(self, producer: Producer, record: Vec<u8>) {
        if let Some(records) = &self.store.records {
            let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
            records.insert(producer, record);
        }
    }

    #[cold]
    fn set_leaving<T: Any + Send + Sync>(self, cell: CellIndex, value: Arc<T>) {
        let ordinal = self.layout.ordinal(cell);
        let consumers = self.store.consumers.as_ref();
        match consumers.is_some_and(|consumers| consumers.none(ordinal)) {
            true => unwind::contain(|| drop(value)),
            false => *self.store.shared[ordinal].cell() = Some(value),
        }
    }

    #[cold]
    fn leaves_early(self, node: NodeIndex) -> bool {
        let consumers = self.store.consumers.as_ref();
        self.layout.mover(node).is_some()
            || consumers.is_some_and(|consumers| !consumers.keep(node))
    }

    /// The output of a task that succeeded, if it stays in the run.
    #[inline]
    pub(crate) fn get<T: Any + Send + Sync>(self, node: NodeIndex) -> Option<&'a T> {
        match self.layout.cell(node) {
            Some(cell) => column::get(&self.store.columns[cell.column as usize], cell.row),
            None if self.store.statuses.get(node).is_success() => unit(),
            None => None,
        }
    }

    /// A share in an output that may leave the run while it is used; `None` if it stays.
    #[inline]
    pub(crate) fn share<T: Any + Send + Sync>(self, node: NodeIndex) -> Option<Arc<T>> {
        if self.keeps_all() {
            return None;
        }
        let ordinal = self.layout.ordinal(self.layout.cell(node)?);
        let shared = self.store.shared[ordinal].cell().clone();
        shared?.downcast().ok()
    }

    /// Calls `f` with an output, wherever that is kept.
    pub(crate) fn with<T: Any + Send + Sync, O>(
        self,
        node: NodeIndex,
        f: impl FnOnce(&T) -> O,
    ) -> Option<O> {
        match self.share(node) {
            Some(output) => Some(f(&*output)),
            None => self.get(node).map(f),
        }
    }

    /// Takes an output out of the run, for the one consumer that takes it by value.
    pub(crate) fn take<T: Any + Send + Sync>(self, node: NodeIndex) -> Option<T> {
        if is_unit::<T>() {
            return owned_unit();
        }
        let ordinal = self.layout.ordinal(self.layout.cell(node)?);
        let shared = self.store.shared[ordinal].cell().take();
        Arc::into_inner(shared?.downcast().ok()?)
    }
}

/// Whether `T` is `()`.
pub(crate) fn is_unit<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<()>()
}

/// A reference to a `()`, which is not stored; `None` unless `T` is `()`.
pub(crate) fn unit<T: Any>() -> Option<&'static T> {
    let unit: &'static dyn Any = &();
    unit.downcast_ref()
}

/// A `()` as a `T`; `None` unless that is what `T` is.
pub(crate) fn owned_unit<T: Any>() -> Option<T> {
    let unit: Box<dyn Any> = Box::new(());
    unit.downcast().ok().map(|unit| *unit)
}
