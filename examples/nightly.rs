//! A nightly job that is killed and goes on: reads CSV files, loads them into SQLite, and sums up.
//!
//! ```text
//! files ──▶ parse (each file) ──▶ load (each file, one at a time) ──▶ totals
//! ```
//!
//! ```text
//! cargo run --example nightly --features tokio,durable -- [FOLDER]
//! ```
//!
//! Kill it in the middle and start it again: files that are loaded are neither read nor loaded again.
//! Without a folder it writes some files, starts itself, kills that process half way, goes on, and
//! compares what comes out with an execution that nothing has happened to. Look at `nightly` and `load`.

#![expect(clippy::ptr_arg, reason = "a parameter has the type of the output")]

#[path = "backend/mod.rs"]
mod backend;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::{ElementRef, Observer};
use backend::{AppFlow, block_on};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What one file has.
#[derive(Serialize, Deserialize)]
struct Day {
    file: String,
    sales: Vec<Sale>,
}

#[derive(Serialize, Deserialize)]
struct Sale {
    shop: String,
    product: String,
    cents: i64,
}

/// The sum of the sales of each shop, in cents.
type Totals = Vec<(String, i64)>;

/// SQLite has one writer at a time. A task that waits for this lock takes no thread.
static WRITER: Lock = Lock::named("writer");

/// Loads all files of a folder. The journal and the database are in `target`.
async fn nightly(folder: &Path, target: &Path) -> Result<(Totals, Restored), Error> {
    let journal = FileJournal::open(target.join("runs.db"))?;
    let db = Connection::open(target.join("sales.db"))?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS sales (file, shop, product, cents)")?;

    let mut flow = AppFlow::new();
    let folder = folder.to_owned();
    let db = flow.value(Mutex::new(db));
    // Recorded: what a file is found by in a later execution is its index in this list.
    let files = flow.add(durable(move || list(&folder)).named("files"));
    let days = flow.add(each(durable(parse)).inputs(files));
    let loaded = each(durable(load)).inputs((days, db)).with_lock(&WRITER);
    let loaded = flow.add(loaded);
    let totals = flow.add(totals.inputs((loaded, db)));

    let restored = Arc::new(Restored::default());
    let run = flow.execute().journal(&journal, "2026-11-25");
    let run = run.observe(Arc::clone(&restored)).timed().await?;
    println!("{}", run.report());
    drop(journal);
    let restored = Arc::into_inner(restored).unwrap_or_default();
    Ok((run[totals].clone(), restored))
}

/// The CSV files of a folder, in the order of their names.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    Ok(files)
}

fn parse(file: &PathBuf) -> Result<Day, Error> {
    let text = fs::read_to_string(file)?;
    let sale = |line: &str| match line.split(',').collect::<Vec<_>>()[..] {
        [shop, product, cents] => Ok(Sale {
            shop: shop.into(),
            product: product.into(),
            cents: cents.parse()?,
        }),
        _ => Err(format!("{}: no sale: {line}", file.display()).into()),
    };
    let sales = text.lines().skip(1).map(sale);
    Ok(Day {
        file: file.display().to_string(),
        sales: sales.collect::<Result<_, Error>>()?,
    })
}

/// Loads one file. If the program is killed after the commit and before the record of the journal, it is
/// called again for this file: so it first removes what is there, in the same transaction.
fn load(day: &Day, db: &Mutex<Connection>) -> Result<usize, Error> {
    let mut db = db.lock().unwrap_or_else(PoisonError::into_inner);
    let transaction = db.transaction()?;
    transaction.execute("DELETE FROM sales WHERE file = ?1", [&day.file])?;
    for Sale {
        shop,
        product,
        cents,
    } in &day.sales
    {
        let row = (&day.file, shop, product, cents);
        transaction.execute("INSERT INTO sales VALUES (?1, ?2, ?3, ?4)", row)?;
    }
    transaction.commit()?;
    println!("loaded {}", day.file);
    Ok(day.sales.len())
}

fn totals(loaded: &Vec<usize>, db: &Mutex<Connection>) -> Result<Totals, Error> {
    let db = db.lock().unwrap_or_else(PoisonError::into_inner);
    let rows: u32 = db.query_row("SELECT COUNT(*) FROM sales", (), |row| row.get(0))?;
    if loaded.iter().sum::<usize>() != rows as usize {
        return Err(format!("the database has {rows} sales, and not each of them once").into());
    }
    let mut sums = db.prepare("SELECT shop, SUM(cents) FROM sales GROUP BY shop ORDER BY shop")?;
    let sums = sums.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(sums.collect::<Result<_, _>>()?)
}

/// Counts the files that are not read, and those that are not loaded.
#[derive(Default)]
struct Restored {
    parsed: AtomicUsize,
    loaded: AtomicUsize,
}

impl Observer for Restored {
    fn element_ended(&self, element: ElementRef<'_>, status: TaskStatus) {
        if status == TaskStatus::Restored {
            let count = match element.task().name() {
                "parse" => &self.parsed,
                _ => &self.loaded,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn main() -> Result<(), Error> {
    match std::env::args().nth(1) {
        Some(folder) => block_on(nightly(folder.as_ref(), folder.as_ref())).map(|_| ()),
        None => show(),
    }
}

/// How many files there are if there is no folder.
const FILES: usize = 40;

/// Kills a first execution half way, goes on, and compares.
fn show() -> Result<(), Error> {
    let (folder, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for file in 0..FILES {
        let sale = |row: usize| {
            format!(
                "shop {},product {row},{}\n",
                row % 5,
                (row * 37 + file) % 1000
            )
        };
        let sales: String = (0..50).map(sale).collect();
        let name = format!("day {file:02}.csv");
        fs::write(
            folder.path().join(name),
            format!("shop,product,cents\n{sales}"),
        )?;
    }

    let mut first = Command::new(std::env::current_exe()?);
    let mut first = first.arg(folder.path()).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(first.stdout.take().ok_or("no output")?).lines();
    for line in lines.take(FILES / 2) {
        println!("{}", line?);
    }
    first.kill()?;
    println!("killed: {}\n", first.wait()?);

    let (totals, restored) = block_on(nightly(folder.path(), folder.path()))?;
    let (parsed, loaded) = (restored.parsed.into_inner(), restored.loaded.into_inner());
    println!("of {FILES} files, {parsed} were not read again, and {loaded} not loaded again\n");
    // The first file is loaded after all are parsed and recorded.
    assert_eq!(parsed, FILES);
    let (expected, _) = block_on(nightly(folder.path(), other.path()))?;
    assert_eq!(totals, expected, "as if nothing had happened");
    Ok(())
}
