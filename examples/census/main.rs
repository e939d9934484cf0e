//! A census of a folder: every file found, counted, hashed and measured in parallel, as a flow.
//!
//! For each top-level folder three tasks run on blocking threads: one counts lines by language, one
//! hashes contents, one finds the longest files. A semaphore bounds how many files are open at a
//! time. When all are done their results are merged, and one report is written.
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
//! What cannot be read is listed in the report, and stops nothing.

#[path = "../backend/mod.rs"]
mod backend;
mod find;
mod measure;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on};

use find::Found;
use measure::{Contents, Duplicates, Lines, Longest};
use report::Census;

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

/// Two flows, because which tasks the second has is known only when the first is done.
async fn census(folder: PathBuf, report: PathBuf) -> Result<String, FlowError> {
    let mut flow = AppFlow::new();
    let root = folder.clone();
    let find = flow.add((move || find::files(&root)).named("find"));
    let found = flow.execute().await?.take(find).expect("`find` succeeded");

    let (flow, summary) = measuring(folder, found, report);
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

/// The flow that measures what was found; its last task gives a summary.
fn measuring(folder: PathBuf, found: Found, report: PathBuf) -> (AppFlow, Task<String>) {
    let mut flow = AppFlow::new();
    let open_files = Semaphore::new(2 * available_parallelism().map_or(1, usize::from));

    let mut lines: Vec<Task<Lines>> = Vec::new();
    let mut contents: Vec<Task<Contents>> = Vec::new();
    let mut longest: Vec<Task<Longest>> = Vec::new();
    for (name, files) in &found.folders {
        // Shared by the three tasks, and by every execution of the flow.
        let files = || Arc::clone(files);
        let (counted, hashed, measured) = (files(), files(), files());
        let task = (move || measure::lines(&counted)).with_lock(&open_files);
        lines.push(flow.add(task.named(format!("lines of {name}"))));
        let task = (move || measure::contents(&hashed)).with_lock(&open_files);
        contents.push(flow.add(task.named(format!("contents of {name}"))));
        let task = (move || measure::longest(&measured)).with_lock(&open_files);
        longest.push(flow.add(task.named(format!("longest of {name}"))));
    }

    let duplicates = flow.add(measure::duplicates.inputs(contents).with_lock(&open_files));
    let names: Vec<String> = found.folders.keys().cloned().collect();
    let write = move |lines: Vec<&Lines>, longest: Vec<&Longest>, duplicates: &Duplicates| {
        let census = Census {
            folder: &folder,
            names: &names,
            found: &found,
            lines,
            longest,
            duplicates,
        };
        census.write(&report)
    };
    let summary = flow.add(write.inputs((lines, longest, duplicates)).named("report"));
    (flow, summary)
}
