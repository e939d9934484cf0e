//! The flow: functions, and what each depends on.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::declare::group::{self, Parallel, Series};
use crate::declare::item::{Item, Member};
use crate::execute::Execute;
use crate::graph::Declared;
use crate::graph::body::{Body, InputBody};
use crate::graph::structure::Structure;
use crate::handle::Task;
use crate::run::backend::{Backend, Erased};
use crate::running::Running;
use crate::runtime::Runtime;
use crate::sealed::Sealed;
use crate::task::column::ColumnType;
use crate::task::config::Request;

/// A set of functions (*tasks*) and their dependencies, to be executed on a runtime `R`.
///
/// ```
/// use asyncflow_core::{Flow, TaskExt};
/// # use asyncflow_core::doctest::{Inline, block_on};
/// # type TokioFlow = Flow<Inline>;
/// # async fn setup() {}
/// # async fn work_1() {}
/// # fn work_2() {}
/// # async fn shutdown() {}
/// let mut flow = TokioFlow::new();
/// let setup = flow.add(setup);
/// let work_1 = flow.add(work_1.after(setup));
/// let work_2 = flow.add(work_2.after(setup));
/// flow.add(shutdown.after([work_1, work_2]));
/// # block_on(async {
/// flow.execute().await?;
/// # Ok::<(), asyncflow_core::FlowError>(()) }).unwrap();
/// ```
///
/// A flow is declared once and executed as often as one likes, also concurrently with itself.
/// Since a task needs the handles of those that it depends on, a cycle cannot be written.
pub struct Flow<R: Runtime> {
    pub(crate) declared: Declared,
    pub(crate) backend: Arc<dyn Backend>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> Flow<R> {
    /// An empty flow on the current runtime.
    ///
    /// Which that is may be found out only when the flow is executed; see the runtime's docs.
    pub fn new() -> Self
    where
        R: Default,
    {
        Self::on(R::default())
    }

    /// An empty flow on a certain runtime.
    pub fn on(runtime: R) -> Self {
        Self {
            declared: Declared::new(),
            backend: Arc::new(Erased(runtime)),
            runtime: PhantomData,
        }
    }

    /// Adds a function, a configured function, a [`Series`], a [`Parallel`], or a whole flow in an
    /// `Arc`; gives its handle.
    ///
    /// Which of these it is, and whether a function is async, is found out from its type. A flow
    /// in a flow is one task; its output is the [`Run`](crate::Run) of the inner flow, and its
    /// failure is the inner flow's. It may be under a lock (see [`with_lock`](crate::with_lock())) only
    /// if no task in it takes one, and its inputs cannot be given.
    ///
    /// # Panics
    ///
    /// If what is added was given a handle of another flow.
    #[track_caller]
    pub fn add<T: Item<Marker>, Marker>(&mut self, item: T) -> T::Handle {
        let Member(element) = item.into_member(Sealed);
        T::handle(group::add(&mut self.declared, element), Sealed)
    }

    /// A task without a function: an input of the run, which is supplied to each execution with
    /// [`given`](Execute::given).
    ///
    /// ```
    /// # use asyncflow_core::{Flow, TaskExt, doctest::{Inline, block_on}};
    /// # let mut flow = Flow::<Inline>::new();
    /// let id = flow.input::<u64>("id");
    /// let path = flow.add((|id: &u64| format!("/users/{id}")).inputs(id));
    /// # block_on(async {
    /// let (one, two) = (flow.execute().given(id, 1).await?, flow.execute().given(id, 2).await?);
    /// assert_eq!((&*one[path], &*two[path]), ("/users/1", "/users/2"));
    /// # Ok::<(), asyncflow_core::FlowError>(()) }).unwrap();
    /// ```
    pub fn input<T: Send + Sync + 'static>(&mut self, name: impl Into<String>) -> Task<T> {
        let body = Body::Input(Box::new(InputBody {
            column: ColumnType::of::<T>(),
        }));
        let mut request = Request::default();
        request.config().name = Some(name.into().into_boxed_str());
        let index = self.declared.add_task(body, request, &[]);
        Task::new(self.declared.task_id(index))
    }

    /// Executes the flow: a future of the [`Run`](crate::Run), with methods that say how.
    ///
    /// It returns only when everything that it started has stopped, plain functions included. One
    /// that waits for something that only a task to come would bring about is waited for forever:
    /// let such a function be async, which is dropped when the run stops.
    ///
    /// # Errors
    ///
    /// If a task fails, the others are stopped (see [`keep_going`](Execute::keep_going)) and the
    /// error names every task that failed. If something is wrong with the flow or with how it is
    /// executed the error says so, and nothing has started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the run: queued tasks never start, and async ones are dropped
    /// at their await point. A blocking function cannot be interrupted; it runs to its end and
    /// keeps its permits until then. Use [`start`](Self::start) to wait for the end of a cancel.
    pub fn execute(&self) -> Execute<'_, R> {
        Execute::new(self)
    }

    /// Starts to execute the flow, whether or not what is returned is polled.
    ///
    /// The same as `flow.execute().start()`. What `execute` does of a large flow a slice at a time,
    /// before its first task starts, is done here at once, on the caller's thread.
    pub fn start(&self) -> Running {
        self.execute().start()
    }

    /// How many tasks the flow has; a group counts as its members.
    pub fn len(&self) -> usize {
        self.declared.tasks()
    }

    /// What the flow is made of so far, for looking at it.
    pub fn structure(&self) -> Structure {
        Structure::new(self.declared.look())
    }

    /// Whether the flow has no tasks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R: Runtime + Default> Default for Flow<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Runtime + Default> From<Series> for Flow<R> {
    fn from(series: Series) -> Self {
        let mut flow = Self::new();
        flow.add(series);
        flow
    }
}

impl<R: Runtime + Default> From<Parallel> for Flow<R> {
    fn from(parallel: Parallel) -> Self {
        let mut flow = Self::new();
        flow.add(parallel);
        flow
    }
}

impl<R: Runtime> fmt::Debug for Flow<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.declared.look();
        let tasks = graph.tasks().map(|(index, _)| graph.name(index));
        f.debug_list().entries(tasks).finish()
    }
}
