//! Writes the report, as Markdown.

#![expect(clippy::ptr_arg, reason = "a list is lent as the `Vec` that it is")]

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use crate::flow::Arguments;
use crate::measure::{Count, Duplicates, Measured};

/// The most duplicates and the most problems that are listed.
const LISTED: usize = 50;

/// Writes the report, and returns a summary.
///
/// # Errors
///
/// If the report cannot be written.
pub(crate) fn report(
    arguments: &Arguments,
    files: &Vec<Measured>,
    languages: &BTreeMap<String, Count>,
    folders: &BTreeMap<String, Count>,
    longest: &Vec<(u64, PathBuf)>,
    duplicates: &Vec<Duplicates>,
) -> Result<String, String> {
    let name = |path: &Path| name(path.strip_prefix(&arguments.folder).unwrap_or(path));
    let (mut count, mut bytes, mut lines) = (0, 0, 0);
    for folder in folders.values() {
        count += folder.files;
        bytes += folder.bytes;
        lines += folder.lines;
    }
    let problem = |file: &Measured| {
        let why = file.entry.problem.as_ref()?;
        Some(format!("{}: {why}", name(&file.entry.path)))
    };
    let problems: Vec<String> = files.iter().filter_map(problem).collect();
    let groups = duplicates.iter().map(|group| {
        let paths: Vec<String> = group.paths.iter().map(|path| name(path)).collect();
        format!("{} bytes each: {}", group.bytes, paths.join(" "))
    });
    let longest = longest
        .iter()
        .map(|(lines, path)| format!("{lines} lines: {}", name(path)));

    let mut out = format!(
        "# Census of `{}`\n\n{count} files, {bytes} bytes.\n",
        arguments.folder.display()
    );
    let written = table(&mut out, "Languages", languages)
        .and_then(|()| table(&mut out, "Folders", folders))
        .and_then(|()| list(&mut out, "Longest files", longest))
        .and_then(|()| list(&mut out, "Duplicates", groups))
        .and_then(|()| list(&mut out, "Problems", problems.iter().cloned()));
    written.expect("a string can always be written to");

    let failed = |error: std::io::Error| format!("{}: {error}", arguments.report.display());
    if let Some(parent) = arguments.report.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(&arguments.report, out).map_err(failed)?;
    Ok(format!(
        "{count} files of {bytes} bytes, {lines} lines in {} languages, {} groups of duplicates, {} problems\n\
         report: {}",
        languages.len(),
        duplicates.len(),
        problems.len(),
        arguments.report.display()
    ))
}

/// A path in backticks, so that a name is not taken for Markdown.
fn name(path: &Path) -> String {
    let visible = |c: char| match c {
        '`' => '\'',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    format!(
        "`{}`",
        path.to_string_lossy()
            .chars()
            .map(visible)
            .collect::<String>()
    )
}

fn table(out: &mut String, title: &str, counts: &BTreeMap<String, Count>) -> fmt::Result {
    writeln!(out, "\n## {title}\n\n| | files | lines |\n|---|--:|--:|")?;
    for (what, Count { files, lines, .. }) in counts {
        writeln!(out, "| {} | {files} | {lines} |", name(Path::new(what)))?;
    }
    Ok(())
}

/// Lists the first `LISTED` items, and how many more there are.
fn list(
    out: &mut String,
    title: &str,
    items: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    writeln!(out, "\n## {title}\n")?;
    let more = items.len().saturating_sub(LISTED);
    if items.len() == 0 {
        writeln!(out, "None.")?;
    }
    for item in items.take(LISTED) {
        writeln!(out, "* {item}")?;
    }
    match more {
        0 => Ok(()),
        more => writeln!(out, "* … and {more} more"),
    }
}
