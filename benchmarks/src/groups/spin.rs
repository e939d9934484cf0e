//! Tasks that compute: how much of the machine an engine leaves to them.

use std::time::Duration;

use super::{Group, five_shapes, tasks};
use crate::measure::Mode;
use crate::plan::Work;
use crate::sheet::{Sheet, Unit};
use crate::spin::calibrate;

const LENGTH: Duration = Duration::from_micros(20);

pub(super) const GROUP: Group = Group {
    name: "spin",
    about: "20 µs of CPU work in each task",
    run: |session| {
        let size = if session.options.quick { 300 } else { 10_000 };
        let rounds = calibrate(LENGTH);
        let sheet = Sheet {
            title: format!("20 µs of CPU work, {}, run only", tasks(size)),
            cases: five_shapes(size, Work::Spin(rounds)),
            mode: Mode::Run,
            unit: Unit::MicrosPerTask,
            mean: false,
        };
        sheet.run(session);
        session.say(
            "`ideal (no graph)` is the same work on two bare threads, one for the chain. \
             It is measured beside the others: two busy cores may be slower than one.",
        );
        Ok(())
    },
};
