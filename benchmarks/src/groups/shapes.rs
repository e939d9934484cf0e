//! Tasks that do nothing: what an engine costs.

use super::{Group, by_shape, tasks};
use crate::bars::{BarGroup, Bars};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Row, Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "shapes",
    about: "async tasks that do nothing, over five shapes",
    run: |suite| {
        for size in suite.sizes.clone() {
            for mode in [Mode::Run, Mode::Life] {
                let sheet = Sheet {
                    title: format!("{}, {mode}", tasks(size)),
                    cases: by_shape(&Shape::FIVE, |shape| Plan::new(shape, size)),
                    mode,
                    unit: Unit::NanosPerTask,
                    mean: true,
                };
                let rows = sheet.run(suite);
                if mode == Mode::Run && size == suite.sizes[0] {
                    let chart = chart(size, &rows);
                    suite.write_chart("task.svg", &chart.to_svg())?;
                }
            }
        }
        Ok(())
    },
};

/// What a task costs, in the mean over the shapes.
fn chart(size: usize, rows: &[Row]) -> Bars {
    let bars = rows.iter().filter_map(|row| {
        let mean = row.mean()?;
        Some((row.name.to_owned(), mean.minimum))
    });
    Bars {
        title: "What a task costs".to_owned(),
        subtitle: format!(
            "{} that do nothing, run only, 2 workers, geometric mean of the minima of five shapes",
            tasks(size)
        ),
        unit: "ns".to_owned(),
        groups: vec![BarGroup {
            title: String::new(),
            bars: bars.collect(),
        }],
    }
}
