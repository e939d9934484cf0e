//! Tasks that do nothing: what an engine costs.

use super::{Group, by_shape, tasks};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "shapes",
    about: "async tasks that do nothing, over five shapes",
    run: |suite| {
        for size in suite.sizes.clone() {
            for mode in [Mode::Run, Mode::Life] {
                let sheet = Sheet {
                    title: format!("{}, {mode}", tasks(size)),
                    cases: by_shape(&Shape::FIVE, |shape| Plan::new(shape, size)),
                    mode,
                    unit: Unit::NanosPerTask,
                    mean: true,
                };
                sheet.run(suite);
            }
        }
        Ok(())
    },
};
