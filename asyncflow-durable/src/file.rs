//! A journal in one file.

mod store;
mod thread;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use futures_channel::oneshot;

use crate::error::{JournalError, JournalErrorKind};
use crate::journal::{Journal, JournaledRun, Session};

use self::store::Store;
use self::thread::{Reply, Request, Service};

/// A journal in one file on a local disk.
///
/// The file is a [redb](https://docs.rs/redb) database: a single file, in pure Rust, whose format is
/// stable, and whose transactions survive a killed process and a power cut. It is read and written on
/// a thread of the journal's own, so the executor never waits for the disk. What several tasks record
/// while the disk is busy is written in one transaction.
///
/// One process has the file open at a time. Within the process, clones share it. The operating system
/// gives the file free when the process ends, however it ends.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::durable::{FileJournal, JournalExt, durable};
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("runs.db");
/// let journal = FileJournal::open(path)?;
/// let mut flow = TokioFlow::new();
/// flow.add(durable(async || 42).named("answer"));
/// flow.execute().journal(&journal, "nightly-2026-11-25").await?;
///
/// let runs = journal.runs()?;
/// assert_eq!((runs[0].id(), runs[0].records()), ("nightly-2026-11-25", 1));
/// assert!(journal.forget("nightly-2026-11-25")?);
/// assert!(journal.runs()?.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// Dropping the last clone closes the file, which waits for what is being written.
#[derive(Clone)]
pub struct FileJournal(Arc<Service>);

impl FileJournal {
    /// Opens the journal in this file, which is created if it does not exist.
    ///
    /// Reads the file on the calling thread. If the process that had it was killed, it is repaired,
    /// which may take a moment if it is large.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind [`InUse`](JournalErrorKind::InUse) if the file is open already, in
    /// this process or another; [`Damaged`](JournalErrorKind::Damaged) if it is no journal, or is cut
    /// short or overwritten; [`Other`](JournalErrorKind::Other) if it cannot be read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let store = Store::open(path)?;
        let service = Service::start(store).map_err(|error| {
            let text = format!("journal `{}` has no thread: {error}", path.display());
            JournalError::new(JournalErrorKind::Other, text).caused_by(error)
        })?;
        Ok(Self(Arc::new(service)))
    }

    /// Returns every run that has records, in the order of their ids.
    ///
    /// Waits for the journal's thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn runs(&self) -> Result<Vec<JournaledRun>, JournalError> {
        self.ask_and_wait(Request::Runs)
    }

    /// Deletes everything that was recorded for a run. Returns whether there was anything.
    ///
    /// Waits until that is written. The file keeps its size; the space is used again.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind [`InUse`](JournalErrorKind::InUse) if the run is being executed, or
    /// another one if the file cannot be written.
    pub fn forget(&self, run: &str) -> Result<bool, JournalError> {
        let run = Arc::from(run);
        self.ask_and_wait(|reply| Request::Forget { run, reply })
    }

    fn ask_and_wait<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, JournalError> {
        let (sender, answer) = sync_channel(1);
        self.0.send(request(Box::new(move |result| {
            // Fails if nobody waits any more.
            let _ = sender.send(result);
        })));
        answer.recv().unwrap_or_else(|_| Err(self.0.gone()))
    }

    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, JournalError> {
        let (sender, answer) = oneshot::channel();
        self.0.send(request(Box::new(move |result| {
            // Fails if nobody waits any more.
            let _ = sender.send(result);
        })));
        answer.await.unwrap_or_else(|_| Err(self.0.gone()))
    }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileJournal").field(&self.0.name()).finish()
    }
}

impl Journal for FileJournal {
    type Session = FileSession;

    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    async fn begin(&self, run: &str) -> Result<FileSession, JournalError> {
        // Made before the answer: if this future is dropped in between, the run is given back.
        let mut session = FileSession {
            journal: self.clone(),
            run: Arc::from(run),
            ticket: self.0.ticket(),
            is_empty: false,
        };
        let (run, ticket) = (Arc::clone(&session.run), session.ticket);
        let begin = |reply| Request::Begin { run, ticket, reply };
        session.is_empty = !self.ask(begin).await?;
        Ok(session)
    }

    async fn runs(&self) -> Result<Vec<JournaledRun>, JournalError> {
        self.ask(Request::Runs).await
    }

    async fn forget(&self, run: &str) -> Result<bool, JournalError> {
        let run = Arc::from(run);
        self.ask(|reply| Request::Forget { run, reply }).await
    }
}

/// A [`Session`] of a [`FileJournal`].
pub struct FileSession {
    journal: FileJournal,
    run: Arc<str>,
    /// Tells it from other sessions of the run.
    ticket: u64,
    /// Whether there were no records when it began, so that there are none to look for.
    is_empty: bool,
}

impl fmt::Debug for FileSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSession")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl Session for FileSession {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        if self.is_empty {
            return Ok(None);
        }
        let (run, key) = (Arc::clone(&self.run), key.to_owned());
        self.journal
            .ask(|reply| Request::Load { run, key, reply })
            .await
    }

    async fn store(&self, key: &str, record: Vec<u8>) -> Result<(), JournalError> {
        let (run, key) = (Arc::clone(&self.run), key.to_owned());
        self.journal
            .ask(|reply| Request::Store {
                run,
                key,
                record,
                reply,
            })
            .await
    }
}

impl Drop for FileSession {
    fn drop(&mut self) {
        let (run, ticket) = (Arc::clone(&self.run), self.ticket);
        self.journal.0.send(Request::End { run, ticket });
    }
}
