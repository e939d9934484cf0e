//! Independent tasks that contend for the same permits.

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::{Permits, Plan, Work};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "locks",
    about: "independent tasks that contend for a lock, or for a semaphore of four",
    run: |suite| {
        for size in [10, 100, suite.options.pick(2_000, 10_000)] {
            let mut cases = Vec::new();
            for (name, permits) in [
                ("lock", Permits::Lock),
                ("semaphore", Permits::Semaphore(4)),
            ] {
                for (work, text) in [(Work::Nothing, "no-op"), (Work::Yield(1), "yields once")] {
                    let plan = Plan::new(Shape::Independent, size);
                    cases.push((format!("{name}, {text}"), plan.permits(permits).work(work)));
                }
            }
            let sheet = Sheet {
                title: format!("contended permits, {}, run only", tasks(size)),
                cases,
                mode: Mode::Run,
                unit: Unit::NanosPerTask,
                mean: false,
            };
            sheet.run(suite);
        }
        Ok(())
    },
};
