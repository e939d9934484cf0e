//! Plain and async functions in one graph, alternating.

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::{Functions, Plan};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "mixed",
    about: "plain and async functions, alternating",
    run: |session| {
        let size = if session.options.quick { 2_000 } else { 10_000 };
        let case = |shape: Shape| {
            let plan = Plan::new(shape, size).functions(Functions::Mixed);
            (shape.to_string(), plan)
        };
        let sheet = Sheet {
            title: format!("plain and async functions, {}, run only", tasks(size)),
            cases: Shape::FIVE.map(case).into(),
            mode: Mode::Run,
            unit: Unit::NanosPerTask,
            mean: true,
        };
        sheet.run(session);
        Ok(())
    },
};
