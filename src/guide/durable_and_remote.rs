//! Runs that survive a crash, and tasks on other machines.
//!
//! | you have | use |
//! |---|---|
//! | work that is quickly done again | a flow as it is |
//! | work that takes long or costs money, in one process | a [journal](crate::durable), feature `durable` |
//! | work for several machines | [workers](crate::restate), feature `restate`, with a journal if the flow itself is long |
//!
//! # Surviving a crash
//!
//! Wrap the functions whose outputs are worth keeping in [`durable`](crate::durable::durable()), and execute
//! with a journal and an id. If the program is killed, or a task fails, execute again under the same id: what
//! has succeeded is restored, each element of a list by itself, and the rest runs.
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::durable::{FileJournal, JournalExt, durable};
//! use asyncflow::prelude::*;
//!
//! async fn list() -> Result<Vec<String>, std::io::Error> {
//!     Ok(vec!["/a".into(), "/bb".into()])
//! }
//!
//! async fn fetch(url: &String) -> Result<usize, std::io::Error> {
//!     Ok(url.len())
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("runs.db");
//! let journal = FileJournal::open(path)?; // one file
//! let mut flow = TokioFlow::new();
//! let urls = flow.add(durable(list));
//! let pages = flow.add(each(durable(fetch)).inputs(urls));
//!
//! let run = flow.execute().journal(&journal, "nightly-2026-11-25").await?;
//! assert_eq!(run[pages], [2, 3]);
//!
//! let again = flow.execute().journal(&journal, "nightly-2026-11-25").await?;
//! assert_eq!(again.report().status(pages), TaskStatus::Restored);
//! # Ok(())
//! # }
//! ```
//!
//! * An output is in the journal before anything downstream starts. Between the end of a function and its
//!   record, a kill makes it run again: *at least once, one result*.
//! * A record is found by the id of the run and the name of the task. Name closures, and change the id when
//!   the inputs change.
//! * Outputs are [`Serialize`](https://docs.rs/serde) and `DeserializeOwned`. For a new meaning or type of an
//!   output, count [`version(n)`](crate::durable::Durable) up.
//! * Another store, such as a database: implement [`Journal`](crate::durable::Journal), and check it with its
//!   conformance suite.
//!
//! [`asyncflow::durable`](crate::durable) has all cases, in a table, and what a record costs.
//!
//! # On other machines
//!
//! Flows stay in one process. A [`Job`](crate::restate::Job) is what a worker does for them: its name,
//! version and types are declared once, for both programs. A [Restate](https://restate.dev) server between them
//! keeps jobs and results when any part is killed.
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//! use asyncflow::restate::{Cluster, Job};
//!
//! // In a crate that both programs share.
//! pub const LENGTH: Job<String, usize> = Job::new("length", 1);
//!
//! fn length(text: &String) -> usize {
//!     text.len()
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In tests, or on one machine, no server is needed. Otherwise:
//! // `Cluster::connect("http://127.0.0.1:8080")?`
//! let cluster = Cluster::local().job(LENGTH, length);
//!
//! let mut flow = TokioFlow::new();
//! let texts = flow.value(vec![String::from("one"), String::from("three")]);
//! let lengths = flow.add(each(cluster.remote(LENGTH)).inputs(texts)); // a job for each
//! assert_eq!(flow.execute().await?[lengths], [3, 5]);
//! # Ok(())
//! # }
//! ```
//!
//! The program of a worker, on any number of machines:
//!
//! ```no_run
//! # use asyncflow::restate::{Job, Worker};
//! # const LENGTH: Job<String, usize> = Job::new("length", 1);
//! # fn length(text: &String) -> usize { text.len() }
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! Worker::new().job(LENGTH, length).concurrency(8).listen("0.0.0.0:9080").await
//! # }
//! ```
//!
//! To the flow, a job is a task: limits, retries, fallbacks, reports and journals apply as to any other. The
//! example `thumbnails` has all three programs. [`asyncflow::restate`](crate::restate) has a table of what
//! happens when something breaks.
