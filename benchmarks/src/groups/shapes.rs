//! The cost of the engines themselves: tasks that do nothing.

use super::{Group, five_shapes, tasks};
use crate::measure::Mode;
use crate::plan::Work;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "shapes",
    about: "async tasks that do nothing, over five shapes",
    run: |session| {
        for size in session.sizes.clone() {
            for (mode, what) in [(Mode::Run, "run only"), (Mode::Life, "build, run and drop")] {
                let sheet = Sheet {
                    title: format!("{}, {what}", tasks(size)),
                    cases: five_shapes(size, Work::Nothing),
                    mode,
                    unit: Unit::NanosPerTask,
                    mean: true,
                };
                sheet.run(session);
            }
        }
        Ok(())
    },
};
