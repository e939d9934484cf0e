//! What is measured: each group answers one question.

mod dagx_set;
mod data;
mod drift;
mod fairness;
mod growth;
mod locks;
mod memory;
mod million;
mod mixed;
mod plain;
mod server;
mod shapes;
mod skewed;
mod sleep;
pub(crate) mod small;
mod spin;
mod yields;

use std::io;

use crate::plan::Plan;
use crate::shape::Shape;
use crate::suite::Suite;

/// A question, and how it is answered.
#[expect(missing_debug_implementations, reason = "it is a table of constants")]
pub struct Group {
    /// The name on the command line.
    pub name: &'static str,
    /// What it measures, in a line.
    pub about: &'static str,
    /// Measures and reports.
    pub run: fn(&mut Suite) -> io::Result<()>,
}

/// All groups, in the order in which they are run.
pub const GROUPS: &[Group] = &[
    small::GROUP,
    server::GROUP,
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
    drift::GROUP,
    memory::GROUP,
    growth::GROUP,
    million::GROUP,
];

/// What a group of this library's own does in a program without it.
#[cfg(not(feature = "asyncflow"))]
mod left_out {
    use std::io;

    use crate::suite::Suite;

    pub(super) fn report(suite: &mut Suite) -> io::Result<()> {
        suite.say("left out without `--features asyncflow`");
        Ok(())
    }
}

/// A case for each shape, under the name of the shape.
fn by_shape(shapes: &[Shape], plan: impl Fn(Shape) -> Plan) -> Vec<(String, Plan)> {
    let cases = shapes.iter().map(|&shape| (shape.to_string(), plan(shape)));
    cases.collect()
}

/// A number of tasks, for people to read.
fn tasks(count: usize) -> String {
    format!("{} tasks", crate::table::readable(count as f64))
}
