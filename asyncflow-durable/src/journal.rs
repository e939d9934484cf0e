//! What a journal is.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::JournalError;

/// Keeps the outputs of durable tasks, by run.
///
/// [`FileJournal`](crate::FileJournal) is one; implement this trait to keep them in a database server
/// or an object store. [`conformance::check`](crate::conformance::check) tests an implementation.
///
/// A run is what was executed under one id, once or several times. It has records: bytes by key. The
/// executor polls the futures, so they must not block its thread.
///
/// ```
/// use std::collections::{BTreeMap, HashSet};
/// use std::sync::{Arc, Mutex};
/// use std::time::SystemTime;
///
/// use asyncflow::durable::{Journal, JournalError, JournaledRun, Session};
///
/// /// Keeps everything in memory, for tests.
/// #[derive(Clone, Default)]
/// struct Memory(Arc<Mutex<State>>);
///
/// #[derive(Default)]
/// struct State {
///     runs: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
///     in_use: HashSet<String>,
/// }
///
/// struct MemorySession(Memory, String);
///
/// impl Journal for Memory {
///     type Session = MemorySession;
///
///     fn name(&self) -> String {
///         "memory".into()
///     }
///
///     async fn begin(&self, run: &str) -> Result<MemorySession, JournalError> {
///         match self.0.lock().unwrap().in_use.insert(run.into()) {
///             true => Ok(MemorySession(self.clone(), run.into())),
///             false => Err(JournalError::in_use("memory", run)),
///         }
///     }
///
///     async fn runs(&self) -> Result<Vec<JournaledRun>, JournalError> {
///         let runs = &self.0.lock().unwrap().runs;
///         let now = SystemTime::now();
///         let run = |(id, records): (&String, &BTreeMap<_, _>)| {
///             JournaledRun::new(id.clone(), records.len() as u64, now, now)
///         };
///         Ok(runs.iter().map(run).collect())
///     }
///
///     async fn forget(&self, run: &str) -> Result<bool, JournalError> {
///         let mut state = self.0.lock().unwrap();
///         match state.in_use.contains(run) {
///             true => Err(JournalError::in_use("memory", run)),
///             false => Ok(state.runs.remove(run).is_some()),
///         }
///     }
/// }
///
/// impl Session for MemorySession {
///     async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
///         let runs = &self.0.0.lock().unwrap().runs;
///         Ok(runs.get(&self.1).and_then(|records| records.get(key).cloned()))
///     }
///
///     async fn store(&self, key: &str, record: Vec<u8>) -> Result<(), JournalError> {
///         let runs = &mut self.0.0.lock().unwrap().runs;
///         runs.entry(self.1.clone()).or_default().insert(key.into(), record);
///         Ok(())
///     }
/// }
///
/// impl Drop for MemorySession {
///     fn drop(&mut self) {
///         self.0.0.lock().unwrap().in_use.remove(&self.1);
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// asyncflow::durable::conformance::check(Memory::default()).await;
/// # }
/// ```
pub trait Journal: Clone + Send + Sync + 'static {
    /// The hold of one execution on its run.
    type Session: Session;

    /// Returns what errors call the journal, such as its path or address.
    fn name(&self) -> String;

    /// Takes a run for one execution, until the session is dropped. A run that does not exist is
    /// empty.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind [`InUse`](crate::JournalErrorKind::InUse) while another session
    /// has the run, in this process or another. What a killed process had is free.
    fn begin(&self, run: &str) -> impl Future<Output = Result<Self::Session, JournalError>> + Send;

    /// Returns every run that has records.
    fn runs(&self) -> impl Future<Output = Result<Vec<JournaledRun>, JournalError>> + Send;

    /// Deletes a run. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind [`InUse`](crate::JournalErrorKind::InUse) while a session has the
    /// run.
    fn forget(&self, run: &str) -> impl Future<Output = Result<bool, JournalError>> + Send;
}

/// The hold of one execution on a run of a [`Journal`].
///
/// If the future of a [`store`](Self::store) is dropped, the record may still be written, but not
/// after the run has begun again.
pub trait Session: Send + Sync + 'static {
    /// Returns the record of a key, or `None`.
    fn load(&self, key: &str)
    -> impl Future<Output = Result<Option<Vec<u8>>, JournalError>> + Send;

    /// Writes the record of a key, and replaces the one before.
    ///
    /// Once the future is ready, the record survives a crash of the process. A process that is killed
    /// before leaves the whole record or none of it. Many calls may be under way at once, so an
    /// implementation can write several records at a time.
    fn store(
        &self,
        key: &str,
        record: Vec<u8>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;
}

impl<J: Journal> Journal for Arc<J> {
    type Session = J::Session;

    fn name(&self) -> String {
        (**self).name()
    }

    fn begin(&self, run: &str) -> impl Future<Output = Result<Self::Session, JournalError>> + Send {
        (**self).begin(run)
    }

    fn runs(&self) -> impl Future<Output = Result<Vec<JournaledRun>, JournalError>> + Send {
        (**self).runs()
    }

    fn forget(&self, run: &str) -> impl Future<Output = Result<bool, JournalError>> + Send {
        (**self).forget(run)
    }
}

/// A run in a journal, from [`FileJournal::runs`](crate::FileJournal::runs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournaledRun {
    id: String,
    records: u64,
    created: SystemTime,
    updated: SystemTime,
}

impl JournaledRun {
    /// Makes the description of a run, for implementations of [`Journal`].
    pub fn new(
        id: impl Into<String>,
        records: u64,
        created: SystemTime,
        updated: SystemTime,
    ) -> Self {
        Self {
            id: id.into(),
            records,
            created,
            updated,
        }
    }

    /// Returns the id under which the run is executed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns how many outputs are recorded.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns when the first output was recorded.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// Returns when the last output was recorded.
    pub fn updated(&self) -> SystemTime {
        self.updated
    }
}
