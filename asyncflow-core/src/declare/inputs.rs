//! Data dependencies: handles become borrowed arguments.
//!
//! The run may drop an output while a function borrows it. So an argument is fetched in steps:
//! [`Input::hold`] gets what keeps the value alive, which calls may share, [`Input::own`] what one
//! call has for itself, and [`Input::arg`] borrows from both.

use std::sync::Arc;

use crate::graph::body::{Call, InputUse};
use crate::handle::{Moved, Optional, Task, TaskId};
use crate::node_index::NodeIndex;
use crate::task::outputs::Outputs;

/// One input of a task: a handle, or a list of handles, or its [`context`](crate::context()).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an input of a task",
    label = "expected the handle of an upstream task",
    note = "pass a `Task<T>` (arrives as `&T`), `task.optional()` (`Option<&T>`), `task.moved()` (`T`), a `Vec<Task<T>>` or `[Task<T>; N]` (`Vec<&T>`), or `context()` (`&TaskContext`)"
)]
pub trait Input: Send + Sync + 'static {
    /// The argument that the function receives.
    type Arg<'a>;
    #[doc(hidden)]
    type Held: Send + Sync;
    #[doc(hidden)]
    type Own: Send;

    /// Whether it is the context of the task.
    #[doc(hidden)]
    const CONTEXT: bool = false;

    #[doc(hidden)]
    fn hold(&self, outputs: Outputs<'_>) -> Self::Held;
    #[doc(hidden)]
    fn own(&self, call: Call<'_>) -> Self::Own;
    #[doc(hidden)]
    fn arg<'a>(
        &self,
        outputs: Outputs<'a>,
        held: &'a Self::Held,
        own: &'a mut Self::Own,
    ) -> Self::Arg<'a>;
    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse));
}

impl<A: Send + Sync + 'static> Input for Task<A> {
    type Arg<'a> = &'a A;
    /// Keeps the output alive if the run may drop it early.
    type Held = Option<Arc<A>>;
    type Own = ();

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> Option<Arc<A>> {
        outputs.share(self.id.index)
    }

    #[inline]
    fn own(&self, _call: Call<'_>) {}

    #[inline]
    fn arg<'a>(&self, outputs: Outputs<'a>, held: &'a Option<Arc<A>>, (): &'a mut ()) -> &'a A {
        borrow(self.id.index, outputs, held).expect(STARTED_EARLY)
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        visit(self.id, InputUse::Borrowed);
    }
}

impl<A: Send + Sync + 'static> Input for Optional<A> {
    type Arg<'a> = Option<&'a A>;
    type Held = Option<Arc<A>>;
    type Own = ();

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> Option<Arc<A>> {
        outputs.share(self.0.id.index)
    }

    #[inline]
    fn own(&self, _call: Call<'_>) {}

    #[inline]
    fn arg<'a>(
        &self,
        outputs: Outputs<'a>,
        held: &'a Option<Arc<A>>,
        (): &'a mut (),
    ) -> Option<&'a A> {
        borrow(self.0.id.index, outputs, held)
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        visit(self.0.id, InputUse::Optional);
    }
}

impl<A: Send + Sync + 'static> Input for Moved<A> {
    type Arg<'a> = A;
    type Held = ();
    type Own = Option<A>;

    #[inline]
    fn hold(&self, _outputs: Outputs<'_>) {}

    #[inline]
    fn own(&self, call: Call<'_>) -> Option<A> {
        call.outputs.take(self.0.id.index)
    }

    #[inline]
    fn arg<'a>(&self, _outputs: Outputs<'a>, (): &'a (), own: &'a mut Option<A>) -> A {
        own.take()
            .expect("the only consumer of an output takes it once")
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        visit(self.0.id, InputUse::Moved);
    }
}

macro_rules! input_list {
    ($list:ty, $arg:ty, |$task:ident| $of:expr, $how:ident, |$found:ident| $checked:expr $(, $N:ident)?) => {
        impl<A: Send + Sync + 'static $(, const $N: usize)?> Input for $list {
            type Arg<'a> = Vec<$arg>;
            /// One for each task of the list, or none if the run drops no output early.
            type Held = Vec<Option<Arc<A>>>;
            type Own = ();

            #[inline]
            fn hold(&self, outputs: Outputs<'_>) -> Self::Held {
                match outputs.keeps_all() {
                    true => Vec::new(),
                    false => self
                        .iter()
                        .map(|$task| outputs.share($of.id.index))
                        .collect(),
                }
            }

            #[inline]
            fn own(&self, _call: Call<'_>) {}

            #[inline]
            fn arg<'a>(
                &self,
                outputs: Outputs<'a>,
                held: &'a Self::Held,
                (): &'a mut (),
            ) -> Vec<$arg> {
                let tasks = self.iter().enumerate();
                tasks
                    .map(|(position, $task)| {
                        let held = held.get(position).unwrap_or(&None);
                        let $found = borrow($of.id.index, outputs, held);
                        $checked
                    })
                    .collect()
            }

            fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
                for $task in self {
                    visit($of.id, InputUse::$how);
                }
            }
        }
    };
}

input_list!(Vec<Task<A>>, &'a A, |task| task, Borrowed, |found| found
    .expect(STARTED_EARLY));
input_list!(
    [Task<A>; N],
    &'a A,
    |task| task,
    Borrowed,
    |found| found.expect(STARTED_EARLY),
    N
);
input_list!(
    Vec<Optional<A>>,
    Option<&'a A>,
    |task| task.0,
    Optional,
    |found| found
);
input_list!(
    [Optional<A>; N],
    Option<&'a A>,
    |task| task.0,
    Optional,
    |found| found,
    N
);

/// The inputs of a task: one [`Input`] or a tuple of up to twelve.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the inputs of a task",
    label = "expected the handles of upstream tasks",
    note = "pass one handle, a tuple of up to 12 handles, or a `Vec` or array of handles of one type; `context()` counts as a handle",
    note = "more than 12 inputs: pass handles of one type as a `Vec`, or gather some in a task that returns a struct"
)]
pub trait Inputs: Send + Sync + 'static {
    /// The arguments that the function receives, as a tuple.
    type Args<'a>;
    #[doc(hidden)]
    type Held: Send + Sync;
    #[doc(hidden)]
    type Own: Send;

    /// Whether the context of the task is among them.
    #[doc(hidden)]
    const CONTEXT: bool = false;

    #[doc(hidden)]
    fn hold(&self, outputs: Outputs<'_>) -> Self::Held;
    #[doc(hidden)]
    fn own(&self, call: Call<'_>) -> Self::Own;
    #[doc(hidden)]
    fn args<'a>(
        &self,
        outputs: Outputs<'a>,
        held: &'a Self::Held,
        own: &'a mut Self::Own,
    ) -> Self::Args<'a>;
    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse));

    /// Returns the arguments if the function has no parameters, so that they borrow nothing.
    #[doc(hidden)]
    fn none(&self) -> Option<Self::Args<'static>> {
        None
    }
}

impl Inputs for () {
    type Args<'a> = ();
    type Held = ();
    type Own = ();

    #[inline]
    fn hold(&self, _outputs: Outputs<'_>) {}

    #[inline]
    fn own(&self, _call: Call<'_>) {}

    #[inline]
    fn args<'a>(&self, _outputs: Outputs<'a>, (): &'a (), (): &'a mut ()) -> Self::Args<'a> {}

    fn visit(&self, _visit: &mut dyn FnMut(TaskId, InputUse)) {}

    fn none(&self) -> Option<()> {
        Some(())
    }
}

impl<X: Input> Inputs for X {
    type Args<'a> = (X::Arg<'a>,);
    type Held = X::Held;
    type Own = X::Own;

    const CONTEXT: bool = X::CONTEXT;

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> X::Held {
        Input::hold(self, outputs)
    }

    #[inline]
    fn own(&self, call: Call<'_>) -> X::Own {
        Input::own(self, call)
    }

    #[inline]
    fn args<'a>(
        &self,
        outputs: Outputs<'a>,
        held: &'a X::Held,
        own: &'a mut X::Own,
    ) -> Self::Args<'a> {
        (self.arg(outputs, held, own),)
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        Input::visit(self, visit);
    }
}

macro_rules! inputs_for_tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Input),+> Inputs for ($($name,)+) {
            type Args<'a> = ($($name::Arg<'a>,)+);
            type Held = ($($name::Held,)+);
            type Own = ($($name::Own,)+);

            const CONTEXT: bool = $($name::CONTEXT)||+;

            #[inline]
            fn hold(&self, outputs: Outputs<'_>) -> Self::Held {
                ($(self.$index.hold(outputs),)+)
            }

            #[inline]
            fn own(&self, call: Call<'_>) -> Self::Own {
                ($(self.$index.own(call),)+)
            }

            #[inline]
            fn args<'a>(
                &self,
                outputs: Outputs<'a>,
                held: &'a Self::Held,
                own: &'a mut Self::Own,
            ) -> Self::Args<'a> {
                ($(self.$index.arg(outputs, &held.$index, &mut own.$index),)+)
            }

            fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
                $(self.$index.visit(visit);)+
            }
        }
    };
}

crate::tuples::each_tuple!(inputs_for_tuple);

/// The message of a bug of the engine.
pub(super) const STARTED_EARLY: &str =
    "a task starts only after the tasks whose outputs it needs succeeded";

#[inline]
pub(super) fn borrow<'a, A: Send + Sync + 'static>(
    node: NodeIndex,
    outputs: Outputs<'a>,
    held: &'a Option<Arc<A>>,
) -> Option<&'a A> {
    match held {
        Some(shared) => Some(shared),
        None => outputs.get(node),
    }
}
