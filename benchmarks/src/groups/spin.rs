//! Tasks that compute: how much CPU time an engine leaves to them.

use std::time::Duration;

use super::{Group, by_shape, tasks};
use crate::measure::Mode;
use crate::plan::{Plan, Work};
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};
use crate::spin::calibrate;

const LENGTH: Duration = Duration::from_micros(20);

pub(super) const GROUP: Group = Group {
    name: "spin",
    about: "20 µs of CPU work in each task",
    run: |suite| {
        let size = suite.options.pick(300, 10_000);
        let rounds = calibrate(LENGTH);
        let sheet = Sheet {
            title: format!("20 µs of CPU work, {}, run only", tasks(size)),
            cases: by_shape(&Shape::FIVE, |shape| {
                Plan::new(shape, size).work(Work::Spin(rounds))
            }),
            mode: Mode::Run,
            unit: Unit::MicrosPerTask,
            mean: false,
        };
        sheet.run(suite);
        suite.say(
            "`ideal (no graph)` is the same work on two plain threads, or one for the chain. It is \
             measured in the same rounds, because two busy cores may be slower than one.",
        );
        Ok(())
    },
};
