//! Columns: the outputs of all tasks of one type, in one allocation.
//!
//! A run has a column for each type of output, so an output needs no box of its own, and is found
//! by its column and its place in it. What type a column is of is known to those who write and
//! read it, and checked each time.

use std::any::{Any, TypeId};
use std::fmt;
use std::mem::needs_drop;
use std::sync::OnceLock;

use crate::run::unwind;

/// The outputs of one type.
pub(crate) struct Column<T>(Box<[OnceLock<T>]>);

/// A column whose type is known to those who use it.
pub(crate) type AnyColumn = Box<dyn Any + Send + Sync>;

impl<T: Any + Send + Sync> Column<T> {
    fn make(len: usize) -> AnyColumn {
        Box::new(Self((0..len).map(|_| OnceLock::new()).collect()))
    }

    #[inline]
    pub(crate) fn of(column: &AnyColumn) -> Option<&Self> {
        column.downcast_ref()
    }

    /// Writes a value; gives it back if there is one already.
    #[inline]
    pub(crate) fn set(&self, place: u32, value: T) -> Result<(), T> {
        self.0[place as usize].set(value)
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.0[place as usize].get()
    }

    pub(crate) fn take(column: &mut AnyColumn, place: u32) -> Option<T> {
        let column: &mut Self = column.downcast_mut()?;
        column.0[place as usize].take()
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
                let value = cell.take();
                unwind::contain(|| drop(value));
            }
        }
    }
}

/// The type of a column, as a value.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct ColumnType {
    pub(crate) id: TypeId,
    pub(crate) make: fn(usize) -> AnyColumn,
    pub(crate) clear: fn(&mut AnyColumn, u32),
}

impl ColumnType {
    /// The type of the column for outputs of type `T`; none for `()`, which is nowhere kept.
    pub(crate) fn of<T: Any + Send + Sync>() -> Option<Self> {
        let id = TypeId::of::<T>();
        (id != TypeId::of::<()>()).then_some(Self {
            id,
            make: Column::<T>::make,
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
