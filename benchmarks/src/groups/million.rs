//! A million tasks with four million edges, beside ten thousand of the same shape.

use std::time::Duration;

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};
use crate::trial::Trials;

pub(super) const GROUP: Group = Group {
    name: "million",
    about: "layers of a million tasks with four million edges",
    run: |suite| {
        if suite.options.quick {
            suite.say("left out with --quick");
            return Ok(());
        }
        // One life takes longer here than the limit of the other groups.
        let trials = std::mem::replace(&mut suite.trials, Trials::new(Duration::from_secs(8)));
        for mode in [Mode::Run, Mode::Life] {
            let case = |size| (tasks(size), Plan::new(Shape::Layers, size));
            let sheet = Sheet {
                title: format!("layers of 100 with 4 edges each, {mode}"),
                cases: [10_000, 1_000_000].map(case).into(),
                mode,
                unit: Unit::NanosPerTask,
                mean: false,
            };
            sheet.run(suite);
        }
        suite.trials = trials;
        Ok(())
    },
};
