//! Measures all files of a folder in parallel. How many there are turns out in the run.
//!
//! The task `measure` is a function for each file that was found, on blocking threads. A semaphore limits
//! how many files are open at a time. What was measured is summed up in four ways, and one report is written.
//!
//! ```text
//!                              ╭─▶ languages ──╮
//!                              ├─▶ folders ────┤
//!  find ─▶ measure each file ──┼─▶ longest ────┼──▶ report
//!                              ╰─▶ duplicates ─╯
//! ```
//!
//! ```text
//! cargo run --release --example census --features tokio -- [FOLDER [REPORT]]
//! ```
//!
//! Compare the two times in the last line: the work of all files, and how long the run took. Files that
//! cannot be read are listed in the report and do not stop the run.

#[path = "../backend/mod.rs"]
mod backend;
mod find;
mod flow;
mod measure;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use asyncflow::FlowError;
use backend::block_on;
use flow::Arguments;

async fn census(arguments: Arguments) -> Result<String, FlowError> {
    let (flow, summary) = flow::census(arguments);
    let mut run = flow.execute().timed().await?;
    let wall = run.report().wall().unwrap_or_default();
    let files = run.report().tasks().flat_map(|task| task.parts());
    let work: Duration = files.filter_map(|file| file.ran()).sum();
    let summary = run.take(summary).expect("the report succeeded");
    Ok(format!("{summary}\n{work:.1?} of work in {wall:.1?}"))
}

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let arguments = Arguments {
        folder: arguments.next().unwrap_or_else(|| here.to_owned()),
        report: arguments
            .next()
            .unwrap_or_else(|| here.join("target/census.md")),
    };
    match block_on(census(arguments)) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("census: {error}");
            ExitCode::FAILURE
        }
    }
}
