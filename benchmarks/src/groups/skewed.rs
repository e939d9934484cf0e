//! Parallel chains of ten tasks, each with one slow task; neighbouring chains have it at different
//! levels.
//!
//! An engine that runs layer by layer waits in every layer for the slow tasks of that layer.

use super::Group;
use crate::measure::Mode;
use crate::plan::{Plan, Work};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "skewed",
    about: "50 chains of ten tasks, in each of which one sleeps 10 ms: 10 ms at best, 100 ms layer by layer",
    run: |suite| {
        let plan = Plan::new(Shape::Skewed, 500).work(Work::SkewedSleep(10));
        let sheet = Sheet {
            title: "50 chains, one slow task each, run only".to_owned(),
            cases: vec![("skewed".to_owned(), plan)],
            mode: Mode::Run,
            unit: Unit::Millis,
            mean: false,
        };
        sheet.run(suite);
        Ok(())
    },
};
