//! Executing: how, and the future of it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_channel::oneshot;

use crate::backend::Backend;
use crate::bits::Bits;
use crate::declare::function::claim;
use crate::flow::Flow;
use crate::graph::{Compiler, Declared, Graph};
use crate::handle::{Task, TaskId, Upstreams};
use crate::observer::Observer;
use crate::outcome::error::{Failure, FlowError};
use crate::outcome::refusal::Refusal;
use crate::outcome::report::Report;
use crate::outcome::run::Run;
use crate::outcome::status::TaskStatus;
use crate::run::agent::Agent;
use crate::run::blank::Blank;
use crate::run::drive::Drive;
use crate::run::execution::{Execution, Finished, Give, Mode, Plan, Selection};
use crate::run::watch::Watch;
use crate::runtime::Runtime;

/// One execution of a flow: a future of its [`Run`], made by [`Flow::execute`].
///
/// Its methods say how to execute, and are called before it is first awaited. Nothing starts
/// before that.
#[must_use = "an execution does nothing until it is awaited"]
pub struct Execute<'f, R: Runtime> {
    flow: &'f Flow<R>,
    state: State,
    /// At work on a large flow.
    preparing: Option<Preparing>,
    /// Attached by then.
    backend: Option<Arc<dyn Backend>>,
}

/// How much of a large flow is made ready before others on the runtime get their turn: so many
/// tasks and dependencies, less than a millisecond's worth.
const SLICE: usize = 10_000;

/// What a run needs of its flow, while it is made.
enum Preparing {
    /// Only before the first run.
    Compiler(Box<Compiler>),
    Blank(Box<Blank>),
}

enum State {
    /// Most runs ask for nothing out of the ordinary.
    Planned(Option<Box<Options>>),
    Driving(Driving),
    Done,
}

/// How to execute.
#[derive(Default)]
struct Options {
    keep_going: bool,
    max_concurrency: Option<usize>,
    targets: Option<Vec<TaskId>>,
    given: Vec<(TaskId, Give)>,
    timed: bool,
    observers: Vec<Arc<dyn Observer>>,
    /// A share in the run that this one is a task of.
    outer: Option<Agent>,
}

impl<'f, R: Runtime> Execute<'f, R> {
    pub(crate) fn new(flow: &'f Flow<R>) -> Self {
        Self {
            flow,
            state: State::Planned(None),
            preparing: None,
            backend: None,
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
            targets.visit(&mut |task| list.push(task));
        })
    }

    /// Gives a task its value: an [input](Flow::input) of the run, or any other task, whose
    /// function is then not called.
    ///
    /// The task still waits for its upstreams, unless [`only`](Self::only) leaves them out: they
    /// are not needed for the sake of a task that is given.
    pub fn given<T: Send + Sync + 'static>(self, task: Task<T>, value: T) -> Self {
        let index = task.id.index;
        let give: Give = Box::new(move |ledger| ledger.store(index, value));
        self.with(|options| options.given.push((task.id, give)))
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
    pub fn start(mut self) -> Running {
        let options = match std::mem::replace(&mut self.state, State::Done) {
            State::Planned(options) if self.backend.is_none() => options,
            _ => {
                panic!("an execution cannot be started after it was polled")
            }
        };
        Running {
            state: match attach(self.flow)
                .and_then(|backend| prepare(self.flow, backend, None, options))
            {
                Ok(mut driving) => {
                    if let Some(drive) = driving.drive.take() {
                        let agent = drive.agent().clone();
                        agent.spawn(drive);
                    }
                    Started::Driving(driving)
                }
                Err(error) => Started::Over(Some(Err(error))),
            },
        }
    }

    /// Makes this the run of a task of another run.
    pub(crate) fn within(self, outer: Agent) -> Self {
        self.with(|options| options.outer = Some(outer))
    }

    /// Stops the run; `false` if it has not started.
    pub(crate) fn stop(&self, mode: Mode) -> bool {
        match &self.state {
            State::Planned(_) => return false,
            State::Driving(driving) => driving.stop(mode),
            State::Done => {}
        }
        true
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        match &mut self.state {
            State::Planned(options) if self.backend.is_none() => {
                change(options.get_or_insert_default());
            }
            _ => {
                panic!("an execution cannot be configured after it was polled")
            }
        }
        self
    }
}

impl<R: Runtime> Future for Execute<'_, R> {
    type Output = Result<Run, FlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Planned(options) = &mut this.state {
            let declared = &this.flow.declared;
            let backend = match this.backend.take() {
                Some(backend) => backend,
                None => match attach(this.flow) {
                    Ok(backend) => backend,
                    Err(error) => {
                        this.state = State::Done;
                        return Poll::Ready(Err(error));
                    }
                },
            };
            let blank = match declared.size() {
                ..=SLICE => None,
                _ => match prepare_a_slice(declared, &mut this.preparing) {
                    Poll::Ready(blank) => blank,
                    Poll::Pending => {
                        this.backend = Some(backend);
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                },
            };
            let options = options.take();
            match prepare(this.flow, backend, blank, options) {
                Ok(driving) => this.state = State::Driving(driving),
                Err(error) => {
                    this.state = State::Done;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let State::Driving(driving) = &mut this.state else {
            panic!("an execution was polled after it was done");
        };
        let result = std::task::ready!(driving.poll(cx));
        this.state = State::Done;
        Poll::Ready(result)
    }
}

impl<R: Runtime> fmt::Debug for Execute<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execute").finish_non_exhaustive()
    }
}

/// An execution that has started: a future of its [`Run`], made by [`Flow::start`].
///
/// It goes on whether or not this is polled. Dropping it cancels the run, like dropping an
/// [`Execute`].
#[must_use = "dropping it cancels the run"]
pub struct Running {
    state: Started,
}

enum Started {
    Driving(Driving),
    Over(Option<Result<Run, FlowError>>),
}

impl Running {
    /// Cancels the run, and waits until everything has stopped: async tasks are dropped at their
    /// await point, blocking functions run to their end, and tasks made with
    /// [`always`](crate::TaskExt::always) do their clean-up.
    ///
    /// # Errors
    ///
    /// That the run was cancelled, or what had failed; nothing if it had come to its end before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the run: what has not stopped by then is not waited for.
    pub async fn cancel(self) -> Result<Run, FlowError> {
        self.stop(Mode::Stopping);
        self.await
    }

    /// Stops the run; `false` if it has not started, which is never.
    pub(crate) fn stop(&self, mode: Mode) -> bool {
        if let Started::Driving(driving) = &self.state {
            driving.stop(mode);
        }
        true
    }

    /// What has become of every task so far.
    ///
    /// `None` if the flow was refused and nothing has started, and for the moment in which a run
    /// that has just ended is being closed.
    pub fn report(&mut self) -> Option<Report> {
        if let Started::Driving(driving) = &mut self.state {
            if let Some(agent) = Agent::upgrade(&driving.run) {
                return Some(agent.report_so_far());
            }
            if let Ok(Some(finished)) = driving.done.try_recv() {
                self.state = Started::Over(Some(conclude(finished)));
            }
        }
        match &self.state {
            Started::Over(Some(Ok(run))) => Some(run.report().clone()),
            Started::Over(Some(Err(error))) => error.report().cloned(),
            _ => None,
        }
    }
}

impl Future for Running {
    type Output = Result<Run, FlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            Started::Driving(driving) => std::task::ready!(driving.poll(cx)),
            Started::Over(result) => result.take().expect("polled after it was done"),
        };
        self.state = Started::Over(None);
        Poll::Ready(result)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// A run that is under way, as whoever waits for it sees it.
struct Driving {
    backend: Arc<dyn Backend>,
    run: Weak<Execution>,
    done: oneshot::Receiver<Finished>,
    /// The first driver, polled in place: a small flow is over before another thread could have
    /// been woken for it.
    drive: Option<Drive>,
}

impl Driving {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Run, FlowError>> {
        if let Some(drive) = &mut self.drive {
            let mut polled = Poll::Pending;
            self.backend
                .enter(&mut || polled = Pin::new(&mut *drive).poll(cx));
            std::task::ready!(polled);
            self.drive = None;
        }
        match std::task::ready!(Pin::new(&mut self.done).poll(cx)) {
            Ok(finished) => Poll::Ready(conclude(finished)),
            Err(oneshot::Canceled) => unreachable!("the last agent of a run sends what it came to"),
        }
    }

    fn stop(&self, mode: Mode) {
        if let Some(agent) = Agent::upgrade(&self.run) {
            agent.stop(mode);
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.stop(Mode::Dropped);
        if let Some(drive) = self.drive.take() {
            let mut drive = Some(drive);
            self.backend.enter(&mut || drop(drive.take()));
        }
        // The run may be over without anybody having looked at what it came to. Closed first, so
        // that from here on whoever ends the run sees that it is unwanted.
        self.done.close();
        if let Ok(Some(unwanted)) = self.done.try_recv() {
            unwanted.discard();
        }
    }
}

/// Does a slice of what is to be done for each task before a run; gives the blank once it is made,
/// or nothing if the flow cannot be executed.
fn prepare_a_slice(declared: &Declared, at: &mut Option<Preparing>) -> Poll<Option<Box<Blank>>> {
    let mut preparing = match at.take() {
        // Another execution may have been quicker.
        Some(Preparing::Compiler(_)) if declared.is_compiled() => {
            return prepare_a_slice(declared, at);
        }
        Some(preparing) => preparing,
        None if !declared.is_compiled() => Preparing::Compiler(Box::new(declared.compiler())),
        None => match declared.compile() {
            Ok(graph) => Preparing::Blank(Box::new(Blank::new(Arc::clone(graph)))),
            Err(_) => return Poll::Ready(None),
        },
    };
    let done = match &mut preparing {
        Preparing::Compiler(compiler) => compiler.step(SLICE),
        Preparing::Blank(blank) => blank.step(SLICE),
    };
    match preparing {
        Preparing::Compiler(compiler) if done => {
            // What comes of it is looked at the next time.
            declared.compiled_by(|| *compiler).ok();
        }
        Preparing::Blank(blank) if done => return Poll::Ready(Some(blank)),
        preparing => *at = Some(preparing),
    }
    Poll::Pending
}

/// Finds the runtime.
fn attach<R: Runtime>(flow: &Flow<R>) -> Result<Arc<dyn Backend>, FlowError> {
    let attached = flow.backend.attach();
    attached.map_err(|unavailable| FlowError::refused(Refusal::Runtime(unavailable)))
}

/// Finds mistakes, and makes everything ready to start.
fn prepare<R: Runtime>(
    flow: &Flow<R>,
    backend: Arc<dyn Backend>,
    blank: Option<Box<Blank>>,
    options: Option<Box<Options>>,
) -> Result<Driving, FlowError> {
    let graph = flow.declared.compile().map_err(FlowError::refused)?;
    let plan = plan(
        graph,
        options.map_or_else(Options::default, |options| *options),
    );
    let plan = plan.map_err(FlowError::refused)?;
    let (sender, done) = oneshot::channel();
    let blank = match blank {
        Some(blank) => *blank,
        None => Blank::new(Arc::clone(graph)).all(),
    };
    let execution = Execution::new(blank, Arc::clone(&backend), plan, sender);
    let agent = Agent::new(execution);
    let run = agent.downgrade();
    agent.tell_start();
    Ok(Driving {
        backend,
        run,
        done,
        drive: Some(Drive::driver(agent)),
    })
}

fn plan(graph: &Arc<Graph>, options: Options) -> Result<Plan, Refusal> {
    let Options {
        keep_going,
        max_concurrency,
        targets,
        given,
        timed,
        observers,
        outer,
    } = options;
    if max_concurrency == Some(0) {
        return Err(Refusal::ZeroConcurrency);
    }
    let mut values = HashMap::new();
    for (task, give) in given {
        if task.flow != graph.id() {
            return Err(Refusal::ForeignHandle { method: "given" });
        }
        if values.insert(task.index, give).is_some() {
            return Err(Refusal::GivenTwice {
                task: graph.name(task.index).to_owned(),
            });
        }
    }
    let selection = match targets {
        Some(targets) => Some(select(graph, &targets, &values)?),
        None => None,
    };
    let runs = |index: &u32| {
        !values.contains_key(index)
            && selection
                .as_ref()
                .is_none_or(|selection| selection.selected.contains(*index))
    };
    if let Some(input) = graph.inputs.iter().find(|index| runs(index)) {
        return Err(Refusal::NotGiven {
            task: graph.name(*input).to_owned(),
        });
    }
    // All that is inside, at any depth; so the runs inside need not look again.
    if outer.is_none() {
        for index in graph.nested.iter().filter(|index| runs(index)) {
            executable_inside(graph, *index)?;
        }
    }
    claim_once(graph, runs)?;
    let watch =
        (timed || !observers.is_empty()).then(|| Watch::new(Arc::clone(graph), timed, observers));
    Ok(Plan {
        keep_going,
        max_concurrency,
        selection,
        given: values,
        watch,
        outer,
    })
}

/// Takes on every task of the run that can run only once, or none of them.
fn claim_once(graph: &Graph, runs: impl Fn(&u32) -> bool) -> Result<(), Refusal> {
    let mut claimed = Vec::new();
    for index in graph.once.iter().filter(|index| runs(index)) {
        let Some(flag) = graph.node(*index).body().and_then(|body| body.claim()) else {
            continue;
        };
        if !claim(flag) {
            for flag in claimed {
                release(flag);
            }
            return Err(Refusal::Spent {
                task: graph.name(*index).to_owned(),
            });
        }
        claimed.push(flag);
    }
    Ok(())
}

/// Finds out whether a flow that is a task, and all flows in it, can be executed now.
fn executable_inside(graph: &Graph, task: u32) -> Result<(), Refusal> {
    let mut flows = vec![graph.node(task)];
    while let Some(flow) = flows.pop() {
        let Some(declared) = flow.nested() else {
            continue;
        };
        let inner = declared.compile()?;
        if let Some(input) = inner.inputs.first() {
            return Err(Refusal::NotGivenInside {
                flow: graph.name(task).to_owned(),
                input: inner.name(*input).to_owned(),
            });
        }
        // Claimed by its own execution, which may still find that another was faster.
        for once in &inner.once {
            let node = inner.node(*once);
            let claimed = node.body().and_then(|body| body.claim());
            if claimed.is_some_and(|flag| flag.load(Ordering::Acquire)) {
                return Err(Refusal::Spent {
                    task: inner.name(*once).to_owned(),
                });
            }
        }
        flows.extend(inner.nested.iter().map(|index| inner.node(*index)));
    }
    Ok(())
}

fn release(flag: &std::sync::atomic::AtomicBool) {
    flag.store(false, Ordering::Release);
}

/// Everything that the targets depend on, apart from what only a given task depends on.
fn select(
    graph: &Graph,
    targets: &[TaskId],
    given: &HashMap<u32, Give>,
) -> Result<Selection, Refusal> {
    let mut selected = Bits::new(graph.len());
    let mut kept = Bits::new(graph.len());
    let mut stack = Vec::new();
    for target in targets {
        if target.flow != graph.id() {
            return Err(Refusal::ForeignHandle { method: "only" });
        }
        stack.push(target.index);
    }
    // The end of a group may be a gate: what is asked for is what comes before it.
    while let Some(index) = stack.pop() {
        if !kept.insert(index) {
            continue;
        }
        if let Ok(place) = graph
            .moved
            .binary_search_by_key(&index, |(output, _)| *output)
        {
            return Err(Refusal::MovedTarget {
                output: graph.name(index).to_owned(),
                by: graph.name(graph.moved[place].1).to_owned(),
            });
        }
        if graph.node(index).is_gate() {
            stack.extend(graph.upstreams(index));
        }
    }
    stack.extend(targets.iter().map(|target| target.index));
    while let Some(index) = stack.pop() {
        if selected.insert(index) && !given.contains_key(&index) {
            stack.extend(graph.upstreams(index));
        }
    }
    let mut roots = Vec::new();
    let pending = (0..graph.len() as u32)
        .map(|index| {
            let upstreams = graph.upstreams(index);
            let waits = upstreams
                .iter()
                .filter(|upstream| selected.contains(**upstream))
                .count();
            if waits == 0 && selected.contains(index) {
                roots.push(index);
            }
            waits as u32
        })
        .collect();
    Ok(Selection {
        selected,
        targets: kept,
        roots: roots.into_boxed_slice(),
        pending,
    })
}

/// The result of a run that is over.
fn conclude(finished: Finished) -> Result<Run, FlowError> {
    let Finished {
        graph,
        fates,
        columns,
        troubles,
        attempts,
        watched,
        mode,
        all_succeeded,
    } = finished;
    let failures: Vec<Failure> = troubles
        .into_iter()
        .map(|trouble| {
            let name = graph.name(trouble.index).to_owned();
            Failure::new(graph.task_id(trouble.index), name, trouble.end)
        })
        .collect();
    let run = Run::new(Report::new(graph, fates, attempts, watched), columns);
    if !failures.is_empty() {
        return Err(FlowError::failed(failures, run));
    }
    let cut_short = !all_succeeded
        && run
            .report()
            .tasks()
            .any(|task| task.status() == TaskStatus::Cancelled);
    match mode {
        _ if !cut_short => Ok(run),
        // Nobody stopped it, and yet there are tasks that did not come to their end.
        Mode::Go => Err(FlowError::abandoned(run)),
        Mode::Stopping | Mode::Dropped => Err(FlowError::cancelled(run)),
    }
}
