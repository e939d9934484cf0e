//! The smallest flow with parallel work: setup, two tasks at the same time, shutdown.
//!
//! ```text
//! cargo run --example quickstart --features tokio
//! ```
//!
//! Look at the order of the lines: both tasks start after the setup, and the shutdown waits for both.

mod backend;

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on, sleep};

async fn setup() {
    say("setup starts");
    sleep(Duration::from_millis(50)).await;
    say("setup is done");
}

// An async function runs on the executor.
async fn work_1() {
    say("work_1 starts");
    sleep(Duration::from_millis(200)).await;
    say("work_1 is done");
}

// Any other function runs on a blocking thread.
fn work_2() {
    say("work_2 starts");
    thread::sleep(Duration::from_millis(100));
    say("work_2 is done");
}

async fn shutdown() {
    say("shutdown");
}

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();
    let setup = flow.add(setup);
    let work_1 = flow.add(work_1.after(setup));
    let work_2 = flow.add(work_2.after(setup));
    flow.add(shutdown.after([work_1, work_2]));

    let run = block_on(flow.execute().timed())?;
    println!("\n{}", run.report());
    Ok(())
}

/// Prints a line with the time since the first line.
fn say(what: &str) {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    println!("{:4} ms  {what}", START.elapsed().as_millis());
}
