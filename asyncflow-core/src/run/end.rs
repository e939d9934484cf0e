//! How a task ended, as the engine passes it on.

use std::time::Duration;

use crate::output::BoxError;

use super::unwind::{self, Payload};

/// How one call of a task's function ended, or why it was not called.
#[doc(hidden)]
#[derive(Debug)]
pub enum End {
    /// It returned, and its output is stored.
    Done,
    /// It returned an error.
    Failed(BoxError),
    /// It panicked.
    Panicked(PanicPayload),
    /// It took longer than it was allowed to.
    TimedOut(Duration),
    /// The run stopped before it returned.
    Cancelled,
    /// A blocking thread has it now, and will settle it.
    HandedOver,
}

impl End {
    /// Drops an end that nobody asks about, whatever the error or payload does in its `Drop`.
    pub(crate) fn discard(self) {
        match self {
            Self::Panicked(payload) => unwind::discard(payload.0),
            end => unwind::contain(|| drop(end)),
        }
    }
}

/// The payload of a panic, on its way to the error.
#[doc(hidden)]
#[derive(Debug)]
pub struct PanicPayload(pub(crate) Payload);

/// What has become of a task, as one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Not settled: it waits, or runs.
    Open = 0,
    Succeeded,
    Given,
    Failed,
    Panicked,
    TimedOut,
    Skipped,
    Cancelled,
    NotSelected,
}

impl Status {
    pub(crate) fn from_byte(byte: u8) -> Self {
        const ALL: [Status; 9] = [
            Status::Open,
            Status::Succeeded,
            Status::Given,
            Status::Failed,
            Status::Panicked,
            Status::TimedOut,
            Status::Skipped,
            Status::Cancelled,
            Status::NotSelected,
        ];
        ALL[byte as usize]
    }

    /// Whether what is downstream may start.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::Given)
    }
}
