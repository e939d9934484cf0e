//! What is measured: each group is a question.

mod dagx_set;
mod data;
mod fairness;
mod growth;
mod locks;
mod memory;
mod million;
mod mixed;
mod plain;
mod shapes;
mod skewed;
mod sleep;
mod spin;
mod yields;

use std::io;

use crate::plan::{Plan, Work};
use crate::session::Session;
use crate::shape::Shape;

/// A question, and how it is answered.
#[expect(missing_debug_implementations, reason = "it is a table of constants")]
pub struct Group {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// Measures it and reports.
    pub run: fn(&mut Session) -> io::Result<()>,
}

/// All groups, in the order in which they are run.
pub const GROUPS: &[Group] = &[
    shapes::GROUP,
    dagx_set::GROUP,
    plain::GROUP,
    yields::GROUP,
    spin::GROUP,
    sleep::GROUP,
    skewed::GROUP,
    mixed::GROUP,
    locks::GROUP,
    data::GROUP,
    fairness::GROUP,
    memory::GROUP,
    growth::GROUP,
    million::GROUP,
];

/// The five shapes at that size with that work, each under its name.
fn five_shapes(tasks: usize, work: Work) -> Vec<(String, Plan)> {
    let case = |shape: Shape| (shape.to_string(), Plan::new(shape, tasks).work(work));
    Shape::FIVE.into_iter().map(case).collect()
}

/// A number of tasks, as people write it.
fn tasks(count: usize) -> String {
    format!("{} tasks", crate::table::readable(count as f64))
}
