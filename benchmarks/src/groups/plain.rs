//! Plain functions on blocking threads, compared with one `spawn_blocking` per task.

use super::{Group, by_shape, tasks};
use crate::measure::Mode;
use crate::plan::{Functions, Plan};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "plain",
    about: "plain functions on blocking threads",
    run: |suite| {
        let size = suite.options.pick(2_000, 10_000);
        let plan = |shape| Plan::new(shape, size).functions(Functions::Plain);
        let sheet = Sheet {
            title: format!("plain functions, {}, run only", tasks(size)),
            cases: by_shape(&[Shape::Independent, Shape::Chain, Shape::Layers], plan),
            mode: Mode::Run,
            unit: Unit::NanosPerTask,
            mean: false,
        };
        sheet.run(suite);
        Ok(())
    },
};
