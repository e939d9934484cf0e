//! Journals: what has succeeded is not run again after a crash.
//!
//! Wrap the functions whose outputs are worth keeping in [`durable`], and execute the flow with a
//! [journal](JournalExt::journal) and an id for the run. The journal records each output, and that of
//! each element of an [`each`](asyncflow_core::each()). If the program is killed, or a task fails, execute
//! the flow again under the same id: what has succeeded is *restored* from the journal, and the rest
//! runs.
//!
//! ```
//! use asyncflow::TokioFlow; // swap for SmolFlow or AsyncStdFlow: nothing below changes
//! use asyncflow::durable::{FileJournal, JournalExt, durable};
//! use asyncflow::prelude::*;
//!
//! async fn list() -> Result<Vec<String>, std::io::Error> {
//!     Ok(vec!["a.png".into(), "b.png".into()])
//! }
//!
//! fn size(image: &String) -> usize {
//!     image.len()
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(folder.path())?;
//! let journal = FileJournal::open("runs.db")?;
//! let mut flow = TokioFlow::new();
//! let images = flow.add(durable(list));
//! let sizes = flow.add(each(durable(size)).inputs(images)); // each size has a record
//!
//! let run = flow.execute().journal(&journal, "nightly-2026-11-25").await?;
//! assert_eq!(run[sizes], [5, 5]);
//!
//! let again = flow.execute().journal(&journal, "nightly-2026-11-25").await?;
//! assert_eq!(again.report().status(sizes), TaskStatus::Restored);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! At least once, one result:
//!
//! * What the journal says has succeeded is never run again under that id and version.
//! * An output is in the journal before anything downstream starts. If it cannot be recorded, its task
//!   fails, and nothing downstream starts.
//! * Between the end of a function and its record lies a window in which a program that is killed
//!   repeats the function. So a function with effects outside of the program must bear being called
//!   twice. Whatever its calls return, one output is recorded, and that is the one that downstream
//!   tasks see in every execution.
//! * Failures and cancelled tasks are not recorded. They run again.
//!
//! | what happens | then |
//! |---|---|
//! | the program is killed while a function runs | it runs again in the next execution |
//! | the program is killed while an output is written | the whole record is there, or none; then the function runs again |
//! | the machine loses its power | the same: records are synced to the disk |
//! | a task or an element fails, panics, times out, or is cancelled | it runs again; with `.retry`, each attempt is one of the task, and the one that succeeds is recorded |
//! | a task or an element recovers by its `.fallback` | the output is not recorded: the function runs again |
//! | the run stops while an output is being recorded | the record is finished first |
//! | the execution is dropped while an output is being recorded | the record may or may not be there |
//! | an output has another type than its record | the task fails with an error that names it and the journal |
//! | two executions of one id at once | the second is refused, before anything starts |
//! | the process that had a run is killed | the run is free |
//! | the disk is full | the task whose output cannot be recorded fails |
//! | the file is damaged | an error, never a wrong output |
//!
//! # Elements of lists
//!
//! All of this holds for each element of `each(durable(f))`: it is found by its index in the list, and
//! recorded and restored by itself. The records of all elements are looked up before the first element
//! starts; those that are restored wait for no permits. The task is
//! [`Restored`](asyncflow_core::TaskStatus::Restored) if all its elements are. If some run, it ends as it
//! would if all did.
//!
//! The index is all that an element is known by. If the list has become longer, its new elements run; if
//! it has become shorter, the records of the others are left alone. But an element that has moved gets
//! the output of what was in its place. So let the list come from a durable task, or from what never
//! changes under one id.
//!
//! # What a record is found by
//!
//! | part | what changes it |
//! |---|---|
//! | the id of the run | you: the same id goes on, a new id begins anew |
//! | the name of the task | `.named(..)`; without it, the name of the function |
//! | the index of the element, for a function in `each` | its place in the list |
//! | the tasks that it is inside of, for a flow in a flow | their names |
//! | the version | `.version(n)`; a new one forgets the old output |
//!
//! Inputs are no part of it. If an input may change between two executions of one id, make the task
//! that it comes from durable, too. Give closures a name: without one, they are called after their
//! place in the code, which changes with it. Give tasks that share a function different names: `#2` is
//! the second that was *added*.
//!
//! # When to use which
//!
//! | you have | use |
//! |---|---|
//! | work that is quickly done again | a flow without a journal |
//! | work that takes long or costs money, in one process | a journal |
//! | work for several machines | `asyncflow::restate`, with a journal for the flow if the flow itself is long |
//!
//! # What it costs
//!
//! A durable task costs a hand-over to the journal's thread and back, and a share in a transaction. The
//! transaction waits for the disk once, for all outputs that are ready by then: the more tasks run at
//! the same time, the less each pays. A task that is not durable costs what it did.
//!
//! Measured by the example `costs` of this crate with outputs of 100 bytes, on a disk that takes about
//! 3.5 ms to sync, in microseconds a record:
//!
//! | tasks at once | with a `FileJournal` | lines written and synced by hand |
//! |---|---|---|
//! | 1 | 3,600 | 3,500 |
//! | 8 | 680 | |
//! | 64 | 110 to 130 | 80 to 110 |
//! | 10,000 | 16 | |
//! | restored | 8.6 | |
//!
//! The file took 480 bytes a record.
//!
//! Outputs are encoded as [CBOR](Cbor), which describes itself. A `Vec<u8>` takes half the space with
//! the crate `serde_bytes`.

#![cfg_attr(docsrs, feature(doc_cfg))]

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

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
