//! The flows of the census.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use asyncflow::prelude::*;

use crate::backend::AppFlow;
use crate::find::{self, Found};
use crate::measure::{self, Contents, Duplicates, Lines, Longest};
use crate::report::Census;

/// The flow that finds the files.
pub(crate) fn finding(folder: PathBuf) -> (AppFlow, Task<Found>) {
    let mut flow = AppFlow::new();
    let find = flow.add((move || find::files(&folder)).named("find"));
    (flow, find)
}

/// The flow that measures the files; its last task returns a summary.
pub(crate) fn measuring(folder: PathBuf, found: Found, report: PathBuf) -> (AppFlow, Task<String>) {
    let mut flow = AppFlow::new();
    let open_files = Semaphore::new(2 * available_parallelism().map_or(1, usize::from));

    let mut lines: Vec<Task<Lines>> = Vec::new();
    let mut contents: Vec<Task<Contents>> = Vec::new();
    let mut longest: Vec<Task<Longest>> = Vec::new();
    for (name, files) in &found.folders {
        // The three tasks share the list.
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
