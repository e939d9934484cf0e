//! Cancelling, time limits and clean-up.
//!
//! | how a run ends early | async functions | plain functions | clean-up (`always`) | `execute` returns |
//! |---|---|---|---|---|
//! | a task fails | dropped at their await point | run to their end | runs | when all has ended |
//! | [`deadline(d)`](crate::Execute::deadline) | the same | the same | runs | when all has ended, with the kind `TimedOut` |
//! | [`StopHandle::stop`](crate::StopHandle::stop), [`Running::cancel`](crate::Running::cancel) | the same | the same | runs | when all has ended, with the kind `Cancelled` |
//! | its future is *dropped*: `tokio::time::timeout`, `select!`, a client of a server that disconnects | the same | run to their end, nobody waits | **does not run** | never |
//!
//! So put no timeout around the future, if the flow has clean-up: give the run a deadline.
//!
//! # Ctrl-c, a deadline, clean-up
//!
//! ```
//! use std::time::Duration;
//!
//! use asyncflow::prelude::*;
//! use asyncflow::{FlowErrorKind, TokioFlow};
//!
//! async fn work() {
//!     std::future::pending().await
//! }
//!
//! async fn remove_files() {}
//!
//! # #[tokio::main]
//! # async fn main() {
//! let mut flow = TokioFlow::new();
//! let work = flow.add(work);
//! let remove = flow.add(remove_files.after(work).always());
//!
//! let stop = StopHandle::new();
//! let ctrl_c = stop.clone();
//! tokio::spawn(async move {
//!     tokio::signal::ctrl_c().await.ok();
//!     ctrl_c.stop();
//! });
//!
//! let run = flow.execute().stop_with(&stop).deadline(Duration::from_millis(10));
//! let error = run.await.unwrap_err();
//! assert_eq!(error.kind(), FlowErrorKind::TimedOut);
//! assert_eq!(error.report().unwrap().status(remove), TaskStatus::Succeeded);
//! # }
//! ```
//!
//! On any runtime, the crate `ctrlc` does the same: `ctrlc::set_handler(move || ctrl_c.stop())`. One handle
//! can stop any number of runs, and can be stopped before they start.
//!
//! # In place of `select!` and `timeout`
//!
//! ```
//! use std::pin::pin;
//! use std::time::Duration;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() {
//! # let mut flow = TokioFlow::new();
//! # flow.add(async || std::future::pending::<()>().await);
//! let stop = StopHandle::new();
//! let mut run = pin!(flow.execute().stop_with(&stop));
//! let outcome = tokio::select! {
//!     outcome = &mut run => outcome,
//!     () = tokio::time::sleep(Duration::from_millis(10)) => {
//!         stop.stop();
//!         run.await // waits for clean-up
//!     }
//! };
//! assert!(outcome.unwrap_err().is_cancelled());
//! # }
//! ```
//!
//! A server drops the future of a handler when its client disconnects. If the clean-up of that run must not
//! be lost, await the run in a task of its own:
//!
//! ```
//! # use asyncflow::TokioFlow;
//! # use asyncflow::prelude::*;
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! # let mut flow = TokioFlow::new();
//! # flow.add(|| 1);
//! let run = tokio::spawn(flow.start()); // goes on if the handler is dropped
//! let run = run.await.expect("it is not aborted")?;
//! # let _ = run;
//! # Ok(())
//! # }
//! ```
//!
//! # Clean-up
//!
//! An [`always`](crate::TaskExt::always) task waits until its upstreams have ended, however they ended. What
//! they made may be missing, so it takes its inputs [`optional`](crate::Task::optional):
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() {
//! let mut flow = TokioFlow::new();
//! let server = flow.add(|| String::from("a server"));
//! let work = flow.add((|_: &String| Err::<(), _>("no luck")).inputs(server).named("work"));
//! let stop = |server: Option<&String>| server.map(String::len);
//! let stop = flow.add(stop.inputs(server.optional()).after(work).always());
//!
//! let error = flow.execute().await.unwrap_err();
//! assert_eq!(error.to_string(), "task `work` failed: no luck");
//! assert_eq!(error.outputs().unwrap()[stop], Some(8));
//! # }
//! ```
//!
//! A run with [`only`](crate::Execute::only) includes the clean-up of what it runs.
//! The example `service_flow` starts the parts of a service in order, and shuts down those that were started.
//!
//! # A server that finishes its requests
//!
//! When the run stops, an async `serve` is dropped at its await point, with the requests in flight. To finish
//! them, let the server itself end on ctrl-c, and stop the run only at the second one:
//!
//! ```no_run
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! async fn ctrl_c() {
//!     tokio::signal::ctrl_c().await.ok();
//! }
//!
//! async fn serve() -> std::io::Result<()> {
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     axum::serve(listener, axum::Router::new()).with_graceful_shutdown(ctrl_c()).await
//! }
//!
//! async fn disconnect() {}
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let serve = flow.add(serve);
//! flow.add(disconnect.after(serve).always());
//!
//! let stop = StopHandle::new();
//! let second = stop.clone();
//! tokio::spawn(async move {
//!     ctrl_c().await;
//!     ctrl_c().await;
//!     second.stop();
//! });
//! flow.execute().stop_with(&stop).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Functions that take long
//!
//! A function that is not async cannot be interrupted. One that takes long asks now and then whether to
//! stop, and returns. What it returns counts as ever: an output as a success, an `Err` as a failure. So let
//! the output say how far it came:
//!
//! ```
//! use std::time::Duration;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! fn compress(cx: &TaskContext) -> u64 {
//!     let mut done = 0;
//!     while done < 1_000_000 && !cx.is_stopping() {
//!         std::thread::sleep(Duration::from_millis(1)); // a block
//!         done += 1;
//!         cx.progress(done, 1_000_000);
//!     }
//!     done
//! }
//!
//! # #[tokio::main]
//! # async fn main() {
//! let mut flow = TokioFlow::new();
//! let compress = flow.add(compress.inputs(context()));
//! let upload = flow.add((async |_: &u64| {}).inputs(compress));
//! let error = flow.execute().deadline(Duration::from_millis(10)).await.unwrap_err();
//! assert!(error.outputs().unwrap()[compress] < 1_000_000);
//! assert_eq!(error.report().unwrap().status(upload), TaskStatus::Cancelled);
//! # }
//! ```
//!
//! | a time limit for | use |
//! |---|---|
//! | one attempt of one task | [`timeout`](crate::TaskExt::timeout): a failure, which can be retried |
//! | a part of a flow | a flow in an `Arc`, added with `timeout`: it is stopped, with its clean-up |
//! | the whole run | [`deadline`](crate::Execute::deadline) |
