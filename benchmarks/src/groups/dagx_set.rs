//! dagx's own comparison set, on which its README compares it with dagrs.

use std::io;
use std::time::Duration;

use super::Group;
use crate::contenders;
use crate::dagx_set::{Item, SetContender};
use crate::measure::Mode;
use crate::runtime::Entry;
use crate::statistics::{Figure, Samples, geometric_mean};
use crate::suite::Suite;
use crate::table::{Table, cell, readable};

/// A sample is the mean of as many lives as take about this long together.
const SAMPLE: Duration = Duration::from_millis(2);
const MOST_LIVES: u128 = 500;

pub(super) const GROUP: Group = Group {
    name: "dagx-set",
    about: "dagx's own comparison set: small graphs that pass data, built, run and dropped",
    run,
};

fn run(suite: &mut Suite) -> io::Result<()> {
    let mut contenders = contenders::dagx_set();
    contenders.retain(|contender| suite.options.wants(contender.name()));
    // The graphs are so small that it matters where they are executed from.
    for (entry, text) in [
        (Entry::BlockOn, "from `block_on`, as in #[tokio::main]"),
        (Entry::Worker, "from a spawned task"),
    ] {
        let columns = Item::ALL.map(|item| item.name().to_owned());
        let columns = ["contender".to_owned()].into_iter().chain(columns);
        let title = format!(
            "dagx's set, {}, {text}: µs per graph, median (minimum)",
            Mode::Life
        );
        let mut table = Table::new(title, columns.chain(["geometric mean".to_owned()]));
        let mut rows = vec![Vec::new(); contenders.len()];
        for item in Item::ALL {
            eprintln!("  dagx's set, {text}: {} …", item.name());
            let figures = measure(&contenders, item, entry, suite, &mut table.notes);
            for (row, figure) in rows.iter_mut().zip(figures) {
                row.push(figure);
            }
        }
        let line = |index: usize, mut figures: Vec<Option<Figure>>| {
            figures.push(geometric_mean(&figures));
            let cells = figures.into_iter().map(|figure| cell(figure, readable));
            let name = contenders[index].name().to_owned();
            [name].into_iter().chain(cells).collect::<Vec<String>>()
        };
        for (index, row) in rows.iter().enumerate() {
            table.rows.push(line(index, row.clone()));
        }
        let Some(dagx) = contenders.iter().position(|other| other.name() == "dagx") else {
            suite.report(table);
            continue;
        };
        let title =
            format!("dagx's set, {text}: how many times faster than dagx, of medians (of minima)");
        let mut ratios = Table::new(title, table.columns.clone());
        for (index, row) in rows.iter().enumerate() {
            let pairs = row.iter().zip(&rows[dagx]);
            let figures = pairs.map(|(figure, dagx)| Some((*dagx)?.relative_to((*figure)?)));
            ratios.rows.push(line(index, figures.collect()));
        }
        suite.report(table);
        suite.report(ratios);
    }
    Ok(())
}

/// Measures one graph on all contenders, which take turns. A contender whose result is wrong is
/// noted and not timed.
fn measure(
    contenders: &[Box<dyn SetContender>],
    item: Item,
    entry: Entry,
    suite: &Suite,
    notes: &mut Vec<String>,
) -> Vec<Option<Figure>> {
    let mut lanes: Vec<Option<(u32, Samples)>> = Vec::new();
    for contender in contenders {
        let (value, time) = contender.lives(item, 2, entry);
        if value != item.expected() {
            notes.push(format!(
                "{}, {}: WRONG: {value} instead of {}",
                contender.name(),
                item.name(),
                item.expected()
            ));
            lanes.push(None);
            continue;
        }
        let life = (time / 2).as_nanos().max(1);
        let lives = (SAMPLE.as_nanos() / life).clamp(1, MOST_LIVES);
        lanes.push(Some((
            u32::try_from(lives).unwrap_or(1),
            Samples::default(),
        )));
    }
    for round in 0..=suite.effort.rounds {
        for (contender, lane) in contenders.iter().zip(&mut lanes) {
            let Some((lives, samples)) = lane else {
                continue;
            };
            // No warm-up in each turn: a sample has enough lives that cold caches hardly count.
            let (_, time) = contender.lives(item, *lives, entry);
            // The first round only warms up.
            if round > 0 {
                samples.push(time / *lives);
            }
        }
    }
    let figures = lanes.into_iter().map(|lane| lane?.1.figure());
    figures.map(|figure| Some(figure?.scaled(1e6))).collect()
}
