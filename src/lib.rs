//! Runs functions concurrently while respecting the dependencies between them, on Tokio, async-std
//! or smol.
//!
//! A [`Flow`] is a set of functions (*tasks*) and their dependencies: a directed acyclic graph. A
//! function, async or not, starts as soon as everything that it depends on has succeeded, and never
//! before.
//!
//! ```toml
//! [dependencies]
//! # A clone of the repository: asyncflow is not published yet.
//! asyncflow = { path = "../asyncflow", features = ["tokio"] }
//! ```
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
//! let setup = flow.add(setup); // an async fn or a plain one
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
//! # How to
//!
//! Each page of the [guide] answers one of these in more depth, and one is for those who come from
//! [`join!`, `JoinSet` and `FuturesUnordered`](guide::coming_from).
//!
//! | to | use | guide |
//! |---|---|---|
//! | order functions | [`after`](TaskExt::after), or [`series!`] and [`parallel!`] | |
//! | pass data | [`inputs`](TaskExt::inputs); with [`#[task]`](macro@task), a parameter with the name of the upstream | [state](guide::state) |
//! | share a client, a pool, a configuration | [`Flow::value`]; with [`#[flow]`](macro@flow), `&self` | [state](guide::state) |
//! | serve requests, each with its own input | [`Flow::input`] and [`given`](Execute::given) | [state](guide::state) |
//! | call blocking code | a function that is not async: it runs on a blocking thread | [limits](guide::limits) |
//! | limit what runs at the same time | [`Lock`], [`Semaphore`] and [`RateLimit`] with [`with_lock`](TaskExt::with_lock); [`max_concurrency`](Execute::max_concurrency) | [limits](guide::limits) |
//! | bound, repeat or replace what fails | [`timeout`](TaskExt::timeout), [`retry`](TaskExt::retry), [`fallback`](TaskExt::fallback), [`allow_failure`](TaskExt::allow_failure) | [failures](guide::failures) |
//! | go on after failures, and collect them | [`keep_going`](Execute::keep_going), [`FlowError::failures`], [`FlowError::outputs`] | [failures](guide::failures) |
//! | clean up | [`always`](TaskExt::always) | [cancelling](guide::cancelling) |
//! | stop on ctrl-c, or after some time | [`StopHandle`], [`deadline`](Execute::deadline) | [cancelling](guide::cancelling) |
//! | choose what runs | [`run_if`](TaskExt::run_if), [`run_when`](TaskExt::run_when), [`after_any`](TaskExt::after_any); [`only`](Execute::only) | [graphs](guide::graphs) |
//! | work through a list | [`each`](each()) | [fan-out](guide::fan_out) |
//! | run a graph that is data | [`Flow::add_graph`] | [graphs](guide::graphs) |
//! | loop, or make a flow at run time | [`TaskContext::execute`] | [graphs](guide::graphs) |
//! | watch a run | [`Report`], [`observe`](Execute::observe), the module [`view`] | [watching](guide::watching) |
//! | survive a crash, use other machines | the modules [`durable`] and [`restate`] | [durable and remote](guide::durable_and_remote) |
//! | test a flow | [`given`](Execute::given), [`only`](Execute::only), [`Flow::structure`] | [testing](guide::testing) |
//! | use another runtime | [`Runtime`] | [runtimes](guide::runtimes) |
//! | understand the compiler | the words of its message | [compiler](guide::compiler) |
//!
//! # Declaring
//!
//! [`flow.add`](Flow::add) takes functions, closures, groups and whole flows, configured by the methods of
//! [`TaskExt`]. `#[task(flow, ..)]` declares a function where it is written, and its parameters name its
//! upstreams. `#[flow]` on an impl block makes a type of a flow, whose methods are the tasks.
//!
//! These styles make the same tasks, and mix in one flow. Which one to use:
//!
//! | the flow | style |
//! |---|---|
//! | is a part of a service or a library: it has a name, shared state, and tests of its parts | `#[flow]` on an impl block |
//! | is local to one function | `#[task(flow)]` |
//! | is made of functions from elsewhere, in an order that is mostly one after the other | [`series!`], [`parallel!`] |
//! | is known only when the program runs: loops, lists, conditions | [`flow.add`](Flow::add) |
//!
//! A closure that only panics has the type `!`, which is no output: write `|| -> () { .. }`. An
//! async closure that borrows what it captured is not an `Fn`: pass what it needs as a
//! [value](Flow::value).
//!
//! # Data
//!
//! The tasks downstream receive what a task returns: by reference, typed, without a copy. A function
//! returns any type that implements [`Output`], or a `Result` of any type and any error.
//!
//! | handle passed to `inputs` | the function receives |
//! |---|---|
//! | `task: Task<T>` | `&T` |
//! | `task.optional()` | `Option<&T>`; `None` if it did not succeed, which does not skip this task |
//! | `task.moved()` | `T`; no other task may use it |
//! | `Vec<Task<T>>`, `[Task<T>; N]` | `Vec<&T>` |
//! | `Vec<Optional<T>>`, `[Optional<T>; N]` | `Vec<Option<&T>>` |
//! | [`context()`] | <code>&[TaskContext]</code>: whether to stop, which attempt it is, and runs of its own |
//! | a tuple of up to twelve of these | a parameter for each |
//!
//! [`Flow::input`] is a value that is [given](Execute::given) to each execution. So one flow, built
//! once, serves many requests at the same time. [`Flow::value`] is what all runs share: a client, a
//! pool, a configuration.
//!
//! # Executing
//!
//! [`flow.execute()`](Flow::execute) returns a future, with methods to call before it is awaited:
//!
//! | method | what it does |
//! |---|---|
//! | [`given(task, value)`](Execute::given) | gives an input its value, or replaces the function of a task |
//! | [`only(targets)`](Execute::only) | runs only these tasks, what they depend on, and the clean-up of all that |
//! | [`keep_outputs()`](Execute::keep_outputs) | with `only`: keeps the outputs of what else ran |
//! | [`keep_going()`](Execute::keep_going) | lets everything that does not depend on a failure still run |
//! | [`max_concurrency(n)`](Execute::max_concurrency) | lets at most `n` tasks run at the same time |
//! | [`deadline(limit)`](Execute::deadline) | stops the run when its time is over, and waits for its clean-up |
//! | [`stop_with(&handle)`](Execute::stop_with) | lets a [`StopHandle`] stop the run, from a handler of ctrl-c or anywhere else |
//! | [`timed()`](Execute::timed) | measures when each task was ready, started and ended |
//! | [`observe(observer)`](Execute::observe) | tells an [`Observer`] what happens, as it happens |
//! | [`start()`](Execute::start) | starts now; the returned [`Running`] can be cancelled |
//!
//! ```
//! # #[cfg(feature = "tokio")] mod example {
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # pub async fn main() {
//! let mut flow = TokioFlow::new();
//! let pages: Vec<Task<usize>> = (1..=3)
//!     .map(|page| {
//!         flow.add(move || async move {
//!             if page == 2 { Err(format!("page {page} is missing")) } else { Ok(page) }
//!         })
//!     })
//!     .collect();
//!
//! let error = flow.execute().keep_going().max_concurrency(2).await.unwrap_err();
//! assert_eq!(error.failures().count(), 1);
//! let run = error.outputs().unwrap(); // what did succeed
//! assert_eq!((run.get(pages[0]), run.get(pages[1])), (Some(&1), None));
//! # }
//! # }
//! # #[cfg(feature = "tokio")] example::main();
//! ```
//!
//! A flow can be executed again, and several times at once: each execution is a run of its own.
//!
//! Dropping the future cancels the run, *without* clean-up. `tokio::time::timeout` and `select!` drop it. In
//! their place, use [`deadline`](Execute::deadline), [`stop_with`](Execute::stop_with), or
//! [`start`](Execute::start) and [`cancel`](Running::cancel), which wait for clean-up.
//!
//! # What starts, and what is skipped
//!
//! A task is decided upon once its upstreams have *ended*: succeeded, failed, or were skipped or
//! cancelled themselves.
//!
//! | upstreams | by default | `after_any` | `always` |
//! |---|---|---|---|
//! | all succeeded, recovered, were given, or are [`optional`](Task::optional) inputs that ended | starts | started with the first | starts |
//! | some succeeded; others failed (allowed or not), panicked, timed out or were skipped | skipped | started with the first success | starts |
//! | none succeeded | skipped | skipped | starts |
//! | a condition (`run_if`, `run_unless`, `run_when`) does not hold | skipped | skipped | skipped |
//! | the function of a `run_when` panics | panicked | panicked | panicked |
//! | the run is stopping after a failure, by `cancel`, a [`StopHandle`] or its deadline | cancelled, or skipped if it depends on the failure | the same | starts |
//! | the future was dropped | nothing | nothing | nothing |
//!
//! A skipped task reports [because of which task](TaskStatus::Skipped) it was skipped. Skipping
//! because of a condition or an [allowed failure](TaskExt::allow_failure) is no failure: `execute` returns
//! `Ok`. With [`only`](Execute::only), a task outside of the run counts as no upstream.
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
//! None of the backends is on by default. All can be on at once, and no feature changes what
//! another does.
//!
//! | feature | what it adds |
//! |---|---|
//! | `tokio`, `smol`, `async-std` | a flow type and its runtime |
//! | `macros` (on by default) | `#[task]`, `#[flow]` and `#[derive(Output)]` |
//! | `view` | the module [`view`]: diagrams and timelines |
//! | `progress`, `tracing` | a progress bar and spans in the module [`view`] |
//! | `durable` | the module [`durable`]: journals, by which a run goes on after a crash |
//! | `restate` | the module [`restate`]: tasks on other machines (needs Rust 1.90) |
//! | `serde` | `Serialize` for [`Report`] |
//! | `conformance`, `async-lock` | in the module [`runtime`]: a suite that checks a runtime of your own, and locks for it |
//!
//! async-std is discontinued (RUSTSEC-2025-0052). Its backend is for programs that still use it.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use asyncflow_core::{
    Execute, Failure, Flow, FlowError, FlowErrorKind, Lock, Observer, Output, RateLimit, Report,
    Run, Running, Semaphore, StopHandle, Task, TaskContext, TaskExt, TaskId, TaskStatus, backon,
    context, each, once, parallel, series, with_lock,
};

/// What a run tells afterwards, beside the [`Report`] and the [`FlowError`] themselves.
pub mod report {
    #[doc(inline)]
    pub use asyncflow_core::{BoxError, CriticalPath, Panic, Part, TaskReport, TimedOut, Times};
}

/// What a flow is made of, for drawing it or looking through it.
pub mod structure {
    #[doc(inline)]
    pub use asyncflow_core::{ConditionKind, GroupKind, GroupNodes, Node, NodeKind, Structure};
}

/// Bringing your own runtime: the trait [`Runtime`], and what it is made of.
pub mod runtime {
    #[cfg(feature = "async-lock")]
    #[doc(inline)]
    pub use asyncflow_core::async_locks;
    #[cfg(feature = "conformance")]
    #[doc(inline)]
    pub use asyncflow_core::conformance;
    #[doc(inline)]
    pub use asyncflow_core::{
        Runtime, RuntimeLock, RuntimeSemaphore, Unavailable, WeightedPermits, WeightedSemaphore,
    };
}

/// The types and traits in the signatures of other items.
///
/// The traits are implemented by this crate alone. They say what a method takes.
pub mod types {
    #[doc(inline)]
    pub use asyncflow_core::{
        Configured, ContextInput, Each, EachInputs, ElementRef, GraphError, Group, InnerRun, Input,
        Inputs, Item, List, ListInput, Lockable, Member, Moved, Once, Optional, Outcome, OwnedList,
        Parallel, Permits, Series, SharedInput, TaskFn, TaskRef, Upstreams, WithFallback, WithLock,
    };
}

// Every name can be imported from the root as well. The docs list these by module, so that the
// front page has only what one looks for there.
#[doc(hidden)]
pub use self::{report::*, runtime::*, structure::*, types::*};

#[cfg(feature = "macros")]
pub use asyncflow_macros::{Output, flow, task};

#[cfg(feature = "async-std")]
#[doc(inline)]
pub use asyncflow_async_std::{AsyncStdFlow, AsyncStdRuntime};
#[cfg(feature = "smol")]
#[doc(inline)]
pub use asyncflow_smol::{SmolFlow, SmolRuntime};
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use asyncflow_tokio::{TokioFlow, TokioRuntime};

/// Shows flows: before a run, during it, and after it.
#[cfg(feature = "view")]
#[doc(inline)]
pub use asyncflow_view as view;

/// Journals: what has succeeded is not run again after a crash.
#[cfg(feature = "durable")]
#[doc(inline)]
pub use asyncflow_durable as durable;

/// Tasks on other machines, by Restate.
#[cfg(feature = "restate")]
#[doc(inline)]
pub use asyncflow_restate as restate;

/// What a program that declares flows imports: extension traits, macros, handles.
///
/// The flow types of the backends are not part of it: `use asyncflow::TokioFlow` is the one line
/// that says which backend a program uses.
pub mod prelude {
    pub use asyncflow_core::prelude::*;

    #[cfg(feature = "macros")]
    pub use asyncflow_macros::{Output, flow, task};
}

// Types that exist only to be inferred. Here, so that the compiler can name them in its messages.
#[doc(hidden)]
pub use asyncflow_core::marker;

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use asyncflow_core::macro_support;
}

// Nothing but documentation. Its examples run where all that they use is there.
#[cfg(all(
    any(doc, doctest),
    any(
        not(doctest),
        all(
            feature = "tokio",
            feature = "macros",
            feature = "progress",
            feature = "tracing",
            feature = "durable",
            feature = "restate",
            feature = "conformance",
            feature = "async-lock"
        )
    )
))]
pub mod guide;

/// The examples of the README are run as well, and those of the macros, whose crate cannot import this one.
#[cfg(all(doctest, feature = "tokio", feature = "macros"))]
mod examples {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../asyncflow-macros/README.md")]
    struct MacrosReadme;

    #[doc = include_str!("../asyncflow-macros/src/docs/task.md")]
    struct Task;

    #[doc = include_str!("../asyncflow-macros/src/docs/flow.md")]
    struct Flow;

    #[doc = include_str!("../asyncflow-macros/src/docs/output.md")]
    struct Output;
}
