//! Plain and async functions in one graph, alternating.

use super::{Group, by_shape, tasks};
use crate::measure::Mode;
use crate::plan::{Functions, Plan};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "mixed",
    about: "plain and async functions, alternating",
    run: |suite| {
        let size = suite.options.pick(2_000, 10_000);
        let plan = |shape| Plan::new(shape, size).functions(Functions::Mixed);
        let sheet = Sheet {
            title: format!("plain and async functions, {}, run only", tasks(size)),
            cases: by_shape(&Shape::FIVE, plan),
            mode: Mode::Run,
            unit: Unit::NanosPerTask,
            mean: true,
        };
        sheet.run(suite);
        Ok(())
    },
};
