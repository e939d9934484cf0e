//! Task functions: how a function becomes a [`Body`].
//!
//! The return type distinguishes an async function from a plain one, since no future is an `Output` or
//! a `Result`; [`Returns`] says which. The compiler infers the *markers*, the type parameters that keep
//! impls from overlapping.
//!
//! # Messages of the compiler
//!
//! If several impls might fit a type and none does, the compiler reports that, without a reason. If
//! there is but one, it reports what that one lacks. So for a function there is one impl at each step,
//! and each step asks one question: is it called with these inputs ([`CalledWith`]), is what it returns
//! a future, an output or a `Result` ([`Returns`]), and do the bounds of that kind hold ([`Runs`]).

use std::any::{Any, type_name};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crate::graph::body::{
    AnyAttempt, AnyBody, AsyncBody, Body, Call, Facts, InputUse, Job, NotStored, PlainBody,
};
use crate::graph::storage::RunStorage;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;
use crate::output::{BoxError, Fallible, Outcome, Output, Value};
use crate::record::CodecFns;
use crate::sealed::Sealed;
use crate::task::column::ColumnType;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::task::outputs::Outputs;

use super::inputs::Inputs;

/// A function that can be a task: async or plain, with a parameter for each of its inputs.
///
/// Implemented for every `Fn(..) -> O` that is `Send + Sync + 'static`, where `O` is an
/// [`Outcome`] or a `Send` future of one, and for what [`once`] returns. `Marker` is always
/// inferred. An async function runs on the runtime's executor, a plain function on one of its
/// blocking threads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that can be a task with these inputs",
    label = "not a task function for the inputs `{I}`",
    note = "its parameters must match the inputs: `&T` for a `Task<T>`, `Option<&T>` for `task.optional()`, `T` for `task.moved()`, `Vec<&T>` for a `Vec<Task<T>>`, `&TaskContext` for `context()`; without `.inputs(..)` it takes none",
    note = "`each(f)` takes a list as its first input: `each(f).inputs(list)`, where `f` receives `&Item`, or `Item` for `list.moved()`",
    note = "a fallback returns the output of its task: `T` if the function returns `T` or `Result<T, _>`",
    note = "it must return a type that implements `asyncflow::Output` (add `#[derive(Output)]`) or a `Result`; if it is async, its future must be `Send`",
    note = "it must be `Fn + Send + Sync + 'static`: wrap an `FnOnce` in `once(..)`"
)]
pub trait TaskFn<I, Marker>: Send + Sync + 'static {
    /// The output of the task.
    type Value: Send + Sync + 'static;
    /// What one call of the function makes of it: all, or one element of the list.
    type Single: Send + Sync + 'static;

    /// Whether its function receives the context of the task, which is not among the inputs.
    #[doc(hidden)]
    const CONTEXT: bool = false;

    #[doc(hidden)]
    fn into_body(self, inputs: I) -> Body;
}

/// The marker of functions: how they run, the kind of their outcome, and their output.
#[derive(Debug)]
pub struct Called<How, Kind, T>(PhantomData<(How, Kind, T)>);

/// The marker of functions that return a future.
#[derive(Debug)]
pub struct Async;

/// The marker of all other functions.
#[derive(Debug)]
pub struct Plain<Kind>(PhantomData<fn() -> Kind>);

/// A function that is called with the arguments `Args`, which borrow for `'a`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with its inputs, which arrive as `{Args}`",
    label = "its parameters do not match the inputs, or it is no `Fn`",
    note = "the parameters must match the inputs: `&T` for a `Task<T>`, `Option<&T>` for `task.optional()`, `T` for `task.moved()`, `Vec<&T>` for a `Vec<Task<T>>`, `&TaskContext` for `context()`",
    note = "a closure that changes or moves what it captures is no `Fn`: wrap it in `once(..)`, and the flow can be executed once",
    note = "an async closure that captures is no `Fn` either: add what it captures with `flow.value(..)`, and take it as a parameter"
)]
#[doc(hidden)]
pub trait CalledWith<'a, Args> {
    type Return;
}

/// What a function returns, as far as its type tells: a future, an output or a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the output of a task",
    label = "a task returns `{Self}`, which is no `asyncflow::Output`",
    note = "add `#[derive(Output)]` to the type, or write `impl asyncflow::Output for ... {{}}`",
    note = "or return a `Result` of it: `Ok(value)` works for every type that is `Send + Sync + 'static`"
)]
#[doc(hidden)]
pub trait Returns<How> {}

// Here and below: the notes of the trait say more than what the impls ask for.
#[diagnostic::do_not_recommend]
impl<F: Future> Returns<Async> for F {}
#[diagnostic::do_not_recommend]
impl<O: Output> Returns<Plain<Value>> for O {}
#[diagnostic::do_not_recommend]
impl<T, E> Returns<Plain<Fallible>> for Result<T, E> {}

/// An async function that takes the arguments `Args`, which borrow for `'a`.
#[doc(hidden)]
pub trait CallAsync<'a, Args, Kind> {
    type Value;
    type Outcome: Outcome<Kind, Value = Self::Value>;
    type Future: Future<Output = Self::Outcome> + Send + 'a;

    fn call(&self, args: Args) -> Self::Future;

    fn function_name(&self) -> &'static str {
        type_name::<Self>()
    }

    fn claim(&self) -> Option<&AtomicBool> {
        None
    }

    /// How its output is recorded, if it is.
    fn codec() -> Option<CodecFns<Self::Value>> {
        None
    }

    /// The version under which its output is recorded.
    fn version(&self) -> u32 {
        0
    }
}

/// A plain function that takes the arguments `Args`, which borrow for `'a`.
#[doc(hidden)]
pub trait CallPlain<'a, Args, Kind> {
    type Value;
    type Outcome: Outcome<Kind, Value = Self::Value>;

    fn call(&self, args: Args) -> Self::Outcome;

    fn function_name(&self) -> &'static str {
        type_name::<Self>()
    }

    fn claim(&self) -> Option<&AtomicBool> {
        None
    }

    /// How its output is recorded, if it is.
    fn codec() -> Option<CodecFns<Self::Value>> {
        None
    }

    /// The version under which its output is recorded.
    fn version(&self) -> u32 {
        0
    }
}

macro_rules! call_with {
    ($($arg:ident $index:tt),*) => {
        #[diagnostic::do_not_recommend]
        impl<'a, F, O, $($arg),*> CalledWith<'a, ($($arg,)*)> for F
        where
            F: Fn($($arg),*) -> O,
        {
            type Return = O;
        }

        #[diagnostic::do_not_recommend]
        impl<'a, F, O, $($arg),*> CalledWith<'a, ($($arg,)*)> for Once<F>
        where
            F: FnOnce($($arg),*) -> O,
        {
            type Return = O;
        }

        #[allow(non_snake_case)]
        impl<'a, F, Fut, Kind, $($arg),*> CallAsync<'a, ($($arg,)*), Kind> for F
        where
            F: Fn($($arg),*) -> Fut,
            Fut: Future + Send + 'a,
            Fut::Output: Returns<Plain<Kind>> + Outcome<Kind>,
        {
            type Value = <Fut::Output as Outcome<Kind>>::Value;
            type Outcome = Fut::Output;
            type Future = Fut;

            fn call(&self, ($($arg,)*): ($($arg,)*)) -> Fut {
                self($($arg),*)
            }
        }

        #[allow(non_snake_case)]
        impl<'a, F, O, Kind, $($arg),*> CallPlain<'a, ($($arg,)*), Kind> for F
        where
            F: Fn($($arg),*) -> O,
            O: Outcome<Kind>,
        {
            type Value = O::Value;
            type Outcome = O;

            fn call(&self, ($($arg,)*): ($($arg,)*)) -> O {
                self($($arg),*)
            }
        }

        #[allow(non_snake_case)]
        impl<'a, F, Fut, Kind, $($arg),*> CallAsync<'a, ($($arg,)*), Kind> for Once<F>
        where
            F: FnOnce($($arg),*) -> Fut,
            Fut: Future + Send + 'a,
            Fut::Output: Returns<Plain<Kind>> + Outcome<Kind>,
        {
            type Value = <Fut::Output as Outcome<Kind>>::Value;
            type Outcome = Fut::Output;
            type Future = Fut;

            fn call(&self, ($($arg,)*): ($($arg,)*)) -> Fut {
                self.take()($($arg),*)
            }

            fn function_name(&self) -> &'static str {
                type_name::<F>()
            }

            fn claim(&self) -> Option<&AtomicBool> {
                Some(&self.claimed)
            }
        }

        #[allow(non_snake_case)]
        impl<'a, F, O, Kind, $($arg),*> CallPlain<'a, ($($arg,)*), Kind> for Once<F>
        where
            F: FnOnce($($arg),*) -> O,
            O: Outcome<Kind>,
        {
            type Value = O::Value;
            type Outcome = O;

            fn call(&self, ($($arg,)*): ($($arg,)*)) -> O {
                self.take()($($arg),*)
            }

            fn function_name(&self) -> &'static str {
                type_name::<F>()
            }

            fn claim(&self) -> Option<&AtomicBool> {
                Some(&self.claimed)
            }
        }
    };
}

call_with!();
crate::tuples::each_tuple!(call_with);

impl<F, I, How, Kind, T> TaskFn<I, Called<How, Kind, T>> for F
where
    I: Inputs,
    F: for<'a> CalledWith<'a, I::Args<'a>> + Send + Sync + 'static,
    for<'a> <F as CalledWith<'a, I::Args<'a>>>::Return: Returns<How>,
    How: Runs<F, I, Kind, T>,
    T: Send + Sync + 'static,
{
    type Value = T;
    type Single = T;

    fn into_body(self, inputs: I) -> Body {
        How::body(self, inputs)
    }
}

/// How functions of a type run as tasks: on the executor, or on blocking threads.
///
/// Implemented for the marker, and not for the function: as long as the marker is not known, the compiler
/// does not ask, and reports only why it is not known.
#[doc(hidden)]
pub trait Runs<F, I, Kind, T> {
    fn body(function: F, inputs: I) -> Body;
}

impl<F, I, Kind, T> Runs<F, I, Kind, T> for Async
where
    I: Inputs,
    F: for<'a> CallAsync<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    fn body(function: F, inputs: I) -> Body {
        Body::Async(Box::new(AsyncTask {
            function,
            inputs,
            marker: PhantomData,
        }))
    }
}

impl<F, I, Kind, T> Runs<F, I, Kind, T> for Plain<Kind>
where
    I: Inputs,
    F: for<'a> CallPlain<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    fn body(function: F, inputs: I) -> Body {
        Body::Plain(Box::new(PlainTask {
            function,
            inputs,
            marker: PhantomData,
        }))
    }
}

/// A function whose task has a fallback, made by [`fallback`](crate::TaskExt::fallback).
///
/// The fallback itself is in the configuration of the task. Its type is checked here: it must be the
/// output of the task.
pub struct WithFallback<F, T> {
    function: F,
    output: PhantomData<fn() -> T>,
}

impl<F, T> WithFallback<F, T> {
    pub(super) fn new(function: F) -> Self {
        Self {
            function,
            output: PhantomData,
        }
    }
}

impl<F, T> fmt::Debug for WithFallback<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<F>())
    }
}

/// The marker of functions with a fallback.
#[derive(Debug)]
pub struct Recoverable<Marker>(PhantomData<fn() -> Marker>);

#[diagnostic::do_not_recommend]
impl<F, I, T, Marker> TaskFn<I, Recoverable<Marker>> for WithFallback<F, T>
where
    F: TaskFn<I, Marker, Single = T>,
    T: Send + Sync + 'static,
{
    type Value = F::Value;
    type Single = T;

    const CONTEXT: bool = F::CONTEXT;

    fn into_body(self, inputs: I) -> Body {
        self.function.into_body(inputs)
    }
}

/// A function that can be called once, made by [`once`].
pub struct Once<F> {
    function: Mutex<Option<F>>,
    /// Set when an execution that contains the task starts, so that a second execution is refused
    /// before it starts anything.
    claimed: AtomicBool,
}

impl<F> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "once({})", type_name::<F>())
    }
}

/// Wraps an `FnOnce`, so that it can be a task. The flow can then be executed once.
///
/// A second execution is refused with an error that names the task, before anything starts.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let text = String::from("moved into the task, and out of it");
/// let task = flow.add(once(move || text));
/// assert_eq!(flow.execute().await?[task].len(), 34);
/// assert!(flow.execute().await.is_err());
/// # Ok(())
/// # }
/// ```
pub fn once<F>(function: F) -> Once<F> {
    Once {
        function: Mutex::new(Some(function)),
        claimed: AtomicBool::new(false),
    }
}

impl<F> Once<F> {
    fn take(&self) -> F {
        self.function
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take()
            .expect("an execution claims a `once` task before it calls its function")
    }
}

struct AsyncTask<F, I, Kind, T> {
    function: F,
    inputs: I,
    marker: PhantomData<fn() -> (Kind, T)>,
}

struct PlainTask<F, I, Kind, T> {
    function: F,
    inputs: I,
    marker: PhantomData<fn() -> (Kind, T)>,
}

impl<F, I, Kind, T> AsyncBody for AsyncTask<F, I, Kind, T>
where
    I: Inputs,
    F: for<'a> CallAsync<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    fn start(
        &self,
        storage: Arc<RunStorage>,
        node: NodeIndex,
        attempt: Option<&AnyAttempt>,
    ) -> Job {
        if let Some(args) = self.inputs.none() {
            let future = self.function.call(args);
            return Box::pin(async move {
                let end = store(&storage, node, F::codec(), future.await.settle(Sealed));
                (storage, end)
            });
        }
        let mut own = self.inputs.own(Call {
            outputs: storage.outputs(),
            attempt,
        });
        Box::pin(async move {
            let result = {
                let outputs = storage.outputs();
                // The future cannot borrow `self` from outside this block, so it borrows the task
                // from the storage that it owns.
                let task: &Self = storage.async_body(node);
                let held = task.inputs.hold(outputs);
                let args = task.inputs.args(outputs, &held, &mut own);
                task.function.call(args).await.settle(Sealed)
            };
            let end = store(&storage, node, F::codec(), result);
            (storage, end)
        })
    }
}

#[inline]
fn store<T: Any + Send + Sync>(
    storage: &RunStorage,
    node: NodeIndex,
    codec: Option<CodecFns<T>>,
    result: Result<T, BoxError>,
) -> Option<Box<NotStored>> {
    let outputs = storage.outputs();
    let stored = result.and_then(|value| {
        let record = outputs.encode(codec, &value)?;
        outputs.keep_record((node, None), record);
        outputs.set(node, value);
        Ok(())
    });
    match stored {
        Ok(()) => None,
        Err(error) => NotStored::unless_succeeded(End::Failed(Cause::Error(error))),
    }
}

impl<F, I, Kind, T> PlainBody for PlainTask<F, I, Kind, T>
where
    I: Inputs,
    F: for<'a> CallPlain<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    fn call(
        &self,
        call: Call<'_>,
        node: NodeIndex,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(), BoxError> {
        let outputs = call.outputs;
        let held = self.inputs.hold(outputs);
        let mut own = self.inputs.own(call);
        let args = self.inputs.args(outputs, &held, &mut own);
        let value = self.function.call(args).settle(Sealed)?;
        // Before anything is stored: the record of an unwanted attempt must not replace another's.
        let record = outputs.encode(F::codec(), &value)?;
        if wanted() {
            outputs.keep_record((node, None), record);
            outputs.set(node, value);
        }
        Ok(())
    }
}

macro_rules! any_body {
    ($name:ident, $call:ident) => {
        impl<F, I, Kind, T> AnyBody for $name<F, I, Kind, T>
        where
            F: for<'a> $call<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
            I: Inputs,
            T: Send + Sync + 'static,
            Kind: 'static,
        {
            fn as_any(&self) -> &dyn Any {
                self
            }

            fn as_any_body(&self) -> &dyn AnyBody {
                self
            }

            fn function_name(&self) -> &'static str {
                $call::function_name(&self.function)
            }

            fn visit_inputs(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
                self.inputs.visit(visit);
            }

            fn claim(&self) -> Option<&AtomicBool> {
                $call::claim(&self.function)
            }

            fn facts(&self) -> Facts {
                let mut moves = false;
                self.inputs
                    .visit(&mut |_, how| moves |= how == InputUse::Moved);
                Facts {
                    column: ColumnType::of::<T>(),
                    once: $call::claim(&self.function).is_some(),
                    moves,
                    nested: false,
                }
            }

            fn recorded(&self) -> Option<u32> {
                F::codec().map(|_| $call::version(&self.function))
            }

            fn restore(
                &self,
                outputs: Outputs<'_>,
                node: NodeIndex,
                record: &[u8],
            ) -> Result<(), BoxError> {
                if let Some(codec) = F::codec() {
                    outputs.set(node, (codec.decode)(record)?);
                }
                Ok(())
            }
        }
    };
}

any_body!(AsyncTask, CallAsync);
any_body!(PlainTask, CallPlain);
