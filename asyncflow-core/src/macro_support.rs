//! What the expansions of `#[task]` and `#[flow]` call: it turns handles into inputs, and return values
//! into a `Result`. Not public API.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::declare::configure::Configured;
use crate::declare::each::List;
use crate::handle::{Moved, Optional, Task};
use crate::output::{BoxError, IntoFailure};

/// Gives a function its name, like [`TaskExt::named`](crate::TaskExt::named).
///
/// Of a closure whose kind is not known yet, the compiler would ask each impl of `TaskExt` whether it fits,
/// for every task of a body again and again.
#[track_caller]
pub fn named<F>(function: F, name: impl Into<String>) -> Configured<F> {
    Configured::new(function).named(name)
}

// Inputs. There is one call for each parameter, with the span of that parameter, so that a wrong type
// is an error there and not at the whole tuple of inputs. Each returns a type that `.inputs` takes,
// even if the handle is wrong, so that a wrong handle causes no further errors.

/// A handle of a task whose output is a `T`.
//
// `T` may be unsized, so that `&str` and `&[T]` reach the message below.
#[diagnostic::on_unimplemented(
    message = "the output of this upstream is not a `{T}`",
    label = "this handle is a `{Self}`",
    note = "a parameter receives the output of the task whose handle has its name: write `&T`, `Option<&T>` or `#[moved] name: T` for a `Task<T>`, and `Vec<&T>` for a `Vec<Task<T>>`",
    note = "`T` must be exactly the type in the handle: `&String` and not `&str`, `&Vec<_>` and not `&[_]`"
)]
pub trait Handle<T: ?Sized> {
    type Output;

    fn task(self) -> Task<Self::Output>;
}

impl<T> Handle<T> for Task<T> {
    type Output = T;

    fn task(self) -> Self {
        self
    }
}

/// For handles from a loop over a list.
impl<T> Handle<T> for &Task<T> {
    type Output = T;

    fn task(self) -> Task<T> {
        *self
    }
}

/// Handles of any number of tasks whose outputs are `T`s.
#[diagnostic::on_unimplemented(
    message = "these upstreams are not a list of handles of tasks whose outputs are `{T}`",
    label = "this is a `{Self}`",
    note = "a parameter of type `Vec<&T>` receives the outputs of the `Vec<Task<T>>`, array or slice that has its name: write `&T` for a single `Task<T>`"
)]
pub trait Handles<T: ?Sized> {
    type Output;

    fn tasks(&self) -> Vec<Task<Self::Output>>;
}

impl<T> Handles<T> for [Task<T>] {
    type Output = T;

    fn tasks(&self) -> Vec<Task<T>> {
        self.to_vec()
    }
}

impl<T, const N: usize> Handles<T> for [Task<T>; N] {
    type Output = T;

    fn tasks(&self) -> Vec<Task<T>> {
        self.to_vec()
    }
}

impl<T> Handles<T> for Vec<Task<T>> {
    type Output = T;

    fn tasks(&self) -> Vec<Task<T>> {
        self.clone()
    }
}

impl<T: ?Sized, H: Handles<T> + ?Sized> Handles<T> for &H {
    type Output = H::Output;

    fn tasks(&self) -> Vec<Task<H::Output>> {
        (**self).tasks()
    }
}

/// For a parameter `&T`.
pub fn borrowed<T: ?Sized, H: Handle<T>>(handle: H) -> Task<H::Output> {
    handle.task()
}

/// For a parameter `Option<&T>`.
pub fn optional<T: ?Sized, H: Handle<T>>(handle: H) -> Optional<H::Output> {
    handle.task().optional()
}

/// For a parameter `#[moved] T`.
pub fn moved<T: ?Sized, H: Handle<T>>(handle: H) -> Moved<H::Output> {
    handle.task().moved()
}

/// For a parameter `Vec<&T>`. Borrows the list, so that the user can still use it.
pub fn listed<T: ?Sized, H: Handles<T> + ?Sized>(handles: &H) -> Vec<Task<H::Output>> {
    handles.tasks()
}

/// For a parameter `Vec<Option<&T>>`.
pub fn listed_optional<T: ?Sized, H: Handles<T> + ?Sized>(handles: &H) -> Vec<Optional<H::Output>> {
    handles.tasks().into_iter().map(Task::optional).collect()
}

/// A handle of a task whose output is a list of `T`s.
#[diagnostic::on_unimplemented(
    message = "the output of this upstream is not a list of `{T}`s",
    label = "this handle is a `{Self}`",
    note = "`#[each(list)] name: &T` receives the elements of a `Task<Vec<T>>`, or of an array, a `VecDeque`, a boxed or an `Arc` slice of `T`s; `#[moved]` with it gives each as a `T`"
)]
pub trait ListHandle<T: ?Sized> {
    type List;

    fn list(self) -> Task<Self::List>;
}

impl<L: List> ListHandle<L::Element> for Task<L> {
    type List = L;

    fn list(self) -> Self {
        self
    }
}

/// For a parameter `#[each(list)] &T`.
pub fn elements<T: ?Sized, H: ListHandle<T>>(handle: H) -> Task<H::List> {
    handle.list()
}

/// For a parameter `#[each(list)] #[moved] T`.
pub fn elements_moved<T: ?Sized, H: ListHandle<T>>(handle: H) -> Moved<H::List> {
    handle.list().moved()
}

/// A handle of a task whose output is a `T`, where `T` was told from the spelling of a return type.
#[diagnostic::on_unimplemented(
    message = "the output of this task is not a `{T}`",
    label = "taken for a `Task<{T}>`, but it is a `{Self}`",
    note = "`#[flow]` goes by the spelling of the return type: say what the output is, with `#[task(output = ..)]` and the type in `Task<..>`"
)]
pub trait Returned<T> {
    fn task(self) -> Task<T>;
}

impl<T> Returned<T> for Task<T> {
    fn task(self) -> Self {
        self
    }
}

/// For the handle in the type of a flow.
pub fn returned<T, H: Returned<T>>(handle: H) -> Task<T> {
    handle.task()
}

// Outcomes. `probe(&value).outcome(value)` calls one of three methods, which depends on the type of
// the value. Method lookup prefers the inherent method of `Probe<T>`, which exists for every
// `Result`, then the trait method of `Probe<T>`, which exists for every future. If neither exists, it
// takes the trait method of `&Probe<T>`, which exists for every type. The bounds are on the methods
// and not on the impls, because a `Result` with an unsuitable error type must be a compile error, not
// a plain value.

/// Stands for the type that a task function returned.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

/// Takes a value and not a type, so that it works for types that have no name.
pub fn probe<T>(_: &T) -> Probe<T> {
    Probe(PhantomData)
}

impl<T, E> Probe<Result<T, E>> {
    // Boxes the error here, so that `Flow::add` does not report a second error about its type.
    pub fn outcome(self, outcome: Result<T, E>) -> Result<T, BoxError>
    where
        T: TaskOutput,
        E: IntoFailure,
    {
        outcome.map_err(IntoFailure::into_failure)
    }
}

/// For a function that is not `async` but returns a future, which runs on the executor.
pub trait FutureOutcome<F>: Sized {
    fn outcome(self, future: F) -> F {
        future
    }
}

impl<F: Future> FutureOutcome<F> for Probe<F> {}

/// For any other value.
pub trait ValueOutcome<T>: Sized {
    fn outcome(self, value: T) -> Result<T, Infallible>
    where
        T: TaskOutput,
    {
        Ok(value)
    }
}

impl<T> ValueOutcome<T> for &Probe<T> {}

/// What a task can return as its output, or in its `Ok`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a task",
    label = "the task returns this",
    note = "other tasks read it from any thread while the run exists: it must be `Send + Sync + 'static` (use `Arc` instead of `Rc`, `Mutex` instead of `RefCell`)"
)]
pub trait TaskOutput {}

impl<T: Send + Sync + 'static> TaskOutput for T {}

/// Checks that a future is `Send`, so that the error is reported at the function that made it.
pub fn send<F: Future + Send>(future: F) -> F {
    future
}
