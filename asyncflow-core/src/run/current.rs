//! The current run: the one of which this thread is polling or calling a task.
//!
//! A task may execute a flow by hand. That run has to know which run it is inside of: so that the
//! outer run does not end before it, and so that it does not wait for a blocking thread that only
//! the outer run could set free.

use std::cell::{Cell, RefCell};

use super::guard::RunGuard;

thread_local! {
    static CURRENT: RefCell<Option<RunGuard>> = const { RefCell::new(None) };
    static LEFT_TO_DRIVER: Cell<bool> = const { Cell::new(false) };
}

/// A guard of the current run.
pub(crate) fn current() -> Option<RunGuard> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

/// Calls `give_back`, which does not panic: a task of the current run ends, and gives back what another
/// may wait for. The driver that polls it goes on with the other one, so nobody is invited for it.
pub(super) fn without_invitation(give_back: impl FnOnce()) {
    // A thread that ends has no current run any more.
    let set = |given| LEFT_TO_DRIVER.try_with(|left| left.set(given));
    let _ = set(true);
    give_back();
    let _ = set(false);
}

/// Whether what is woken now is left to the driver of this run that is at work on this thread.
pub(super) fn is_left_to_driver(run: &RunGuard) -> bool {
    let is_current = |current: &RefCell<Option<RunGuard>>| {
        let current = current.borrow();
        current.as_ref().is_some_and(|current| current.is_of(run))
    };
    LEFT_TO_DRIVER.try_with(Cell::get) == Ok(true) && CURRENT.try_with(is_current) == Ok(true)
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
