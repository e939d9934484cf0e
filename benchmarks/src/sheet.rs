//! A sheet: several cases side by side, with all contenders in each.

use crate::contender::Unfit;
use crate::contenders::baseline;
use crate::measure::{Mode, Outcome, measure};
use crate::plan::Plan;
use crate::statistics::{Figure, geometric_mean};
use crate::suite::Suite;
use crate::table::{Table, cell, readable};

/// The unit of a sheet's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds per task.
    NanosPerTask,
    /// Microseconds per task.
    MicrosPerTask,
    /// Milliseconds for the whole graph.
    Millis,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::NanosPerTask => "ns per task",
            Unit::MicrosPerTask => "µs per task",
            Unit::Millis => "ms",
        }
    }

    /// The factor that converts seconds.
    fn factor(self, tasks: usize) -> f64 {
        match self {
            Unit::NanosPerTask => 1e9 / tasks as f64,
            Unit::MicrosPerTask => 1e6 / tasks as f64,
            Unit::Millis => 1e3,
        }
    }
}

/// What to measure and how to show it.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What the table shows.
    pub title: String,
    /// A name for each plan, and the plan.
    pub cases: Vec<(String, Plan)>,
    /// What is timed.
    pub mode: Mode,
    /// The unit of the figures.
    pub unit: Unit,
    /// Whether a geometric mean over the cases makes sense.
    pub mean: bool,
}

/// The figures of one contender, one per case, in the unit of the sheet.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender.
    pub name: &'static str,
    /// Its figures.
    pub outcomes: Vec<Outcome>,
}

impl Row {
    fn figures(&self) -> Vec<Option<Figure>> {
        let figures = self.outcomes.iter();
        figures
            .map(|outcome| outcome.as_ref().ok().copied())
            .collect()
    }

    /// The geometric mean of its figures, if it has all of them.
    pub fn mean(&self) -> Option<Figure> {
        geometric_mean(&self.figures())
    }
}

impl Sheet {
    /// Measures and reports the sheet. Returns the figures.
    pub fn run(&self, suite: &mut Suite) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for contender in &suite.contenders {
            rows.push(Row {
                name: contender.name(),
                outcomes: Vec::new(),
            });
        }
        for (label, plan) in &self.cases {
            eprintln!("  {}: {label} …", self.title);
            let factor = self.unit.factor(plan.tasks);
            let outcomes = measure(
                &suite.contenders,
                &mut suite.trials,
                plan,
                self.mode,
                suite.effort,
            );
            for (row, outcome) in rows.iter_mut().zip(outcomes) {
                row.outcomes
                    .push(outcome.map(|figure| figure.scaled(factor)));
            }
        }
        // A contender that can express none of the cases would be an empty row.
        rows.retain(|row| {
            let unsupported = |outcome: &Outcome| matches!(outcome, Err(Unfit::Unsupported(_)));
            !row.outcomes.iter().all(unsupported)
        });
        self.report(suite, &rows);
        rows
    }

    fn report(&self, suite: &mut Suite, rows: &[Row]) {
        let mean = self.mean && self.cases.len() > 1;
        let mut columns = vec!["contender".to_owned()];
        columns.extend(self.cases.iter().map(|(label, _)| label.clone()));
        columns.extend(mean.then(|| "geometric mean".to_owned()));
        let line = |name: &str, figures: Vec<Option<Figure>>, show: fn(f64) -> String| {
            let cells = figures.into_iter().map(|figure| cell(figure, show));
            [name.to_owned()]
                .into_iter()
                .chain(cells)
                .collect::<Vec<_>>()
        };

        let title = format!("{}: {}, median (minimum)", self.title, self.unit.name());
        let mut table = Table::new(title, columns.clone());
        for row in rows {
            let mut figures = row.figures();
            figures.extend(mean.then(|| row.mean()));
            table.rows.push(line(row.name, figures, readable));
        }
        table.notes = self.notes(rows);
        suite.report(table);

        let Some(base) = rows.iter().find(|row| row.name == baseline()) else {
            return;
        };
        let title = format!(
            "{}: ratio to {}, of medians (of minima)",
            self.title, base.name
        );
        let mut table = Table::new(title, columns);
        for row in rows {
            let pairs = row.figures().into_iter().zip(base.figures());
            let mut ratios: Vec<Option<Figure>> = pairs
                .map(|(figure, base)| Some(figure?.relative_to(base?)))
                .collect();
            if mean {
                ratios.push(geometric_mean(&ratios));
            }
            let show = |ratio| format!("{ratio:.2}");
            table.rows.push(line(row.name, ratios, show));
        }
        suite.report(table);
    }

    /// Why cells are empty: a line for each reason, with the cases to which it applies.
    fn notes(&self, rows: &[Row]) -> Vec<String> {
        let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
        for row in rows {
            let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
            for (outcome, (label, _)) in row.outcomes.iter().zip(&self.cases) {
                if let Err(unfit) = outcome {
                    gather(&mut reasons, unfit.to_string(), label);
                }
            }
            for (reason, labels) in reasons {
                gather(
                    &mut notes,
                    format!("{}: {reason}", labels.join(", ")),
                    row.name,
                );
            }
        }
        let note = |(reason, names): (String, Vec<&str>)| format!("{}, {reason}", names.join(", "));
        notes.into_iter().map(note).collect()
    }
}

/// Adds `item` to the group with this key.
fn gather<'a>(groups: &mut Vec<(String, Vec<&'a str>)>, key: String, item: &'a str) {
    match groups.iter_mut().find(|(known, _)| *known == key) {
        Some((_, items)) => items.push(item),
        None => groups.push((key, vec![item])),
    }
}
