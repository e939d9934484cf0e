//! What the expansion of `#[task]` calls: how a handle becomes an input, and how whatever a
//! function returns becomes a `Result`. No public API.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::handle::{Moved, Optional, Task};
use crate::output::BoxError;

// Inputs. One call for each parameter, spanned at that parameter, so that a wrong type is an error
// there and not somewhere in the whole tuple of inputs. Each returns what `.inputs` takes whatever
// it was given, so that a wrong handle causes one error and none that follow from it.

/// A handle of a task whose output is a `T`.
//
// `T` may be unsized, so that `&str` and `&[T]` reach the message below.
#[diagnostic::on_unimplemented(
    message = "the output of this upstream is not a `{T}`",
    label = "this handle is a `{Self}`",
    note = "a parameter receives the output of the task whose handle has its name: of a `Task<T>` take `&T`, `Option<&T>` or `#[moved] name: T`, of a `Vec<Task<T>>` take `Vec<&T>`",
    note = "it is exactly the `T` of the handle: `&String` and not `&str`, `&Vec<_>` and not `&[_]`"
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

/// As a loop over handles yields them.
impl<T> Handle<T> for &Task<T> {
    type Output = T;

    fn task(self) -> Task<T> {
        *self
    }
}

/// Handles of any number of tasks whose outputs are `T`s.
#[diagnostic::on_unimplemented(
    message = "these upstreams are no list of handles of tasks whose outputs are `{T}`",
    label = "this is a `{Self}`",
    note = "a parameter that is a `Vec<&T>` receives the outputs of a `Vec<Task<T>>`, array or slice that has its name; of a single `Task<T>` take `&T`"
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

/// For a parameter `Vec<&T>`; the list stays the user's.
pub fn listed<T: ?Sized, H: Handles<T> + ?Sized>(handles: &H) -> Vec<Task<H::Output>> {
    handles.tasks()
}

// Outcomes. `probe(&value).outcome(value)` is resolved by the type of the value, however it is
// spelled, because method lookup goes by type: at `Probe<T>` it prefers the inherent method, which
// exists for every `Result`, then the trait's, which exists for every future; only if neither fits
// does it look at `&Probe<T>`, where the last one exists for every type. The bounds stand on the
// methods, not on the impls: a `Result` whose error is none must be an error, not a plain value.

/// The type of what a task function returned.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

/// Takes the value and not the type, so that it works for types that cannot be written.
pub fn probe<T>(_: &T) -> Probe<T> {
    Probe(PhantomData)
}

impl<T, E> Probe<Result<T, E>> {
    // The error is boxed here, so that `Flow::add` has nothing to say about it, too.
    pub fn outcome(self, outcome: Result<T, E>) -> Result<T, BoxError>
    where
        T: TaskOutput,
        E: TaskError,
    {
        outcome.map_err(TaskError::into_boxed)
    }
}

/// A function that is not `async` but returns a future: it stays one, to be run on the executor.
pub trait FutureOutcome<F>: Sized {
    fn outcome(self, future: F) -> F {
        future
    }
}

impl<F: Future> FutureOutcome<F> for Probe<F> {}

/// Any other value.
pub trait ValueOutcome<T>: Sized {
    fn outcome(self, value: T) -> Result<T, Infallible>
    where
        T: TaskOutput,
    {
        Ok(value)
    }
}

impl<T> ValueOutcome<T> for &Probe<T> {}

/// What a task can return, or have in its `Ok`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a task",
    label = "the task returns this",
    note = "tasks on any thread read it, for as long as the run lives: it must be `Send + Sync + 'static` (`Arc` in place of `Rc`, `Mutex` in place of `RefCell`)"
)]
pub trait TaskOutput {}

impl<T: Send + Sync + 'static> TaskOutput for T {}

/// An error that a task can fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a task can fail with",
    label = "the task returns a `Result` with this error",
    note = "it must convert into a `Box<dyn std::error::Error + Send + Sync>`: implement `std::error::Error` for it, or return `anyhow::Error`, `String` or `&'static str`"
)]
pub trait TaskError {
    fn into_boxed(self) -> BoxError;
}

impl<E: Into<BoxError>> TaskError for E {
    fn into_boxed(self) -> BoxError {
        self.into()
    }
}

/// Reports a future that is not `Send` at the function that made it.
pub fn send<F: Future + Send>(future: F) -> F {
    future
}
