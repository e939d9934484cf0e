//! Executing a flow: how, and the future of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::flow::Flow;
use crate::graph::refusal::Refusal;
use crate::handle::{Task, Upstreams};
use crate::observer::Observer;
use crate::outcome::error::FlowError;
use crate::outcome::run::Run;
use crate::pace::{Pace, SLICE, now};
use crate::run::backend::Backend;
use crate::run::future::RunFuture;
use crate::run::guard::RunGuard;
use crate::run::plan::{Given, Options, Plan};
use crate::run::prepare::Prepared;
use crate::run::stop::Mode;
use crate::running::Running;
use crate::runtime::Runtime;
use crate::sealed::Sealed;

/// One execution of a flow: a future of its [`Run`], made by [`Flow::execute`].
///
/// Its methods say how to execute, and are called before it is first awaited. Nothing starts
/// before that.
#[must_use = "an execution does nothing until it is awaited"]
pub struct Execute<'f, R: Runtime> {
    flow: &'f Flow<R>,
    state: State<'f>,
}

enum State<'f> {
    /// Not polled yet. Most executions ask for nothing special.
    Planned(Option<Box<Options>>),
    /// A large flow is made ready in slices.
    Preparing(Option<Box<Options>>, Arc<dyn Backend>, Preparation<'f>),
    Running(RunFuture),
    Done,
}

type Preparation<'f> = Pin<Box<dyn Future<Output = Result<Prepared, Refusal>> + Send + 'f>>;

impl<'f, R: Runtime> Execute<'f, R> {
    pub(crate) fn new(flow: &'f Flow<R>) -> Self {
        Self {
            flow,
            state: State::Planned(None),
        }
    }

    /// Lets everything that does not depend on a failure still run.
    ///
    /// By default the first failure drops the async tasks that run, starts no new ones, and waits
    /// for the blocking functions that run.
    pub fn keep_going(self) -> Self {
        self.with(|options| options.keep_going = true)
    }

    /// Lets at most `limit` tasks run at the same time. Waiting for permits is not running. A flow in
    /// the flow does not count as one, but its tasks do.
    ///
    /// A limit of 0 is refused.
    pub fn max_concurrency(self, limit: usize) -> Self {
        self.with(|options| options.max_concurrency = Some(limit))
    }

    /// Runs only these tasks and what they depend on; takes what [`after`](crate::TaskExt::after)
    /// takes. Can be repeated.
    ///
    /// The outputs of other tasks are dropped as soon as their last consumer has ended.
    pub fn only(self, targets: impl Upstreams) -> Self {
        self.with(|options| {
            let list = options.targets.get_or_insert_default();
            targets.visit(&mut |task| list.push(task), Sealed);
        })
    }

    /// Gives a task its value: an [input](Flow::input) of the run, or any other task, whose
    /// function is then not called.
    ///
    /// The task still waits for its upstreams, unless [`only`](Self::only) leaves them out: they
    /// are not needed for the sake of a task that is given.
    pub fn given<T: Send + Sync + 'static>(self, task: Task<T>, value: T) -> Self {
        let value = Given::new(task.id.index, value);
        self.with(|options| options.given.push((task.id, value)))
    }

    /// Measures when each task became ready, had its permits, started and ended.
    pub fn timed(self) -> Self {
        self.with(|options| options.timed = true)
    }

    /// Tells `observer` what happens as it happens. Can be repeated.
    pub fn observe(self, observer: impl Observer) -> Self {
        self.with(|options| options.observers.push(Arc::new(observer)))
    }

    /// Starts the execution, whether or not what is returned is polled.
    ///
    /// # Panics
    ///
    /// If it has been polled already.
    pub fn start(mut self) -> Running {
        let State::Planned(options) = std::mem::replace(&mut self.state, State::Done) else {
            panic!("an execution cannot be started after it was polled")
        };
        let declared = &self.flow.declared;
        let started = attach(self.flow).and_then(|backend| {
            let prepared =
                now(Prepared::new(declared, Pace::at_once())).map_err(FlowError::refused)?;
            let mut run = start(prepared, backend, options)?;
            run.detach();
            Ok(run)
        });
        Running::new(started)
    }

    /// Makes this the run of a task of another run.
    pub(crate) fn within(self, outer: RunGuard) -> Self {
        self.with(|options| options.outer = Some(outer))
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

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let State::Planned(options) = &mut self.state else {
            panic!("an execution cannot be configured after it was polled")
        };
        change(options.get_or_insert_default());
        self
    }

    /// Goes on until the run has started.
    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FlowError>> {
        if let State::Planned(options) = &mut self.state {
            let options = options.take();
            let backend = attach(self.flow)?;
            let declared = &self.flow.declared;
            match declared.size() {
                ..=SLICE => {
                    let prepared = now(Prepared::new(declared, Pace::at_once()));
                    let prepared = prepared.map_err(FlowError::refused)?;
                    self.state = State::Running(start(prepared, backend, options)?);
                }
                _ => {
                    let preparation = Box::pin(Prepared::new(declared, Pace::in_slices_of(SLICE)));
                    self.state = State::Preparing(options, backend, preparation);
                }
            }
        }
        if let State::Preparing(options, backend, preparation) = &mut self.state {
            let prepared = ready!(preparation.as_mut().poll(cx)).map_err(FlowError::refused)?;
            let run = start(prepared, Arc::clone(backend), options.take())?;
            self.state = State::Running(run);
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: Runtime> Future for Execute<'_, R> {
    type Output = Result<Run, FlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = match ready!(this.poll_start(cx)) {
            Ok(()) => {
                let State::Running(run) = &mut this.state else {
                    panic!("an execution was polled after it was done");
                };
                ready!(Pin::new(run).poll(cx))
            }
            Err(error) => Err(error),
        };
        this.state = State::Done;
        Poll::Ready(result)
    }
}

impl<R: Runtime> fmt::Debug for Execute<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execute").finish_non_exhaustive()
    }
}

/// Finds the runtime.
fn attach<R: Runtime>(flow: &Flow<R>) -> Result<Arc<dyn Backend>, FlowError> {
    let attached = flow.backend.attach();
    attached.map_err(|unavailable| FlowError::refused(Refusal::Runtime(unavailable)))
}

/// Finds the mistakes of the execution, and starts it.
fn start(
    prepared: Prepared,
    backend: Arc<dyn Backend>,
    options: Option<Box<Options>>,
) -> Result<RunFuture, FlowError> {
    let options = options.map_or_else(Options::default, |options| *options);
    let plan = Plan::new(prepared.graph(), options).map_err(FlowError::refused)?;
    Ok(RunFuture::new(prepared, backend, plan))
}
