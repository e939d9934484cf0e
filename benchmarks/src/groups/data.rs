//! What it costs to pass a value along.

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "data",
    about: "a chain that passes a `usize` along, beside one that does not",
    run: |suite| {
        let size = suite.options.pick(2_000, 10_000);
        let plan = Plan::new(Shape::Chain, size);
        for mode in [Mode::Run, Mode::Life] {
            if suite.options.quick && mode == Mode::Life {
                continue;
            }
            let sheet = Sheet {
                title: format!("chain of {}, {mode}", tasks(size)),
                cases: vec![("unit".to_owned(), plan), ("usize".to_owned(), plan.data())],
                mode,
                unit: Unit::NanosPerTask,
                mean: false,
            };
            sheet.run(suite);
        }
        Ok(())
    },
};
