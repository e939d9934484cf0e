//! Functions that receive the context of their task, without the user asking for it.
//!
//! Such a function has the context before its one input. It may be durable, and be called for each
//! element of a list: what is wrapped around it is put around the function of both inputs.

use std::any::type_name;
use std::fmt;

use crate::sealed::Sealed;

use super::configure::{Configured, TaskExt};
use super::each::{Each, each};
use super::recorded::Recorded;

/// A function that receives the context of its task before its one input.
pub struct InContext<F>(F);

/// Wraps a function of a context and an input, so that it is a task function of the input.
pub fn in_context<F>(function: F) -> InContext<F> {
    InContext(function)
}

impl<F> fmt::Debug for InContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in_context({})", type_name::<F>())
    }
}

impl<F> TaskExt<InContext<()>> for InContext<F> {
    #[track_caller]
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

/// A task function around an [`InContext`].
pub trait TakesContext {
    /// The same around the function itself, which takes a context and an input.
    type OfBoth;

    fn of_both(self) -> Self::OfBoth;
}

impl<F> TakesContext for InContext<F> {
    type OfBoth = F;

    fn of_both(self) -> F {
        self.0
    }
}

impl<F: TakesContext, C> TakesContext for Recorded<F, C> {
    type OfBoth = Recorded<F::OfBoth, C>;

    fn of_both(self) -> Self::OfBoth {
        self.map(F::of_both)
    }
}

impl<F: TakesContext> TakesContext for Each<F> {
    type OfBoth = Each<F::OfBoth>;

    fn of_both(self) -> Self::OfBoth {
        each(self.into_function().of_both())
    }
}
