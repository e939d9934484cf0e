//! Tasks that do nothing: what an engine costs.

use super::{Group, by_shape, tasks};
use crate::bars::{BarGroup, Bars};
use crate::measure::Mode;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::sheet::{Row, Sheet, Unit};
use crate::table::readable;

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

/// How many times as long as the first bar of the chart the others may be. Beside longer ones, one could not
/// tell the short ones apart.
const LONGEST: f64 = 20.0;

/// What a task costs, in the mean over the shapes.
fn chart(size: usize, rows: &[Row]) -> Bars {
    let bars = rows.iter().filter_map(|row| {
        let mean = row.mean()?;
        Some((row.name.to_owned(), mean.minimum))
    });
    let bars: Vec<(String, f64)> = bars.collect();
    let longest = bars.first().map_or(0.0, |(_, first)| LONGEST * first);
    let (bars, beyond): (Vec<_>, Vec<_>) = bars.into_iter().partition(|bar| bar.1 <= longest);
    let beyond = beyond
        .iter()
        .map(|(name, figure)| format!("{name} {} ns", readable(*figure)));
    let beyond: Vec<String> = beyond.collect();
    Bars {
        title: "What a task costs".to_owned(),
        subtitle: format!(
            "{} that do nothing, run only, 2 workers, geometric mean of the minima of five shapes",
            tasks(size)
        ),
        unit: "ns".to_owned(),
        groups: vec![BarGroup {
            title: match beyond.is_empty() {
                true => String::new(),
                false => format!(
                    "not drawn, because it takes over {LONGEST} times as long: {}",
                    beyond.join(", ")
                ),
            },
            bars,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Figure;

    #[test]
    fn the_chart_names_what_it_leaves_out() {
        let row = |(name, minimum): (&'static str, f64)| Row {
            name,
            outcomes: vec![Ok(Figure {
                median: 2.0 * minimum,
                minimum,
            })],
        };
        let chart = chart(
            10_000,
            &[("first", 3.0), ("long", 59.0), ("longer", 61.0)].map(row),
        );
        let [group] = &*chart.groups else {
            panic!("one group")
        };
        let drawn: Vec<&str> = group.bars.iter().map(|bar| &*bar.0).collect();
        assert_eq!(drawn, ["first", "long"]);
        assert_eq!(
            group.title,
            "not drawn, because it takes over 20 times as long: longer 61.0 ns"
        );
    }
}
