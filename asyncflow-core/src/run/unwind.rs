//! Panics: caught in one place, so that none escapes a run.
//!
//! A panic's payload is a value of the user's, whose `Drop` may panic in turn; so payloads are
//! never just dropped either.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `f`; gives the payload if it panics.
///
/// That what `f` touched may be left half-done is of no concern: it is the task's own, and nothing
/// reads it after the task panicked.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Calls `f`, and lets a panic of it go no further.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch(f) {
        discard(payload);
    }
}

/// Drops a payload, and lets a panic of its `Drop` go no further.
pub(crate) fn discard(payload: Payload) {
    if let Err(again) = catch(|| drop(payload)) {
        // Whoever panics in the drop of a panic's payload may well do so again.
        std::mem::forget(again);
    }
}

/// The message of a panic, if it carried one.
pub(crate) fn message(payload: &Payload) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
