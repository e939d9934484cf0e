//! Figure 1 of the Python package that asyncflow comes from: eight functions, `f` to `m`.
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

mod backend;

use std::time::{Duration, Instant};

use asyncflow::prelude::*;
use asyncflow::{FlowError, Observer, TaskRef};
use backend::{AppFlow, block_on, sleep};

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();
    // `g` ends first, so `h` starts beside `f`, while `i` still waits for `f`.
    let f = flow.add(f);
    let g = flow.add(g);
    flow.add(h.after(g));
    let i = flow.add(i.after([f, g]));
    // `k` ends first, so `l` starts beside `j`: no step waits for the others of its row.
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

/// Prints when each task starts and ends; a column for each.
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
