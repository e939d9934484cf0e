//! The counts on record: a header line that names the compiler, then a line for each flow.

use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) struct Record {
    counts: Vec<(String, f64)>,
}

impl Record {
    pub(crate) fn of(counts: Vec<(String, f64)>) -> Self {
        Self { counts }
    }

    pub(crate) fn count(&self, name: &str) -> Option<f64> {
        let found = self.counts.iter().find(|(other, _)| other == name);
        found.map(|(_, count)| *count)
    }

    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let counts = lines.map(|line| {
            let count = line.split_once('\t').and_then(|(name, count)| {
                let count = count.parse().ok()?;
                Some((name.to_owned(), count))
            });
            count.ok_or_else(|| {
                format!(
                    "{}: expected a name, a tab and a number: {line}",
                    path.display()
                )
            })
        });
        Ok(Self {
            counts: counts.collect::<Result<_, String>>()?,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = format!(
            "# instructions and bytes per task, or per execution of a small flow, made with {}\n",
            compiler()
        );
        for (name, count) in &self.counts {
            text += &format!("{name}\t{count:.1}\n");
        }
        print!("{text}");
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// The version of the compiler, on which the counts depend.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    version.unwrap_or_else(|_| "an unknown compiler".to_owned())
}
