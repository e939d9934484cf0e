//! Tables, for terminals and as Markdown.

use std::fmt;

use crate::statistics::Figure;

/// A table with a title, and notes below it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of the columns; the first column has the names of the rows.
    pub columns: Vec<String>,
    /// The rows, each with one cell per column.
    pub rows: Vec<Vec<String>>,
    /// What a reader must know to read it.
    pub notes: Vec<String>,
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item = String>) -> Table {
        Table {
            title: title.into(),
            columns: columns.into_iter().collect(),
            ..Table::default()
        }
    }

    /// The table as Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("### {}\n\n{}", self.title, line(&self.columns));
        let align = |column| if column == 0 { "---" } else { "---:" }.to_owned();
        let aligns: Vec<String> = (0..self.columns.len()).map(align).collect();
        text += &line(&aligns);
        for row in &self.rows {
            text += &line(row);
        }
        if !self.notes.is_empty() {
            text += "\n";
        }
        for note in &self.notes {
            text += &format!("- {note}\n");
        }
        text + "\n"
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.columns]);
            let widths = cells.map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        writeln!(f, "\n== {}", self.title)?;
        for row in [&self.columns].into_iter().chain(&self.rows) {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(f, "  {cell:<width$}")?;
                } else {
                    write!(f, "  {cell:>width$}")?;
                }
            }
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "  * {note}")?;
        }
        Ok(())
    }
}

/// A cell with a median and a minimum, both written by `show`.
pub fn cell(figure: Option<Figure>, show: fn(f64) -> String) -> String {
    match figure {
        Some(figure) => format!("{} ({})", show(figure.median), show(figure.minimum)),
        None => "–".to_owned(),
    }
}

/// A number with about three significant digits, and thousands separated.
pub fn readable(number: f64) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    if number >= 99.95 {
        let digits = format!("{number:.0}");
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    match number {
        number if number >= 9.995 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(readable(0.123), "0.12");
        assert_eq!(readable(12.34), "12.3");
        assert_eq!(readable(99.96), "100");
        assert_eq!(readable(1_234_567.0), "1,234,567");
    }

    #[test]
    fn markdown_has_as_many_cells_as_columns() {
        let mut table = Table::new("t", ["a", "b"].map(str::to_owned));
        table.rows.push(vec!["x".into(), "1".into()]);
        table.notes.push("n".into());
        let expected = "### t\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n\n- n\n\n";
        assert_eq!(table.to_markdown(), expected);
    }
}
