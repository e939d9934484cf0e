//! Runs functions concurrently while respecting the dependencies between them, on Tokio, async-std
//! or smol.
//!
//! A [`Flow`] is a set of functions (*tasks*) plus their dependencies: a directed acyclic graph.
//! Each function, async or not, starts as soon as everything that it depends on has succeeded, and
//! never before.
//!
//! ```
//! # #[cfg(feature = "tokio")] mod example {
//! use asyncflow::TokioFlow; // swap for SmolFlow or AsyncStdFlow: nothing below changes
//! use asyncflow::prelude::*;
//!
//! # async fn setup() {}
//! # async fn work_1() {}
//! # fn work_2() {}
//! # async fn shutdown() {}
//! # #[tokio::main]
//! # pub async fn main() -> Result<(), asyncflow::FlowError> {
//! let mut flow = TokioFlow::new();
//! let setup = flow.add(setup);                // an async fn or a plain one: it finds out which
//! let work_1 = flow.add(work_1.after(setup));
//! let work_2 = flow.add(work_2.after(setup));
//! flow.add(shutdown.after([work_1, work_2]));
//! flow.execute().await?;
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "tokio")] example::main().unwrap();
//! ```
//!
//! # Declaring
//!
//! * [`flow.add`](Flow::add) takes functions, closures, groups and whole flows. What is not async
//!   runs on the runtime's blocking threads.
//! * The methods of [`TaskExt`] say more of a function: [`after`](TaskExt::after),
//!   [`inputs`](TaskExt::inputs), [`with_lock`](TaskExt::with_lock), [`named`](TaskExt::named),
//!   [`timeout`](TaskExt::timeout), [`retry`](TaskExt::retry), [`always`](TaskExt::always),
//!   [`run_if`](TaskExt::run_if), [`after_any`](TaskExt::after_any).
//! * [`series!`] and [`parallel!`] arrange functions that come from elsewhere; [`with_lock`] gives
//!   one, or a whole group, a lock.
//! * `#[task(flow, ..)]` declares a function where it is written, with its upstreams as parameters.
//!
//! A closure that only panics has the type `!`, which is no output: write `|| -> () { .. }`. An
//! async closure that borrows what it captured is not an `Fn`; clone what it needs into an `async
//! move` block, or wrap it in [`once`].
//!
//! # Data
//!
//! What a task returns reaches the tasks downstream by reference, typed, without a copy. A
//! function returns any type that implements [`Output`], or a `Result` of any type and any error.
//!
//! | handle passed to `inputs` | the function receives |
//! |---|---|
//! | `task: Task<T>` | `&T` |
//! | `task.optional()` | `Option<&T>` |
//! | `task.moved()` | `T`: it is the only one that uses it |
//! | `Vec<Task<T>>`, `[Task<T>; N]` | `Vec<&T>` |
//! | a tuple of up to twelve of these | each as its own parameter |
//!
//! [`Flow::input`] is a value that each execution is [given](Execute::given), so one flow, built
//! once, serves many requests at the same time.
//!
//! # What starts, and what is skipped
//!
//! A task is decided upon once its upstreams have *ended*: succeeded, failed, or skipped or
//! cancelled themselves.
//!
//! | upstreams | by default | `after_any` | `always` |
//! |---|---|---|---|
//! | all succeeded, or were given | starts | started with the first | starts |
//! | some succeeded; others failed, timed out or were skipped | skipped | started with the first success | starts |
//! | none succeeded | skipped | skipped | starts |
//! | a `run_if` flag that is `false` | skipped | skipped | skipped |
//! | the run is stopping after a failure, or by `cancel` | cancelled, or skipped if it depends on the failure | the same | starts |
//! | the future was dropped | nothing | nothing | nothing |
//!
//! A task that is skipped says [because of which task](TaskStatus::Skipped). Skipping because of a
//! flag is no failure: `execute` is `Ok`.
//!
//! Setup, work and teardown:
//!
//! ```
//! # #[cfg(feature = "smol")] {
//! use asyncflow::SmolFlow;
//! use asyncflow::prelude::*;
//!
//! let mut flow = SmolFlow::new();
//! let server = flow.add((|| String::from("a server")).named("setup"));
//! let work = flow.add(
//!     (|_: &String| -> Result<(), &str> { Err("no luck today") }).inputs(server).named("work"),
//! );
//! let teardown = flow.add(
//!     (|server: Option<&String>| assert!(server.is_some(), "there is something to stop"))
//!         .inputs(server.optional())
//!         .after(work)
//!         .always()
//!         .named("teardown"),
//! );
//! let error = smol::block_on(async { flow.execute().await }).unwrap_err();
//! assert_eq!(error.to_string(), "task `work` failed: no luck today");
//! assert_eq!(error.report().unwrap().status(teardown), TaskStatus::Succeeded);
//! # }
//! ```
//!
//! # Features
//!
//! `tokio`, `smol` and `async-std` each add a backend: a flow type and its runtime. None is on by
//! default, and all can be on at once. `macros`, on by default, adds `#[task]` and
//! `#[derive(Output)]`. `view` adds a module of that name: diagrams and timelines; `progress` and `tracing` add a
//! progress bar and spans to it; `serde` makes reports serializable. async-std is discontinued (RUSTSEC-2025-0052); its backend is for programs
//! that are still on it.

pub use asyncflow_core::{
    Async, BoxError, Callable, Configured, CriticalPath, Execute, Failure, Fallible, Flow,
    FlowError, FlowErrorKind, Function, Group, GroupKind, GroupNodes, Input, InputUse, Inputs,
    Item, Lock, Lockable, Member, Moved, Nested, Node, NodeKind, Observer, Once, Optional, Outcome,
    Output, Panic, Parallel, Permits, Plain, Ready, Report, Run, Running, Runtime, RuntimeLock,
    RuntimeSemaphore, Semaphore, Series, Structure, Task, TaskExt, TaskFn, TaskId, TaskRef,
    TaskReport, TaskStatus, TimedOut, Times, Unavailable, Upstreams, Value, WithLock, backon, once,
    parallel, series, with_lock,
};

#[cfg(feature = "macros")]
pub use asyncflow_macros::{Output, task};

#[cfg(feature = "async-std")]
pub use asyncflow_async_std::{AsyncStdFlow, AsyncStdRuntime};
#[cfg(feature = "smol")]
pub use asyncflow_smol::{SmolFlow, SmolRuntime};
#[cfg(feature = "tokio")]
pub use asyncflow_tokio::{TokioFlow, TokioRuntime};

/// To look at flows: before a run, during it, and after it.
#[cfg(feature = "view")]
#[doc(inline)]
pub use asyncflow_view as view;

/// What a program that declares flows imports: extension traits, macros, handles.
///
/// The flow types of the backends are not in it: `use asyncflow::TokioFlow` is the one line that
/// says which backend a program uses.
pub mod prelude {
    pub use asyncflow_core::prelude::*;

    #[cfg(feature = "macros")]
    pub use asyncflow_macros::{Output, task};
}

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use asyncflow_core::macro_support;
}

/// The README's examples are run as well.
#[cfg(all(doctest, feature = "tokio", feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;
