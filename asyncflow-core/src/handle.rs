//! Handles: how the rest of a program names what it added to a flow.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::node_index::NodeIndex;
use crate::sealed::Sealed;

/// Which flow a handle belongs to.
///
/// A number that no other flow of the process has, so that a handle of another flow is
/// recognised instead of silently naming the wrong task.
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
/// # use asyncflow_core::{Flow, TaskId, doctest::Inline};
/// # let mut flow = Flow::<Inline>::new();
/// let number = flow.add(|| 1);
/// let text = flow.add(|| "one");
/// let both: [TaskId; 2] = [number.into(), text.into()];
/// assert_ne!(both[0], both[1]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    pub(crate) flow: FlowId,
    pub(crate) index: NodeIndex,
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({}.{:?})", self.flow.0, self.index)
    }
}

/// The handle of a task whose output is a `T`.
///
/// It is `Copy`, it knows the flow that it belongs to, and it is what the task's output is asked
/// for with, during the run ([`inputs`](crate::TaskExt::inputs)) and after it
/// ([`Run`](crate::Run)).
///
/// ```
/// # use asyncflow_core::{Flow, Task, TaskExt, doctest::Inline};
/// # let mut flow = Flow::<Inline>::new();
/// let answer: Task<u64> = flow.add(async || 42);
/// let double = flow.add((async |n: &u64| n * 2).inputs(answer));
/// # let run = asyncflow_core::doctest::block_on(flow.execute()).unwrap();
/// assert_eq!(run[double], 84);
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

    /// The untyped handle of this task.
    pub fn id(self) -> TaskId {
        self.id
    }

    /// As an input: the function receives `Option<&T>`, `None` when the task has no output
    /// because it failed, was skipped or was cancelled.
    ///
    /// What an [`always`](crate::TaskExt::always) task takes its inputs as.
    ///
    /// ```
    /// # use asyncflow_core::{Flow, TaskExt, doctest::Inline};
    /// # let mut flow = Flow::<Inline>::new();
    /// let server = flow.add(|| -> Result<u16, String> { Err("port taken".into()) });
    /// flow.add((|port: Option<&u16>| assert!(port.is_none())).inputs(server.optional()).always());
    /// # assert!(asyncflow_core::doctest::block_on(flow.execute()).is_err());
    /// ```
    pub fn optional(self) -> Optional<T> {
        Optional(self)
    }

    /// As an input: the function receives the `T` itself, by value.
    ///
    /// Only one task can take an output by value; a second consumer, or naming the task as a
    /// target of the run, is refused before anything starts.
    ///
    /// ```
    /// # use asyncflow_core::{Flow, TaskExt, doctest::Inline};
    /// # let mut flow = Flow::<Inline>::new();
    /// let buffer = flow.add(|| vec![0_u8; 1024]);
    /// let filled = flow.add((|mut buffer: Vec<u8>| { buffer.fill(7); buffer }).inputs(buffer.moved()));
    /// # let run = asyncflow_core::doctest::block_on(flow.execute()).unwrap();
    /// assert_eq!(run[filled][0], 7);
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

/// An input that may be missing; made by [`Task::optional`].
pub struct Optional<T>(pub(crate) Task<T>);

/// An input taken by value; made by [`Task::moved`].
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

/// The handle of a [`Series`](crate::Series) or [`Parallel`](crate::Parallel) that was added to a
/// flow. To be after a group is to be after everything in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Group {
    /// The last task of the group, or the gate that waits for its last tasks.
    pub(crate) end: TaskId,
}

/// Upstreams as collected from handles; nearly always one or two.
pub(crate) type TaskIds = SmallVec<[TaskId; 2]>;

/// What [`after`](crate::TaskExt::after) and [`only`](crate::Execute::only) take: a handle, or an
/// array, slice, `Vec`, tuple (of different handles) or `Option` of such.
///
/// ```
/// # use asyncflow_core::{Flow, TaskExt, doctest::Inline};
/// # let mut flow = Flow::<Inline>::new();
/// let a = flow.add(|| 1);
/// let b = flow.add(|| "two");
/// let many: Vec<_> = (0..3).map(|_| flow.add(|| ())).collect();
/// flow.add((|| ()).after((a, b)).after(&many).after(Some(a)));
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
