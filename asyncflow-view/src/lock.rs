//! A mutex that nobody poisons.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The engine contains panics of subscribers and of terminals; what one left here is as good as
/// before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
