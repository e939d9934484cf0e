//! dagx's own comparison set, on which its README compares it with dagrs.

use std::io;
use std::time::Duration;

use super::Group;
use crate::dagx_set::{Item, SetContender, all};
use crate::measure::Mode;
use crate::runtime::Entry;
use crate::session::Session;
use crate::statistics::{Figure, Samples, geometric_mean};
use crate::table::{Table, readable};

/// Lives whose mean is one sample, so that a sample takes about this long.
const SAMPLE: Duration = Duration::from_millis(2);
const MOST_LIVES: u128 = 500;

pub(super) const GROUP: Group = Group {
    name: "dagx-set",
    about: "dagx's own comparison set: small graphs that pass data, built, run and dropped",
    run,
};

fn run(session: &mut Session) -> io::Result<()> {
    let wanted = &session.options.contenders;
    let mut contenders = all();
    contenders.retain(|contender| {
        wanted.is_empty() || wanted.iter().any(|part| contender.name().contains(part))
    });
    // These graphs are so small that it matters from where they are executed.
    for (entry, text) in [
        (Entry::BlockOn, "from `block_on`, as in #[tokio::main]"),
        (Entry::Worker, "from a spawned task"),
    ] {
        let columns = Item::ALL.map(|item| item.name().to_owned());
        let columns = ["contender".to_owned()].into_iter().chain(columns);
        let title = format!(
            "{}, {text}: µs per graph, median (minimum)",
            mode(Mode::Life)
        );
        let mut table = Table::new(title, columns.chain(["geometric mean".to_owned()]));
        let mut rows = vec![Vec::new(); contenders.len()];
        for item in Item::ALL {
            eprintln!("  dagx's set, {text}: {} …", item.name());
            let figures = measure(&contenders, item, entry, session, &mut table.notes);
            for (row, figure) in rows.iter_mut().zip(figures) {
                row.push(figure);
            }
        }
        let show = |figure: Option<Figure>, show: fn(f64) -> String| match figure {
            Some(figure) => format!("{} ({})", show(figure.median), show(figure.minimum)),
            None => "–".to_owned(),
        };
        let name = |index: usize| contenders[index].name().to_owned();
        for (index, row) in rows.iter().enumerate() {
            let figures = row.iter().copied().chain([geometric_mean(row)]);
            let cells = figures.map(|figure| show(figure, readable));
            table
                .rows
                .push([name(index)].into_iter().chain(cells).collect());
        }
        let Some(dagx) = (0..rows.len()).find(|&index| name(index) == "dagx") else {
            session.report(table);
            continue;
        };
        let title =
            format!("dagx's set, {text}: how many times faster than dagx, of medians (of minima)");
        let mut ratios = Table::new(title, table.columns.clone());
        for (index, row) in rows.iter().enumerate() {
            let pairs = row.iter().zip(&rows[dagx]);
            let mut figures: Vec<Option<Figure>> = pairs
                .map(|(figure, dagx)| Some((*dagx)?.relative_to((*figure)?)))
                .collect();
            figures.push(geometric_mean(&figures));
            let cells = figures.into_iter().map(|figure| show(figure, readable));
            ratios
                .rows
                .push([name(index)].into_iter().chain(cells).collect());
        }
        session.report(table);
        session.report(ratios);
    }
    Ok(())
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Run => "dagx's set, run only",
        Mode::Life => "dagx's set, build, run and drop",
    }
}

/// One item on all contenders, taking turns. Contenders with a wrong result are noted, not timed.
fn measure(
    contenders: &[Box<dyn SetContender>],
    item: Item,
    entry: Entry,
    session: &Session,
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
    for round in 0..=session.effort.rounds {
        for (contender, lane) in contenders.iter().zip(&mut lanes) {
            // A sample is many lives, so that what was cold before it hardly counts.
            let Some((lives, samples)) = lane else {
                continue;
            };
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
