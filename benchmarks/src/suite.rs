//! One run of the benchmarks: the contenders, the effort per case, and the output.

use std::fs;
use std::io;
use std::time::Duration;

use crate::contender::Contender;
use crate::contenders;
use crate::groups::GROUPS;
use crate::measure::Effort;
use crate::options::Options;
use crate::runtime::WORKERS;
use crate::table::Table;
use crate::trial::Trials;

/// What the groups work with.
#[expect(
    missing_debug_implementations,
    reason = "contenders have nothing to show"
)]
pub struct Suite {
    /// The contenders that take part.
    pub contenders: Vec<Box<dyn Contender>>,
    /// Which contender may be timed on what.
    pub trials: Trials,
    /// How much effort is spent on each case.
    pub effort: Effort,
    /// The sizes of the group `shapes`.
    pub sizes: Vec<usize>,
    /// The options of this run.
    pub options: Options,
    markdown: String,
}

impl Suite {
    /// The suite that these options select.
    pub fn new(options: Options) -> Suite {
        let mut all = contenders::all();
        all.retain(|contender| options.wants(contender.name()));
        let quick = options.quick;
        let sizes = match (&options.sizes[..], quick) {
            ([], true) => vec![10_000],
            ([], false) => vec![10_000, 100_000],
            (sizes, _) => sizes.to_vec(),
        };
        Suite {
            contenders: all,
            trials: Trials::new(Duration::from_millis(if quick { 100 } else { 2_000 })),
            effort: Effort {
                rounds: options.rounds.unwrap_or(if quick { 4 } else { 15 }),
                budget: Duration::from_millis(if quick { 15 } else { 1_000 }),
            },
            sizes,
            options,
            markdown: String::new(),
        }
    }

    /// Writes a chart, if the options ask for charts.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_chart(&self, name: &str, svg: &str) -> io::Result<()> {
        match &self.options.charts {
            Some(folder) => fs::write(folder.join(name), svg),
            None => Ok(()),
        }
    }

    /// Runs the groups that the options select, and writes the Markdown file.
    ///
    /// # Errors
    /// If a file cannot be written, or a group does not exist.
    pub fn run(&mut self, onetbb_missing: &str) -> io::Result<()> {
        let only = self.options.only.clone();
        if let Some(unknown) = only
            .iter()
            .find(|name| !GROUPS.iter().any(|group| group.name == **name))
        {
            let why = format!("there is no group `{unknown}`; see --list");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.say(&format!(
            "{WORKERS} workers on {} cores, executed from {}, {}; figures are comparable only within a table",
            std::thread::available_parallelism().map_or(0, usize::from),
            self.options.entry.name(),
            if self.options.quick {
                "quick: small sizes, few rounds"
            } else {
                "all sizes"
            },
        ));
        if !onetbb_missing.is_empty() {
            self.say(&format!("SKIPPED: onetbb: {onetbb_missing}"));
        }
        if !cfg!(feature = "asyncflow") {
            self.say("SKIPPED: asyncflow: built without `--features asyncflow`");
        }
        for group in GROUPS {
            if only.is_empty() || only.iter().any(|name| name == group.name) {
                println!("\n# {}: {}", group.name, group.about);
                self.markdown += &format!("## {}: {}\n\n", group.name, group.about);
                (group.run)(self)?;
            }
        }
        match &self.options.markdown {
            Some(file) => fs::write(file, &self.markdown),
            None => Ok(()),
        }
    }

    /// Prints a table, and keeps it for the Markdown file.
    pub fn report(&mut self, table: Table) {
        println!("{table}");
        self.markdown += &table.to_markdown();
    }

    /// Prints a line, and keeps it for the Markdown file.
    pub fn say(&mut self, line: &str) {
        println!("{line}");
        self.markdown += line;
        self.markdown += "\n\n";
    }
}
