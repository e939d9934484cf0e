//! The error of a journal.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a journal could not be opened, read or written.
///
/// ```
/// use asyncflow::durable::{FileJournal, JournalErrorKind};
///
/// let error = FileJournal::open("no/such/folder/runs.db").unwrap_err();
/// assert_eq!(error.kind(), JournalErrorKind::Other);
/// assert!(error.to_string().starts_with("journal `no/such/folder/runs.db` cannot be opened: "));
/// ```
#[derive(Clone, Debug)]
pub struct JournalError {
    kind: JournalErrorKind,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of [`JournalError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// Another execution has the run, or another process has the journal.
    InUse,
    /// A record is not a value of the type that its task returns today.
    Unfit,
    /// The journal is not as it was written.
    Damaged,
    /// Anything else: no such folder, no space, no connection.
    Other,
}

impl JournalError {
    /// Makes an error with a message, which should name the journal and say what to do.
    ///
    /// ```
    /// use asyncflow::durable::{JournalError, JournalErrorKind};
    ///
    /// let error = JournalError::new(JournalErrorKind::Other, "the bucket `runs` does not exist");
    /// assert_eq!(error.to_string(), "the bucket `runs` does not exist");
    /// ```
    pub fn new(kind: JournalErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the error that caused this one.
    ///
    /// ```
    /// use std::error::Error;
    ///
    /// use asyncflow::durable::{JournalError, JournalErrorKind};
    ///
    /// let cause = std::io::Error::other("connection refused");
    /// let error = JournalError::new(JournalErrorKind::Other, "no journal").caused_by(cause);
    /// assert!(error.source().unwrap().is::<std::io::Error>());
    /// ```
    pub fn caused_by(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(Arc::from(source.into())),
            ..self
        }
    }

    /// Makes the error of a [`begin`](crate::Journal::begin) of a run that has begun already.
    pub fn in_use(journal: &str, run: &str) -> Self {
        Self::new(
            JournalErrorKind::InUse,
            format!(
                "run `{run}` of journal `{journal}` is being executed already: wait for that \
                 execution to end, or use another id"
            ),
        )
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> JournalErrorKind {
        self.kind
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}
