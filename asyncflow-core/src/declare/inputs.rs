//! Data dependencies: handles become borrowed arguments.
//!
//! The run may drop an output while a function borrows it. So an argument is fetched in two steps:
//! [`Input::hold`] gets something that keeps the value alive, and [`Input::arg`] borrows the value.

use std::sync::Arc;

use crate::graph::body::InputUse;
use crate::handle::{Moved, Optional, Task, TaskId};
use crate::node_index::NodeIndex;
use crate::task::outputs::Outputs;

/// One input of a task: a handle, or a list of handles.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an input of a task",
    label = "expected the handle of an upstream task",
    note = "pass a `Task<T>` (arrives as `&T`), `task.optional()` (`Option<&T>`), `task.moved()` (`T`), or a `Vec<Task<T>>` or `[Task<T>; N]` (`Vec<&T>`)"
)]
pub trait Input: Send + Sync + 'static {
    /// The argument that the function receives.
    type Arg<'a>;
    #[doc(hidden)]
    type Held: Send;

    #[doc(hidden)]
    fn hold(&self, outputs: Outputs<'_>) -> Self::Held;
    #[doc(hidden)]
    fn arg<'a>(&self, outputs: Outputs<'a>, held: &'a mut Self::Held) -> Self::Arg<'a>;
    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse));
}

impl<A: Send + Sync + 'static> Input for Task<A> {
    type Arg<'a> = &'a A;
    /// Keeps the output alive if the run may drop it early.
    type Held = Option<Arc<A>>;

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> Option<Arc<A>> {
        outputs.share(self.id.index)
    }

    #[inline]
    fn arg<'a>(&self, outputs: Outputs<'a>, held: &'a mut Option<Arc<A>>) -> &'a A {
        borrow(self.id.index, outputs, held).expect(STARTED_EARLY)
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        visit(self.id, InputUse::Borrowed);
    }
}

impl<A: Send + Sync + 'static> Input for Optional<A> {
    type Arg<'a> = Option<&'a A>;
    type Held = Option<Arc<A>>;

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> Option<Arc<A>> {
        outputs.share(self.0.id.index)
    }

    #[inline]
    fn arg<'a>(&self, outputs: Outputs<'a>, held: &'a mut Option<Arc<A>>) -> Option<&'a A> {
        borrow(self.0.id.index, outputs, held)
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        visit(self.0.id, InputUse::Optional);
    }
}

impl<A: Send + Sync + 'static> Input for Moved<A> {
    type Arg<'a> = A;
    type Held = Option<A>;

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> Option<A> {
        outputs.take(self.0.id.index)
    }

    #[inline]
    fn arg<'a>(&self, _outputs: Outputs<'a>, held: &'a mut Option<A>) -> A {
        held.take()
            .expect("the only consumer of an output takes it once")
    }

    fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        visit(self.0.id, InputUse::Moved);
    }
}

macro_rules! input_list {
    ($list:ty $(, $N:ident)?) => {
        impl<A: Send + Sync + 'static $(, const $N: usize)?> Input for $list {
            type Arg<'a> = Vec<&'a A>;
            /// One for each task of the list, or none if the run drops no output early.
            type Held = Vec<Option<Arc<A>>>;

            #[inline]
            fn hold(&self, outputs: Outputs<'_>) -> Self::Held {
                hold_list(self, outputs)
            }

            #[inline]
            fn arg<'a>(&self, outputs: Outputs<'a>, held: &'a mut Self::Held) -> Vec<&'a A> {
                arg_list(self, outputs, held)
            }

            fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
                for task in self {
                    visit(task.id, InputUse::Borrowed);
                }
            }
        }
    };
}

input_list!(Vec<Task<A>>);
input_list!([Task<A>; N], N);

/// The inputs of a task: one [`Input`] or a tuple of up to twelve.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the inputs of a task",
    label = "expected the handles of upstream tasks",
    note = "pass one handle, a tuple of up to 12 handles, or a `Vec` or array of handles of one type",
    note = "more than 12 inputs: pass handles of one type as a `Vec`, or gather some in a task that returns a struct"
)]
pub trait Inputs: Send + Sync + 'static {
    /// The arguments that the function receives, as a tuple.
    type Args<'a>;
    #[doc(hidden)]
    type Held: Send;

    #[doc(hidden)]
    fn hold(&self, outputs: Outputs<'_>) -> Self::Held;
    #[doc(hidden)]
    fn args<'a>(&self, outputs: Outputs<'a>, held: &'a mut Self::Held) -> Self::Args<'a>;
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

    #[inline]
    fn hold(&self, _outputs: Outputs<'_>) {}

    #[inline]
    fn args<'a>(&self, _outputs: Outputs<'a>, (): &'a mut ()) -> Self::Args<'a> {}

    fn visit(&self, _visit: &mut dyn FnMut(TaskId, InputUse)) {}

    fn none(&self) -> Option<()> {
        Some(())
    }
}

impl<X: Input> Inputs for X {
    type Args<'a> = (X::Arg<'a>,);
    type Held = X::Held;

    #[inline]
    fn hold(&self, outputs: Outputs<'_>) -> X::Held {
        Input::hold(self, outputs)
    }

    #[inline]
    fn args<'a>(&self, outputs: Outputs<'a>, held: &'a mut X::Held) -> Self::Args<'a> {
        (self.arg(outputs, held),)
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

            #[inline]
            fn hold(&self, outputs: Outputs<'_>) -> Self::Held {
                ($(self.$index.hold(outputs),)+)
            }

            #[inline]
            fn args<'a>(&self, outputs: Outputs<'a>, held: &'a mut Self::Held) -> Self::Args<'a> {
                ($(self.$index.arg(outputs, &mut held.$index),)+)
            }

            fn visit(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
                $(self.$index.visit(visit);)+
            }
        }
    };
}

crate::tuples::each_tuple!(inputs_for_tuple);

/// The message of a bug of the engine.
const STARTED_EARLY: &str = "a task starts only after the tasks whose outputs it needs succeeded";

#[inline]
fn borrow<'a, A: Send + Sync + 'static>(
    node: NodeIndex,
    outputs: Outputs<'a>,
    held: &'a Option<Arc<A>>,
) -> Option<&'a A> {
    match held {
        Some(shared) => Some(shared),
        None => outputs.get(node),
    }
}

fn hold_list<A: Send + Sync + 'static>(
    tasks: &[Task<A>],
    outputs: Outputs<'_>,
) -> Vec<Option<Arc<A>>> {
    if outputs.keeps_all() {
        return Vec::new();
    }
    tasks
        .iter()
        .map(|task| outputs.share(task.id.index))
        .collect()
}

fn arg_list<'a, A: Send + Sync + 'static>(
    tasks: &[Task<A>],
    outputs: Outputs<'a>,
    held: &'a [Option<Arc<A>>],
) -> Vec<&'a A> {
    tasks
        .iter()
        .enumerate()
        .map(|(position, task)| match held.get(position) {
            Some(Some(shared)) => &**shared,
            _ => outputs.get(task.id.index).expect(STARTED_EARLY),
        })
        .collect()
}
