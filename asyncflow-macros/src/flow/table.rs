//! The table in the docs of a flow's type. Its columns are padded, so that it can be read in an editor
//! too.

/// A task or an input.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) waits_for: Vec<String>,
    pub(crate) kind: &'static str,
    pub(crate) configuration: Vec<String>,
}

const HEAD: [&str; 4] = ["task", "waits for", "kind", "configuration"];

/// The lines of the table. There is no last column if nothing is configured.
pub(crate) fn lines(rows: &[Row]) -> Vec<String> {
    let mut cells = vec![HEAD.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let configuration: Vec<_> = row.configuration.iter().map(|each| code(each)).collect();
        [
            code(&row.name),
            row.waits_for.join(", "),
            row.kind.to_owned(),
            configuration.join(", "),
        ]
    }));
    let configured = rows.iter().any(|row| !row.configuration.is_empty());
    let columns = if configured {
        HEAD.len()
    } else {
        HEAD.len() - 1
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            cells
                .iter()
                .map(|row| width(&row[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut lines: Vec<String> = cells.iter().map(|row| line(row, &widths)).collect();
    let rule: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    lines.insert(1, format!("|{}|", rule.join("|")));
    lines
}

/// Text in a code span in a table.
pub(crate) fn code(text: &str) -> String {
    let fence = if text.contains('`') { "``" } else { "`" };
    let one_line: Vec<_> = text.split_whitespace().collect();
    format!("{fence}{}{fence}", one_line.join(" ").replace('|', "\\|"))
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| {
        let padding = " ".repeat(width - self::width(cell));
        format!(" {cell}{padding} |")
    });
    format!("|{}", cells.collect::<String>())
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, waits_for: &[&str], kind: &'static str, configuration: &[&str]) -> Row {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Row {
            name: name.to_owned(),
            waits_for: owned(waits_for),
            kind,
            configuration: owned(configuration),
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            row("id", &[], "input", &[]),
            row(
                "user",
                &["`id`"],
                "async",
                &["timeout = LIMIT", "fallback = |_| None"],
            ),
        ];
        let expected = [
            "| task   | waits for | kind  | configuration                              |",
            "|--------|-----------|-------|--------------------------------------------|",
            "| `id`   |           | input |                                            |",
            "| `user` | `id`      | async | `timeout = LIMIT`, `fallback = \\|_\\| None` |",
        ];
        assert_eq!(lines(&rows), expected);
    }

    #[test]
    fn an_empty_column_is_left_out() {
        assert_eq!(
            lines(&[row("a", &[], "async", &[])])[0],
            "| task | waits for | kind  |"
        );
    }
}
