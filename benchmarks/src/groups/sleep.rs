//! Tasks that all wait for a timer at the same time.

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::{Plan, Work};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "sleep",
    about: "independent tasks that each sleep 10 ms",
    run: |suite| {
        let size = suite.options.pick(2_000, 10_000);
        let plan = Plan::new(Shape::Independent, size).work(Work::Sleep(10));
        let sheet = Sheet {
            title: format!(
                "independent tasks that sleep 10 ms, {}, run only",
                tasks(size)
            ),
            cases: vec![("independent".to_owned(), plan)],
            mode: Mode::Run,
            unit: Unit::Millis,
            mean: false,
        };
        sheet.run(suite);
        Ok(())
    },
};
