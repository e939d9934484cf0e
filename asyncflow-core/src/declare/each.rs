//! `each`: a function for every element of a list, as one task.
//!
//! The task runs its elements, each with permits, a time limit and attempts of its own; see
//! [`crate::run::each`]. Here a function and its inputs become an [`EachBody`], and the outputs of
//! the elements one list.

use std::any::{Any, type_name};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use spin::Once as Cell;

use crate::graph::body::{
    AnyAttempt, AnyBody, Body, Call, EachBody, ElementJob, Elements, Facts, InputUse,
};
use crate::graph::storage::RunStorage;
use crate::handle::{Moved, Optional, Task, TaskId};
use crate::node_index::NodeIndex;
use crate::output::{BoxError, Outcome};
use crate::sealed::Sealed;
use crate::task::column::ColumnType;
use crate::task::outputs::Outputs;

use super::configure::{Configured, TaskExt};
use super::function::{CallAsync, CallPlain, TaskFn};
use super::inputs::{Input, Inputs, STARTED_EARLY, borrow};

/// A function for every element of a list, made by [`each`].
pub struct Each<F>(F);

impl<F> Each<F> {
    pub(super) fn into_function(self) -> F {
        self.0
    }
}

impl<F> fmt::Debug for Each<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each({})", type_name::<F>())
    }
}

/// Applies a function to every element of a list that a task made: one task, whose output is the `Vec`
/// of the results, in the order of the list.
///
/// The first of its [inputs](TaskExt::inputs) is the list: the handle of a `Vec`, a `VecDeque`, an array,
/// or a boxed or `Arc` slice. `function` is async or plain, and receives `&Item`, or `Item` for a list
/// that is [`moved`](Task::moved), and then the other inputs, which all elements share.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// # struct Client;
/// # impl Client {
/// #     async fn get(&self, url: &str) -> Result<usize, std::io::Error> { Ok(url.len()) }
/// # }
/// let mut flow = TokioFlow::new();
/// let client = flow.value(Client);
/// let urls = flow.add(|| vec!["/a", "/bb", "/ccc"]);
/// let fetch = async |url: &&str, client: &Client| client.get(url).await;
/// let sizes = flow.add(each(fetch).inputs((urls, client)).with_lock(&Semaphore::new(2)));
/// assert_eq!(flow.execute().await?[sizes], [2, 3, 4]);
/// # Ok(())
/// # }
/// ```
///
/// # Configuration
///
/// Locks and semaphores, [time limits](TaskExt::timeout), [retries](TaskExt::retry) and
/// [fallbacks](TaskExt::fallback) hold for each element: it takes its permits alone, and a fallback makes
/// one element of the output. [`max_concurrency`](crate::Execute::max_concurrency) counts elements. All
/// else configures the task as a whole.
///
/// Elements start in the order of the list, and one only when its permits and its slot are free. So a
/// list may have millions. Where nothing limits them, all async elements that wait do so at the same
/// time.
///
/// # Failures
///
/// The first element that fails ends the task, and the other elements are stopped, as the tasks of a run
/// are. With [`keep_going`](crate::Execute::keep_going), all elements run.
/// [`FlowError::failures`](crate::FlowError::failures) has the failure of each element, with a name like
/// `fetch[17]`.
///
/// A function that can be called only once, made with [`once`](crate::once()), cannot be called for each
/// element: the execution is refused.
pub fn each<F>(function: F) -> Each<F> {
    Each(function)
}

impl<F> TaskExt<Each<()>> for Each<F> {
    #[track_caller]
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

/// A list whose elements a function is applied to; see [`each`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of elements",
    label = "`each` applies a function to the elements of a list",
    note = "the first input of `each(f)` is the handle of a `Vec<T>`, `VecDeque<T>`, `[T; N]`, `Box<[T]>` or `Arc<[T]>`"
)]
pub trait List: Send + Sync + 'static {
    /// The type of an element.
    type Element: Send + Sync + 'static;

    #[doc(hidden)]
    fn count(&self, _: Sealed) -> usize;
    #[doc(hidden)]
    fn element(&self, index: usize, _: Sealed) -> &Self::Element;
}

/// A [`List`] that can be taken apart.
#[diagnostic::on_unimplemented(
    message = "the elements of `{Self}` cannot be taken by value",
    label = "not a list that can be taken apart",
    note = "`list.moved()` works for `Vec<T>`, `VecDeque<T>`, `[T; N]` and `Box<[T]>`; pass the handle itself to borrow the elements"
)]
pub trait OwnedList: List {
    #[doc(hidden)]
    type Elements: Iterator<Item = Self::Element> + Send;

    #[doc(hidden)]
    fn elements(self, _: Sealed) -> Self::Elements;
}

macro_rules! list {
    ($list:ty $(, $N:ident)?) => {
        impl<T: Send + Sync + 'static $(, const $N: usize)?> List for $list {
            type Element = T;

            fn count(&self, _: Sealed) -> usize {
                self.len()
            }

            #[inline]
            fn element(&self, index: usize, _: Sealed) -> &T {
                &self[index]
            }
        }
    };
}

macro_rules! owned_list {
    ($list:ty, $elements:ty $(, $N:ident)?) => {
        list!($list $(, $N)?);

        impl<T: Send + Sync + 'static $(, const $N: usize)?> OwnedList for $list {
            type Elements = $elements;

            fn elements(self, _: Sealed) -> $elements {
                self.into_iter()
            }
        }
    };
}

owned_list!(Vec<T>, std::vec::IntoIter<T>);
owned_list!(VecDeque<T>, std::collections::vec_deque::IntoIter<T>);
owned_list!([T; N], std::array::IntoIter<T, N>, N);
owned_list!(Box<[T]>, std::vec::IntoIter<T>);
list!(Arc<[T]>);

/// The first input of [`each`]: a list, or a list by value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list whose elements `each` can go through",
    label = "the first input of `each(f)` must be the handle of a list",
    note = "pass the handle of a `Vec<T>`, `VecDeque<T>`, `[T; N]`, `Box<[T]>` or `Arc<[T]>`: `each(f).inputs(list)` or `each(f).inputs((list, other))`"
)]
pub trait ListInput: Input {
    #[doc(hidden)]
    type Item<'a>;
    #[doc(hidden)]
    type List: Send + Sync;

    #[doc(hidden)]
    fn list(&self, outputs: Outputs<'_>) -> Self::List;
    #[doc(hidden)]
    fn count(&self, outputs: Outputs<'_>, list: &Self::List) -> usize;
    /// Called once for each element, in any order.
    #[doc(hidden)]
    fn item<'a>(&self, outputs: Outputs<'a>, list: &'a Self::List, index: usize) -> Self::Item<'a>;
}

impl<L: List> ListInput for Task<L> {
    type Item<'a> = &'a L::Element;
    type List = Option<Arc<L>>;

    fn list(&self, outputs: Outputs<'_>) -> Option<Arc<L>> {
        Input::hold(self, outputs)
    }

    fn count(&self, outputs: Outputs<'_>, list: &Option<Arc<L>>) -> usize {
        borrow(self.id.index, outputs, list)
            .expect(STARTED_EARLY)
            .count(Sealed)
    }

    #[inline]
    fn item<'a>(
        &self,
        outputs: Outputs<'a>,
        list: &'a Option<Arc<L>>,
        index: usize,
    ) -> &'a L::Element {
        borrow(self.id.index, outputs, list)
            .expect(STARTED_EARLY)
            .element(index, Sealed)
    }
}

/// A list that is being taken apart.
#[doc(hidden)]
pub struct MovedList<L: OwnedList> {
    count: usize,
    rest: Mutex<Rest<L>>,
}

struct Rest<L: OwnedList> {
    elements: L::Elements,
    /// The index of the next element.
    next: usize,
    /// Elements that were passed by, because a later one was asked for first.
    passed: HashMap<usize, L::Element>,
}

impl<L: OwnedList> fmt::Debug for MovedList<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovedList").finish_non_exhaustive()
    }
}

impl<L: OwnedList> ListInput for Moved<L> {
    type Item<'a> = L::Element;
    type List = MovedList<L>;

    fn list(&self, outputs: Outputs<'_>) -> MovedList<L> {
        let list: Option<L> = outputs.take(self.0.id.index);
        let list = list.expect("the only consumer of an output takes it once");
        MovedList {
            count: list.count(Sealed),
            rest: Mutex::new(Rest {
                elements: list.elements(Sealed),
                next: 0,
                passed: HashMap::new(),
            }),
        }
    }

    fn count(&self, _outputs: Outputs<'_>, list: &MovedList<L>) -> usize {
        list.count
    }

    fn item<'a>(&self, _outputs: Outputs<'a>, list: &'a MovedList<L>, index: usize) -> L::Element {
        let mut rest = list.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = &mut *rest;
        while rest.next <= index {
            let element = rest.elements.next().expect("there are as many as counted");
            rest.passed.insert(rest.next, element);
            rest.next += 1;
        }
        let element = rest.passed.remove(&index);
        element.expect("an element by value has one attempt")
    }
}

/// An input that the elements of an [`each`] can share: any but `task.moved()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared by the elements of `each`",
    label = "every element would take it",
    note = "after the list, pass `Task<T>` (arrives as `&T`), `task.optional()`, a `Vec` or array of these, or `context()`; only the list itself can be `moved()`"
)]
pub trait SharedInput: Input {}

impl<A: Send + Sync + 'static> SharedInput for Task<A> {}
impl<A: Send + Sync + 'static> SharedInput for Optional<A> {}
impl<A: Send + Sync + 'static> SharedInput for Vec<Task<A>> {}
impl<A: Send + Sync + 'static> SharedInput for Vec<Optional<A>> {}
impl<A: Send + Sync + 'static, const N: usize> SharedInput for [Task<A>; N] {}
impl<A: Send + Sync + 'static, const N: usize> SharedInput for [Optional<A>; N] {}

/// The inputs of [`each`]: a list, and what its elements share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the inputs of `each`",
    label = "expected the handle of a list, alone or first in a tuple",
    note = "`each(f).inputs(list)` or `each(f).inputs((list, other))`, where `list` is the handle of a `Vec<T>`, `VecDeque<T>`, `[T; N]`, `Box<[T]>` or `Arc<[T]>`",
    note = "after the list, pass `Task<T>`, `task.optional()`, a `Vec` or array of these, or `context()`"
)]
pub trait EachInputs: Inputs {
    /// The arguments that the function receives for one element, as a tuple.
    type ElementArgs<'a>;
    #[doc(hidden)]
    type Shared: Send + Sync;
    #[doc(hidden)]
    type ElementOwn: Send;

    #[doc(hidden)]
    fn shared(&self, outputs: Outputs<'_>) -> Self::Shared;
    #[doc(hidden)]
    fn count(&self, outputs: Outputs<'_>, shared: &Self::Shared) -> usize;
    #[doc(hidden)]
    fn element_own(&self, call: Call<'_>) -> Self::ElementOwn;
    #[doc(hidden)]
    fn element_args<'a>(
        &self,
        outputs: Outputs<'a>,
        shared: &'a Self::Shared,
        own: &'a mut Self::ElementOwn,
        index: usize,
    ) -> Self::ElementArgs<'a>;
}

impl<L: ListInput> EachInputs for L {
    type ElementArgs<'a> = (L::Item<'a>,);
    type Shared = L::List;
    type ElementOwn = ();

    fn shared(&self, outputs: Outputs<'_>) -> L::List {
        self.list(outputs)
    }

    fn count(&self, outputs: Outputs<'_>, shared: &L::List) -> usize {
        ListInput::count(self, outputs, shared)
    }

    #[inline]
    fn element_own(&self, _call: Call<'_>) {}

    #[inline]
    fn element_args<'a>(
        &self,
        outputs: Outputs<'a>,
        shared: &'a L::List,
        (): &'a mut (),
        index: usize,
    ) -> Self::ElementArgs<'a> {
        (self.item(outputs, shared, index),)
    }
}

macro_rules! each_inputs_for_tuple {
    ($list:ident $at:tt $(, $name:ident $index:tt)*) => {
        impl<$list: ListInput $(, $name: SharedInput)*> EachInputs for ($list, $($name,)*) {
            type ElementArgs<'a> = ($list::Item<'a>, $($name::Arg<'a>,)*);
            type Shared = ($list::List, $($name::Held,)*);
            type ElementOwn = ((), $($name::Own,)*);

            fn shared(&self, outputs: Outputs<'_>) -> Self::Shared {
                (self.$at.list(outputs), $(self.$index.hold(outputs),)*)
            }

            fn count(&self, outputs: Outputs<'_>, shared: &Self::Shared) -> usize {
                self.$at.count(outputs, &shared.$at)
            }

            #[inline]
            #[allow(unused_variables)]
            fn element_own(&self, call: Call<'_>) -> Self::ElementOwn {
                ((), $(self.$index.own(call),)*)
            }

            #[inline]
            #[allow(unused_variables)]
            fn element_args<'a>(
                &self,
                outputs: Outputs<'a>,
                shared: &'a Self::Shared,
                own: &'a mut Self::ElementOwn,
                index: usize,
            ) -> Self::ElementArgs<'a> {
                (
                    self.$at.item(outputs, &shared.$at, index),
                    $(self.$index.arg(outputs, &shared.$index, &mut own.$index),)*
                )
            }
        }
    };
}

crate::tuples::each_tuple!(each_inputs_for_tuple);

/// The marker of `each` with a function that returns a future.
#[derive(Debug)]
pub struct EachAsync<Kind, T>(PhantomData<fn() -> (Kind, T)>);

/// The marker of `each` with any other function.
#[derive(Debug)]
pub struct EachPlain<Kind, T>(PhantomData<fn() -> (Kind, T)>);

struct EachTask<F, I, Marker> {
    function: F,
    inputs: I,
    marker: PhantomData<fn() -> Marker>,
}

/// The marker of the task that elements are those of.
type OfTask<F, I, Marker> = PhantomData<fn() -> EachTask<F, I, Marker>>;

/// The elements of one attempt at a task.
struct Run<F, I: EachInputs, Marker, T> {
    storage: Arc<RunStorage>,
    node: NodeIndex,
    shared: I::Shared,
    outputs: Vec<Cell<T>>,
    task: OfTask<F, I, Marker>,
}

impl<F, I, Marker, T> Run<F, I, Marker, T>
where
    F: Send + Sync + 'static,
    I: EachInputs,
    Marker: 'static,
    T: Send + Sync + 'static,
{
    fn begin(inputs: &I, storage: Arc<RunStorage>, node: NodeIndex) -> Self {
        let outputs = storage.outputs();
        let shared = inputs.shared(outputs);
        let count = inputs.count(outputs, &shared);
        Self {
            shared,
            outputs: std::iter::repeat_with(Cell::new).take(count).collect(),
            storage,
            node,
            task: PhantomData,
        }
    }

    fn task(&self) -> &EachTask<F, I, Marker> {
        self.storage.each_body(self.node)
    }

    #[inline]
    fn put(&self, index: usize, value: T) {
        self.outputs[index].call_once(|| value);
    }

    /// Stores an output, and keeps its record.
    #[inline]
    fn store(&self, index: usize, value: T, record: Option<Vec<u8>>) {
        let producer = (self.node, Some(index));
        self.storage.outputs().keep_record(producer, record);
        self.put(index, value);
    }

    fn put_any(&self, index: usize, value: Box<dyn Any + Send + Sync>) {
        if let Ok(value) = value.downcast() {
            self.put(index, *value);
        }
    }

    /// Stores the list of all outputs, if all are there.
    fn finish(self: Arc<Self>) -> bool {
        let Some(run) = Arc::into_inner(self) else {
            unreachable!("the last share in the elements finishes them");
        };
        let count = run.outputs.len();
        let outputs: Vec<T> = run
            .outputs
            .into_iter()
            .map_while(Cell::try_into_inner)
            .collect();
        let complete = outputs.len() == count;
        if complete {
            run.storage.outputs().set(run.node, outputs);
        }
        complete
    }
}

macro_rules! each_task {
    ($marker:ident, $call:ident, $is_async:literal, $($elements:tt)*) => {
        #[diagnostic::do_not_recommend]
        impl<F, I, Kind, T> TaskFn<I, $marker<Kind, T>> for Each<F>
        where
            I: EachInputs,
            F: for<'a> $call<'a, I::ElementArgs<'a>, Kind, Value = T> + Send + Sync + 'static,
            T: Send + Sync + 'static,
            Kind: 'static,
        {
            type Value = Vec<T>;
            type Single = T;

            fn into_body(self, inputs: I) -> Body {
                let marker: PhantomData<fn() -> $marker<Kind, T>> = PhantomData;
                Body::Each(Box::new(EachTask {
                    function: self.0,
                    inputs,
                    marker,
                }))
            }
        }

        impl<F, I, Kind, T> AnyBody for EachTask<F, I, $marker<Kind, T>>
        where
            I: EachInputs,
            F: for<'a> $call<'a, I::ElementArgs<'a>, Kind, Value = T> + Send + Sync + 'static,
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

            fn recorded(&self) -> Option<u32> {
                F::codec().map(|_| $call::version(&self.function))
            }

            fn facts(&self) -> Facts {
                let mut moves = false;
                self.inputs
                    .visit(&mut |_, how| moves |= how == InputUse::Moved);
                Facts {
                    column: ColumnType::of::<Vec<T>>(),
                    moves,
                    once: $call::claim(&self.function).is_some(),
                    ..Facts::default()
                }
            }
        }

        impl<F, I, Kind, T> EachBody for EachTask<F, I, $marker<Kind, T>>
        where
            I: EachInputs,
            F: for<'a> $call<'a, I::ElementArgs<'a>, Kind, Value = T> + Send + Sync + 'static,
            T: Send + Sync + 'static,
            Kind: 'static,
        {
            fn is_async(&self) -> bool {
                $is_async
            }

            fn begin(&self, storage: Arc<RunStorage>, node: NodeIndex) -> Arc<dyn Elements> {
                Arc::new(Run::<F, I, $marker<Kind, T>, T>::begin(&self.inputs, storage, node))
            }
        }

        impl<F, I, Kind, T> Elements for Run<F, I, $marker<Kind, T>, T>
        where
            I: EachInputs,
            F: for<'a> $call<'a, I::ElementArgs<'a>, Kind, Value = T> + Send + Sync + 'static,
            T: Send + Sync + 'static,
            Kind: 'static,
        {
            fn count(&self) -> usize {
                self.outputs.len()
            }

            fn put(&self, index: usize, value: Box<dyn Any + Send + Sync>) {
                self.put_any(index, value);
            }

            fn restore(&self, index: usize, record: &[u8]) -> Result<(), BoxError> {
                if let Some(codec) = F::codec() {
                    self.put(index, (codec.decode)(record)?);
                }
                Ok(())
            }

            fn finish(self: Arc<Self>) -> bool {
                Run::finish(self)
            }

            $($elements)*
        }
    };
}

each_task! {
    EachAsync, CallAsync, true,

    fn start(self: Arc<Self>, index: usize, attempt: Option<&AnyAttempt>) -> ElementJob {
        let mut own = self.task().inputs.element_own(Call {
            outputs: self.storage.outputs(),
            attempt,
        });
        Box::pin(async move {
            let outputs = self.storage.outputs();
            let result = {
                let task = self.task();
                let args = task.inputs.element_args(outputs, &self.shared, &mut own, index);
                task.function.call(args).await.settle(Sealed)
            };
            let stored = result.and_then(|value| {
                let record = outputs.encode(F::codec(), &value)?;
                Run::store(&*self, index, value, record);
                Ok(())
            });
            stored.err()
        })
    }

    fn call(
        &self,
        _index: usize,
        _attempt: Option<&AnyAttempt>,
        _wanted: &dyn Fn() -> bool,
    ) -> Result<(), BoxError> {
        unreachable!("an async function is not called on a blocking thread")
    }
}

each_task! {
    EachPlain, CallPlain, false,

    fn start(self: Arc<Self>, _index: usize, _attempt: Option<&AnyAttempt>) -> ElementJob {
        unreachable!("a plain function has no future")
    }

    fn call(
        &self,
        index: usize,
        attempt: Option<&AnyAttempt>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<(), BoxError> {
        let outputs = self.storage.outputs();
        let task = self.task();
        let mut own = task.inputs.element_own(Call { outputs, attempt });
        let args = task.inputs.element_args(outputs, &self.shared, &mut own, index);
        let value = task.function.call(args).settle(Sealed)?;
        let record = outputs.encode(F::codec(), &value)?;
        if wanted() {
            Run::store(self, index, value, record);
        }
        Ok(())
    }
}
