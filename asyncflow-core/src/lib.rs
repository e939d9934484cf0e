//! The engine of asyncflow: functions executed concurrently, with respect for the dependencies
//! between them, on any runtime that implements [`Runtime`].
//!
//! Applications use the crate `asyncflow`, which adds the backends for Tokio, async-std and smol;
//! this one is for those who bring a runtime of their own.
//!
//! # Layout
//!
//! In the order in which a task passes through:
//!
//! * `declare`: functions, inputs, locks and groups, on their way into a [`Flow`];
//! * `graph`: what was declared, and the dense form that runs are made of;
//! * `run`: one execution, from its roots to its end: ready queues, drivers, blocking threads,
//!   permits, cancelling;
//! * `outcome`: the [`Run`], the [`Report`] and the [`FlowError`].
//!
//! Beside them: [`Runtime`], what a backend implements, and [`Observer`], what watches a run.

#[cfg(feature = "async-lock")]
pub mod async_locks;
mod bit_set;
#[cfg(feature = "conformance")]
pub mod conformance;
mod declare;
mod deep_drop;
#[doc(hidden)]
pub mod doctest;
mod execute;
mod flow;
mod graph;
mod handle;
mod lock;
#[doc(hidden)]
pub mod macro_support;
mod nested;
mod node_index;
mod observer;
mod outcome;
mod output;
mod pace;
#[cfg(test)]
mod rooms;
mod run;
mod running;
mod runtime;
mod sealed;
mod sync;
mod task;
mod tuples;
mod unwind;

pub use declare::configure::{Callable, Configured, TaskExt};
pub use declare::function::{Async, Once, Plain, TaskFn, once};
pub use declare::group::{Parallel, Series};
pub use declare::inputs::{Input, Inputs};
pub use declare::item::{Function, Item, Member, Ready, WithLock, with_lock};
pub use execute::Execute;
pub use flow::Flow;
pub use graph::body::InputUse;
pub use graph::structure::{GroupKind, GroupNodes, Node, NodeKind, Structure};
pub use handle::{Group, Moved, Optional, Task, TaskId, Upstreams};
pub use lock::{Lock, Lockable, Permits, Semaphore};
pub use nested::Nested;
pub use observer::{Observer, TaskRef};
pub use outcome::critical::CriticalPath;
pub use outcome::error::{FlowError, FlowErrorKind};
pub use outcome::report::{Report, TaskReport};
pub use outcome::run::Run;
pub use outcome::times::Times;
pub use output::{BoxError, Fallible, Outcome, Output, Value};
pub use running::Running;
pub use runtime::{Runtime, RuntimeLock, RuntimeSemaphore, Unavailable};
pub use task::failure::{Failure, Panic, TimedOut};
pub use task::status::TaskStatus;

/// The policies that [`retry`](TaskExt::retry) takes.
pub use backon;

/// What a program that declares flows imports: extension traits, macros, handles.
pub mod prelude {
    pub use crate::{
        Flow, FlowError, Group, Lock, Output, Parallel, Run, Semaphore, Series, Task, TaskExt,
        TaskId, TaskStatus, once, parallel, series, with_lock,
    };
}
