//! What it costs to pass a value along.

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "data",
    about: "a chain that passes a `usize` along, beside one that does not",
    run: |session| {
        let size = session.options.pick(2_000, 10_000);
        let plan = Plan::new(Shape::Chain, size);
        for mode in [Mode::Run, Mode::Life] {
            if session.options.quick && mode == Mode::Life {
                continue;
            }
            let sheet = Sheet {
                title: format!("chain of {}, {mode}", tasks(size)),
                cases: vec![("unit".to_owned(), plan), ("usize".to_owned(), plan.data())],
                mode,
                unit: Unit::NanosPerTask,
                mean: false,
            };
            sheet.run(session);
        }
        Ok(())
    },
};
