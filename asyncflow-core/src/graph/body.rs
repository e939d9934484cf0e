//! The function of a task, without its type.
//!
//! This is where types are erased. A function and its inputs become one of the two traits
//! [`AsyncBody`] and [`PlainBody`] (see [`crate::declare::function`]). The graph stores them, and a
//! run calls them. A body sees of the run no more than its [`RunStorage`].

use std::any::{Any, type_name};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::deep_drop::deep_drop;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;
use crate::output::BoxError;
use crate::task::column::ColumnType;
use crate::task::end::End;
use crate::task::outputs::Outputs;

use super::Declared;
use super::storage::RunStorage;

/// The function of a task, or what the node does if it has none.
pub enum Body {
    /// Its future is polled by drivers.
    Async(Box<dyn AsyncBody>),
    /// Called on a blocking thread.
    Plain(Box<dyn PlainBody>),
    /// Called, or its future polled, for every element of a list.
    Each(Box<dyn EachBody>),
    /// No function: the value is given to each execution. Boxed, because few tasks are inputs.
    Input(Box<InputBody>),
    /// No function: the output of every run is the same value, which the flow owns.
    Value(Box<dyn ValueBody>),
    /// No task: passes on that its upstreams have ended. See [`crate::declare::group`].
    Gate(Gate),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Async(_) => f.write_str("Async"),
            Self::Plain(_) => f.write_str("Plain"),
            Self::Each(_) => f.write_str("Each"),
            Self::Input(_) => f.write_str("Input"),
            Self::Value(_) => f.write_str("Value"),
            Self::Gate(gate) => gate.fmt(f),
        }
    }
}

/// What is known of an input of the flow.
#[derive(Clone, Copy, Debug)]
pub struct InputBody {
    pub(crate) column: Option<ColumnType>,
}

/// The value of a task without a function.
pub trait ValueBody: Send + Sync + 'static {
    fn facts(&self) -> Facts;
    /// The full path of its type, as `type_name` gives it.
    fn type_name(&self) -> &'static str;
    /// Stores a share in the value as the output of its task.
    fn store(&self, outputs: Outputs<'_>, node: NodeIndex);
}

/// A value, and what its type is.
pub(crate) struct SharedValue<T: Send + Sync + 'static>(
    /// Present until it is dropped.
    Option<Arc<T>>,
);

impl<T: Send + Sync + 'static> SharedValue<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(Arc::new(value)))
    }
}

impl<T: Send + Sync + 'static> ValueBody for SharedValue<T> {
    fn facts(&self) -> Facts {
        Facts {
            column: ColumnType::of_shared::<T>(),
            ..Facts::default()
        }
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }

    fn store(&self, outputs: Outputs<'_>, node: NodeIndex) {
        if let Some(value) = &self.0 {
            outputs.set_shared(node, Arc::clone(value));
        }
    }
}

impl<T: Send + Sync + 'static> Drop for SharedValue<T> {
    fn drop(&mut self) {
        // It may be a flow that has a value that is a flow, and so on.
        if let Some(value) = self.0.take().and_then(Arc::into_inner) {
            deep_drop(value);
        }
    }
}

/// What opens a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The success of all its upstreams.
    All,
    /// The first success among its upstreams.
    Any,
}

/// How a task uses the output of one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputUse {
    /// As `&T`: the upstream must have succeeded.
    Borrowed,
    /// As `Option<&T>`.
    Optional,
    /// As `T`: the upstream has no other consumer.
    Moved,
}

/// One call of a task's function, as its inputs see it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub(crate) outputs: Outputs<'a>,
    /// Present if the context of the task is among its inputs.
    pub(crate) attempt: Option<&'a AnyAttempt>,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// What a run knows of an attempt, without the type, which is the run's.
pub(crate) type AnyAttempt = Arc<dyn Any + Send + Sync>;

/// The future of a task. It owns a share in the storage of the run, from which it borrows its
/// inputs, and hands the share back when it is ready.
pub(crate) type Job = Pin<Box<dyn Future<Output = JobEnd> + Send>>;

/// The share that a job owned, and why the output is not stored if it is not.
///
/// Boxed, so that the usual case fits two registers.
pub(crate) type JobEnd = (Arc<RunStorage>, Option<Box<NotStored>>);

/// Why a job that is ready has not stored the output of its task.
#[derive(Debug)]
pub enum NotStored {
    /// The attempt ended otherwise.
    Ended(End),
    /// A blocking thread goes on with the task, and will settle it.
    HandedOver,
}

impl NotStored {
    /// What a job ends with that may have been successful.
    pub(crate) fn unless_succeeded(end: End) -> Option<Box<Self>> {
        match end {
            End::Succeeded => None,
            end => Some(Box::new(Self::Ended(end))),
        }
    }
}

/// What is asked of every task function.
pub trait AnyBody: Send + Sync + 'static {
    fn as_any(&self) -> &dyn Any;
    /// Itself. Stands in for upcasting, which the oldest supported compiler does not have.
    fn as_any_body(&self) -> &dyn AnyBody;
    /// The full path of the function, as `type_name` gives it.
    fn function_name(&self) -> &'static str;
    fn visit_inputs(&self, visit: &mut dyn FnMut(TaskId, InputUse));
    /// The flag by which an execution claims a `once` task.
    fn claim(&self) -> Option<&AtomicBool>;
    fn facts(&self) -> Facts;
    /// For a flow that is a task: what was declared of it.
    fn nested(&self) -> Option<&Declared> {
        None
    }
    /// The version under which its output is [recorded](crate::record), or that of each element, if it is.
    fn recorded(&self) -> Option<u32> {
        None
    }
    /// Stores an output that was recorded in place of one that the function returns.
    fn restore(
        &self,
        _outputs: Outputs<'_>,
        _node: NodeIndex,
        _record: &[u8],
    ) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What is asked of every task when its flow is compiled, in one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// The column of its output.
    pub(crate) column: Option<ColumnType>,
    /// Whether it can run only once.
    pub(crate) once: bool,
    /// Whether it takes an input by value.
    pub(crate) moves: bool,
    /// Whether it is a flow.
    pub(crate) nested: bool,
}

/// A function that returns a future.
pub trait AsyncBody: AnyBody {
    fn start(&self, storage: Arc<RunStorage>, node: NodeIndex, attempt: Option<&AnyAttempt>)
    -> Job;

    /// Whether its future ends by itself when the run stops. Any other is dropped.
    fn sees_stop(&self) -> bool {
        self.nested().is_some()
    }
}

/// A function that is called on a blocking thread.
pub trait PlainBody: AnyBody {
    /// Calls the function, and stores its output if the attempt is still `wanted` by then.
    fn call(
        &self,
        call: Call<'_>,
        node: NodeIndex,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(), BoxError>;
}

/// A function that is applied to every element of a list.
pub trait EachBody: AnyBody {
    /// Whether it returns a future.
    fn is_async(&self) -> bool;
    /// The elements of one run, which own the storage of that run together with others.
    fn begin(&self, storage: Arc<RunStorage>, node: NodeIndex) -> Arc<dyn Elements>;
}

/// The elements of a task in one run, and their outputs.
pub trait Elements: Send + Sync + 'static {
    fn count(&self) -> usize;
    /// The future of one element, whose function is async.
    fn start(self: Arc<Self>, index: usize, attempt: Option<&AnyAttempt>) -> ElementJob;
    /// Calls a plain function for one element. Stores the output if it is still `wanted` by then.
    fn call(
        &self,
        index: usize,
        attempt: Option<&AnyAttempt>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(), BoxError>;
    /// Stores an output that a fallback made.
    fn put(&self, index: usize, value: Box<dyn Any + Send + Sync>);
    /// Stores an output that was recorded.
    fn restore(&self, index: usize, record: &[u8]) -> Result<(), BoxError>;
    /// Stores the list of all outputs as the output of the task. Returns `false` if not all are there.
    fn finish(self: Arc<Self>) -> bool;
}

/// The future of one element: stores the output, or returns an error.
pub(crate) type ElementJob = Pin<Box<dyn Future<Output = Option<BoxError>> + Send>>;

/// Claims a `once` task for an execution; returns `false` if another has claimed it before.
pub(crate) fn claim(flag: &AtomicBool) -> bool {
    !flag.swap(true, Ordering::AcqRel)
}

/// Whether a `once` task has been claimed.
pub(crate) fn is_claimed(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Acquire)
}

/// Gives up a claim whose execution was refused.
pub(crate) fn unclaim(flag: &AtomicBool) {
    flag.store(false, Ordering::Release);
}
