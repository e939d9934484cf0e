//! Plain functions on blocking threads, against one `spawn_blocking` per task.

use super::{Group, tasks};
use crate::measure::Mode;
use crate::plan::{Functions, Plan};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "plain",
    about: "plain functions on blocking threads",
    run: |session| {
        let size = if session.options.quick { 2_000 } else { 10_000 };
        let case = |shape: Shape| {
            let plan = Plan::new(shape, size).functions(Functions::Plain);
            (shape.to_string(), plan)
        };
        let sheet = Sheet {
            title: format!("plain functions, {}, run only", tasks(size)),
            cases: [Shape::Independent, Shape::Chain, Shape::Layers]
                .map(case)
                .into(),
            mode: Mode::Run,
            unit: Unit::NanosPerTask,
            mean: false,
        };
        sheet.run(session);
        Ok(())
    },
};
