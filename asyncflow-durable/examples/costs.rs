//! What a journal costs: microseconds and bytes for each record, beside writing a file by hand.
//!
//! `cargo run --release -p asyncflow-durable --example costs [records]`

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use asyncflow::TokioFlow;
use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;

/// The output of each task.
const OUTPUT: usize = 100;

fn output(number: usize) -> String {
    format!("{number:>OUTPUT$}")
}

fn flow(tasks: usize, is_durable: bool) -> TokioFlow {
    let mut flow = TokioFlow::new();
    for number in 0..tasks {
        let task = move || std::future::ready(output(number));
        let name = format!("task {number}");
        match is_durable {
            true => flow.add(durable(task).named(name)),
            false => flow.add(task.named(name)),
        };
    }
    flow
}

/// The same as the elements of a list.
fn elements(count: usize) -> TokioFlow {
    let mut flow = TokioFlow::new();
    let list = flow.value((0..count).collect::<Vec<_>>());
    let element = |number: &usize| std::future::ready(output(*number));
    flow.add(each(durable(element)).inputs(list).named("element"));
    flow
}

fn print(what: &str, took: Duration, records: usize) {
    let each = took.as_secs_f64() * 1e6 / records as f64;
    println!("{what:<44} {each:>9.2} µs a record");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let records = std::env::args().nth(1).map_or(Ok(10_000), |n| n.parse())?;
    // On the disk of the current folder: the folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("runs.db");

    let begun = Instant::now();
    flow(records, false).execute().await?;
    print("no journal", begun.elapsed(), records);

    let journal = FileJournal::open(&path)?;
    let all = flow(records, true);
    for limit in [1, 8, 64, records] {
        let few = records.min(limit * 200);
        let flow = flow(few, true);
        let id = format!("{limit} at once");
        let begun = Instant::now();
        let execute = flow.execute().journal(&journal, id);
        execute.max_concurrency(limit).await?;
        print(&format!("recorded, {limit} at once"), begun.elapsed(), few);
        let (flow, id) = (elements(few), format!("{limit} elements at once"));
        let begun = Instant::now();
        let execute = flow.execute().journal(&journal, &id);
        execute.max_concurrency(limit).await?;
        print(&format!("elements, {limit} at once"), begun.elapsed(), few);
        let begun = Instant::now();
        flow.execute().journal(&journal, id).await?;
        print("elements, restored", begun.elapsed(), few);
    }
    drop(journal);

    let path = folder.path().join("one run.db");
    let journal = FileJournal::open(&path)?;
    all.execute().journal(&journal, "measured").await?;
    let begun = Instant::now();
    all.execute().journal(&journal, "measured").await?;
    print("restored", begun.elapsed(), records);
    drop(journal);
    let size = fs::metadata(&path)?.len() as f64 / records as f64;
    println!(
        "{:<44} {size:>9.2} bytes a record of {OUTPUT} bytes",
        "the file"
    );

    for (what, at_once) in [("1 at once", 1), ("64 at once", 64)] {
        let mut file = File::create(folder.path().join("by hand"))?;
        let few = records.min(at_once * 200);
        let begun = Instant::now();
        for first in (0..few).step_by(at_once) {
            for number in first..few.min(first + at_once) {
                writeln!(file, "{number} {}", output(number))?;
            }
            file.sync_data()?;
        }
        let what = format!("written and synced by hand, {what}");
        print(&what, begun.elapsed(), few);
    }
    Ok(())
}
