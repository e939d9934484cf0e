//! Runtimes: which flow type runs where, and how to bring another runtime.
//!
//! | type | feature | async functions run on | plain functions run on |
//! |---|---|---|---|
//! | [`TokioFlow`](crate::TokioFlow) | `tokio` | the Tokio runtime that is current when the flow is executed, or the `Handle` given to [`Flow::on`](crate::Flow::on) | its blocking pool |
//! | [`SmolFlow`](crate::SmolFlow) | `smol` | smol's global executor, or an `Executor` that you give | the pool of the crate `blocking` |
//! | [`AsyncStdFlow`](crate::AsyncStdFlow) | `async-std` | async-std's global executor | its blocking pool |
//!
//! The type is the only word of a program that names the runtime. All can be used in one program. A library
//! leaves the choice to its users: it takes a `Flow<R>`, with `R: Runtime`.
//!
//! ```
//! use asyncflow::prelude::*;
//! use asyncflow::{Runtime, SmolFlow, TokioFlow};
//!
//! fn add_checks<R: Runtime>(flow: &mut Flow<R>) -> Task<u32> {
//!     let one = flow.add(|| 1);
//!     flow.add((async |one: &u32| one + 1).inputs(one))
//! }
//!
//! # fn main() -> Result<(), FlowError> {
//! let mut flow = SmolFlow::new();
//! let two = add_checks(&mut flow);
//! assert_eq!(smol::block_on(flow.execute())?[two], 2);
//!
//! let mut flow = TokioFlow::new();
//! let two = add_checks(&mut flow);
//! let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
//! assert_eq!(runtime.block_on(flow.execute())?[two], 2);
//! # Ok(())
//! # }
//! ```
//!
//! A `TokioFlow` that is executed outside of a Tokio runtime is an error that says what to do.
//!
//! # Your own
//!
//! [`Runtime`](crate::Runtime) asks for five things: how many threads poll, spawn a future, spawn a function
//! that may block, sleep, and two types of locks. Take these from the crate if the executor has none.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use asyncflow::Runtime;
//! use asyncflow::prelude::*;
//! use asyncflow::runtime::{WeightedSemaphore, conformance};
//!
//! /// An executor on a few threads.
//! #[derive(Clone)]
//! struct Threads(Arc<async_executor::Executor<'static>>, usize);
//!
//! impl Threads {
//!     fn start(count: usize) -> Self {
//!         let executor = Arc::new(async_executor::Executor::new());
//!         for _ in 0..count {
//!             let executor = Arc::clone(&executor);
//!             std::thread::spawn(move || {
//!                 async_io::block_on(executor.run(std::future::pending::<()>()))
//!             });
//!         }
//!         Self(executor, count)
//!     }
//! }
//!
//! impl Runtime for Threads {
//!     type Lock = async_lock::Mutex<()>; // with the feature `async-lock`
//!     type Semaphore = WeightedSemaphore;
//!
//!     fn parallelism(&self) -> usize {
//!         self.1
//!     }
//!
//!     fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
//!         self.0.spawn(future).detach();
//!     }
//!
//!     fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
//!         blocking::unblock(function).detach();
//!     }
//!
//!     fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
//!         let timer = async_io::Timer::after(duration);
//!         async move {
//!             timer.await;
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), FlowError> {
//! let threads = Threads::start(2);
//! let mut flow = Flow::on(threads.clone());
//! let answer = flow.add(|| 42);
//! assert_eq!(async_io::block_on(flow.execute())?[answer], 42);
//!
//! // In a test: panics with the name of the rule that the runtime breaks.
//! async_io::block_on(conformance::check(threads));
//! # Ok(())
//! # }
//! ```
//!
//! Three more methods have defaults:
//!
//! | method | implement it if |
//! |---|---|
//! | [`attach`](crate::Runtime::attach) | there may be no runtime, or the current one is to be used: an error there is reported before anything starts |
//! | [`enter`](crate::Runtime::enter) | futures find timers and sockets by a thread-local, as on Tokio |
//! | [`now`](crate::Runtime::now) | the clock can be paused or set |
//!
//! What each method has to guarantee is in its documentation, and is what
//! [`conformance::check`](crate::runtime::conformance::check) checks (feature `conformance`). With `Default`,
//! [`Flow::new`](crate::Flow::new) works, too. Each backend of this crate is
//! one short file.
