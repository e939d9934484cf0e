//! Limits how many tasks run at the same time, with locks and semaphores.
//!
//! ```text
//! cargo run --example locks --features tokio
//! ```
//!
//! It prints how many tasks were in a room at the same time. Compare that with the limit.

mod backend;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on, sleep};

fn main() -> Result<(), FlowError> {
    block_on(async {
        one_at_a_time().await?;
        two_at_a_time().await?;
        several_permits().await?;
        one_lock_for_two_flows().await
    })
}

/// A `Lock` is held by one task at a time. The others wait for it without blocking a thread.
async fn one_at_a_time() -> Result<(), FlowError> {
    static ROOM: Room = Room::new();
    let lock = Lock::new();

    let mut flow = AppFlow::new();
    for _ in 0..6 {
        flow.add((|| ROOM.visit(1)).with_lock(&lock));
    }
    flow.execute().await?;
    println!("a lock:                      {} of 6 at once", ROOM.most());
    Ok(())
}

/// A `Semaphore` is held by up to a given number of tasks at a time.
async fn two_at_a_time() -> Result<(), FlowError> {
    static ROOM: Room = Room::new();
    let semaphore = Semaphore::new(2);

    let mut flow = AppFlow::new();
    for _ in 0..6 {
        flow.add((|| ROOM.visit(1)).with_lock(&semaphore));
    }
    flow.execute().await?;
    println!("a semaphore of 2:            {} of 6 at once", ROOM.most());
    Ok(())
}

/// A task can hold several permits: here some tasks need three of four, others one.
async fn several_permits() -> Result<(), FlowError> {
    static ROOM: Room = Room::new();
    let semaphore = Semaphore::new(4);

    let mut flow = AppFlow::new();
    for _ in 0..3 {
        flow.add((|| ROOM.visit(3)).with_lock(semaphore.permits(3)));
        flow.add((|| ROOM.visit(1)).with_lock(&semaphore));
    }
    flow.execute().await?;
    println!("threes and ones, room for 4: {} of 12 at once", ROOM.most());
    Ok(())
}

/// A lock can be shared by several flows. A `static` lock is shared by the whole program.
async fn one_lock_for_two_flows() -> Result<(), FlowError> {
    static LOCK: Lock = Lock::new();
    static ROOM: Room = Room::new();

    let mut first = AppFlow::new();
    let mut second = AppFlow::new();
    for flow in [&mut first, &mut second] {
        for _ in 0..3 {
            flow.add((|| ROOM.visit(1)).with_lock(&LOCK));
        }
    }
    // Both run from here on, although they are awaited one after the other.
    let (first, second) = (first.start(), second.start());
    first.await?;
    second.await?;
    println!("two flows, one lock:         {} of 6 at once", ROOM.most());
    Ok(())
}

/// Counts how much of the room is taken, and remembers the maximum.
struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Room {
    const fn new() -> Self {
        Self {
            inside: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    async fn visit(&self, size: usize) {
        let inside = self.inside.fetch_add(size, Relaxed) + size;
        self.most.fetch_max(inside, Relaxed);
        sleep(Duration::from_millis(20)).await;
        self.inside.fetch_sub(size, Relaxed);
    }

    fn most(&self) -> usize {
        self.most.load(Relaxed)
    }
}
