//! Tasks on other machines, by [Restate](https://restate.dev).
//!
//! A flow stays in one process. What is heavy can run elsewhere: declare a [`Job`] in a crate that both
//! programs share, do it in a [`Worker`], and add it to the flow with [`Cluster::remote`]. The engine
//! between them, a Restate server, keeps jobs and results, so that nothing is lost when a part of it
//! is killed.
//!
//! The worker's program, on any number of machines:
//!
//! ```no_run
//! use asyncflow::restate::{Job, Worker};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! pub struct Image(Vec<u8>);
//! #[derive(Serialize, Deserialize)]
//! pub struct Thumb(Vec<u8>);
//!
//! // In the crate that both share.
//! pub const THUMB: Job<Image, Thumb> = Job::new("thumb", 1);
//!
//! fn make_thumb(image: &Image) -> Result<Thumb, String> {
//!     Ok(Thumb(image.0.iter().copied().step_by(16).collect()))
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     Worker::new().job(THUMB, make_thumb).concurrency(8).listen("0.0.0.0:9080").await
//! }
//! ```
//!
//! The flow's program, on any backend:
//!
//! ```
//! use asyncflow::TokioFlow; // swap for SmolFlow or AsyncStdFlow: nothing below changes
//! use asyncflow::prelude::*;
//! use asyncflow::restate::Cluster;
//! # use asyncflow::restate::Job;
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # pub struct Image(Vec<u8>);
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # pub struct Thumb(Vec<u8>);
//! # pub const THUMB: Job<Image, Thumb> = Job::new("thumb", 1);
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(folder.path())?;
//! # std::fs::write("a.png", "a")?;
//! # std::fs::write("b.png", "b")?;
//! let cluster = Cluster::connect("http://127.0.0.1:8080")?;
//! # let make_thumb = |image: &Image| Ok::<_, String>(Thumb(image.0.clone()));
//! # let cluster = Cluster::local().job(THUMB, make_thumb);
//! let mut flow = TokioFlow::new();
//! let images = flow.add(|| {
//!     let files = ["a.png", "b.png"].into_iter();
//!     files.map(|file| std::fs::read(file).map(Image)).collect::<Result<Vec<_>, _>>()
//! });
//! let thumbs = flow.add(each(cluster.remote(THUMB)).inputs(images)); // each is a job
//! let run = flow.execute().await?;
//! println!("{} bytes", run[thumbs][0].0.len());
//! # Ok(())
//! # }
//! ```
//!
//! Start the engine with `restate-server`, and tell it of the worker once, with `restate deployments
//! register http://worker:9080`. For tests and for one machine, [`Cluster::local`] needs neither.
//!
//! # When something breaks
//!
//! A job may *start* more than once, and has one result for each key. In an execution with a journal
//! (`asyncflow::durable`), the key is made of the run, the task and those that it is inside of, the index
//! of the element if the task is an `each`, the attempt, the job with its version, and the input. So a flow that was killed and is executed again
//! finds the jobs that it has sent, and another input never finds an old result. Without a journal,
//! each call has a key of its own.
//!
//! | what happens | then |
//! |---|---|
//! | a worker is killed | the engine starts its jobs again, on a worker that is there |
//! | a worker hangs, or a job takes longer than [`Worker::limit`] | the same, after that time; the job that hangs is not stopped |
//! | the engine is restarted | jobs go on; the flow repeats its calls, and finds them |
//! | a connection is cut | the same |
//! | the flow's program is killed | jobs go on; executed again with a journal, the flow finds their results, as long as [`Worker::retention`] |
//! | a job returns an error or panics | the attempt of the task fails with its message; `.retry` calls the job again, and so does a later execution |
//! | the run is cancelled or dropped | its jobs are cancelled; see below |
//! | the engine cannot be reached | calls are repeated as long as [`Cluster::patience`]; then the attempt fails |
//! | no worker offers the job, or not in this version | an error at once, which names it |
//! | an input or output over 32 MiB | an error, which advises to pass a reference |
//! | worker and flow have different types | an error, never garbage; raise the version of the job when types change |
//!
//! *Cancelled* means: an async function is dropped at its await point, and gives its place to others.
//! A plain function runs to its end, and its result is dropped. If several machines share one address,
//! the request to cancel may come to another than that of the job; then the job runs to its end. A
//! program that ends right after it has dropped a run may not get to send the request.
//!
//! # Limits
//!
//! * The engine sends any number of jobs at once; [`Worker::concurrency`] bounds what a worker does.
//!   Plain functions run on blocking threads, so that they do not hold up the connection.
//! * The engine keeps results for [`Worker::retention`], and takes messages of up to 32 MiB. Pass large
//!   data by reference.
//! * A worker has one address. For several machines, put a balancer before them and register that.
//!
//! # What is seen of it
//!
//! To the flow, a job is a task: reports, progress bars, timelines and spans show it. Its
//! [note](asyncflow_core::TaskReport::note) says on which machine and process it ran, and how long it
//! waited there for others.
//!
//! # What it costs
//!
//! A job costs a round trip to the engine and two records there: that it was asked for, and its reply. The
//! engine waits for its disk once for all that come at the same time, so many jobs at once are cheap, and
//! one alone is slow.
//!
//! Measured by `scripts/restate.sh costs` with jobs that do nothing, in three runs; engine, worker and flow
//! on one machine with two processors. Milliseconds a job, from the lowest to the highest run:
//!
//! | jobs at once | call of a bare service of the SDK | the same with `ctx.run` | job | job recorded in a journal |
//! |---|---|---|---|---|
//! | 1 | 27 to 31 | 11 to 16 | 20 to 22 | 14 |
//! | 16 | 2.3 to 2.5 | 3.1 to 3.5 | 3.4 to 3.9 | 3.7 to 4.2 |
//! | 256 | 1.2 to 1.3 | 1.7 to 1.8 | 1.7 to 1.8 | 1.7 to 1.9 |
//!
//! So some 550 to 600 jobs a second, as many as bare calls whose results are kept in the same way. One call
//! alone varies more with the state of the engine than with what is called. A job whose output is restored
//! from the journal takes 5 µs, without the engine.
//!
//! # When to use it
//!
//! For work that needs other machines, or more of them than one. It costs milliseconds a job, so let a job
//! be worth that. For long work in one process, a journal (`asyncflow::durable`) is cheaper.
//!
//! # Compiler
//!
//! This crate needs Rust 1.90, as the SDK does. The other crates do not.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod cluster;
mod error;
mod function;
mod job;
mod message;
mod threads;
mod worker;

pub use cluster::{Cluster, Remote, RemoteFn, RemoteFuture};
pub use error::{RemoteError, RemoteErrorKind};
pub use function::{JobFn, marker};
pub use job::Job;
pub use worker::Worker;

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
