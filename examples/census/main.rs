//! Measures all files of a folder in parallel: a flow whose tasks depend on what an earlier flow
//! found.
//!
//! Three tasks for each top-level folder run on blocking threads: one counts lines by language, one
//! hashes contents, and one finds the longest files. A semaphore limits how many of them run at a
//! time. Their results are merged, and one report is written.
//!
//! ```text
//!           ╭─▶ lines of a ───▶ ╭─ lines ──────╮
//!  find ────┼─▶ contents of a ─▶├─ duplicates ─┼──▶ report
//!   │       ╰─▶ longest of a ──▶╰─ longest ────╯
//!   ╰─▶ … the same for b, c, …      ▲
//! ```
//!
//! ```text
//! cargo run --release --example census --features tokio -- [FOLDER [REPORT]]
//! ```
//!
//! Compare the two times in the last line: the work of all tasks, and how long the run took. Files
//! that cannot be read are listed in the report and do not stop the run.

#[path = "../backend/mod.rs"]
mod backend;
mod find;
mod flow;
mod measure;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use asyncflow::FlowError;
use backend::block_on;

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or_else(|| here.to_owned());
    let report = arguments
        .next()
        .unwrap_or_else(|| here.join("target/census.md"));

    match block_on(census(folder, report)) {
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

/// Uses two flows, because the tasks of the second depend on what the first finds.
async fn census(folder: PathBuf, report: PathBuf) -> Result<String, FlowError> {
    let (flow, find) = flow::finding(folder.clone());
    let found = flow.execute().await?.take(find).expect("`find` succeeded");

    let (flow, summary) = flow::measuring(folder, found, report);
    let mut run = flow.execute().timed().await?;
    let wall = run.report().wall().unwrap_or_default();
    let work = run
        .report()
        .tasks()
        .filter_map(|task| task.ran())
        .sum::<std::time::Duration>();
    let tasks = flow.len();
    let summary = run.take(summary).expect("the report succeeded");
    Ok(format!(
        "{summary}\n{tasks} tasks did {work:.1?} of work in {wall:.1?}"
    ))
}
