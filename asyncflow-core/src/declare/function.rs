//! Task functions: telling what kind a function is, and erasing its type.
//!
//! The kinds are told apart by their return types alone. `Outcome` is implemented for no future,
//! so for every function exactly one of the two impls of [`TaskFn`] fits, and rustc infers which:
//! the *marker* parameter exists only so that the two impls do not overlap.

use std::any::{Any, type_name};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::column::ColumnType;
use crate::graph::Declared;
use crate::handle::TaskId;
use crate::output::{BoxError, Outcome};
use crate::run::end::End;
use crate::run::execution::Execution;
use crate::run::ledger::Ledger;

use super::inputs::{InputUse, Inputs};

/// A function that can be a task: async or not, with a parameter for each of its inputs.
///
/// Implemented for every `Fn(..) -> O` that is `Send + Sync + 'static`, where `O` is an
/// [`Outcome`] or a `Send` future of one, and for what [`once`] makes. `Marker` is always
/// inferred. An async function runs on the runtime's executor, any other on one of its blocking
/// threads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that can be a task with these inputs",
    label = "not a task function for the inputs `{I}`",
    note = "its parameters must match the inputs: `&T` for a `Task<T>`, `Option<&T>` for `task.optional()`, `T` for `task.moved()`, `Vec<&T>` for a `Vec<Task<T>>`; without `.inputs(..)` it takes none",
    note = "it must return a type that implements `asyncflow::Output` (add `#[derive(Output)]`) or a `Result`; if it is async, its future must be `Send`",
    note = "it must be `Fn + Send + Sync + 'static`: wrap an `FnOnce` in `once(..)`, and give a closure that only panics the type `|| -> () {{ .. }}`"
)]
pub trait TaskFn<I, Marker>: Send + Sync + 'static {
    /// The output of the task.
    type Value: Send + Sync + 'static;

    #[doc(hidden)]
    fn into_body(self, inputs: I) -> Body;
}

/// Marks functions that return a future.
pub struct Async<Kind, T>(PhantomData<fn() -> (Kind, T)>);

/// Marks all other functions.
pub struct Plain<Kind, T>(PhantomData<fn() -> (Kind, T)>);

impl<Kind, T> fmt::Debug for Async<Kind, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Async")
    }
}

impl<Kind, T> fmt::Debug for Plain<Kind, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}

/// An async function of the arguments `Args`, at one lifetime of what it borrows.
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
}

/// A plain function of the arguments `Args`, at one lifetime of what it borrows.
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
}

macro_rules! call_with {
    ($($arg:ident $index:tt),*) => {
        #[allow(non_snake_case)]
        impl<'a, F, Fut, Kind, $($arg),*> CallAsync<'a, ($($arg,)*), Kind> for F
        where
            F: Fn($($arg),*) -> Fut,
            Fut: Future + Send + 'a,
            Fut::Output: Outcome<Kind>,
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
            Fut::Output: Outcome<Kind>,
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

impl<F, I, Kind, T> TaskFn<I, Async<Kind, T>> for F
where
    I: Inputs,
    F: for<'a> CallAsync<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    type Value = T;

    fn into_body(self, inputs: I) -> Body {
        Body::Async(Box::new(AsyncTask {
            function: self,
            inputs,
            marker: PhantomData,
        }))
    }
}

impl<F, I, Kind, T> TaskFn<I, Plain<Kind, T>> for F
where
    I: Inputs,
    F: for<'a> CallPlain<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    type Value = T;

    fn into_body(self, inputs: I) -> Body {
        Body::Plain(Box::new(PlainTask {
            function: self,
            inputs,
            marker: PhantomData,
        }))
    }
}

/// A function that can be called once; made by [`once`].
pub struct Once<F> {
    function: Mutex<Option<F>>,
    /// Set when an execution takes the task on, which is before its function is called.
    claimed: AtomicBool,
}

impl<F> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "once({})", type_name::<F>())
    }
}

/// Makes a task of an `FnOnce`: the flow can then be executed once.
///
/// A second execution is refused before anything starts, with an error that names the task.
///
/// ```
/// use asyncflow_core::once;
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// let text = String::from("moved into the task, and out of it");
/// let task = flow.add(once(move || text));
/// assert_eq!(block_on(flow.execute()).unwrap()[task].len(), 34);
/// assert!(block_on(flow.execute()).is_err());
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

/// The erased function of a task, and what the flow does in its place when it has none.
#[doc(hidden)]
pub enum Body {
    /// Polled by drivers.
    Async(Box<dyn AsyncBody>),
    /// Called on a blocking thread.
    Plain(Box<dyn PlainBody>),
    /// No function: its value is given at each execution. Boxed, because most tasks are none.
    Input(Box<InputBody>),
    /// No task at all: passes on that its upstreams have ended. See [`super::group`].
    Gate(Gate),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Async(_) => f.write_str("Async"),
            Self::Plain(_) => f.write_str("Plain"),
            Self::Input(_) => f.write_str("Input"),
            Self::Gate(gate) => gate.fmt(f),
        }
    }
}

/// What is known of a task without a function.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct InputBody {
    pub(crate) column: Option<ColumnType>,
}

/// What opens a gate.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The success of all its upstreams.
    All,
    /// The first success among its upstreams.
    Any,
}

/// A task's future: it owns the run that it borrows its inputs from, and hands it back.
pub(crate) type Job = Pin<Box<dyn Future<Output = JobEnd> + Send>>;

/// The run that a job owned, and how it ended if that was no success.
///
/// Boxed, so that the common case fits two registers. The share in the run is a plain `Arc`,
/// because whoever polls a job holds an [`Agent`](crate::run::agent::Agent), and longer.
pub(crate) type JobEnd = (Arc<Execution>, Option<Box<End>>);

/// What the engine asks of any task function.
#[doc(hidden)]
pub trait AnyBody: Send + Sync + 'static {
    fn as_any(&self) -> &dyn Any;
    /// Itself; stands in for upcasting, which is younger than the oldest supported compiler.
    fn as_any_body(&self) -> &dyn AnyBody;
    /// The full path of the function, as `type_name` gives it.
    fn function_name(&self) -> &'static str;
    fn visit_inputs(&self, visit: &mut dyn FnMut(TaskId, InputUse));
    /// The flag by which an execution claims a `once` task.
    fn claim(&self) -> Option<&AtomicBool>;
    fn facts(&self) -> Facts;
    /// What was declared of the flow that it is, if it is one.
    fn nested(&self) -> Option<&Declared> {
        None
    }
}

/// What is asked of every task when its flow is compiled, in one call.
#[doc(hidden)]
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

#[doc(hidden)]
pub trait AsyncBody: AnyBody {
    fn start(&self, run: Arc<Execution>, index: u32) -> Job;

    /// Whether its future ends by itself when the run stops. Any other is just dropped.
    fn sees_stop(&self) -> bool {
        self.nested().is_some()
    }
}

#[doc(hidden)]
pub trait PlainBody: AnyBody {
    /// Calls the function and stores its output, unless `wanted` says that nobody waits for it
    /// any more.
    fn call(&self, ledger: &Ledger, index: u32, wanted: &dyn Fn() -> bool) -> Result<(), BoxError>;
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
    fn start(&self, run: Arc<Execution>, index: u32) -> Job {
        if let Some(args) = self.inputs.none() {
            let future = self.function.call(args);
            return Box::pin(async move {
                let end = finish(&run, index, future.await.settle());
                (run, end)
            });
        }
        Box::pin(async move {
            let result = {
                let ledger = run.ledger();
                // The future may borrow neither `self` nor the run from outside of this block, so
                // it looks itself up in the run that it owns.
                let task = ledger.async_body::<Self>(index);
                let mut held = task.inputs.hold(ledger);
                let args = task.inputs.args(ledger, &mut held);
                task.function.call(args).await.settle()
            };
            let end = finish(&run, index, result);
            (run, end)
        })
    }
}

/// Stores what a function returned.
#[inline]
fn finish<T: Any + Send + Sync>(
    run: &Execution,
    index: u32,
    result: Result<T, BoxError>,
) -> Option<Box<End>> {
    match result {
        Ok(value) => {
            run.ledger().store(index, value);
            None
        }
        Err(error) => Some(Box::new(End::Failed(error))),
    }
}

impl<F, I, Kind, T> PlainBody for PlainTask<F, I, Kind, T>
where
    I: Inputs,
    F: for<'a> CallPlain<'a, I::Args<'a>, Kind, Value = T> + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Kind: 'static,
{
    fn call(&self, ledger: &Ledger, index: u32, wanted: &dyn Fn() -> bool) -> Result<(), BoxError> {
        let mut held = self.inputs.hold(ledger);
        let args = self.inputs.args(ledger, &mut held);
        let value = self.function.call(args).settle()?;
        if wanted() {
            ledger.store(index, value);
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
        }
    };
}

any_body!(AsyncTask, CallAsync);
any_body!(PlainTask, CallPlain);

/// Whether `T` is `()`.
pub(crate) fn is_unit<T: 'static>() -> bool {
    std::any::TypeId::of::<T>() == std::any::TypeId::of::<()>()
}

/// Takes a `once` task on; `false` when an execution before has.
pub(crate) fn claim(flag: &AtomicBool) -> bool {
    !flag.swap(true, Ordering::AcqRel)
}
