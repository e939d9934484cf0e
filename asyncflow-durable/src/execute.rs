//! Executions with a journal.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use asyncflow_core::recording::{Key, RecordFuture, Recorder};
use asyncflow_core::{BoxError, Execute, Runtime};

use crate::codec::{split_version, with_version};
use crate::error::{JournalError, JournalErrorKind};
use crate::journal::{Journal, Session};

/// Adds [`journal`](Self::journal) to [`Execute`].
pub trait JournalExt: Sized {
    /// Records the outputs of durable tasks in `journal`, under the id of the run, and restores those
    /// that are there already.
    ///
    /// The same id again goes on with the same run. A new id begins a new one. Flows in the flow use
    /// the journal, too. A flow that a task executes by hand does not, since it may do so several times:
    /// give that execution a journal and an id of its own, such as `format!("nightly/{step}")`.
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
    /// let list = flow.add(durable(async || vec![1, 2, 3]).named("list"));
    ///
    /// let run = flow.execute().journal(&journal, "monday").await?;
    /// assert_eq!(run.report().status(list), TaskStatus::Succeeded);
    ///
    /// let again = flow.execute().journal(&journal, "monday").await?;
    /// assert_eq!(again.report().status(list), TaskStatus::Restored);
    /// assert_eq!(again[list], [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The execution is [refused](asyncflow_core::FlowErrorKind::Refused) if another execution under
    /// this id has not ended, or if the journal cannot be read. The source of the error is a
    /// [`JournalError`]. A task fails if its record does not fit its output type, or if its output
    /// cannot be recorded.
    ///
    /// # Panics
    ///
    /// Panics if the execution has been polled already.
    ///
    /// # Cancel safety
    ///
    /// If the execution is dropped, what has been recorded stays. Outputs that are being recorded at
    /// that moment may or may not be in the journal afterwards.
    #[must_use = "an execution does nothing until it is awaited"]
    fn journal(self, journal: &impl Journal, id: impl Into<String>) -> Self;
}

impl<R: Runtime> JournalExt for Execute<'_, R> {
    fn journal(self, journal: &impl Journal, id: impl Into<String>) -> Self {
        let (journal, id) = (journal.clone(), id.into());
        self.recorded(Box::pin(async move {
            let session = journal.begin(&id).await?;
            let (identity, is_stored) = match session.load(IDENTITY).await? {
                Some(identity) => (String::from_utf8_lossy(&identity).into_owned(), true),
                None => (random(), false),
            };
            let recorder: Box<dyn Recorder> = Box::new(JournalRecorder {
                journal: journal.name(),
                run: id,
                session,
                identity,
                is_identity_stored: AtomicBool::new(is_stored),
            });
            Ok(recorder)
        }))
    }
}

/// The key of the record that has the identity of a run. No task has it, because a `[` in a name is
/// escaped.
const IDENTITY: &str = "[identity]";

/// A text that no other run has: the same id in another journal, or after it was forgotten, is another
/// run.
fn random() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

struct JournalRecorder<S> {
    journal: String,
    run: String,
    session: S,
    /// Stored when it is first asked for, since few runs need it.
    identity: String,
    is_identity_stored: AtomicBool,
}

impl<S: Session> Recorder for JournalRecorder<S> {
    fn load<'a>(&'a self, key: &'a Key) -> RecordFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let Some(mut record) = self.session.load(&key.path).await? else {
                return Ok(None);
            };
            match split_version(&record) {
                Some((version, _)) if version == key.version => {
                    record.drain(..4);
                    Ok(Some(record))
                }
                Some(_) => Ok(None),
                None => Err(self.unreadable(key, "it is too short".into())),
            }
        })
    }

    fn store<'a>(&'a self, key: &'a Key, output: Vec<u8>) -> RecordFuture<'a, ()> {
        Box::pin(async move {
            let record = with_version(key.version, &output);
            Ok(self.session.store(&key.path, record).await?)
        })
    }

    fn identity(&self) -> RecordFuture<'_, String> {
        Box::pin(async move {
            // Several may ask at once, and store the same.
            if !self.is_identity_stored.load(Ordering::Acquire) {
                let identity = self.identity.clone().into_bytes();
                self.session.store(IDENTITY, identity).await?;
                self.is_identity_stored.store(true, Ordering::Release);
            }
            Ok(self.identity.clone())
        })
    }

    fn unreadable(&self, key: &Key, error: BoxError) -> BoxError {
        let Self { journal, run, .. } = self;
        let Key { path, version, .. } = key;
        let next = version.saturating_add(1);
        let text = format!(
            "the record of `{path}` (version {version}) in run `{run}` of journal `{journal}` does \
             not fit the type of its output: {error}; to run the task again, raise its version with \
             `.version({next})`, or forget the run"
        );
        Box::new(JournalError::new(JournalErrorKind::Unfit, text).caused_by(error))
    }
}
