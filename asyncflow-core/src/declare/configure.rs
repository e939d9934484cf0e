//! What a user may ask of one task, and the extension methods that ask it.

use std::fmt;
use std::time::Duration;

use backon::BackoffBuilder;

use crate::handle::{Task, TaskIds, Upstreams};
use crate::lock::{Lockable, merge};
use crate::sealed::Sealed;
use crate::task::config::Request;

use super::function::Once;
use super::inputs::Inputs;

/// A function with what was asked of it, ready to be added to a flow.
///
/// Made by the methods of [`TaskExt`]; has the same methods itself, so that they chain in any
/// order.
#[must_use = "a configured task does nothing until it is added to a flow"]
pub struct Configured<F, I = ()> {
    pub(crate) function: F,
    pub(crate) inputs: I,
    pub(crate) request: Request,
}

impl<F, I> fmt::Debug for Configured<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured")
            .field("function", &std::any::type_name::<F>())
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// Marks a callable by its parameters and what it returns; always inferred.
pub struct Callable<Parameters>(std::marker::PhantomData<fn() -> Parameters>);

impl<Parameters> fmt::Debug for Callable<Parameters> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callable")
    }
}

macro_rules! configure_methods {
    ($visibility:vis, $self:ident => $configured:expr, $inputs:ty, $output:ty) => {
        /// Runs the task only once everything in `upstreams` has succeeded.
        ///
        /// Takes a handle, an array, slice, `Vec` or tuple of handles, a group's handle, or an
        /// `Option`. Can be repeated.
        $visibility fn after($self, upstreams: impl Upstreams) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let upstreams_of = &mut configured.request.upstreams;
            upstreams.visit(&mut |task| upstreams_of.push(task), Sealed);
            configured
        }

        /// Runs the task as soon as any one in `upstreams` has succeeded; skips it when all of
        /// them have ended and none has.
        ///
        /// How the branches that a condition separated join again. Can be repeated: then each
        /// list needs a success of its own. An empty list holds nothing back.
        $visibility fn after_any($self, upstreams: impl Upstreams) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let mut any = TaskIds::new();
            upstreams.visit(&mut |task| any.push(task), Sealed);
            if !any.is_empty() {
                configured.request.any.push(any);
            }
            configured
        }

        /// Gives the function the outputs of other tasks: `&A` for a `Task<A>`, in this order.
        ///
        /// Takes one handle, a tuple of up to twelve, or a `Vec` or array of handles of one type,
        /// which arrives as `Vec<&A>`. The task runs only once all of them have succeeded. A
        /// second call replaces the inputs of the first.
        $visibility fn inputs<J: Inputs>($self, inputs: J) -> Configured<$output, J> {
            let configured = $configured;
            Configured {
                function: configured.function,
                inputs,
                request: configured.request,
            }
        }

        /// Lets the task run only while it holds `lock`: a [`Lock`](crate::Lock), a
        /// [`Semaphore`](crate::Semaphore) or `semaphore.permits(n)`.
        ///
        /// Can be repeated; several are always taken in the same order, so that tasks do not wait
        /// for each other. The permit is taken before a thread is occupied, is not held while the
        /// task waits for upstreams or for another attempt, and comes back however the task ends.
        $visibility fn with_lock($self, lock: impl Lockable) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            merge(&mut configured.request.config().permits, lock.to_permits(Sealed));
            configured
        }

        /// The task's name in reports, errors and diagrams, in place of its function's.
        ///
        /// If several tasks of a flow have one name, the later ones get `#2`, `#3`, …
        $visibility fn named($self, name: impl Into<String>) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().name = Some(name.into().into_boxed_str());
            configured
        }

        /// Bounds each attempt to `limit`, not counting the time it waits for permits.
        ///
        /// An async attempt is then dropped at its await point. A plain function cannot be
        /// interrupted: it is reported as timed out, and its thread runs to its end, keeping its
        /// permits until then.
        $visibility fn timeout($self, limit: Duration) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().timeout = Some(limit);
            configured
        }

        /// Attempts the task again after it failed, panicked or timed out, as often as `policy`
        /// says and after the pauses that it says; a builder of the `backon` crate, or any
        /// iterator of durations.
        ///
        /// Permits are given back during a pause.
        $visibility fn retry(
            $self,
            policy: impl BackoffBuilder<Backoff: 'static> + Clone + 'static,
        ) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().retry =
                Some(Box::new(move || Box::new(policy.clone().build())));
            configured
        }

        /// Runs the task once its upstreams have *ended*, however they ended, and also when the
        /// flow is failing or is being cancelled by a failure: for clean-up.
        ///
        /// Not when the future of the execution is dropped, since nothing could wait for it. Its
        /// inputs must be [`optional`](Task::optional).
        $visibility fn always($self) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().always = true;
            configured
        }

        /// Runs the task only if the output of `flag` is `true`; otherwise skips it and what
        /// depends on it, which is no failure.
        $visibility fn run_if($self, flag: Task<bool>) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().condition = Some(flag.id);
            configured
        }
    };
}

/// Methods on functions that can be tasks: what they depend on, what they need, what they are
/// called.
///
/// Implemented for functions and closures of up to twelve parameters, and for nothing else. Each
/// method gives a [`Configured`] function, which has the same methods.
///
/// ```
/// use asyncflow_core::{Lock, TaskExt};
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}};
/// # use std::time::Duration;
/// # let mut flow = Flow::<Inline>::new();
/// async fn fetch() -> Result<String, std::io::Error> { Ok("a page".into()) }
/// fn count(page: &String) -> usize { page.len() }
///
/// let disk = Lock::new();
/// let page = flow.add(fetch.timeout(Duration::from_secs(5)).named("page"));
/// let count = flow.add(count.inputs(page).with_lock(&disk));
/// assert_eq!(block_on(flow.execute()).unwrap()[count], 6);
/// ```
pub trait TaskExt<Marker>: Sized {
    #[doc(hidden)]
    fn configured(self, _: Sealed) -> Configured<Self>;

    configure_methods!(, self => self.configured(Sealed), (), Self);
}

macro_rules! callable {
    ($($arg:ident $index:tt),*) => {
        impl<F, O, $($arg),*> TaskExt<Callable<(O, $($arg),*)>> for F
        where
            F: Fn($($arg),*) -> O,
        {
            fn configured(self, _: Sealed) -> Configured<Self> {
                Configured::new(self)
            }
        }
    };
}

callable!();
crate::tuples::each_tuple!(callable);

impl<F> TaskExt<Once<()>> for Once<F> {
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

impl<F> Configured<F> {
    fn new(function: F) -> Self {
        Self {
            function,
            inputs: (),
            request: Request::default(),
        }
    }
}

impl<F, I> Configured<F, I> {
    configure_methods!(pub, self => self, I, F);
}
