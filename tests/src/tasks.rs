//! Task functions, retry policies and statuses.

use std::future::{Future, Ready, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;

use crate::{Gate, Guards, Log, turns};

/// The future of an async task that captured something.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Longer than any test takes.
pub const LONG: Duration = Duration::from_secs(3600);

/// Notes an event after everything else has had many turns.
pub fn slow(log: &Log, event: &'static str) -> impl Fn() -> Job + Send + Sync + use<> {
    let log = log.clone();
    move || {
        let log = log.clone();
        Box::pin(async move {
            turns(20).await;
            log.push(event);
        })
    }
}

/// Waits until a gate is open.
pub fn passes(gate: &Gate) -> impl Fn() -> Job + Clone + Send + Sync + use<> {
    let gate = gate.clone();
    move || {
        let gate = gate.clone();
        Box::pin(async move { gate.pass().await })
    }
}

/// Opens a gate.
pub fn opens(gate: &Gate) -> impl Fn() -> Ready<()> + Clone + Send + Sync + use<> {
    let gate = gate.clone();
    move || {
        gate.open();
        ready(())
    }
}

/// Counts how often it runs.
pub fn counts(count: &Arc<AtomicUsize>) -> impl Fn() -> Ready<()> + Clone + Send + Sync + use<> {
    let count = Arc::clone(count);
    move || {
        count.fetch_add(1, Ordering::Relaxed);
        ready(())
    }
}

/// Opens `started`, and waits until it is dropped. It holds a guard as long as it is alive.
pub fn waits(guards: &Guards, started: &Gate) -> impl Fn() -> Job + Clone + Send + Sync + use<> {
    waits_then_opens(guards, started, &Gate::new())
}

/// Like [`waits`]; opens `dropped` when it is dropped.
pub fn waits_then_opens(
    guards: &Guards,
    started: &Gate,
    dropped: &Gate,
) -> impl Fn() -> Job + Clone + Send + Sync + use<> {
    let (guards, started, dropped) = (guards.clone(), started.clone(), dropped.clone());
    move || {
        // Dropped in this order: the guard is gone when the gate opens.
        let held = (guards.guard(), dropped.opener());
        let started = started.clone();
        Box::pin(async move {
            let _held = held;
            started.open();
            pending::<()>().await;
        })
    }
}

/// A plain function, for which a stop comes too late: opens `started`, blocks until `dropped` is open, and
/// takes a little longer before it notes its end.
pub fn outlives_a_stop(
    log: &Log,
    guards: &Guards,
    started: &Gate,
    dropped: &Gate,
) -> impl Fn() + Send + Sync + use<> {
    let (log, guards) = (log.clone(), guards.clone());
    let (started, dropped) = (started.clone(), dropped.clone());
    move || {
        let _guard = guards.guard();
        started.open();
        dropped.pass_blocking();
        std::thread::sleep(Duration::from_millis(20));
        log.push("plain ended");
    }
}

/// So many attempts after the first, with a pause before each.
pub fn attempts_after(pause: Duration, times: usize) -> ConstantBuilder {
    ConstantBuilder::default()
        .with_delay(pause)
        .with_max_times(times)
}

/// So many attempts after the first, at once.
pub fn at_once(times: usize) -> ConstantBuilder {
    attempts_after(Duration::ZERO, times)
}

/// The status of a task that was skipped because of another.
pub fn skipped(because: impl Into<TaskId>) -> TaskStatus {
    TaskStatus::Skipped {
        because: because.into(),
    }
}

/// The message of the panic that `f` ends with.
///
/// # Panics
///
/// If it does not panic, or with something else than a message.
#[track_caller]
pub fn panic_message<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).expect_err("it did not panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}
