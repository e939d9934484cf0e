//! The tables of a journal file.
//!
//! * `meta`: `format` ↦ [`FORMAT`].
//! * `runs`: id ↦ (number, when created, when updated), times in milliseconds since 1970.
//! * `records`: (number of the run, key) ↦ checksum, record. The checksum is CRC-32 of key and record,
//!   four bytes, big-endian.
//!
//! A forgotten run leaves neither records nor a row in `runs`, so numbers may be used again.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redb::{Builder, Database, ReadableTable, TableDefinition, TableError};

use crate::error::{JournalError, JournalErrorKind};
use crate::journal::JournaledRun;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const RUNS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("runs");
const RECORDS: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("records");

/// Raised when older versions of this crate could not read the tables.
const FORMAT: u64 = 1;

/// How much of the file is kept in memory.
const CACHE: usize = 16 << 20;

pub(super) struct Store {
    /// The path, for messages.
    name: String,
    database: Database,
    /// The numbers of the runs that have records and were asked for.
    numbers: HashMap<Arc<str>, u64>,
}

/// A record to be written.
pub(super) struct Entry {
    pub(super) run: Arc<str>,
    pub(super) key: String,
    pub(super) record: Vec<u8>,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let name = path.display().to_string();
        guarded(&name, "opened", || {
            let database = Builder::new()
                .set_cache_size(CACHE)
                .create_with_file_format_v3(true)
                .create(path)?;
            check_format(&database, &name)?;
            Ok(Self {
                name: name.clone(),
                database,
                numbers: HashMap::new(),
            })
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn has_records(&mut self, run: &Arc<str>) -> Result<bool, JournalError> {
        let Self {
            name,
            database,
            numbers,
        } = self;
        guarded(name, "read", || {
            let number = read_number(database, run)?;
            if let Some(number) = number {
                numbers.insert(Arc::clone(run), number);
            }
            Ok(number.is_some())
        })
    }

    pub(super) fn load(&self, run: &str, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(number) = self.numbers.get(run) else {
            return Ok(None);
        };
        guarded(&self.name, "read", || {
            let records = self.database.begin_read()?.open_table(RECORDS)?;
            let Some(found) = records.get((*number, key))? else {
                return Ok(None);
            };
            match verified(key, found.value()) {
                Some(record) => Ok(Some(record.to_vec())),
                None => {
                    let text = format!(
                        "journal `{}` is damaged: the record of `{key}` in run `{run}` is not what \
                         was written; forget the run to start it anew",
                        self.name
                    );
                    Err(JournalError::new(JournalErrorKind::Damaged, text).into())
                }
            }
        })
    }

    /// Writes records in one transaction.
    pub(super) fn write(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let Self {
            name,
            database,
            numbers,
        } = self;
        guarded(name, "written", || {
            let now = milliseconds(SystemTime::now());
            let write = database.begin_write()?;
            let mut found: HashMap<&Arc<str>, u64> = HashMap::new();
            {
                let mut runs = write.open_table(RUNS)?;
                let mut records = write.open_table(RECORDS)?;
                for Entry { run, key, record } in entries {
                    let number = match found.get(run) {
                        Some(number) => *number,
                        None => {
                            let number = touch(&mut runs, run, now)?;
                            found.insert(run, number);
                            number
                        }
                    };
                    records.insert((number, &**key), &*with_checksum(key, record))?;
                }
            }
            write.commit()?;
            for (run, number) in found {
                numbers.insert(Arc::clone(run), number);
            }
            Ok(())
        })
    }

    pub(super) fn runs(&self) -> Result<Vec<JournaledRun>, JournalError> {
        guarded(&self.name, "read", || {
            let read = self.database.begin_read()?;
            let (runs, records) = (read.open_table(RUNS)?, read.open_table(RECORDS)?);
            let mut list = Vec::new();
            for row in runs.iter()? {
                let (id, value) = row?;
                let (number, created, updated) = value.value();
                let count = records.range((number, "")..(number + 1, ""))?.count() as u64;
                list.push(JournaledRun::new(
                    id.value(),
                    count,
                    time(created),
                    time(updated),
                ));
            }
            Ok(list)
        })
    }

    pub(super) fn forget(&mut self, run: &str) -> Result<bool, JournalError> {
        let Self {
            name,
            database,
            numbers,
        } = self;
        guarded(name, "written", || {
            let Some(number) = read_number(database, run)? else {
                return Ok(false);
            };
            let write = database.begin_write()?;
            write.open_table(RUNS)?.remove(run)?;
            write
                .open_table(RECORDS)?
                .retain_in((number, "")..(number + 1, ""), |_, _| false)?;
            write.commit()?;
            numbers.remove(run);
            Ok(true)
        })
    }
}

/// Writes the tables of a new file, and checks those of any other.
fn check_format(database: &Database, name: &str) -> Result<(), Problem> {
    let format = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta.get("format")?.map(|format| format.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match format {
        Some(FORMAT) => Ok(()),
        Some(format) => {
            let text = format!(
                "journal `{name}` has the format {format}, of which this version of asyncflow \
                 knows nothing: open it with the version that wrote it, or use another file"
            );
            Err(JournalError::new(JournalErrorKind::Other, text).into())
        }
        None => {
            let write = database.begin_write()?;
            write.open_table(META)?.insert("format", FORMAT)?;
            write.open_table(RUNS)?;
            write.open_table(RECORDS)?;
            write.commit()?;
            Ok(())
        }
    }
}

fn read_number(database: &Database, run: &str) -> Result<Option<u64>, Problem> {
    let runs = database.begin_read()?.open_table(RUNS)?;
    Ok(runs.get(run)?.map(|row| row.value().0))
}

/// Notes that a run has a new record. Returns its number.
fn touch(
    runs: &mut redb::Table<'_, &str, (u64, u64, u64)>,
    run: &str,
    now: u64,
) -> Result<u64, Problem> {
    let row = runs.get(run)?.map(|row| row.value());
    let (number, created) = match row {
        Some((number, created, _)) => (number, created),
        None => {
            let mut next = 0;
            for row in runs.iter()? {
                next = next.max(row?.1.value().0 + 1);
            }
            (next, now)
        }
    };
    runs.insert(run, (number, created, now))?;
    Ok(number)
}

fn with_checksum(key: &str, record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + record.len());
    bytes.extend_from_slice(&checksum(key, record).to_be_bytes());
    bytes.extend_from_slice(record);
    bytes
}

fn verified<'a>(key: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, record) = bytes.split_first_chunk()?;
    (u32::from_be_bytes(*sum) == checksum(key, record)).then_some(record)
}

fn checksum(key: &str, record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(record);
    hasher.finalize()
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn time(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

/// What can go wrong with the file.
enum Problem {
    /// Boxed, because it is large.
    Store(Box<redb::Error>),
    /// It has its message already.
    Told(JournalError),
}

impl<E: Into<redb::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        Self::Told(error)
    }
}

/// Uses the file. If it is damaged, redb may panic, which becomes an error.
fn guarded<T>(
    name: &str,
    what: &str,
    work: impl FnOnce() -> Result<T, Problem>,
) -> Result<T, JournalError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Problem::Told(error))) => Err(error),
        Ok(Err(Problem::Store(error))) => Err(explain(name, what, *error)),
        Err(_) => Err(damaged(name, "it cannot be made sense of")),
    }
}

fn explain(name: &str, what: &str, error: redb::Error) -> JournalError {
    use redb::Error;
    match error {
        Error::DatabaseAlreadyOpen => JournalError::new(
            JournalErrorKind::InUse,
            format!(
                "journal `{name}` is open already: within a process, clone the `FileJournal`; wait \
                 for another process to end"
            ),
        ),
        Error::Corrupted(text) => damaged(name, &text),
        Error::Io(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            damaged(name, &error.to_string())
        }
        error => {
            let text = format!("journal `{name}` cannot be {what}: {error}");
            JournalError::new(JournalErrorKind::Other, text).caused_by(error)
        }
    }
}

fn damaged(name: &str, why: &str) -> JournalError {
    JournalError::new(
        JournalErrorKind::Damaged,
        format!(
            "journal `{name}` is damaged or no journal: {why}; put a copy in its place, or move it \
             away to begin anew"
        ),
    )
}
