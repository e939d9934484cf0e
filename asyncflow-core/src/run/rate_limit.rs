//! Rate limits: how the starts of tasks are spaced.
//!
//! # Protocol
//!
//! A rate limit has one *turn*, which tasks get in the order in which they asked. Who has the turn waits until
//! the time has come, notes that it starts now, and gives the turn back. A task that is cancelled gives it
//! back as well, and nothing was noted, so no start is lost.
//!
//! A task may need permits and a slot besides, and several turns. It must hold none of these while it waits for
//! another that may be long in coming. But permits may be taken while it waits for the turn, and the time
//! may be over when it has got the permits. So it waits for *one* thing, and then takes everything else
//! if that is there. If not, it gives back what it has, and waits for what was missing. It starts when it has
//! all at once.
//!
//! A task waits for its permits in their one order and keeps the first ones while it waits for the others, as
//! any task does.

use std::pin::pin;
use std::task::Poll;

use crate::lock::{Permits, Rate};
use crate::node_index::NodeIndex;
use crate::pace::poll_once;
use crate::runtime::RuntimeSemaphore;
use crate::weighted_semaphore::WeightedPermits;

use super::blocking_call::Holds;
use super::concurrency_limit::Slot;
use super::guard::RunGuard;
use super::supervise::{Subject, acquire, until_stop};

/// The turn of a rate limit whose time has come.
struct Turn<'a> {
    rate: &'a Rate,
    _turn: WeightedPermits,
}

/// Takes everything that a task needs to start. `None` if the run stops before it has it all.
pub(super) async fn admit(guard: &RunGuard, task: NodeIndex, slot: Option<Slot>) -> Option<Holds> {
    match guard.node(task).rates() {
        [] => acquire(guard, task, slot).await,
        // Boxed, so that other tasks have no room for it in their futures.
        rates => Box::pin(admit_in_turn(guard, task, rates, slot)).await,
    }
}

async fn admit_in_turn(
    guard: &RunGuard,
    task: NodeIndex,
    rates: &[Permits],
    mut slot: Option<Slot>,
) -> Option<Holds> {
    let mut missing = None;
    loop {
        let first = match missing {
            None => None,
            Some(rate) => {
                drop(slot.take());
                if let Some(watch) = &guard.watch {
                    watch.waits(task, rate);
                }
                Some((
                    rate,
                    until_stop(guard, Subject::Task(task), turn(guard, rate)).await?,
                ))
            }
        };
        let turns = match turns_now(guard, rates, first) {
            Ok(turns) => turns,
            Err(rate) => {
                missing = Some(rate);
                continue;
            }
        };
        let mut acquiring = pin!(acquire(guard, task, slot.take()));
        let holds = match poll_once(acquiring.as_mut()).await {
            Poll::Ready(Some(holds)) => {
                start(guard, turns);
                return Some(holds);
            }
            Poll::Ready(None) => return None,
            Poll::Pending => {
                drop(turns);
                acquiring.await?
            }
        };
        match turns_now(guard, rates, None) {
            Ok(turns) => {
                start(guard, turns);
                return Some(holds);
            }
            Err(rate) => {
                missing = Some(rate);
                drop(holds.give_back_permits());
            }
        }
    }
}

/// Waits for the turn of a rate limit, and for its time.
async fn turn<'a>(guard: &RunGuard, permits: &'a Permits) -> Turn<'a> {
    let rate = permits.to_rate().expect("it is in the list of rate limits");
    let turn = rate.turn.acquire(1).await;
    let left = rate.left(guard.backend().now());
    if !left.is_zero() {
        guard.backend().sleep(left).await;
    }
    Turn { rate, _turn: turn }
}

/// The turns of all rate limits, of which the task has the `first` already, if their time has come. Or one
/// to wait for.
fn turns_now<'a>(
    guard: &RunGuard,
    rates: &'a [Permits],
    first: Option<(&'a Permits, Turn<'a>)>,
) -> Result<Vec<Turn<'a>>, &'a Permits> {
    let now = guard.backend().now();
    let mut turns = Vec::with_capacity(rates.len());
    let known = first.as_ref().map(|(permits, _)| permits.id());
    for permits in rates.iter().filter(|permits| Some(permits.id()) != known) {
        let rate = permits.to_rate().ok_or(permits)?;
        let turn = rate.turn.try_acquire(1).ok_or(permits)?;
        if !rate.left(now).is_zero() {
            return Err(permits);
        }
        turns.push(Turn { rate, _turn: turn });
    }
    turns.extend(first.map(|(_, turn)| turn));
    Ok(turns)
}

/// Notes that a task starts now.
fn start(guard: &RunGuard, turns: Vec<Turn<'_>>) {
    let now = guard.backend().now();
    for turn in turns {
        turn.rate.started(now);
    }
}
