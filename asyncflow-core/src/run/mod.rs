//! Running: one execution of a graph, from its roots to its end.
//!
//! Each module is one idea:
//!
//! * [`execution`]: what all threads of a run share, and how a task that ended makes others ready;
//! * [`agent`]: who keeps a run alive, and how its end is found; [`blank`]: how it begins;
//! * [`pending`]: when a task becomes ready; [`ready`]: where it lies until it is taken;
//!   [`roster`]: how many drivers there are;
//! * [`drive`]: the future that works through ready tasks, and waits with one that is pending;
//! * [`crew`] and [`blocking`]: the same for plain functions, on blocking threads;
//! * [`supervise`]: tasks that need permits, a time limit or several attempts;
//! * [`slots`]: `max_concurrency`; [`waiting`]: whom to wake when a run stops;
//! * [`ledger`], [`consumers`], [`fates`], [`end`]: outputs, who needs them, statuses and blame, ends;
//! * [`watch`]: clocks and observers;
//! * [`unwind`]: where panics are caught.

pub(crate) mod agent;
pub(crate) mod blank;
pub(crate) mod blocking;
pub(crate) mod consumers;
pub(crate) mod crew;
pub(crate) mod drive;
pub(crate) mod end;
pub(crate) mod execution;
pub(crate) mod fates;
pub(crate) mod ledger;
pub(crate) mod pending;
pub(crate) mod ready;
pub(crate) mod roster;
pub(crate) mod slots;
pub(crate) mod supervise;
pub(crate) mod unwind;
pub(crate) mod waiting;
pub(crate) mod watch;
