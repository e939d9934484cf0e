//! Failures, and what follows them.
//!
//! A task *fails* if its function returns an `Err`, panics, or takes longer than its time limit. What
//! follows is the same for all three.
//!
//! | the task has | its status | what depends on it | the run |
//! |---|---|---|---|
//! | nothing | `Failed`, `Panicked` or `TimedOut` | is skipped | stops, and is an error |
//! | [`retry(policy)`](crate::TaskExt::retry), and a later attempt succeeds | `Succeeded` | runs | goes on |
//! | [`fallback(f)`](crate::TaskExt::fallback) | `Recovered` | runs, with what `f` made | goes on |
//! | [`allow_failure()`](crate::TaskExt::allow_failure) | as without it | is skipped, or receives `None` if it takes it [`optional`](crate::Task::optional) | goes on |
//!
//! The mechanisms apply in this order: [`timeout`](crate::TaskExt::timeout) ends an attempt;
//! [`retry_when`](crate::TaskExt::retry_when) and `retry` decide whether there is another; `fallback` makes
//! an output when there is none; `allow_failure` lets the run go on without one.
//!
//! A function that is not async cannot be interrupted. If it exceeds its time limit, its fallback and what
//! depends on it go on at once, but the run waits for it at the end, and it keeps its permits.
//!
//! | the run | after a failure |
//! |---|---|
//! | by default | starts nothing more, drops async functions, waits for plain ones, runs [clean-up](super::cancelling) |
//! | with [`keep_going()`](crate::Execute::keep_going) | runs all that does not depend on the failure |
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::backon::ExponentialBuilder;
//! use asyncflow::prelude::*;
//!
//! async fn rate() -> Result<f64, io::Error> {
//!     Err(io::ErrorKind::PermissionDenied.into())
//! }
//!
//! async fn orders() -> Result<Vec<f64>, io::Error> {
//!     Ok(vec![20.0, 5.0])
//! }
//!
//! async fn warm_up() -> Result<(), io::Error> {
//!     Err(io::ErrorKind::NotFound.into())
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let rate = rate
//!     .timeout(Duration::from_secs(2)) // for each attempt
//!     .retry(ExponentialBuilder::default()) // three more attempts, after 1, 2 and 4 seconds
//!     .retry_when(|failure| {
//!         let error = failure.error().downcast_ref::<io::Error>();
//!         error.is_none_or(|error| error.kind() != io::ErrorKind::PermissionDenied)
//!     })
//!     .fallback(|failure| {
//!         eprintln!("{failure}"); // task `rate` failed: permission denied
//!         1.0
//!     });
//! let rate = flow.add(rate);
//! let orders = flow.add(orders);
//! let warm_up = flow.add(warm_up.allow_failure());
//! let total = |orders: &Vec<f64>, rate: &f64| orders.iter().sum::<f64>() * rate;
//! let total = flow.add(total.inputs((orders, rate)));
//!
//! let run = flow.execute().await?;
//! assert_eq!(run[total], 25.0);
//! assert_eq!(run.report().status(rate), TaskStatus::Recovered);
//! assert_eq!(run.report().task(rate).attempts(), 1);
//! assert_eq!(run.report().status(warm_up), TaskStatus::Failed);
//! # Ok(())
//! # }
//! ```
//!
//! A policy of retries is a builder of the crate [`backon`](crate::backon), or an iterator of pauses:
//! `retry([Duration::from_millis(100); 3].into_iter())`.
//!
//! # Reading the error
//!
//! [`execute`](crate::Flow::execute) returns `Ok` if every task succeeded, recovered, was skipped by a
//! condition, or failed as it was allowed to. Otherwise the [`FlowError`](crate::FlowError) has everything:
//!
//! ```
//! use asyncflow::prelude::*;
//! use asyncflow::{FlowErrorKind, TokioFlow};
//!
//! # #[tokio::main]
//! # async fn main() {
//! let mut flow = TokioFlow::new();
//! let page = flow.add((|| "a page").named("page"));
//! let parse = flow.add((|| "x".parse::<u8>()).named("parse"));
//! let crash = flow.add((|| -> () { panic!("out of cheese") }).named("crash"));
//! flow.add((|_: &u8| ()).inputs(parse).named("store"));
//!
//! let error = flow.execute().keep_going().await.unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "task `parse` failed: invalid digit found in string; task `crash` panicked: out of cheese (1 skipped)"
//! );
//! for failure in error.failures() {
//!     if let Some(error) = failure.error().downcast_ref::<std::num::ParseIntError>() {
//!         assert_eq!((failure.name(), error.to_string().len()), ("parse", 29));
//!     }
//! }
//! let report = error.report().unwrap(); // the status of every task
//! assert_eq!(report.status(crash), TaskStatus::Panicked);
//! let run = error.outputs().unwrap(); // what did succeed
//! assert_eq!((run.get(page), run.get(parse)), (Some(&"a page"), None));
//! # assert_eq!(error.kind(), FlowErrorKind::Failed);
//! # }
//! ```
//!
//! | [`kind()`](crate::FlowError::kind) | meaning |
//! |---|---|
//! | `Failed` | at least one task failed |
//! | `Cancelled`, `TimedOut` | the run was [stopped](super::cancelling), and no task had failed |
//! | `Refused` | a mistake, found before anything started: an input that was not given, a task of another flow |
//! | `Abandoned` | the runtime was shut down during the run |
//!
//! A program that is compiled with `panic = "abort"` ends at the first panic.
