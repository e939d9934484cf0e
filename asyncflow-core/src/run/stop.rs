//! Stopping: whether the tasks of a run may start.
//!
//! A [`Mode`] other than `Go` lets no task start that is not for clean-up. The tasks that are ready
//! are ended as cancelled, so that the clean-up behind them becomes ready. The tasks that wait are
//! woken, and dropped by the driver that takes them; see [`super::scheduler`].

use std::task::Waker;

use crate::node_index::NodeIndex;
use crate::sync::{AtomicU8, Ordering};

use super::execution::Execution;
use super::stop_list::StopKey;

/// Whether tasks may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Mode {
    /// All that are ready.
    Go = 0,
    /// Only those for clean-up. Set when a task fails, by a call that cancels the run, or when the
    /// deadline passes.
    Stopping = 1,
    /// None: the future of the run was dropped.
    Dropped = 2,
}

/// Set in the same byte as the mode once any node has a skip cause.
const SKIPS: u8 = 4;

/// The mode of a run, and whether any node is to be skipped: one byte that is zero as long as
/// nothing is out of the ordinary.
#[derive(Debug)]
pub(crate) struct Alert(AtomicU8);

impl Alert {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(Mode::Go as u8))
    }

    /// Whether nothing is out of the ordinary. What a node is to be skipped for is ordered before
    /// this by what makes the node ready.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.0.load(Ordering::Acquire) & !SKIPS {
            0 => Mode::Go,
            1 => Mode::Stopping,
            _ => Mode::Dropped,
        }
    }

    pub(crate) fn note_skips(&self) {
        if self.0.load(Ordering::Relaxed) & SKIPS == 0 {
            self.0.fetch_or(SKIPS, Ordering::AcqRel);
        }
    }

    /// Makes the mode at least as strong as this. Returns whether it was weaker before.
    pub(super) fn strengthen(&self, mode: Mode) -> bool {
        let stronger = |before: u8| Some((before & !SKIPS).max(mode as u8) | before & SKIPS);
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, stronger);
        before.is_ok_and(|before| before & !SKIPS < mode as u8)
    }
}

impl Execution {
    pub(crate) fn mode(&self) -> Mode {
        self.alert.mode()
    }

    /// Lets no more tasks start, and wakes those that wait. Returns whether it was this that did so.
    pub(crate) fn stop(&self, mode: Mode) -> bool {
        let stops = self.alert.strengthen(mode);
        if stops {
            self.wake_all();
        }
        stops
    }

    /// Wakes every task that waits, and all on the stop list, so that they look whether they are to
    /// stop.
    pub(super) fn wake_all(&self) {
        self.scheduler.wake_all();
        self.stop_list.wake_all();
    }

    /// Lists a waker that is woken when the run stops.
    pub(super) fn list(&self, key: &mut Option<StopKey>, waker: &Waker) {
        self.stop_list.insert(key, waker);
    }

    pub(super) fn unlist(&self, key: StopKey) {
        self.stop_list.remove(key);
    }

    /// Whether the mode keeps a task from starting, or from waiting on.
    pub(crate) fn stops_task(&self, node: NodeIndex) -> bool {
        match self.mode() {
            Mode::Go => false,
            Mode::Stopping => !self.node(node).always(),
            Mode::Dropped => true,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_mode_becomes_stronger_and_never_weaker() {
        let alert = Alert::new();
        assert!(alert.is_quiet() && alert.mode() == Mode::Go);
        for (mode, stronger, after) in [
            (Mode::Go, false, Mode::Go),
            (Mode::Stopping, true, Mode::Stopping),
            (Mode::Stopping, false, Mode::Stopping),
            (Mode::Dropped, true, Mode::Dropped),
            (Mode::Stopping, false, Mode::Dropped),
        ] {
            assert_eq!(alert.strengthen(mode), stronger);
            assert_eq!(alert.mode(), after);
        }
    }

    #[test]
    fn skips_and_the_mode_do_not_change_each_other() {
        let alert = Alert::new();
        alert.note_skips();
        assert!(!alert.is_quiet() && alert.mode() == Mode::Go);
        assert!(alert.strengthen(Mode::Stopping));
        alert.note_skips();
        assert!(!alert.strengthen(Mode::Stopping));
        assert_eq!(
            alert.0.load(Ordering::Relaxed),
            Mode::Stopping as u8 | SKIPS
        );
    }
}
