//! The context of a task: what its function knows of itself, and the flows that it executes.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::declare::each::{Each, EachInputs, ListInput, SharedInput};
use crate::declare::function::TaskFn;
use crate::declare::in_context::{InContext, TakesContext};
use crate::declare::inputs::Input;
use crate::declare::recorded::Recorded;
use crate::execute::Execute;
use crate::flow::Flow;
use crate::graph::body::{Body, Call, InputUse};
use crate::handle::TaskId;
use crate::output::BoxError;
use crate::run::attempt::AttemptState;
use crate::run::validate::Owner;
use crate::runtime::Runtime;
use crate::task::outputs::Outputs;

/// An input that is no task: the function receives a `&`[`TaskContext`]. Made by [`context`].
#[derive(Clone, Copy, Debug)]
pub struct ContextInput(());

/// Passes its [`TaskContext`] to a function, as one of its [inputs](crate::TaskExt::inputs).
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let items = flow.value(vec![1_u64, 2, 3]);
/// let sum = |cx: &TaskContext, items: &Vec<u64>| -> Result<u64, &str> {
///     let mut sum = 0;
///     for (index, item) in items.iter().enumerate() {
///         if cx.is_stopping() {
///             return Err("the run stops");
///         }
///         cx.progress(index, items.len());
///         sum += item;
///     }
///     Ok(sum)
/// };
/// let sum = flow.add(sum.inputs((context(), items)));
/// assert_eq!(flow.execute().await?[sum], 6);
/// # Ok(())
/// # }
/// ```
pub fn context() -> ContextInput {
    ContextInput(())
}

impl SharedInput for ContextInput {}

impl Input for ContextInput {
    type Arg<'a> = &'a TaskContext;
    type Held = ();
    type Own = TaskContext;

    const CONTEXT: bool = true;

    fn hold(&self, _outputs: Outputs<'_>) {}

    fn own(&self, call: Call<'_>) -> TaskContext {
        let attempt = call.attempt.cloned();
        let attempt = attempt.and_then(|attempt| attempt.downcast().ok());
        TaskContext {
            attempt: attempt.expect("a task with a context is supervised"),
        }
    }

    fn arg<'a>(
        &self,
        _outputs: Outputs<'a>,
        (): &'a (),
        own: &'a mut TaskContext,
    ) -> &'a TaskContext {
        own
    }

    fn visit(&self, _visit: &mut dyn FnMut(TaskId, InputUse)) {}
}

/// What a function knows of its task, and the flows that it executes. Passed to a function that has
/// [`context()`] among its inputs.
///
/// A run that is executed with [`execute`](Self::execute) belongs to the task. So a loop, or a flow
/// that is made at run time, is plain Rust:
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// struct Step {
///     flow: TokioFlow,
///     n: Task<u64>,
///     next: Task<u64>,
/// }
///
/// async fn count_steps(cx: &TaskContext, step: &Step) -> Result<u32, FlowError> {
///     let (mut n, mut steps) = (6, 0);
///     while n != 1 {
///         n = cx.execute(&step.flow).given(step.n, n).await?[step.next];
///         steps += 1;
///     }
///     Ok(steps)
/// }
///
/// let mut step = TokioFlow::new();
/// let n = step.input("n");
/// let next = step.add((|n: &u64| if n % 2 == 0 { n / 2 } else { 3 * n + 1 }).inputs(n));
///
/// let mut flow = TokioFlow::new();
/// let step = flow.value(Step { flow: step, n, next });
/// let steps = flow.add(count_steps.inputs((context(), step)));
/// assert_eq!(flow.execute().await?[steps], 8);
/// # Ok(())
/// # }
/// ```
pub struct TaskContext {
    attempt: Arc<AttemptState>,
}

impl TaskContext {
    /// Returns the name of the task, which is unique in its flow. For an element of an
    /// [`each`](crate::each()), it is like `fetch[17]`.
    pub fn name(&self) -> &str {
        self.attempt.name()
    }

    /// Returns which attempt this is. The first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt.number()
    }

    /// Returns `true` once the function should end: the run stops, or the attempt has timed out.
    ///
    /// A plain function cannot be interrupted, so one that takes long asks this now and then, and
    /// returns. What it returns then counts as ever: an output as a success, an `Err` as a failure. Only
    /// after a time limit it does not matter.
    ///
    /// A stop of the run does not concern an [`always`](crate::TaskExt::always) task, which is its
    /// clean-up. There, only a time limit counts.
    pub fn is_stopping(&self) -> bool {
        self.attempt.is_stopping()
    }

    /// Waits until the function should end; see [`is_stopping`](Self::is_stopping).
    ///
    /// For plain functions that block on a future. An async function is dropped at its await point then.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send {
        self.attempt.stopping()
    }

    /// Tells [observers](crate::Observer::task_progress) how far the task is: `done` of `total`.
    ///
    /// Takes integers of any type. A negative one counts as 0. Elements of an [`each`](crate::each()) are
    /// counted themselves, so what they tell is ignored.
    pub fn progress(&self, done: impl TryInto<u64>, total: impl TryInto<u64>) {
        let (done, total) = (done.try_into(), total.try_into());
        if let Some(run) = self.attempt.run() {
            let (done, total) = (done.unwrap_or(0), total.unwrap_or(0));
            // Elements are counted themselves.
            if self.attempt.element().is_none() {
                run.progress(self.attempt.task(), done, total);
            }
        }
    }

    /// Leaves a remark of the task on itself, such as `up to date`.
    ///
    /// It is in the [report](crate::TaskReport::note), and [observers](crate::Observer::task_noted) are
    /// told of it. A further one replaces it.
    pub fn note(&self, note: impl Into<String>) {
        if let Some(run) = self.attempt.run() {
            let note = note.into();
            let note = match self.attempt.element() {
                Some(index) => format!("[{index}]: {note}"),
                None => note,
            };
            run.note(self.attempt.task(), note);
        }
    }

    /// Executes a flow as a part of this task. Like [`Flow::execute`], apart from this:
    ///
    /// * If the run of this task stops, the inner run is stopped, too, and its
    ///   [clean-up](crate::TaskExt::always) runs. If it is dropped, so is the inner run. Likewise if this
    ///   attempt times out.
    /// * If the future is dropped otherwise, the inner run stops and its clean-up runs.
    /// * The task does not end, and keeps its permits, until the inner run is over.
    /// * A limit of [`max_concurrency`](Execute::max_concurrency) counts the inner tasks, and not this
    ///   task while its function has an inner run. A plain function lends its place to its inner run
    ///   instead, whose tasks then run one at a time.
    /// * The [observers](Execute::observe) of the outer run are told of the inner one, and it is
    ///   [timed](Execute::timed) if the outer one is.
    /// * If the outer run is [keeping going](Execute::keep_going), so does the inner one.
    ///
    /// # Errors
    ///
    /// Those of [`Flow::execute`]. Besides, the execution is refused if this task holds a lock, or one
    /// that it is inside of does, and a task of `flow` takes a lock or a semaphore: they could wait for
    /// each other. It is refused, too, if this task has ended.
    pub fn execute<'f, R: Runtime>(&self, flow: &'f Flow<R>) -> Execute<'f, R> {
        let owner = Owner::Attempt(Arc::clone(&self.attempt));
        flow.execute().within(owner)
    }
}

/// What a later execution of the run finds the task by: what identifies the run, and the path of the
/// task or the element. `None` if the run has no recorder.
#[doc(hidden)]
impl TaskContext {
    pub async fn identity(&self) -> Option<Result<(String, String), BoxError>> {
        let run = self.attempt.run()?;
        let producer = (self.attempt.task(), self.attempt.element());
        run.identity(producer).await
    }
}

// One for each type, and not one for all that implement `TakesContext`: that would be a second impl for
// functions, of which the compiler then says no more than that neither fits.
macro_rules! with_context {
    ($function:ty, $($parameter:ident),*) => {
        #[diagnostic::do_not_recommend]
        impl<$($parameter,)* I, Marker> TaskFn<I, InContext<Marker>> for $function
        where
            Self: TakesContext + Send + Sync + 'static,
            <Self as TakesContext>::OfBoth: TaskFn<(ContextInput, I), Marker>,
        {
            type Value = <<Self as TakesContext>::OfBoth as TaskFn<(ContextInput, I), Marker>>::Value;
            type Single =
                <<Self as TakesContext>::OfBoth as TaskFn<(ContextInput, I), Marker>>::Single;

            const CONTEXT: bool = true;

            fn into_body(self, input: I) -> Body {
                self.of_both().into_body((context(), input))
            }
        }
    };
}

with_context!(InContext<F>, F);
with_context!(Recorded<F, C>, F, C);
with_context!(Each<F>, F);

// For a function that gets the context without the user asking for it.
#[diagnostic::do_not_recommend]
impl<L: ListInput> EachInputs for (ContextInput, L) {
    type ElementArgs<'a> = (&'a TaskContext, L::Item<'a>);
    type Shared = L::List;
    type ElementOwn = TaskContext;

    fn shared(&self, outputs: Outputs<'_>) -> L::List {
        self.1.list(outputs)
    }

    fn count(&self, outputs: Outputs<'_>, list: &L::List) -> usize {
        self.1.count(outputs, list)
    }

    fn element_own(&self, call: Call<'_>) -> TaskContext {
        self.0.own(call)
    }

    fn element_args<'a>(
        &self,
        outputs: Outputs<'a>,
        list: &'a L::List,
        own: &'a mut TaskContext,
        index: usize,
    ) -> Self::ElementArgs<'a> {
        (own, self.1.item(outputs, list, index))
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("name", &self.name())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
