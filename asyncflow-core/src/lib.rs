//! The engine of asyncflow: executes functions concurrently while respecting the dependencies
//! between them, on any runtime that implements [`Runtime`].
//!
//! Applications use the crate `asyncflow`, which adds the backends for Tokio, async-std and smol. This
//! crate is for those who bring their own runtime.
//!
//! # Layout
//!
//! From the top to the bottom; each room imports only from those below it:
//!
//! * `flow`, `execute`, `running`, `nested`, `context`: what a user calls;
//! * `declare`: how functions and groups become the tasks of a [`Flow`];
//! * `run`: one execution, from its roots to its end;
//! * `outcome`: what comes out of it: the [`Run`], the [`Report`] and the [`FlowError`];
//! * `observer`: what is told of a run as it happens;
//! * `graph`: what was declared, and the dense form in which it is executed;
//! * `task`: what is known of one task: its configuration, its output, its status;
//! * the other files, which all rooms share: handles, locks, what a backend implements.
//!
//! ARCHITECTURE.md in the repository follows one task through these rooms.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "async-lock")]
pub mod async_locks;
mod bit_set;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod declare;
mod deep_drop;
mod execute;
mod flow;
mod graph;
mod handle;
mod lock;
#[doc(hidden)]
pub mod macro_support;
mod nested;
mod node_index;
mod number_map;
mod observer;
mod oneshot;
mod outcome;
mod output;
mod pace;
mod record;
#[cfg(test)]
mod rooms;
mod run;
mod running;
mod runtime;
mod sealed;
mod sort;
mod sync;
mod task;
mod tuples;
mod unwind;
mod wait_list;
mod weighted_semaphore;

pub use context::{ContextInput, TaskContext, context};
pub use declare::add_graph::GraphError;
pub use declare::configure::{Configured, TaskExt};
pub use declare::each::{Each, EachInputs, List, ListInput, OwnedList, SharedInput, each};
pub use declare::function::{Once, TaskFn, WithFallback, once};
pub use declare::group::{Parallel, Series};
pub use declare::inputs::{Input, Inputs};
pub use declare::item::{Item, Member, WithLock, with_lock};
pub use execute::Execute;
pub use flow::Flow;
pub use graph::structure::{GroupKind, GroupNodes, Node, NodeKind, Structure};
pub use handle::{Group, Moved, Optional, Task, TaskId, Upstreams};
pub use lock::{Lock, Lockable, Permits, RateLimit, Semaphore};
pub use observer::{ElementRef, InnerRun, Observer, TaskRef};
pub use outcome::critical::CriticalPath;
pub use outcome::error::{FlowError, FlowErrorKind};
pub use outcome::parts::Part;
pub use outcome::report::{Report, TaskReport};
pub use outcome::run::Run;
pub use outcome::times::Times;
pub use output::{BoxError, Outcome, Output};
pub use run::stop_handle::StopHandle;
pub use running::Running;
pub use runtime::{Runtime, RuntimeLock, RuntimeSemaphore, Unavailable};
pub use task::config::ConditionKind;
pub use task::failure::{Failure, Panic, TimedOut};
pub use task::status::TaskStatus;
pub use weighted_semaphore::{WeightedPermits, WeightedSemaphore};

/// Types that exist only to be inferred, and what the compiler asks of them. They appear in its messages.
#[doc(hidden)]
pub mod marker {
    pub use crate::declare::configure::Callable;
    pub use crate::declare::each::{EachAsync, EachPlain};
    pub use crate::declare::function::{
        Async, CallAsync, CallPlain, Called, CalledWith, Plain, Recoverable, Returns, Runs,
    };
    pub use crate::declare::item::{Bare, IntoTask, One, Ready};
    pub use crate::nested::Nested;
    pub use crate::output::{Fallible, IntoFailure, Value};
}

/// What a journal of outputs is built on; see the crate `asyncflow-durable`.
#[doc(hidden)]
pub mod recording {
    pub use crate::declare::recorded::{Recorded, recorded};
    pub use crate::record::{Codec, Key, Opening, RecordFuture, Recorder};
}

/// What the tasks of other machines are built on; see the crate `asyncflow-restate`.
#[doc(hidden)]
pub mod remote {
    pub use crate::declare::function::{CallAsync, CallPlain};
    pub use crate::declare::in_context::{InContext, in_context};
    pub use crate::output::settle;
    pub use crate::unwind::{discard, message};
}

/// The policies that [`retry`](TaskExt::retry) takes.
pub use backon;

/// What a program that declares flows imports: extension traits, macros, handles.
pub mod prelude {
    pub use crate::{
        Flow, FlowError, Group, Lock, Output, Parallel, RateLimit, Run, Semaphore, Series,
        StopHandle, Task, TaskContext, TaskExt, TaskId, TaskStatus, context, each, once, parallel,
        series, with_lock,
    };
}

/// The example of the README is run as well.
#[cfg(all(doctest, not(loom)))]
#[doc = include_str!("../README.md")]
struct Readme;
