//! Tasks that are pending at their first poll.

use super::{Group, by_shape, tasks};
use crate::measure::Mode;
use crate::plan::{Plan, Work};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "yield",
    about: "tasks that yield once, and ten times",
    run: |suite| {
        let size = suite.options.pick(2_000, 10_000);
        let all = [(1, "once"), (10, "ten times")];
        for &(times, text) in &all[..suite.options.pick(1, 2)] {
            let sheet = Sheet {
                title: format!("tasks that yield {text}, {}, run only", tasks(size)),
                cases: by_shape(&Shape::FIVE, |shape| {
                    Plan::new(shape, size).work(Work::Yield(times))
                }),
                mode: Mode::Run,
                unit: Unit::NanosPerTask,
                mean: true,
            };
            sheet.run(suite);
        }
        Ok(())
    },
};
