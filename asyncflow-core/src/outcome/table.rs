//! The report as text: a table that fits 80 columns, with a small bar chart if the run was timed.

use std::fmt;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::node_index::NodeIndex;
use crate::sort::sort_by_number;
use crate::task::status::TaskStatus;

use super::report::{Report, TaskReport};

/// The greatest width of a table, in columns.
const WIDTH: usize = 80;

/// The width of the chart.
const CHART: usize = 24;

/// The width of durations: `999.9µs`, `9999.9s`.
const RAN: usize = 8;

/// The number of rows, unless all are asked for.
const ROWS: usize = 60;

/// The most failures among the rows, and the most tasks on the critical path. The other rows are the
/// first tasks of the flow.
const CHOSEN: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.critical_path();
        let critical: Vec<NodeIndex> = path
            .iter()
            .flat_map(|path| path.tasks())
            .map(number)
            .collect();
        let rows = match f.alternate() {
            true => self.tasks().map(|task| number(&task)).collect(),
            false => choose(self, &critical),
        };
        summary(self, f)?;
        let table = Table::new(self, &critical, &rows);
        let mut next = rows.iter().copied().peekable();
        let mut left_out = 0;
        for task in self.tasks() {
            if next.next_if_eq(&number(&task)).is_none() {
                left_out += 1;
                continue;
            }
            more(std::mem::take(&mut left_out), f)?;
            table.row(task, f)?;
        }
        more(left_out, f)?;
        table.legend(f)
    }
}

fn number(task: &TaskReport<'_>) -> NodeIndex {
    task.id().index
}

fn in_order(nodes: &mut [NodeIndex]) {
    sort_by_number(nodes, |node| node.to_word().into());
}

/// Chooses the tasks that get a row, in the order of declaration.
fn choose(report: &Report, critical: &[NodeIndex]) -> Vec<NodeIndex> {
    let tasks = report.tasks();
    let failed = tasks.filter(|task| task.status().is_failure());
    let mut chosen: Vec<NodeIndex> = failed.map(|task| number(&task)).take(CHOSEN).collect();
    // From the end of the path, because that is the task that ended last.
    chosen.extend(critical.iter().rev().take(CHOSEN));
    in_order(&mut chosen);
    chosen.dedup();
    let others = report.tasks().map(|task| number(&task));
    let others = others.filter(|number| chosen.binary_search(number).is_err());
    let others: Vec<NodeIndex> = others.take(ROWS - chosen.len()).collect();
    chosen.extend(others);
    in_order(&mut chosen);
    chosen
}

/// `4 tasks in 12.3ms: 2 succeeded, 1 failed, 1 skipped`
fn summary(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for task in report.tasks() {
        let status = task.status().to_string();
        match counts.iter_mut().find(|(other, _)| *other == status) {
            Some((_, count)) => *count += 1,
            None => counts.push((status, 1)),
        }
    }
    let tasks = counts.iter().map(|(_, count)| count).sum::<usize>();
    let plural = if tasks == 1 { "" } else { "s" };
    write!(f, "{tasks} task{plural}")?;
    if let Some(wall) = report.wall() {
        write!(f, " in {wall:.1?}")?;
    }
    for (index, (status, count)) in counts.iter().enumerate() {
        let before = if index == 0 { ":" } else { "," };
        write!(f, "{before} {count} {status}")?;
    }
    Ok(())
}

fn more(left_out: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match left_out {
        0 => Ok(()),
        more => write!(f, "\n  … {more} more"),
    }
}

/// How many columns a note has at least. If a row has no room for it, it has a line of its own.
const LEAST_NOTE: usize = 20;

/// Where such a line begins.
const NOTE_INDENT: usize = 4;

/// What all rows have in common.
struct Table<'a> {
    report: &'a Report,
    /// Sorted.
    critical: Vec<NodeIndex>,
    /// The width of the column of names.
    name: usize,
    /// The width of the column of statuses.
    status: usize,
}

impl<'a> Table<'a> {
    fn new(report: &'a Report, critical: &[NodeIndex], rows: &[NodeIndex]) -> Self {
        let tasks = || rows.iter().map(|index| report.at(*index));
        let status = tasks().map(|task| status(task).chars().count()).max();
        let status = status.unwrap_or(0);
        // The width of everything else: a mark, and two spaces before each column.
        let others = match report.wall() {
            Some(_) => 2 + 2 + status + 2 + RAN + 2 + CHART,
            None => 2 + 2 + status + 2 + "because of ``".len() + 16,
        };
        // Leaves at least 8 columns for the name, also if a status is very long.
        let widest = WIDTH.saturating_sub(others).max(8);
        let name = tasks()
            .map(|task| columns(&printable(task.name(), widest)))
            .max();
        let mut critical = critical.to_vec();
        in_order(&mut critical);
        Self {
            report,
            critical,
            name: name.unwrap_or(0),
            status,
        }
    }

    fn row(&self, task: TaskReport<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.critical.binary_search(&number(&task)) {
            Ok(_) => '*',
            Err(_) => ' ',
        };
        let name = printable(task.name(), self.name);
        let padding = self.name - columns(&name);
        let mut row = format!("{mark} {name}{:padding$}", "");
        let status = status(task);
        row.push_str(&format!("  {status:width$}", width = self.status));
        let mut rest = WIDTH - columns(&row);
        if let Some(ran) = task.ran() {
            let ran = format!("{ran:.1?}");
            row.push_str(&format!("  {ran:>RAN$}  {}", self.bar(task)));
        } else if let TaskStatus::Skipped { because } = task.status() {
            rest -= "  because of ``".len();
            let cause = self.report.at(because.index).name();
            row.push_str(&format!("  because of `{}`", printable(cause, rest)));
        }
        if let Some(note) = task.note() {
            let rest = WIDTH.saturating_sub(columns(&row) + 2);
            match rest {
                ..LEAST_NOTE => {
                    let note = printable(note, WIDTH - NOTE_INDENT);
                    row.push_str(&format!("\n{:NOTE_INDENT$}{note}", ""));
                }
                _ => row.push_str(&format!("  {}", printable(note, rest))),
            }
        }
        write!(f, "\n{}", row.trim_end())
    }

    /// Draws when a task waited and ran within the run.
    fn bar(&self, task: TaskReport<'_>) -> String {
        let wall = self.report.wall().unwrap_or_default().as_nanos().max(1);
        let cell = |time: Option<Duration>| {
            let cells = time.unwrap_or_default().as_nanos() * CHART as u128 / wall;
            (cells as usize).min(CHART - 1)
        };
        let times = task.times().unwrap_or_default();
        let (ready, started, ended) = (cell(times.ready), cell(times.started), cell(times.ended));
        let paused = paused_cells(task, wall);
        let cells = (0..=ended).map(|at| match at {
            // At least one cell, so that a short task can be seen.
            _ if at == started => '█',
            _ if at > started && paused[at] => '░',
            _ if at > started => '█',
            _ if at >= ready => '░',
            _ => ' ',
        });
        cells.collect()
    }

    /// Whether any of the rows has a pause, of which the legend then speaks.
    fn pauses(&self) -> bool {
        let mut tasks = self.report.tasks();
        tasks.any(|task| task.pauses().next().is_some())
    }

    fn legend(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.critical.is_empty() {
            return Ok(());
        }
        let waiting = match self.pauses() {
            true => "waiting, also between attempts",
            false => "waiting for permits, a slot or a thread",
        };
        write!(f, "\n* on the critical path   ░ {waiting}   █ running")
    }
}

/// The cells of the chart for more than half of whose time a task waited between attempts.
fn paused_cells(task: TaskReport<'_>, wall: u128) -> [bool; CHART] {
    let mut paused = [0; CHART];
    for pause in task.pauses() {
        let (from, to) = (pause.start.as_nanos(), pause.end.as_nanos());
        for (cell, paused) in paused.iter_mut().enumerate() {
            let (begin, end) = (cell as u128 * wall, (cell as u128 + 1) * wall);
            let (from, to) = (
                (from * CHART as u128).max(begin),
                (to * CHART as u128).min(end),
            );
            *paused += to.saturating_sub(from);
        }
    }
    paused.map(|paused| 2 * paused > wall)
}

/// The status, the number of attempts if there was more than one, and whether a failure was allowed.
fn status(task: TaskReport<'_>) -> String {
    let mut text = task.status().to_string();
    if task.attempts() > 1 {
        text.push_str(&format!(" {}×", task.attempts()));
    }
    if task.status().is_failure() && task.allows_failure() {
        text.push_str(", allowed");
    }
    text
}

/// How many marks a character keeps. More than any language writes, and few enough that a name cannot
/// draw over the rows around it, or be long without being wide.
const MOST_MARKS: usize = 8;

/// Shortens a name to `width` columns, and replaces characters that would break the table or affect
/// the terminal.
pub(crate) fn printable(name: &str, width: usize) -> String {
    let mut clean = String::new();
    let mut marks = 0;
    // The columns that the characters would take one by one. Together they may take fewer: those of
    // an emoji with a tone of skin are drawn as one.
    let mut apart = 0;
    for c in name.chars() {
        let mut c = visible(c);
        marks = if column(c) == 0 { marks + 1 } else { 0 };
        if marks > MOST_MARKS {
            c = REPLACED;
        }
        clean.push(c);
        apart += column(c);
        // Does not read the whole name, which may be a megabyte.
        if apart > 2 * width {
            break;
        }
    }
    if apart > 2 * width || columns(&clean) > width {
        // Makes room for the ellipsis.
        while columns(&clean) + 1 > width && clean.pop().is_some() {}
        clean.push('…');
    }
    clean
}

/// Stands for a character that is not shown.
const REPLACED: char = '\u{fffd}';

/// Replaces characters that control the terminal, change the direction of the text after them, end a
/// line or are invisible. The joiner of emoji is one of them: terminals do not agree on the width
/// of what it joins.
fn visible(c: char) -> char {
    let unseen = matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    match c.is_control() || unseen {
        true => REPLACED,
        false => c,
    }
}

/// The width of a text in columns of a terminal.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The width of a character that stands alone.
fn column(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_to_columns() {
        assert_eq!(printable("cafe\u{301}", 4), "cafe\u{301}");
        assert_eq!(printable("cafe\u{301}s", 4), "caf…");
        assert_eq!(printable("cafe\u{301}s!", 5), "cafe\u{301}…");
        assert_eq!(printable("日本語", 5), "日本…");
        assert_eq!(printable("日本語", 4), "日…");
        assert_eq!(printable("👍🏽👍🏽", 4), "👍🏽👍🏽");
        assert_eq!(printable("", 4), "");
    }

    #[test]
    fn marks_without_end_are_bounded() {
        let marks = |count| format!("x{}", "\u{301}".repeat(count));
        assert_eq!(printable(&marks(8), 4), marks(8));
        assert_eq!(printable(&marks(10), 4), marks(8) + "\u{fffd}\u{fffd}");
        assert_eq!(
            printable(&marks(1 << 20), 4),
            marks(8) + "\u{fffd}\u{fffd}…"
        );
    }

    // Whatever stands beside what.
    #[test]
    fn no_name_is_wider_than_asked_for() {
        // Marks, ligatures, selectors, flags, tones of skin, jamo, joiners, quotes.
        let odd = [
            "a", "e\u{301}", "\u{301}", "日", "👍", "🏽", "🇫", "🇷", "\u{fe0f}", "\u{fe0e}",
            "\u{fe01}", "❤", "ل", "ا", "\u{17d2}", "\u{1780}", "\u{17d8}", "\u{1100}", "\u{1161}",
            "\u{11a8}", "\u{115f}", "\u{200d}", "\u{2018}", "\u{2d31}", "\u{2d7f}", "\u{a4f8}",
            "\u{a4fc}", "\0", "1", "\u{20e3}", "…",
        ];
        for first in odd {
            for second in odd {
                for third in odd {
                    let name = [first, second, third, first].concat();
                    for width in 1..6 {
                        let shown = printable(&name, width);
                        assert!(columns(&shown) <= width, "{name:?} in {width}: {shown:?}");
                        let row = format!("* {shown}  failed");
                        let around = columns("*   failed");
                        assert_eq!(columns(&row), columns(&shown) + around, "{name:?}");
                    }
                }
            }
        }
    }
}
