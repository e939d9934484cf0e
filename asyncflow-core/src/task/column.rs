//! Columns: the outputs of all tasks of one type, in one allocation.
//!
//! A run has a column for each type of output, so an output needs no box of its own. It is found by
//! its column and its row there. The code that reads and writes a column knows its type, which is
//! checked each time.

use std::any::{Any, TypeId};
use std::fmt;
use std::mem::needs_drop;
use std::sync::Arc;

use smallvec::SmallVec;
use spin::Once;

use crate::unwind;

/// The outputs of one type.
//
// A cell is written by one thread and read by threads that start later, so no thread ever spins on
// one. `OnceLock` would do the same with two atomic read-modify-writes in place of one.
pub(crate) struct Column<T>(
    /// In place if there is only one.
    SmallVec<[Once<T>; 1]>,
);

/// A column without its type.
pub(crate) type AnyColumn = Box<dyn Any + Send + Sync>;

impl<T: Any + Send + Sync> Column<T> {
    fn make(len: usize) -> AnyColumn {
        Box::new(Self(SmallVec::with_capacity(len)))
    }

    fn grow(column: &mut AnyColumn, len: usize, slice: usize) -> bool {
        let Some(Self(cells)) = column.downcast_mut() else {
            return true;
        };
        let to = len.min(cells.len().saturating_add(slice));
        cells.resize_with(to, Once::new);
        to == len
    }

    #[inline]
    pub(crate) fn of(column: &AnyColumn) -> Option<&Self> {
        column.downcast_ref()
    }

    /// Writes a value. Drops it if there is one already.
    #[inline]
    pub(crate) fn set(&self, row: u32, value: T) {
        let mut value = Some(value);
        let cell = &self.0[row as usize];
        cell.call_once(|| value.take().expect("it is called at most once"));
        // An attempt stores its output only if it is still wanted, so nothing waits for a value that
        // is dropped here.
        if needs_drop::<T>() && value.is_some() {
            unwind::contain(|| drop(value));
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: u32) -> Option<&T> {
        self.0[row as usize].get()
    }

    pub(crate) fn take(column: &mut AnyColumn, row: u32) -> Option<T> {
        let column: &mut Self = column.downcast_mut()?;
        take(&mut column.0[row as usize])
    }

    fn clear(column: &mut AnyColumn, row: u32) {
        let value = Self::take(column, row);
        unwind::contain(|| drop(value));
    }
}

/// The output at a row of a column, whether that has values or shares in values.
#[inline]
pub(crate) fn get<T: Any + Send + Sync>(column: &AnyColumn, row: u32) -> Option<&T> {
    match Column::of(column) {
        Some(column) => column.get(row),
        None => get_shared(column, row),
    }
}

#[cold]
fn get_shared<T: Any + Send + Sync>(column: &AnyColumn, row: u32) -> Option<&T> {
    Column::<Arc<T>>::of(column)?.get(row).map(Arc::as_ref)
}

/// Takes an output out of a column. A value that others have a share in stays.
pub(crate) fn take_output<T: Any + Send + Sync>(column: &mut AnyColumn, row: u32) -> Option<T> {
    if Column::<T>::of(column).is_some() {
        return Column::take(column, row);
    }
    let shared = Column::<Arc<T>>::of(column)?.get(row)?;
    match Arc::strong_count(shared) {
        1 => Arc::into_inner(Column::<Arc<T>>::take(column, row)?),
        _ => None,
    }
}

impl<T> Drop for Column<T> {
    fn drop(&mut self) {
        if needs_drop::<T>() {
            for cell in &mut self.0 {
                let value = take(cell);
                unwind::contain(|| drop(value));
            }
        }
    }
}

fn take<T>(cell: &mut Once<T>) -> Option<T> {
    std::mem::take(cell).try_into_inner()
}

/// The type of a column, as a value.
#[derive(Clone, Copy)]
pub(crate) struct ColumnType {
    pub(crate) id: TypeId,
    /// Makes a column with room for some rows.
    make: fn(usize) -> AnyColumn,
    /// See [`ColumnSpan::grow`].
    grow: fn(&mut AnyColumn, usize, usize) -> bool,
    clear: fn(&mut AnyColumn, u32),
}

impl ColumnType {
    /// The type of the column for outputs of type `T`. There is none for `()`, which is not stored.
    pub(crate) fn of<T: Any + Send + Sync>() -> Option<Self> {
        let id = TypeId::of::<T>();
        (id != TypeId::of::<()>()).then_some(Self {
            id,
            make: Column::<T>::make,
            grow: Column::<T>::grow,
            clear: Column::<T>::clear,
        })
    }

    /// The type of the column for shares in values of type `T`, which are lent as a `T`.
    pub(crate) fn of_shared<T: Any + Send + Sync>() -> Option<Self> {
        Self::of::<T>().and_then(|_| Self::of::<Arc<T>>())
    }
}

impl fmt::Debug for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Where an output lies: in which column, and in which row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellIndex {
    pub(crate) column: u32,
    pub(crate) row: u32,
}

/// A column of a layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnSpan {
    pub(crate) kind: ColumnType,
    pub(crate) len: u32,
    /// How many outputs are in the columns before this one.
    pub(crate) before: u32,
}

impl ColumnSpan {
    /// A column with no rows yet, and room for all of them.
    pub(crate) fn make(&self) -> AnyColumn {
        (self.kind.make)(self.len as usize)
    }

    /// Adds up to `slice` rows. Returns whether the column is complete.
    pub(crate) fn grow(&self, column: &mut AnyColumn, slice: usize) -> bool {
        (self.kind.grow)(column, self.len as usize, slice)
    }

    /// Drops an output.
    pub(crate) fn clear(&self, column: &mut AnyColumn, row: u32) {
        (self.kind.clear)(column, row);
    }
}
