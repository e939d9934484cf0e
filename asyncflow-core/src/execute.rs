//! `Execute`: the configuration of one execution, and its future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::flow::Flow;
use crate::graph::Declared;
use crate::graph::refusal::Refusal;
use crate::handle::{Task, Upstreams};
use crate::observer::Observer;
use crate::outcome::error::FlowError;
use crate::outcome::run::Run;
use crate::pace::{Pace, SLICE, block_on};
use crate::record::Opening;
use crate::run::allocate::Prepared;
use crate::run::backend::Backend;
use crate::run::future::RunFuture;
use crate::run::recording::Recording;
use crate::run::scheduler::Scheduler;
use crate::run::stop::Mode;
use crate::run::stop_handle::StopHandle;
use crate::run::validate::{GivenValues, Options, Owner, Plan, give};
use crate::running::Running;
use crate::runtime::Runtime;
use crate::sealed::Sealed;

/// One execution of a flow: a future of its [`Run`], made by [`Flow::execute`].
///
/// Nothing starts before the future is first polled. See [`Flow::execute`] for its errors and its
/// cancel safety. Its methods configure the execution. They panic if it has been polled already.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let fetch = flow.add(async || "a page");
/// let run = flow.execute().keep_going().max_concurrency(4).timed().await?;
/// assert_eq!(run[fetch], "a page");
/// # Ok(())
/// # }
/// ```
#[must_use = "an execution does nothing until it is awaited"]
pub struct Execute<'f, R: Runtime> {
    flow: &'f Flow<R>,
    state: State<'f>,
}

enum State<'f> {
    /// Not polled yet.
    Planned(Asked),
    /// A large flow is compiled in slices, one for each poll, and a recorder is waited for.
    Preparing(Arc<Scheduler>, Preparation<'f>),
    Running(RunFuture),
    Done,
}

type Preparation<'f> = Pin<Box<dyn Future<Output = Result<Ready, Refusal>> + Send + 'f>>;

/// What a run starts with.
type Ready = (Prepared, Asked);

/// What was asked of an execution.
#[derive(Default)]
struct Asked {
    given: GivenValues,
    /// `None` if nothing else was asked for, as in most executions.
    options: Option<Box<Options>>,
}

impl<'f, R: Runtime> Execute<'f, R> {
    pub(crate) fn new(flow: &'f Flow<R>) -> Self {
        Self {
            flow,
            state: State::Planned(Asked::default()),
        }
    }

    /// After a failure, still runs every task that does not depend on it.
    ///
    /// By default, the first failure stops the run: no more tasks start, async functions that are
    /// running are dropped, and plain functions that are running are waited for.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fails = flow.add(|| Err::<(), _>("no luck"));
    /// let after = flow.add((|| "after").after(fails));
    /// let other = flow.add(|| "other");
    /// let error = flow.execute().keep_going().await.unwrap_err();
    /// let outputs = error.outputs().unwrap();
    /// assert_eq!(outputs.get(other), Some(&"other"));
    /// assert_eq!(outputs.get(after), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_going(self) -> Self {
        self.with(|options| options.keep_going = true)
    }

    /// Runs at most `limit` tasks at the same time.
    ///
    /// A task that waits for permits does not count. A flow in the flow does not count either, but
    /// each of its tasks does. A limit of 0 is refused when the flow is executed.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// static RUNNING: AtomicUsize = AtomicUsize::new(0);
    ///
    /// for _ in 0..10 {
    ///     flow.add(|| {
    ///         assert!(RUNNING.fetch_add(1, Ordering::SeqCst) < 2);
    ///         RUNNING.fetch_sub(1, Ordering::SeqCst);
    ///     });
    /// }
    /// flow.execute().max_concurrency(2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_concurrency(self, limit: usize) -> Self {
        self.with(|options| options.max_concurrency = Some(limit))
    }

    /// Runs only the tasks in `targets`, what they depend on, and the clean-up of all these.
    ///
    /// An [`always`](crate::TaskExt::always) task belongs to the run if one of its upstreams does, so
    /// what is set up is torn down. It waits for those of its upstreams that belong to the run. The
    /// tasks of its conditions, which decide whether it runs, belong to the run as well.
    ///
    /// Takes what [`after`](crate::TaskExt::after) takes. Can be repeated. The outputs of tasks that
    /// are not targets are dropped as soon as their last consumer has ended, unless
    /// [`keep_outputs`](Self::keep_outputs) is called.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let docs = flow.add(|| "docs");
    /// let tests = flow.add(|| "tests");
    /// let run = flow.execute().only(docs).await?;
    /// assert_eq!(run.get(docs), Some(&"docs"));
    /// assert_eq!(run.report().status(tests), TaskStatus::NotSelected);
    /// # Ok(())
    /// # }
    /// ```
    pub fn only(self, targets: impl Upstreams) -> Self {
        self.with(|options| {
            let list = options.targets.get_or_insert_default();
            targets.visit(&mut |task| list.push(task), Sealed);
        })
    }

    /// Keeps the outputs of all tasks of a run with [`only`](Self::only), not just those of its targets.
    ///
    /// Without `only`, all outputs are kept anyway.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let page = flow.add(|| String::from("a page"));
    /// let length = flow.add((|page: &String| page.len()).inputs(page));
    /// assert_eq!(flow.execute().only(length).await?.get(page), None);
    /// assert_eq!(flow.execute().only(length).keep_outputs().await?[page], "a page");
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_outputs(self) -> Self {
        self.with(|options| options.keep_outputs = true)
    }

    /// Stops the run when `limit` has passed since its start, as a cancel does, and waits for its end.
    ///
    /// Async functions are dropped at their await point, plain functions run to their end, and
    /// [`always`](crate::TaskExt::always) tasks still run. The error has the kind
    /// [`TimedOut`](crate::FlowErrorKind::TimedOut), unless a task failed.
    ///
    /// A timeout around the future, such as `tokio::time::timeout(limit, flow.execute())`, *drops* the
    /// future when the time is over: clean-up does not run then, and plain functions are not waited
    /// for.
    ///
    /// A limit of zero stops the run at once: nothing starts but clean-up. A second call replaces the
    /// limit. The time is that of the [runtime](crate::Runtime::sleep), and counts from the first poll or
    /// from [`start`](Self::start).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use asyncflow::prelude::*;
    /// use asyncflow::{FlowErrorKind, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// let mut flow = TokioFlow::new();
    /// let hang = flow.add(async || std::future::pending::<()>().await);
    /// let tidy = flow.add((|| println!("tidied up")).after(hang).always());
    /// let error = flow.execute().deadline(Duration::from_millis(10)).await.unwrap_err();
    /// assert_eq!(error.kind(), FlowErrorKind::TimedOut);
    /// assert_eq!(error.to_string(), "the run was stopped by its deadline of 10ms (1 cancelled)");
    /// assert_eq!(error.report().unwrap().status(tidy), TaskStatus::Succeeded);
    /// # }
    /// ```
    pub fn deadline(self, limit: Duration) -> Self {
        self.with(|options| options.deadline = Some(limit))
    }

    /// Lets `handle` stop the run, as a cancel does. Can be repeated.
    ///
    /// If the handle was stopped before, the run is stopped at once: nothing starts but clean-up. See
    /// [`StopHandle`] for an example.
    pub fn stop_with(self, handle: &StopHandle) -> Self {
        self.with(|options| options.stop_handles.push(handle.clone()))
    }

    /// Gives a task its output, so that its function is not called.
    ///
    /// The task is an [input](Flow::input) of the flow, or any other task. It still waits for its
    /// upstreams. They do not run if [`only`](Self::only) is used and no target needs them otherwise.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let id = flow.input::<u64>("id");
    /// let path = flow.add((|id: &u64| format!("/users/{id}")).inputs(id));
    /// let length = flow.add((|path: &String| path.len()).inputs(path));
    /// assert_eq!(flow.execute().given(id, 7).await?[length], 8);
    ///
    /// // As a test does that replaces a function.
    /// let run = flow.execute().given(id, 7).given(path, "/".into()).await?;
    /// assert_eq!(run[length], 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn given<T: Send + Sync + 'static>(self, task: Task<T>, value: T) -> Self {
        let flow = self.flow.declared.id;
        self.ask(|asked| give(&mut asked.given, flow, task.id, value))
    }

    /// Measures when each task became ready, had its permits, started and ended. Runs inside of this one, of
    /// nested flows and of [`TaskContext::execute`](crate::TaskContext::execute), are measured as well.
    ///
    /// Off by default, because reading the clock costs more than a small task. The clock is that of
    /// [the runtime](crate::Runtime::now), so that a pause of Tokio's clock shows in the times.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add(async || {});
    /// let run = flow.execute().timed().await?;
    /// assert!(run.report().task(fetch).ran() <= run.report().wall());
    /// # Ok(())
    /// # }
    /// ```
    pub fn timed(self) -> Self {
        self.with(|options| options.timed = true)
    }

    /// Calls `observer` whenever something happens in the run, or in a
    /// [run inside](crate::TaskRef::inside) of it. Can be repeated.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use asyncflow::prelude::*;
    /// use asyncflow::{Observer, TaskRef, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// #[derive(Default)]
    /// struct Ended(AtomicUsize);
    ///
    /// impl Observer for Ended {
    ///     fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// flow.add(series![|| 1, || 2]);
    /// let ended = Arc::new(Ended::default());
    /// flow.execute().observe(Arc::clone(&ended)).await?;
    /// assert_eq!(ended.0.load(Ordering::Relaxed), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe(self, observer: impl Observer) -> Self {
        self.with(|options| options.observers.push(Arc::new(observer)))
    }

    /// Starts the execution at once, without waiting for a poll.
    ///
    /// A large flow is compiled on the calling thread before this returns. Without `start`, that is
    /// done a slice at a time, so that other tasks of the runtime are not held up. An execution with a
    /// journal (`asyncflow::durable`) waits for the journal here, on the calling thread.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let answer = flow.add(async || 42);
    /// let running = flow.execute().timed().start();
    /// assert_eq!(running.await?[answer], 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the execution has been polled already.
    pub fn start(mut self) -> Running {
        let State::Planned(asked) = std::mem::replace(&mut self.state, State::Done) else {
            panic!("an execution cannot be started after it was polled")
        };
        Running::new(start_detached(
            &self.flow.declared,
            &*self.flow.backend,
            asked,
        ))
    }

    /// Records the outputs of the tasks that are to be recorded, and has those of earlier executions.
    ///
    /// The run starts once `opening` is ready.
    #[doc(hidden)]
    pub fn recorded(self, opening: Opening) -> Self {
        self.with(|options| options.opening = Some(opening))
    }

    /// Makes this a run inside of another.
    pub(crate) fn within(self, owner: Owner) -> Self {
        self.with(|options| options.owner = Some(owner))
    }

    /// Stops the run. Returns `false` if it has not started.
    pub(crate) fn stop(&self, mode: Mode) -> bool {
        match &self.state {
            State::Planned(_) | State::Preparing(..) => return false,
            State::Running(run) => run.stop(mode),
            State::Done => {}
        }
        true
    }

    fn with(self, change: impl FnOnce(&mut Options)) -> Self {
        self.ask(|asked| change(asked.options.get_or_insert_default()))
    }

    fn ask(mut self, change: impl FnOnce(&mut Asked)) -> Self {
        let State::Planned(asked) = &mut self.state else {
            panic!("an execution cannot be configured after it was polled")
        };
        change(asked);
        self
    }
}

impl<'f> State<'f> {
    /// Polls the execution of a flow. Compiled once, and not for every runtime.
    fn poll(
        &mut self,
        declared: &'f Declared,
        backend: &dyn Backend,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Run, FlowError>> {
        let result = match ready!(self.poll_start(declared, backend, cx)) {
            Ok(()) => {
                let Self::Running(run) = self else {
                    panic!("an execution was polled after it was done");
                };
                ready!(Pin::new(run).poll(cx))
            }
            Err(error) => Err(error),
        };
        *self = Self::Done;
        Poll::Ready(result)
    }

    /// Prepares and starts the run. Ready once it has started.
    fn poll_start(
        &mut self,
        declared: &'f Declared,
        backend: &dyn Backend,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FlowError>> {
        if let Self::Planned(asked) = self {
            let mut asked = std::mem::take(asked);
            let scheduler = attach(backend)?;
            let options = asked.options.as_ref();
            let opens = options.is_some_and(|options| options.opening.is_some());
            match declared.size() {
                ..=SLICE if !opens => {
                    let prepared = Prepared::at_once(declared).map_err(FlowError::refused)?;
                    *self = Self::Running(start(prepared, scheduler, asked)?);
                }
                _ => {
                    if let Some(options) = &mut asked.options {
                        options.began = options.deadline.map(|_| scheduler.backend.now());
                    }
                    let pace = Pace::in_slices_of(SLICE);
                    let preparation = Box::pin(prepare(declared, asked, pace));
                    *self = Self::Preparing(scheduler, preparation);
                }
            }
        }
        if let Self::Preparing(scheduler, preparation) = self {
            let prepared = ready!(preparation.as_mut().poll(cx));
            let (prepared, asked) = prepared.map_err(FlowError::refused)?;
            let run = start(prepared, Arc::clone(scheduler), asked)?;
            *self = Self::Running(run);
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: Runtime> Future for Execute<'_, R> {
    type Output = Result<Run, FlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { flow, state } = &mut *self;
        state.poll(&flow.declared, &*flow.backend, cx)
    }
}

impl<R: Runtime> fmt::Debug for Execute<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execute").finish_non_exhaustive()
    }
}

/// Finds the runtime.
fn attach(backend: &dyn Backend) -> Result<Arc<Scheduler>, FlowError> {
    let attached = backend.attach();
    attached.map_err(|unavailable| FlowError::refused(Refusal::Runtime(unavailable)))
}

/// Starts the execution, which goes on by itself.
fn start_detached(
    declared: &Declared,
    backend: &dyn Backend,
    asked: Asked,
) -> Result<RunFuture, FlowError> {
    let scheduler = attach(backend)?;
    let prepared = block_on(prepare(declared, asked, Pace::at_once()));
    let (prepared, asked) = prepared.map_err(FlowError::refused)?;
    let mut run = start(prepared, scheduler, asked)?;
    run.detach();
    Ok(run)
}

/// Compiles the flow, and opens the recorder if the execution has one.
async fn prepare(declared: &Declared, mut asked: Asked, pace: Pace) -> Result<Ready, Refusal> {
    let prepared = Prepared::new(declared, pace).await?;
    if let Some(options) = &mut asked.options {
        if let Some(opening) = options.opening.take() {
            let recorder = opening.await.map_err(Refusal::recorder)?;
            options.recording = Some(Box::new(Recording::new(recorder)));
        }
    }
    Ok((prepared, asked))
}

/// Checks the execution and starts it.
fn start(
    prepared: Prepared,
    scheduler: Arc<Scheduler>,
    asked: Asked,
) -> Result<RunFuture, FlowError> {
    let Asked { given, options } = asked;
    let options = options.map_or_else(Options::default, |options| *options);
    let plan = Plan::new(prepared.graph(), &scheduler, given, options);
    let plan = plan.map_err(FlowError::refused)?;
    Ok(RunFuture::new(prepared, scheduler, plan))
}
