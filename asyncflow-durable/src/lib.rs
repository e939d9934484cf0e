//! Journals for asyncflow.

mod codec;
pub mod conformance;
mod error;
mod execute;
mod file;
mod journal;

pub use codec::Cbor;
pub use error::{JournalError, JournalErrorKind};
pub use execute::JournalExt;
pub use file::{FileJournal, FileSession};
pub use journal::{Journal, JournaledRun, Session};

use asyncflow_core::recording::{Recorded, recorded};

/// A task function whose output is recorded, made by [`durable`].
pub type Durable<F> = Recorded<F, Cbor>;

/// Wraps a task function, so that an execution with a [journal](JournalExt::journal) records its
/// output, and restores it when the same run is executed again.
///
/// Takes any task function: async or plain, with inputs or without. Its output implements
/// [`Serialize`](serde::Serialize) and [`DeserializeOwned`](serde::de::DeserializeOwned). Without a
/// journal, the function is called as it is.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::durable::{FileJournal, JournalExt, durable};
/// use asyncflow::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Page {
///     html: String,
/// }
///
/// async fn fetch() -> Result<Page, std::io::Error> {
///     Ok(Page { html: "<p>".into() })
/// }
///
/// fn count(page: &Page) -> usize {
///     page.html.len()
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("runs.db");
/// let journal = FileJournal::open(path)?;
/// let mut flow = TokioFlow::new();
/// let page = flow.add(durable(fetch));
/// let count = flow.add(durable(count).version(2).inputs(page));
/// let run = flow.execute().journal(&journal, "nightly").await?;
/// assert_eq!(run[count], 3);
/// # Ok(())
/// # }
/// ```
pub fn durable<F>(function: F) -> Durable<F> {
    recorded(function)
}
