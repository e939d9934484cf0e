//! Declares flows as groups: functions that run in series, and functions that run in parallel. The
//! functions know nothing of flows.
//!
//! ```text
//! cargo run --example series_parallel --features tokio
//! ```
//!
//! Compare the order of the lines with the two declarations in `main`.

mod backend;

use asyncflow::prelude::*;
use asyncflow::{FlowError, Member};
use backend::{AppFlow, block_on};

fn main() -> Result<(), FlowError> {
    use kitchen::*;

    println!("A flow written as one expression:");
    let stove = Lock::new();
    let flow = AppFlow::from(series![
        wash,
        chop,
        parallel![
            with_lock(boil, &stove),
            with_lock(fry, &stove),
            series![lay_table, light_candles],
        ],
    ]);
    block_on(flow.execute())?;

    println!("Groups made at run time, with other tasks:");
    let mut flow = AppFlow::new();

    // A group can run after a task, and a task after a group.
    let washed = flow.add(wash);
    let cooked = flow.add(parallel![boil, fry].after(washed));
    let laid = flow.add(lay_table.after(washed));

    // `with` adds a member to a parallel group, and `then` adds one to a series.
    let mut arrivals = Parallel::new();
    for table in [1, 2] {
        arrivals = arrivals.with(move || seat(table));
    }
    let evening = Series::new().then(arrivals).then(light_candles);

    // A group can also be collected, from async functions or from `Member`s.
    let courses = ["soup", "fish", "cake"].into_iter();
    let meal: Series = courses.clone().map(|dish| move || serve(dish)).collect();
    let clearing: Parallel = courses
        .map(|dish| Member::new(move || take_away(dish)))
        .collect();

    let evening = flow.add(evening.then(meal).then(clearing).after((cooked, laid)));
    flow.add((|| println!("  good night")).after(evening));
    block_on(flow.execute())?;
    Ok(())
}

mod kitchen {
    use std::time::Duration;

    use crate::backend::sleep;

    pub(crate) async fn wash() {
        step("wash").await;
    }

    pub(crate) async fn chop() {
        step("chop").await;
    }

    pub(crate) async fn boil() {
        step("boil").await;
    }

    pub(crate) async fn fry() {
        step("fry").await;
    }

    pub(crate) async fn lay_table() {
        step("lay the table").await;
    }

    pub(crate) async fn light_candles() {
        step("light candles").await;
    }

    pub(crate) async fn seat(table: u32) {
        step(&format!("seat the guests at table {table}")).await;
    }

    pub(crate) async fn serve(dish: &str) {
        step(&format!("serve the {dish}")).await;
    }

    pub(crate) fn take_away(dish: &str) {
        println!("  take away the {dish}");
    }

    async fn step(what: &str) {
        sleep(Duration::from_millis(20)).await;
        println!("  {what}");
    }
}
