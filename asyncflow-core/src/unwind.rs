//! Panics: where all of them are caught, so that none escapes a run.
//!
//! The payload of a panic is a user's value, and its `Drop` may panic in turn. So a payload is
//! never dropped outside of [`discard`].

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `f`. Returns the payload if it panics.
///
/// `f` may leave values of the task half-done. That is sound, because nothing reads them after the
/// task panicked.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Calls `f`. Drops the payload if it panics.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch(f) {
        discard(payload);
    }
}

/// Drops a payload. Contains a panic of its `Drop`.
pub fn discard(payload: Payload) {
    if let Err(again) = catch(|| drop(payload)) {
        // Its `Drop` may panic as well, and so on.
        std::mem::forget(again);
    }
}

/// The message of a panic, if it carried one.
pub fn message(payload: &Payload) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
