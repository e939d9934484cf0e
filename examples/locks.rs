//! Locks and semaphores: how many tasks are inside at once.
//!
//! ```text
//! cargo run --example locks --features tokio
//! ```

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

/// A `Lock` lets in one task at a time. The others wait for it without occupying a thread.
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

/// A `Semaphore` lets in a number of them.
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

/// A task can need several permits: here each brings three people into a room for four.
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

/// One lock excludes across flows too. As a `static` it is one for the whole program.
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
    // Both run from here on; awaiting one after the other waits for both.
    let (first, second) = (first.start(), second.start());
    first.await?;
    second.await?;
    println!("two flows, one lock:         {} of 6 at once", ROOM.most());
    Ok(())
}

/// Counts who is inside, and remembers the most that were at once.
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

    async fn visit(&self, people: usize) {
        let inside = self.inside.fetch_add(people, Relaxed) + people;
        self.most.fetch_max(inside, Relaxed);
        sleep(Duration::from_millis(20)).await;
        self.inside.fetch_sub(people, Relaxed);
    }

    fn most(&self) -> usize {
        self.most.load(Relaxed)
    }
}
