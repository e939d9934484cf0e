//! The command line.

use std::path::PathBuf;

use crate::runtime::Entry;

/// What `--help` prints.
pub const HELP: &str = "\
asyncflow compared with hand-written graphs, its peers and oneTBB

usage: asyncflow-benchmarks [options]

  --quick             small sizes and few rounds: about a minute
  --only GROUP        only this group; may be repeated (see --list)
  --contender NAME    only contenders whose name contains NAME; may be repeated
  --size TASKS        size of `shapes`, instead of 10,000 and 100,000; may be repeated
  --rounds N          rounds per case; a slow contender may take part in fewer
  --entry WHERE       execute from `block-on` (default, as in #[tokio::main]) or `worker`
  --markdown FILE     also write the tables to FILE, as Markdown
  --charts FOLDER     write the charts of the groups `small`, `shapes` and `growth` to FOLDER
  --list              list groups and contenders
  --help              print this text
";

/// The parsed options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Small sizes and few rounds.
    pub quick: bool,
    /// Print the groups and contenders, and measure nothing.
    pub list: bool,
    /// Print [`HELP`], and measure nothing.
    pub help: bool,
    /// Groups to run; empty for all.
    pub only: Vec<String>,
    /// Parts of the names of contenders; empty for all.
    pub contenders: Vec<String>,
    /// Sizes given on the command line.
    pub sizes: Vec<usize>,
    /// Rounds given on the command line.
    pub rounds: Option<usize>,
    /// Where graphs are executed from.
    pub entry: Entry,
    /// Where to write the tables.
    pub markdown: Option<PathBuf>,
    /// Where to write the chart.
    pub charts: Option<PathBuf>,
}

impl Options {
    /// `quick` with `--quick`, `full` otherwise.
    pub fn pick(&self, quick: usize, full: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Whether the contender of this name takes part.
    pub fn wants(&self, contender: &str) -> bool {
        let parts = &self.contenders;
        parts.is_empty() || parts.iter().any(|part| contender.contains(part))
    }

    /// Parses the arguments, without the name of the program.
    ///
    /// # Errors
    /// A message that names the wrong argument.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            quick: false,
            list: false,
            help: false,
            only: Vec::new(),
            contenders: Vec::new(),
            sizes: Vec::new(),
            rounds: None,
            entry: Entry::BlockOn,
            markdown: None,
            charts: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("`{argument}` needs a value"))
            };
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--list" => options.list = true,
                "--help" | "-h" => options.help = true,
                "--only" => options.only.push(value()?),
                "--contender" => options.contenders.push(value()?),
                "--size" => options.sizes.push(number(&value()?)?),
                "--rounds" => options.rounds = Some(number(&value()?)?),
                "--markdown" => options.markdown = Some(value()?.into()),
                "--charts" => options.charts = Some(value()?.into()),
                "--entry" => {
                    options.entry = match value()?.as_str() {
                        "block-on" => Entry::BlockOn,
                        "worker" => Entry::Worker,
                        other => {
                            return Err(format!(
                                "`{other}` is not an entry: use `block-on` or `worker`"
                            ));
                        }
                    }
                }
                other => return Err(format!("unknown option `{other}`; see --help")),
            }
        }
        Ok(options)
    }
}

/// Parses a positive number. It may contain `_` and `,`, and end with `k` or `M`.
fn number(text: &str) -> Result<usize, String> {
    let plain = text.replace(['_', ','], "");
    let (digits, factor) = match plain.strip_suffix('k') {
        Some(digits) => (digits, 1_000),
        None => match plain.strip_suffix('M') {
            Some(digits) => (digits, 1_000_000),
            None => (plain.as_str(), 1),
        },
    };
    match digits.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number * factor),
        _ => Err(format!("`{text}` is not a positive number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn takes_what_help_lists() {
        let options = parse("--quick --only shapes --only data --size 10k --size 1M --rounds 3");
        let options = options.unwrap();
        assert!(options.quick);
        assert_eq!(options.only, ["shapes", "data"]);
        assert_eq!(options.sizes, [10_000, 1_000_000]);
        assert_eq!(options.rounds, Some(3));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse("--fast").unwrap_err().contains("--fast"));
        assert!(parse("--rounds 0").unwrap_err().contains("`0`"));
        assert!(parse("--size").unwrap_err().contains("needs a value"));
    }
}
