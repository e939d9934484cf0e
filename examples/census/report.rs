//! Writes the report, as Markdown.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use crate::find::{Found, Problem};
use crate::measure::{Count, Duplicates, Lines, Longest, keep_longest};

/// The most duplicates and the most problems that are listed.
const LISTED: usize = 50;

/// What the report is made of.
pub(crate) struct Census<'a> {
    pub(crate) folder: &'a Path,
    /// The names of the top-level folders, in the order of `lines` and `longest`.
    pub(crate) names: &'a [String],
    pub(crate) found: &'a Found,
    pub(crate) lines: Vec<&'a Lines>,
    pub(crate) longest: Vec<&'a Longest>,
    pub(crate) duplicates: &'a Duplicates,
}

impl Census<'_> {
    /// Writes the report, and returns a summary.
    ///
    /// # Errors
    ///
    /// If the report cannot be written.
    pub(crate) fn write(&self, report: &Path) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", report.display());
        if let Some(parent) = report.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(report, self.to_string()).map_err(failed)?;
        let (files, bytes) = self.totals();
        let lines: u64 = self.languages().values().map(|count| count.lines).sum();
        Ok(format!(
            "{files} files of {bytes} bytes, {lines} lines in {} languages, {} groups of duplicates, {} problems\n\
             report: {}",
            self.languages().len(),
            self.duplicates.0.len(),
            self.problems().count(),
            report.display()
        ))
    }

    fn totals(&self) -> (usize, u64) {
        let folders = self.found.folders.values();
        folders.fold((0, 0), |(files, bytes), folder| {
            let more: u64 = folder.iter().map(|file| file.bytes).sum();
            (files + folder.len(), bytes + more)
        })
    }

    fn languages(&self) -> BTreeMap<&'static str, Count> {
        let mut all: BTreeMap<&'static str, Count> = BTreeMap::new();
        for (language, count) in self.lines.iter().flat_map(|lines| &lines.languages) {
            let total = all.entry(language).or_default();
            total.files += count.files;
            total.lines += count.lines;
        }
        all
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        let measured = self.lines.iter().flat_map(|lines| &lines.problems);
        self.found.problems.iter().chain(measured)
    }

    fn name(&self, path: &Path) -> String {
        let path = path.strip_prefix(self.folder).unwrap_or(path);
        // In backticks, so that a name is not taken for Markdown.
        let name: String = path
            .to_string_lossy()
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        format!("`{}`", name.replace('`', "'"))
    }
}

impl fmt::Display for Census<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, bytes) = self.totals();
        writeln!(f, "# Census of `{}`\n", self.folder.display())?;
        writeln!(f, "{files} files, {bytes} bytes.\n")?;

        writeln!(
            f,
            "## Lines by language\n\n| language | files | lines |\n|---|--:|--:|"
        )?;
        let mut languages: Vec<_> = self.languages().into_iter().collect();
        languages.sort_by_key(|(_, count)| std::cmp::Reverse(count.lines));
        for (language, Count { files, lines }) in languages {
            writeln!(f, "| {language} | {files} | {lines} |")?;
        }

        writeln!(
            f,
            "\n## Folders\n\n| folder | files | lines |\n|---|--:|--:|"
        )?;
        for (name, lines) in self.names.iter().zip(&self.lines) {
            let files = self.found.folders[name].len();
            let lines: u64 = lines.languages.values().map(|count| count.lines).sum();
            writeln!(f, "| {} | {files} | {lines} |", self.name(Path::new(name)))?;
        }

        writeln!(f, "\n## Longest files\n\n| file | lines |\n|---|--:|")?;
        let longest = self.longest.iter().flat_map(|longest| &longest.0).cloned();
        for (lines, path) in keep_longest(longest.collect()) {
            writeln!(f, "| {} | {lines} |", self.name(&path))?;
        }

        writeln!(f, "\n## Duplicates\n")?;
        list(f, &self.duplicates.0, |f, (bytes, group)| {
            write!(f, "{bytes} bytes each:")?;
            group
                .iter()
                .try_for_each(|path| write!(f, " {}", self.name(path)))
        })?;

        writeln!(f, "\n## Problems\n")?;
        let problems: Vec<&Problem> = self.problems().collect();
        list(f, &problems, |f, problem| {
            write!(f, "{}: {}", self.name(&problem.path), problem.why)
        })
    }
}

/// Lists the first `LISTED` items, and how many more there are.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return writeln!(f, "None.");
    }
    for item in items.iter().take(LISTED) {
        f.write_str("* ")?;
        write(f, item)?;
        f.write_char('\n')?;
    }
    match items.len().saturating_sub(LISTED) {
        0 => Ok(()),
        more => writeln!(f, "* … and {more} more"),
    }
}
