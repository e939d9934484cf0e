//! Executes figure 1 of the Python package that asyncflow comes from: eight functions, `f` to `m`.
//!
//! ```text
//!   f     g
//!   │   ╭─┴─╮
//!   ╰─┬─╯   ▼
//!     ▼     h
//!     i
//!   ╭─┴─╮
//!   ▼   ▼
//!   j   k
//!   │   ▼
//!   │   l
//!   ╰─┬─╯
//!     ▼
//!     m
//! ```
//!
//! ```text
//! cargo run --example figure --features tokio
//! ```
//!
//! Look at when `h` and `l` start: each task starts as soon as its own upstreams have ended.

mod backend;

use std::time::{Duration, Instant};

use asyncflow::prelude::*;
use asyncflow::{FlowError, Observer, TaskRef};
use backend::{AppFlow, block_on, sleep};

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();
    // `g` ends before `f`. Then `h` starts, while `i` still waits for `f`.
    let f = flow.add(f);
    let g = flow.add(g);
    flow.add(h.after(g));
    let i = flow.add(i.after([f, g]));
    // `k` ends before `j`. Then `l` starts, while `j` still runs.
    let j = flow.add(j.after(i));
    let k = flow.add(k.after(i));
    let l = flow.add(l.after(k));
    flow.add(m.after([j, l]));

    block_on(flow.execute().observe(Columns(Instant::now())))?;
    Ok(())
}

async fn f() {
    sleep(Duration::from_millis(100)).await;
}

async fn g() {
    sleep(Duration::from_millis(40)).await;
}

async fn h() {
    sleep(Duration::from_millis(90)).await;
}

async fn i() {
    sleep(Duration::from_millis(60)).await;
}

async fn j() {
    sleep(Duration::from_millis(120)).await;
}

async fn k() {
    sleep(Duration::from_millis(40)).await;
}

async fn l() {
    sleep(Duration::from_millis(40)).await;
}

async fn m() {
    sleep(Duration::from_millis(20)).await;
}

/// Prints when each task starts and ends, in a column for each task.
struct Columns(Instant);

impl Columns {
    fn print(&self, task: TaskRef<'_>, what: &str) {
        let name = task.name();
        let indent = usize::from(name.as_bytes()[0] - b'f') * 6;
        println!(
            "{:4} ms  {:indent$}{name} {what}",
            self.0.elapsed().as_millis(),
            ""
        );
    }
}

impl Observer for Columns {
    fn task_started(&self, task: TaskRef<'_>, _attempt: u32) {
        self.print(task, "starts");
    }

    fn task_ended(&self, task: TaskRef<'_>, _status: TaskStatus) {
        self.print(task, "ends");
    }
}
