//! How the time per task grows with the size of the graph.

use super::{Group, tasks};
use crate::chart::{Chart, Series};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Sheet, Unit};

pub(super) const GROUP: Group = Group {
    name: "growth",
    about: "time per task from a thousand tasks to a million, layers of 100 with 4 edges each",
    run: |suite| {
        let sizes: &[usize] = if suite.options.quick {
            &[1_000, 5_000, 20_000]
        } else {
            &[1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
        };
        let case = |&size: &usize| (tasks(size), Plan::new(Shape::Layers, size));
        let sheet = Sheet {
            title: "layers of 100 with 4 edges each, run only".to_owned(),
            cases: sizes.iter().map(case).collect(),
            mode: Mode::Run,
            unit: Unit::NanosPerTask,
            mean: false,
        };
        let rows = sheet.run(suite);
        let series = rows.into_iter().map(|row| {
            let points = sizes.iter().zip(row.outcomes);
            let points =
                points.filter_map(|(&size, outcome)| Some((size as f64, outcome.ok()?.median)));
            Series {
                name: row.name.to_owned(),
                points: points.collect(),
            }
        });
        let chart = Chart {
            title: "Time per task as the graph grows".to_owned(),
            subtitle: "layers of 100 no-op tasks, 4 edges each, run only, 2 workers, median"
                .to_owned(),
            x: "tasks".to_owned(),
            y: "ns per task".to_owned(),
            series: series.filter(|series| !series.points.is_empty()).collect(),
        };
        suite.write_chart("growth.svg", &chart.to_svg())
    },
};
