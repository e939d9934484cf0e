//! Handles of the tasks and groups in a flow.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::node_index::NodeIndex;
use crate::sealed::Sealed;

/// Identifies the flow that a handle belongs to.
///
/// Unique in the process, so that a handle of another flow is an error and does not refer to the
/// wrong task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlowId(u64);

impl FlowId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The untyped handle of a task, for reports and for lists of tasks with different outputs.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let number = flow.add(|| 1);
/// let text = flow.add(|| "one");
/// let both: [TaskId; 2] = [number.into(), text.into()];
/// flow.add((|| println!("after both")).after(both));
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    pub(crate) flow: FlowId,
    pub(crate) index: NodeIndex,
}

impl TaskId {
    /// The index of the task, if it is one of `flow`. `None` for the handle of another flow.
    pub(crate) fn index_in(self, flow: FlowId) -> Option<NodeIndex> {
        (self.flow == flow).then_some(self.index)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({}.{:?})", self.flow.0, self.index)
    }
}

/// The handle of a task whose output is a `T`.
///
/// It is used to get the task's output, in another task ([`inputs`](crate::TaskExt::inputs)) and
/// from the [`Run`](crate::Run). It is `Copy` and knows the flow that it belongs to.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let answer: Task<u64> = flow.add(async || 42);
/// let double = flow.add((async |n: &u64| n * 2).inputs(answer));
/// assert_eq!(flow.execute().await?[double], 84);
/// # Ok(())
/// # }
/// ```
pub struct Task<T> {
    pub(crate) id: TaskId,
    output: PhantomData<fn() -> T>,
}

impl<T> Task<T> {
    pub(crate) fn new(id: TaskId) -> Self {
        Self {
            id,
            output: PhantomData,
        }
    }

    /// Returns the untyped handle of this task.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let answer = flow.add(async || 42);
    /// assert_eq!(answer.id(), TaskId::from(answer));
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(self) -> TaskId {
        self.id
    }

    /// Makes an input that may be missing: the function receives an `Option<&T>`.
    ///
    /// The function waits for the end of the task, however it ends, and is not skipped because of it.
    /// It receives `None` if the task has no output, for any reason: it failed, was skipped or was
    /// cancelled. So branches that a condition separated join like this, together with
    /// [`after_any`](crate::TaskExt::after_any). An [`always`](crate::TaskExt::always) task must take
    /// its inputs like this.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let port = flow.add(|| -> Result<u16, &str> { Err("port taken") });
    /// let tidy = |port: Option<&u16>| port.is_some();
    /// let tidy = flow.add(tidy.inputs(port.optional()).always());
    /// let error = flow.execute().await.unwrap_err();
    /// assert_eq!(error.outputs().unwrap()[tidy], false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn optional(self) -> Optional<T> {
        Optional(self)
    }

    /// Makes an input that the function receives by value, as a `T`.
    ///
    /// The execution is refused if the output has a second consumer, or if the task is a target of
    /// [`only`](crate::Execute::only).
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let buffer = flow.add(|| vec![0_u8; 1024]);
    /// let fill = |mut buffer: Vec<u8>| {
    ///     buffer.fill(7);
    ///     buffer
    /// };
    /// let filled = flow.add(fill.inputs(buffer.moved()));
    /// assert_eq!(flow.execute().await?[filled][0], 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn moved(self) -> Moved<T> {
        Moved(self)
    }
}

impl<T> Clone for Task<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Task<T> {}

impl<T> PartialEq for Task<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<T> Eq for Task<T> {}

impl<T> Hash for Task<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({}.{:?})", self.id.flow.0, self.id.index)
    }
}

impl<T> From<Task<T>> for TaskId {
    fn from(task: Task<T>) -> Self {
        task.id
    }
}

impl<T> From<&Task<T>> for TaskId {
    fn from(task: &Task<T>) -> Self {
        task.id
    }
}

/// An input that may be missing, made by [`Task::optional`].
pub struct Optional<T>(pub(crate) Task<T>);

/// An input that is taken by value, made by [`Task::moved`].
pub struct Moved<T>(pub(crate) Task<T>);

impl<T> Clone for Optional<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Optional<T> {}

impl<T> fmt::Debug for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Optional").field(&self.0).finish()
    }
}

impl<T> fmt::Debug for Moved<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Moved").field(&self.0).finish()
    }
}

/// The handle of a [`Series`](crate::Series) or [`Parallel`](crate::Parallel) in a flow.
///
/// A task that comes after a group comes after every task in it.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let group: Group = flow.add(parallel![|| 1, || 2]);
/// flow.add((|| println!("after both")).after(group));
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Group {
    /// The last task of the group, or the gate that waits for its last tasks.
    pub(crate) end: TaskId,
}

/// A list of upstreams, nearly always one or two.
pub(crate) type TaskIds = SmallVec<[TaskId; 2]>;

/// What [`after`](crate::TaskExt::after) and [`only`](crate::Execute::only) take: a handle, or an
/// array, slice, `Vec`, tuple or `Option` of handles. The elements of a tuple may have different
/// types.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let a = flow.add(|| 1);
/// let b = flow.add(|| "two");
/// let many: Vec<_> = (0..3).map(|_| flow.add(|| ())).collect();
/// let last = flow.add((|| ()).after((a, b)).after(&many).after(None::<TaskId>));
/// assert_eq!(flow.structure().task(last).upstreams().count(), 5);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a task can come after",
    label = "expected a handle",
    note = "pass the handle that `flow.add` returned, or an array, slice, `Vec`, tuple or `Option` of handles"
)]
pub trait Upstreams {
    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed);
}

impl Upstreams for TaskId {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), _: Sealed) {
        visit(*self);
    }
}

impl<T> Upstreams for Task<T> {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), _: Sealed) {
        visit(self.id);
    }
}

impl Upstreams for Group {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), _: Sealed) {
        visit(self.end);
    }
}

impl<U: Upstreams> Upstreams for [U] {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed) {
        for upstream in self {
            upstream.visit(visit, sealed);
        }
    }
}

impl<U: Upstreams, const N: usize> Upstreams for [U; N] {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed) {
        self.as_slice().visit(visit, sealed);
    }
}

impl<U: Upstreams> Upstreams for Vec<U> {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed) {
        self.as_slice().visit(visit, sealed);
    }
}

impl<U: Upstreams> Upstreams for Option<U> {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed) {
        if let Some(upstream) = self {
            upstream.visit(visit, sealed);
        }
    }
}

impl<U: Upstreams + ?Sized> Upstreams for &U {
    fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed) {
        (**self).visit(visit, sealed);
    }
}

impl Upstreams for () {
    fn visit(&self, _visit: &mut dyn FnMut(TaskId), _: Sealed) {}
}

macro_rules! upstreams_for_tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Upstreams),+> Upstreams for ($($name,)+) {
            fn visit(&self, visit: &mut dyn FnMut(TaskId), sealed: Sealed) {
                $(self.$index.visit(visit, sealed);)+
            }
        }
    };
}

crate::tuples::each_tuple!(upstreams_for_tuple);
