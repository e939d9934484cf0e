//! Drops values that may be nested to any depth: flows in flows, their runs and their errors.
//!
//! Each value owns the next, so an ordinary drop would recurse and overflow the stack. Here, a value
//! that is dropped while its thread is dropping another one is put on a list, and dropped after that
//! one.

use std::any::Any;
use std::cell::RefCell;

use crate::unwind;

thread_local! {
    /// The values to drop next. `None` while this thread is not dropping any.
    static LATER: RefCell<Option<Vec<Box<dyn Any>>>> = const { RefCell::new(None) };
}

/// Drops a value. If this is called while another value is being dropped, drops it after that one.
///
/// # Panics
///
/// Resumes the first panic of a drop, after all other values have been dropped.
pub(crate) fn deep_drop<T: Any>(value: T) {
    let mut value = Some(value);
    let first = LATER.try_with(|later| {
        let mut later = later.borrow_mut();
        match &mut *later {
            Some(list) => {
                list.extend(value.take().map(|value| Box::new(value) as Box<dyn Any>));
                false
            }
            None => {
                *later = Some(Vec::new());
                true
            }
        }
    });
    // Otherwise the value is on the list, or the thread is ending and has no list any more. Then the
    // value is dropped by returning.
    let Ok(true) = first else { return };
    let mut panicked = unwind::catch(|| drop(value)).err();
    while let Some(next) = next() {
        if let Err(payload) = unwind::catch(|| drop(next)) {
            match panicked {
                None => panicked = Some(payload),
                Some(_) => unwind::discard(payload),
            }
        }
    }
    match panicked {
        Some(payload) if std::thread::panicking() => unwind::discard(payload),
        Some(payload) => std::panic::resume_unwind(payload),
        None => {}
    }
}

/// Returns a value from the list. Removes the list if it is empty.
fn next() -> Option<Box<dyn Any>> {
    LATER.with_borrow_mut(|later| {
        let next = later.as_mut().and_then(Vec::pop);
        if next.is_none() {
            *later = None;
        }
        next
    })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Nested {
        inner: Vec<Nested>,
        dropped: Arc<AtomicUsize>,
        panics: bool,
    }

    impl Drop for Nested {
        fn drop(&mut self) {
            for inner in std::mem::take(&mut self.inner) {
                deep_drop(inner);
            }
            self.dropped.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a panic");
        }
    }

    fn nested(depth: usize, panics: bool, dropped: &Arc<AtomicUsize>) -> Nested {
        let leaf = |inner| Nested {
            inner,
            dropped: Arc::clone(dropped),
            panics,
        };
        (0..depth).fold(leaf(vec![]), |inner, _| leaf(vec![inner, leaf(vec![])]))
    }

    #[test]
    fn nested_deeply() {
        let dropped = Arc::default();
        deep_drop(nested(100_000, false, &dropped));
        assert_eq!(dropped.load(Ordering::Relaxed), 200_001);
    }

    #[test]
    fn the_rest_is_dropped_after_a_panic() {
        let dropped = Arc::default();
        let value = nested(10, true, &dropped);
        let result = catch_unwind(AssertUnwindSafe(|| deep_drop(value)));
        assert!(result.is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 21);
        deep_drop(nested(10, false, &dropped));
        assert_eq!(dropped.load(Ordering::Relaxed), 42);
    }
}
