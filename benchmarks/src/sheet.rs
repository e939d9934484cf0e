//! A sheet: some cases side by side, all contenders on each.

use crate::contender::Unfit;
use crate::contenders::baseline;
use crate::measure::{Mode, Outcome, measure};
use crate::plan::Plan;
use crate::session::Session;
use crate::statistics::{Figure, geometric_mean};
use crate::table::{Table, readable};

/// In what a sheet's figures are given.
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

    /// What seconds are multiplied with.
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
    /// In what.
    pub unit: Unit,
    /// Whether the geometric mean over the cases makes sense.
    pub mean: bool,
}

/// One contender's figures, a case each, in the sheet's unit.
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

    fn mean(&self) -> Option<Figure> {
        geometric_mean(&self.figures())
    }
}

impl Sheet {
    /// Measures the sheet and reports it; returns the figures.
    pub fn run(&self, session: &mut Session) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for contender in &session.contenders {
            rows.push(Row {
                name: contender.name(),
                outcomes: Vec::new(),
            });
        }
        for (label, plan) in &self.cases {
            eprintln!("  {}: {label} …", self.title);
            let factor = self.unit.factor(plan.tasks);
            let outcomes = measure(
                &session.contenders,
                &mut session.trials,
                plan,
                self.mode,
                session.effort,
            );
            for (row, outcome) in rows.iter_mut().zip(outcomes) {
                row.outcomes
                    .push(outcome.map(|figure| figure.scaled(factor)));
            }
        }
        // Who can express none of the cases is left out of the tables: it would say nothing.
        rows.retain(|row| {
            let unsupported = |outcome: &Outcome| matches!(outcome, Err(Unfit::Unsupported(_)));
            !row.outcomes.iter().all(unsupported)
        });
        self.report(session, &rows);
        rows
    }

    fn report(&self, session: &mut Session, rows: &[Row]) {
        let mean = self.mean && self.cases.len() > 1;
        let columns = |first: &str| {
            let mut columns = vec![first.to_owned()];
            columns.extend(self.cases.iter().map(|(label, _)| label.clone()));
            columns.extend(mean.then(|| "geometric mean".to_owned()));
            columns
        };
        let cells = |figures: Vec<Option<Figure>>, show: fn(f64) -> String| {
            let mut cells = Vec::new();
            for figure in figures {
                cells.push(match figure {
                    Some(figure) => format!("{} ({})", show(figure.median), show(figure.minimum)),
                    None => "–".to_owned(),
                });
            }
            cells
        };

        let title = format!("{}: {}, median (minimum)", self.title, self.unit.name());
        let mut table = Table::new(title, columns("contender"));
        for row in rows {
            let mut figures = row.figures();
            figures.extend(mean.then(|| row.mean()));
            let mut line = vec![row.name.to_owned()];
            line.extend(cells(figures, readable));
            table.rows.push(line);
        }
        table.notes = self.notes(rows);
        session.report(table);

        let Some(base) = rows.iter().find(|row| row.name == baseline()) else {
            return;
        };
        let title = format!(
            "{}: ratio to {}, of medians (of minima)",
            self.title, base.name
        );
        let mut table = Table::new(title, columns("contender"));
        for row in rows {
            let pairs = row.figures().into_iter().zip(base.figures());
            let mut ratios: Vec<Option<Figure>> = pairs
                .map(|(figure, base)| Some(figure?.relative_to(base?)))
                .collect();
            if mean {
                ratios.push(geometric_mean(&ratios));
            }
            let mut line = vec![row.name.to_owned()];
            line.extend(cells(ratios, |ratio| format!("{ratio:.2}")));
            table.rows.push(line);
        }
        session.report(table);
    }

    /// Why cells are empty: a line for each reason and the cases that it holds for.
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

/// Puts `item` with the others that have the same key.
fn gather<'a>(groups: &mut Vec<(String, Vec<&'a str>)>, key: String, item: &'a str) {
    match groups.iter_mut().find(|(known, _)| *known == key) {
        Some((_, items)) => items.push(item),
        None => groups.push((key, vec![item])),
    }
}
