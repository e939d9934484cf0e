//! Run functions concurrently while respecting the dependencies between them.

pub use asyncflow_core::{
    Async, BoxError, Callable, Configured, Execute, Failure, Fallible, Flow, FlowError, Function,
    Group, Input, InputUse, Inputs, Item, Lock, Lockable, Member, Moved, Nested, Observer, Once,
    Optional, Outcome, Output, Panic, Parallel, Permits, Plain, Ready, Report, Run, Running,
    Runtime, RuntimeLock, RuntimeSemaphore, Semaphore, Series, Task, TaskExt, TaskFn, TaskId,
    TaskRef, TaskReport, TaskStatus, TimedOut, Times, Unavailable, Upstreams, Value, WithLock,
    backon, once, parallel, series, with_lock,
};

#[cfg(feature = "macros")]
pub use asyncflow_macros::{Output, task};

#[cfg(feature = "async-std")]
pub use asyncflow_async_std::{AsyncStdFlow, AsyncStdRuntime};
#[cfg(feature = "smol")]
pub use asyncflow_smol::{SmolFlow, SmolRuntime};
#[cfg(feature = "tokio")]
pub use asyncflow_tokio::{TokioFlow, TokioRuntime};

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
    pub use asyncflow_core::probe;
}
