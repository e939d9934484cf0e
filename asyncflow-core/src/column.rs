//! Columns: the outputs of all tasks of one type, in one allocation.
//!
//! A run has a column for each type of output, so an output needs no box of its own, and is found
//! by its column and its place in it. What type a column is of is known to those who write and
//! read it, and checked each time.

use std::any::{Any, TypeId};
use std::fmt;
use std::mem::needs_drop;

use spin::Once;

use crate::run::unwind;

/// The outputs of one type.
//
// A cell is written by one thread and read by those that the scheduler starts later, so nobody ever
// spins on one. `OnceLock` would do the same with two atomic read-modify-writes in place of one.
pub(crate) struct Column<T>(Vec<Once<T>>);

/// A column whose type is known to those who use it.
pub(crate) type AnyColumn = Box<dyn Any + Send + Sync>;

impl<T: Any + Send + Sync> Column<T> {
    fn make(len: usize) -> AnyColumn {
        Box::new(Self(Vec::with_capacity(len)))
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

    /// Writes a value; drops it if there is one already.
    #[inline]
    pub(crate) fn set(&self, place: u32, value: T) {
        let mut value = Some(value);
        let cell = &self.0[place as usize];
        cell.call_once(|| value.take().expect("it is called at most once"));
        // Only an attempt that is wanted stores anything, so this is never a value that anybody
        // waits for.
        if needs_drop::<T>() && value.is_some() {
            unwind::contain(|| drop(value));
        }
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.0[place as usize].get()
    }

    pub(crate) fn take(column: &mut AnyColumn, place: u32) -> Option<T> {
        let column: &mut Self = column.downcast_mut()?;
        take(&mut column.0[place as usize])
    }

    fn clear(column: &mut AnyColumn, place: u32) {
        let value = Self::take(column, place);
        unwind::contain(|| drop(value));
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
    /// A column with no room yet.
    pub(crate) make: fn(usize) -> AnyColumn,
    /// Makes room for some more, up to so many in all. Whether that was the last of it.
    pub(crate) grow: fn(&mut AnyColumn, usize, usize) -> bool,
    pub(crate) clear: fn(&mut AnyColumn, u32),
}

impl ColumnType {
    /// The type of the column for outputs of type `T`; none for `()`, which is nowhere kept.
    pub(crate) fn of<T: Any + Send + Sync>() -> Option<Self> {
        let id = TypeId::of::<T>();
        (id != TypeId::of::<()>()).then_some(Self {
            id,
            make: Column::<T>::make,
            grow: Column::<T>::grow,
            clear: Column::<T>::clear,
        })
    }
}

impl fmt::Debug for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Where the output of a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) column: u32,
    pub(crate) place: u32,
}
