//! The current run: the one of which this thread is polling or calling a task.
//!
//! A task may execute a flow by hand. That run has to know which run it is inside of: so that the
//! outer run does not end before it, and so that it does not wait for a blocking thread that only
//! the outer run could set free.

use std::cell::{Cell, RefCell};

use super::guard::RunGuard;

thread_local! {
    static CURRENT: RefCell<Option<RunGuard>> = const { RefCell::new(None) };
    static HANDS_OVER: Cell<bool> = const { Cell::new(false) };
}

/// A guard of the current run.
pub(crate) fn current() -> Option<RunGuard> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

/// Calls `give_back`, which does not panic: a task of the current run gives back what another may wait
/// for, and ends. So the driver that polls it goes on with the other, if that is of the same run.
pub(super) fn hand_over(give_back: impl FnOnce()) {
    // A thread that ends has no current run any more.
    let _ = HANDS_OVER.try_with(|hands_over| hands_over.set(true));
    give_back();
    let _ = HANDS_OVER.try_with(|hands_over| hands_over.set(false));
}

/// Whether this is called because a task of this run [hands over](hand_over).
pub(super) fn hands_over(run: &RunGuard) -> bool {
    let is_current = |current: &RefCell<Option<RunGuard>>| {
        let current = current.borrow();
        current.as_ref().is_some_and(|current| current.is_of(run))
    };
    HANDS_OVER.try_with(Cell::get) == Ok(true) && CURRENT.try_with(is_current) == Ok(true)
}

/// A guard that is kept to make its run the current one. Moved there and back, so that this touches
/// no reference count.
#[derive(Debug)]
pub(crate) struct CurrentRun(Option<RunGuard>);

impl CurrentRun {
    pub(crate) fn new(guard: &RunGuard) -> Self {
        Self(Some(guard.clone()))
    }

    /// Calls `work`, which does not panic, while the run is the current one.
    pub(crate) fn enter<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // A thread that ends has no current run any more.
        let swap = |guard: &mut Option<RunGuard>| {
            let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), guard));
        };
        swap(&mut self.0);
        let result = work();
        swap(&mut self.0);
        result
    }
}
