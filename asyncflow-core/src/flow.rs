//! The flow: functions and their dependencies.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::declare::add_graph::{GraphError, Keyed, Sorted, sort};
use crate::declare::group::{self, Parallel, Series};
use crate::declare::item::{Item, Member};
use crate::execute::Execute;
use crate::graph::Declared;
use crate::graph::body::{Body, InputBody, SharedValue};
use crate::graph::structure::Structure;
use crate::handle::{Task, TaskId};
use crate::run::backend::{Backend, Erased};
use crate::running::Running;
use crate::runtime::Runtime;
use crate::sealed::Sealed;
use crate::task::column::ColumnType;
use crate::task::config::Request;

/// A set of functions (*tasks*) and their dependencies, to be executed on a runtime `R`.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// # async fn setup() {}
/// # async fn work_1() {}
/// # fn work_2() {}
/// # async fn shutdown() {}
/// let setup = flow.add(setup);
/// let work_1 = flow.add(work_1.after(setup));
/// let work_2 = flow.add(work_2.after(setup));
/// flow.add(shutdown.after([work_1, work_2]));
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
///
/// A flow is declared once and can be executed any number of times, also concurrently with itself.
/// To depend on a task takes its handle, so a cycle cannot be written.
pub struct Flow<R: Runtime> {
    pub(crate) declared: Declared,
    pub(crate) backend: Arc<dyn Backend>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> Flow<R> {
    /// Makes an empty flow on the default runtime of type `R`.
    ///
    /// The runtime's documentation says which one that is, for example the one that is current
    /// when the flow is executed.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    ///
    /// let flow = TokioFlow::new();
    /// assert!(flow.is_empty());
    /// ```
    pub fn new() -> Self
    where
        R: Default,
    {
        Self::on(R::default())
    }

    /// Makes an empty flow on `runtime`.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    /// use asyncflow::{TokioFlow, TokioRuntime};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let mut flow = TokioFlow::on(TokioRuntime::from(runtime.handle().clone()));
    /// let answer = flow.add(async || 42);
    /// let run = runtime.block_on(async { flow.execute().await })?;
    /// assert_eq!(run[answer], 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(runtime: R) -> Self {
        Self {
            declared: Declared::new(),
            backend: Arc::new(Erased(runtime)),
            runtime: PhantomData,
        }
    }

    /// Adds a function, a configured function, a [`Series`], a [`Parallel`], or a whole flow in an
    /// `Arc`. Returns its handle.
    ///
    /// The type of a function tells whether it is async.
    ///
    /// A flow in a flow is one task, and is [configured](crate::TaskExt) like a function: `inner.named("inner")`.
    /// A retry executes it again. Its output is the [`Run`](crate::Run) of the inner flow, and if
    /// the inner flow fails, the task fails with its error. It can be given a lock only if no task in it takes one. It cannot have inputs that
    /// need to be [given](Execute::given).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use asyncflow::prelude::*;
    /// use asyncflow::{Run, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut inner = TokioFlow::new();
    /// let answer = inner.add(|| 42);
    ///
    /// let mut flow = TokioFlow::new();
    /// let inner = flow.add(Arc::new(inner));
    /// let double = flow.add((move |inner: &Run| inner[answer] * 2).inputs(inner));
    /// assert_eq!(flow.execute().await?[double], 84);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the item depends on a task of another flow.
    #[track_caller]
    pub fn add<T: Item<Marker>, Marker>(&mut self, item: T) -> T::Handle {
        let Member(element) = Member::new(item);
        T::handle(group::add(&mut self.declared, element), Sealed)
    }

    /// Adds an input: a task without a function, whose value is supplied to each execution with
    /// [`given`](Execute::given).
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
    /// let one = flow.execute().given(id, 1).await?;
    /// let two = flow.execute().given(id, 2).await?;
    /// assert_eq!((&*one[path], &*two[path]), ("/users/1", "/users/2"));
    /// # Ok(())
    /// # }
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

    /// Adds a value: a task without a function, whose output is `value` in every run.
    ///
    /// For what tasks share: clients, pools, configuration, another flow. The flow keeps the value, and
    /// tasks borrow it. It is not copied, however many runs there are.
    /// [`given`](Execute::given) replaces it for one execution, as tests do. It cannot be taken with
    /// [`moved`](Task::moved).
    ///
    /// An async closure cannot borrow what it captures, so it takes it as an input:
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// # struct Client;
    /// # impl Client {
    /// #     async fn get(&self, path: &str) -> String { path.to_owned() }
    /// # }
    /// let mut flow = TokioFlow::new();
    /// let client = flow.value(Client);
    /// let id = flow.input::<u64>("id");
    /// let fetch = async |client: &Client, id: &u64| client.get(&format!("/users/{id}")).await;
    /// let page = flow.add(fetch.inputs((client, id)));
    /// let run = flow.execute().given(id, 7).await?;
    /// assert_eq!(run[page], "/users/7");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Its name is that of its type, and its status [`Succeeded`](crate::TaskStatus::Succeeded), with no
    /// [attempts](crate::TaskReport::attempts).
    pub fn value<T: Send + Sync + 'static>(&mut self, value: T) -> Task<T> {
        let body = Body::Value(Box::new(SharedValue::new(value)));
        let index = self.declared.add_task(body, Request::default(), &[]);
        Task::new(self.declared.task_id(index))
    }

    /// Adds a graph from data: tasks that name their upstreams by keys, in any order.
    ///
    /// `tasks` yields the key of each task and the keys of its upstreams. `add` adds one task, and receives
    /// the handles of its upstreams, in the order of their keys. It is called once for each task, after the
    /// calls for its upstreams, and otherwise in the order of the data. Returns the handle of each task.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut flow = TokioFlow::new();
    /// let makefile = [("app", vec!["main.o", "lib.o"]), ("main.o", vec![]), ("lib.o", vec![])];
    /// let targets = flow.add_graph(makefile, |flow, target, upstreams| {
    ///     let target = target.to_string();
    ///     let name = target.clone();
    ///     flow.add((move || println!("makes {target}")).after(upstreams).named(name))
    /// })?;
    /// flow.execute().only(targets["app"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error, and adds nothing, if tasks depend on each other in a circle, if an upstream is not
    /// among the tasks, or if two tasks have the same key.
    pub fn add_graph<K, Keys, H>(
        &mut self,
        tasks: impl IntoIterator<Item = (K, Keys)>,
        mut add: impl FnMut(&mut Self, &K, Vec<H>) -> H,
    ) -> Result<HashMap<K, H>, GraphError<K>>
    where
        K: Clone + Eq + Hash,
        Keys: IntoIterator<Item = K>,
        H: Clone,
    {
        let Sorted { tasks, order } = sort(tasks)?;
        let mut handles: Vec<Option<H>> = vec![None; tasks.len()];
        for place in order {
            let Keyed { key, upstreams } = &tasks[place];
            let upstreams = upstreams.iter().map(|upstream| handles[*upstream].clone());
            let upstreams =
                upstreams.map(|handle| handle.expect("a task comes after its upstreams"));
            let upstreams = upstreams.collect();
            handles[place] = Some(add(self, key, upstreams));
        }
        let keys = tasks.into_iter().map(|task| task.key);
        Ok(keys.zip(handles.into_iter().flatten()).collect())
    }

    /// Returns the handle of the task with a name, or `None` if there is none.
    ///
    /// For programs whose users select tasks, for example by the arguments of a command line.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut flow = TokioFlow::new();
    /// flow.add((|| "docs").named("docs"));
    /// let tests = flow.add((|| "tests").named("tests"));
    /// let wanted = flow.find("docs").ok_or("there is no task `docs`")?;
    /// let run = flow.execute().only(wanted).await?;
    /// assert_eq!(run.get(tests), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, name: &str) -> Option<TaskId> {
        let graph = self.declared.look();
        graph.find(name).map(|index| graph.task_id(index))
    }

    /// Executes the flow. Returns a future of the [`Run`](crate::Run), which has methods that
    /// configure the execution.
    ///
    /// The future is ready only once everything that it started has stopped, plain functions
    /// included. A plain function that waits for a task that has not started yet may therefore wait
    /// forever if the run stops. Make such a function async, so that it can be dropped.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let name = flow.add(|| "asyncflow");
    /// let run = flow.execute().await?;
    /// assert_eq!(run[name], "asyncflow");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If a task fails, the run stops (see [`keep_going`](Execute::keep_going)) and the error names
    /// every task that failed. If there is a mistake in the flow or in how it is executed, the
    /// error describes it and nothing has started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the run: queued tasks never start, and async functions are
    /// dropped at their await point. A plain function cannot be interrupted. It runs to its end and
    /// keeps its permits until then. Clean-up does not start. To stop a run and wait for its end, clean-up
    /// included, use [`Execute::deadline`] in place of a timeout around the future, a
    /// [`StopHandle`](crate::StopHandle), or [`start`](Self::start) and [`Running::cancel`].
    ///
    /// A future that was polled and is then neither polled nor dropped keeps its locks, like any
    /// future that holds one. Use [`start`](Self::start) if it might not be polled.
    ///
    /// # Inside of a task
    ///
    /// A task may execute another flow. The outer run does not end before such a run does. If the outer
    /// run stops, the task's future is dropped, and with it the inner execution: its plain functions run
    /// to their end, but its clean-up does not start. Execute it through the
    /// [context](crate::TaskContext::execute) of the task, or add the flow itself as a task, in an `Arc`, to
    /// have it stopped like the outer flow. If a plain function blocks on the inner execution, that runs on
    /// threads of its own, so it does not wait for a blocking thread of the runtime.
    ///
    /// # What tasks see of the caller
    ///
    /// A task may be polled inside of this future, and then sees task-locals and entered spans of the
    /// caller. Elsewhere it does not. Use [`start`](Self::start) if no task should see them. Inside of
    /// Tokio's `block_in_place`, a task keeps its driver: on a runtime with one worker, it must not wait
    /// there for another task of the same run.
    pub fn execute(&self) -> Execute<'_, R> {
        Execute::new(self)
    }

    /// Starts to execute the flow at once, without waiting for a poll.
    ///
    /// The same as [`flow.execute().start()`](Execute::start).
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(async || println!("in the background"));
    /// let running = flow.start();
    /// println!("meanwhile");
    /// running.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(&self) -> Running {
        self.execute().start()
    }

    /// Returns the number of tasks in the flow. Each task in a group counts.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| 1);
    /// flow.add(series![|| 2, parallel![|| 3, || 4]]);
    /// assert_eq!(flow.len(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.declared.tasks()
    }

    /// Returns `true` if the flow has no tasks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the tasks, dependencies and groups that the flow has so far.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let fetch = flow.add((|| {}).named("fetch"));
    /// let parse = flow.add((|| {}).after(fetch));
    /// let structure = flow.structure();
    /// assert_eq!(structure.task(fetch).name(), Some("fetch"));
    /// assert_eq!(structure.task(parse).upstreams().collect::<Vec<_>>(), [0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn structure(&self) -> Structure {
        Structure::new(self.declared.look())
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
