//! Tasks that are not done at their first poll.

use super::{Group, five_shapes, tasks};
use crate::measure::Mode;
use crate::plan::Work;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "yield",
    about: "tasks that yield once, and ten times",
    run: |session| {
        let size = if session.options.quick { 2_000 } else { 10_000 };
        let all = [(1, "once"), (10, "ten times")];
        let measured = if session.options.quick {
            &all[..1]
        } else {
            &all
        };
        for &(times, text) in measured {
            let sheet = Sheet {
                title: format!("tasks that yield {text}, {}, run only", tasks(size)),
                cases: five_shapes(size, Work::Yield(times)),
                mode: Mode::Run,
                unit: Unit::NanosPerTask,
                mean: true,
            };
            sheet.run(session);
        }
        Ok(())
    },
};
