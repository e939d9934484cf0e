//! The flow of the census.

use std::path::PathBuf;
use std::thread::available_parallelism;

use asyncflow::prelude::*;

use crate::backend::AppFlow;
use crate::{find, measure, report};

/// What the program was asked to do.
pub(crate) struct Arguments {
    pub(crate) folder: PathBuf,
    pub(crate) report: PathBuf,
}

/// Returns the flow, and the task whose output is the summary.
pub(crate) fn census(arguments: Arguments) -> (AppFlow, Task<String>) {
    let mut flow = AppFlow::new();
    let open_files = 2 * available_parallelism().map_or(1, usize::from);
    let open_files = Semaphore::named("open files", open_files);

    let arguments = flow.value(arguments);
    let find = |arguments: &Arguments| find::files(&arguments.folder);
    let found = flow.add(find.inputs(arguments).named("find"));
    let measure = each(measure::measure).inputs(found.moved());
    let measured = flow.add(measure.with_lock(&open_files).named("measure"));

    let languages = flow.add(measure::languages.inputs(measured));
    let folders = flow.add(measure::folders.inputs(measured));
    let longest = flow.add(measure::longest.inputs(measured));
    let duplicates = flow.add(measure::duplicates.inputs(measured));
    let inputs = (arguments, measured, languages, folders, longest, duplicates);
    let summary = flow.add(report::report.inputs(inputs));
    (flow, summary)
}
