//! The extension methods that configure a task.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use backon::BackoffBuilder;

use crate::handle::{Task, TaskIds, Upstreams};
use crate::lock::Lockable;
use crate::sealed::Sealed;
use crate::task::config::{Condition, ConditionKind, Fallback, Request};
use crate::task::failure::Failure;

use super::function::{Once, WithFallback};
use super::inputs::Inputs;

/// A configured function, to be added to a flow.
///
/// Made by the methods of [`TaskExt`]. It has the same methods, so they chain in any order.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let page = flow.add(async || String::from("a page"));
/// let count = (|page: &String| page.len()).inputs(page).named("count");
/// let count = flow.add(count);
/// assert_eq!(flow.execute().await?[count], 6);
/// # Ok(())
/// # }
/// ```
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

/// The marker of functions and closures: their parameters and return type. Always inferred.
#[derive(Debug)]
pub struct Callable<Parameters>(std::marker::PhantomData<fn() -> Parameters>);

macro_rules! configure_methods {
    ($visibility:vis, $self:ident => $configured:expr, $inputs:ty, $output:ty) => {
        /// Runs the task only once everything in `upstreams` has succeeded.
        ///
        /// Takes a handle of a task or group, or an array, slice, `Vec`, tuple or `Option` of
        /// handles. Can be repeated.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let fetch = flow.add(async || {});
        /// let check = flow.add(|| {});
        /// let store = flow.add((async || {}).after([fetch, check]));
        /// assert_eq!(flow.structure().task(store).upstreams().count(), 2);
        /// flow.execute().await?;
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn after($self, upstreams: impl Upstreams) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let upstreams_of = &mut configured.request.upstreams;
            upstreams.visit(&mut |task| upstreams_of.push(task), Sealed);
            configured
        }

        /// Runs the task as soon as one task in `upstreams` has succeeded. Skips it if all of them
        /// have ended and none has succeeded.
        ///
        /// Joins the branches that a [condition](Self::run_if) separated. Can be repeated: then
        /// each list needs a success of its own. An empty list has no effect.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let cached = flow.add(|| false);
        /// let missing = flow.add((|cached: &bool| !cached).inputs(cached));
        /// let load = flow.add((async || {}).run_if(cached));
        /// let compute = flow.add((|| {}).run_if(missing));
        /// let show = flow.add((|| "shown").after_any([load, compute]));
        /// assert_eq!(flow.execute().await?[show], "shown");
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn after_any($self, upstreams: impl Upstreams) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let mut any = TaskIds::new();
            upstreams.visit(&mut |task| any.push(task), Sealed);
            if !any.is_empty() {
                configured.request.any.push(any);
            }
            configured
        }

        /// Passes the outputs of other tasks to the function, in this order: `&A` for a `Task<A>`.
        ///
        /// Takes one handle, a tuple of up to twelve, or a `Vec` or array of handles of one type,
        /// which arrives as `Vec<&A>`. The task runs only once all of these tasks have succeeded.
        /// A second call replaces the inputs of the first.
        ///
        /// See [`Task::optional`] and [`Task::moved`] for other ways to receive an output.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let host = flow.add(|| String::from("localhost"));
        /// let port = flow.add(async || 8080_u16);
        /// let address = |host: &String, port: &u16| format!("{host}:{port}");
        /// let address = flow.add(address.inputs((host, port)));
        /// let both = |texts: Vec<&String>| texts.len();
        /// let both = flow.add(both.inputs([host, address]));
        /// let run = flow.execute().await?;
        /// assert_eq!(run[address], "localhost:8080");
        /// assert_eq!(run[both], 2);
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn inputs<J: Inputs>($self, inputs: J) -> Configured<$output, J> {
            let configured = $configured;
            Configured {
                function: configured.function,
                inputs,
                request: configured.request,
            }
        }

        /// Runs the task only while it holds `lock`: a [`Lock`](crate::Lock), a
        /// [`Semaphore`](crate::Semaphore) or `semaphore.permits(n)`. Also takes a
        /// [`RateLimit`](crate::RateLimit), which decides when the task may start.
        ///
        /// Can be repeated. Several locks are always taken in the same order, so tasks cannot
        /// deadlock. A task takes its permits before it occupies a thread. It does not hold them
        /// while it waits for its upstreams or for its next attempt, and it gives them back
        /// however it ends.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let (disk, connections) = (Lock::new(), Semaphore::new(4));
        /// let task = flow.add((|| {}).with_lock(&disk).with_lock(connections.permits(2)));
        /// assert_eq!(flow.structure().task(task).permits().len(), 2);
        /// flow.execute().await?;
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn with_lock($self, lock: impl Lockable) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().need(lock.to_permits(Sealed));
            configured
        }

        /// Sets the task's name in reports, errors and diagrams. The default is the name of its
        /// function.
        ///
        /// If several tasks of a flow have the same name, the later ones get `#2`, `#3`, …
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let one = flow.add((|| 1).named("part"));
        /// let two = flow.add((|| 2).named("part"));
        /// let run = flow.execute().await?;
        /// assert_eq!(run.report().task(one).name(), "part");
        /// assert_eq!(run.report().task(two).name(), "part#2");
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn named($self, name: impl Into<String>) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().name = Some(name.into().into_boxed_str());
            configured
        }

        /// Limits the duration of each attempt. The time that the task waits for permits does not
        /// count.
        ///
        /// An async function that takes longer is dropped at its await point. A plain function
        /// cannot be interrupted: the task is reported as timed out at once, and its function runs
        /// to its end and keeps its permits until then. A flow is stopped as by a cancel, and the end of its
        /// clean-up is waited for.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let hang = async || std::future::pending::<()>().await;
        /// flow.add(hang.timeout(Duration::from_millis(10)).named("hang"));
        /// let error = flow.execute().await.unwrap_err();
        /// assert_eq!(error.to_string(), "task `hang` timed out after 10ms");
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn timeout($self, limit: Duration) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().timeout = Some(limit);
            configured
        }

        /// Attempts the task again after it failed, panicked or timed out.
        ///
        /// `policy` yields the pause before each further attempt: a builder of the
        /// [`backon`](crate::backon) crate, or an iterator of durations. If it yields no more, the
        /// last failure is the task's. The task gives its permits back during a pause.
        ///
        /// ```
        /// use std::sync::atomic::{AtomicU32, Ordering};
        /// use std::time::Duration;
        ///
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let calls = AtomicU32::new(0);
        /// let fetch = move || match calls.fetch_add(1, Ordering::Relaxed) {
        ///     0 => Err("no route to host"),
        ///     _ => Ok("a page"),
        /// };
        /// let fetch = flow.add(fetch.retry([Duration::from_millis(1); 3].into_iter()));
        /// let run = flow.execute().await?;
        /// assert_eq!((run[fetch], run.report().task(fetch).attempts()), ("a page", 2));
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn retry(
            $self,
            policy: impl BackoffBuilder<Backoff: 'static> + Clone + 'static,
        ) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().retry =
                Some(Box::new(move || Box::new(policy.clone().build())));
            configured
        }

        /// Attempts the task again only after failures for which `may_retry` returns `true`.
        ///
        /// After any other failure the task has failed, as if its policy yielded no more pauses. A
        /// panic in `may_retry` fails the task. The execution is refused if the task has no
        /// [`retry`](Self::retry) policy. A second call replaces the first.
        ///
        /// ```
        /// use std::io::{Error, ErrorKind};
        /// use std::time::Duration;
        ///
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let read = || -> Result<String, Error> { Err(ErrorKind::NotFound.into()) };
        /// let read = flow.add(
        ///     read.retry([Duration::from_millis(1); 3].into_iter()).retry_when(|failure| {
        ///         let error = failure.error().downcast_ref::<Error>();
        ///         error.is_some_and(|error| error.kind() == ErrorKind::TimedOut)
        ///     }),
        /// );
        /// let error = flow.execute().await.unwrap_err();
        /// assert_eq!(error.report().unwrap().task(read).attempts(), 1);
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn retry_when(
            $self,
            may_retry: impl Fn(&Failure) -> bool + Send + Sync + 'static,
        ) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().retry_when = Some(Box::new(may_retry));
            configured
        }

        /// Makes the output of the task with `make` if all its attempts failed, panicked or timed out.
        ///
        /// The status of the task is then [`Recovered`](crate::TaskStatus::Recovered), which counts as a
        /// success: what is downstream runs, and the run is not an error because of this task.
        /// [`TaskReport::failure`](crate::TaskReport::failure) still returns the failure.
        ///
        /// `make` returns the type of the task's output: `T` if the function returns `Result<T, E>`. It is
        /// called after the task has given its permits back, on a thread of the executor, so it should
        /// not block. It is not called if the task is skipped or cancelled. If it panics, the task
        /// fails with that panic, whose `source` is the error that `make` was called for.
        ///
        /// The execution is refused if the task takes an input [by value](Task::moved). A second call
        /// replaces the first.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let fetch = async || Err::<Vec<u8>, _>("no route to host");
        /// let fetch = fetch.timeout(Duration::from_secs(1)).fallback(|_| Vec::new());
        /// let fetch = flow.add(fetch.named("fetch"));
        /// let run = flow.execute().await?;
        /// assert!(run[fetch].is_empty());
        ///
        /// let report = run.report().task(fetch);
        /// assert_eq!(report.status(), TaskStatus::Recovered);
        /// assert_eq!(report.failure().unwrap().to_string(), "task `fetch` failed: no route to host");
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn fallback<T: Send + Sync + 'static>(
            $self,
            make: impl Fn(&Failure) -> T + Send + Sync + 'static,
        ) -> Configured<WithFallback<$output, T>, $inputs> {
            let mut configured = $configured;
            configured.request.config().fallback = Some(Fallback::new(make));
            Configured {
                function: WithFallback::new(configured.function),
                inputs: configured.inputs,
                request: configured.request,
            }
        }

        /// Lets the run go on if the task fails, and succeed nevertheless.
        ///
        /// The status of the task and its [failure](crate::TaskReport::failure) are in the report. Tasks
        /// that need the task are skipped because of it. Those that take its output as an
        /// [`optional`](Task::optional) input run.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let warm = flow.add((|| Err::<u32, _>("no cache")).allow_failure());
        /// let serve = flow.add((|warm: Option<&u32>| warm.is_none()).inputs(warm.optional()));
        /// let run = flow.execute().await?;
        /// assert_eq!(run.report().status(warm), TaskStatus::Failed);
        /// assert!(run[serve]);
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn allow_failure($self) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().allow_failure = true;
            configured
        }

        /// Sets the priority of the task, 0 by default. Among tasks that are ready, those of a higher
        /// priority start first, and those of the same priority in the order of declaration.
        ///
        /// It decides between tasks that wait for the same thing: a thread of the runtime, a slot of
        /// [`max_concurrency`](crate::Execute::max_concurrency), a lock. A task that runs is never
        /// interrupted. Of tasks with the same priority that wait for a slot, those come first that became
        /// ready because another task ended, so that outputs are consumed before more are made. A flow of
        /// more than 64 tasks that all have the same priority keeps only siblings in order.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let build = flow.add((|| "built").priority(10));
        /// let lint = flow.add(|| "linted");
        /// assert_eq!(flow.structure().task(build).priority(), 10);
        /// assert_eq!(flow.structure().task(lint).priority(), 0);
        /// flow.execute().max_concurrency(1).await?;
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn priority($self, priority: i32) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().priority = priority;
            configured
        }

        /// Runs the task once its upstreams have *ended*, however they ended, even if the run is
        /// stopping after a failure or a cancel. Meant for clean-up.
        ///
        /// The task does not run if the future of the execution is dropped, because nothing could
        /// wait for it. Its inputs must be [`optional`](Task::optional), or [values](crate::Flow::value).
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let work = flow.add(|| Err::<(), _>("no luck"));
        /// let tidy = flow.add((async || {}).after(work).always());
        /// let error = flow.execute().await.unwrap_err();
        /// assert_eq!(error.report().unwrap().status(tidy), TaskStatus::Succeeded);
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn always($self) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            configured.request.config().always = true;
            configured
        }

        /// Runs the task only if the output of `flag` is `true`. Otherwise the task and what
        /// depends on it are skipped, which is not a failure.
        ///
        /// A task can have several conditions, of all kinds. All of them must hold.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let changed = flow.add(|| false);
        /// let upload = flow.add((async || {}).run_if(changed));
        /// let run = flow.execute().await?;
        /// let skipped = TaskStatus::Skipped { because: changed.into() };
        /// assert_eq!(run.report().status(upload), skipped);
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn run_if($self, flag: Task<bool>) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let condition = Condition::new(flag, ConditionKind::If, |flag| *flag);
            configured.request.config().add_condition(condition);
            configured
        }

        /// Runs the task only if the output of `flag` is `false`. The opposite of
        /// [`run_if`](Self::run_if).
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let cached = flow.add(|| true);
        /// let load = flow.add((|| "loaded").run_if(cached));
        /// let compute = flow.add((|| "computed").run_unless(cached));
        /// let run = flow.execute().await?;
        /// assert_eq!((run.get(load), run.get(compute)), (Some(&"loaded"), None));
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn run_unless($self, flag: Task<bool>) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let condition = Condition::new(flag, ConditionKind::Unless, |flag| !*flag);
            configured.request.config().add_condition(condition);
            configured
        }

        /// Runs the task only if `holds` returns `true` for the output of `task`. Otherwise the task
        /// and what depends on it are skipped, which is not a failure.
        ///
        /// `holds` is called at most once in a run, when the upstreams of this task have ended, on
        /// any thread, so it should not block. A panic in it fails this task: its function is not
        /// called, and the report counts 0 attempts. A fallback does not apply.
        ///
        /// ```
        /// use asyncflow::TokioFlow;
        /// use asyncflow::prelude::*;
        ///
        /// # #[tokio::main]
        /// # async fn main() -> Result<(), FlowError> {
        /// let mut flow = TokioFlow::new();
        /// let pages = flow.add(|| 3);
        /// let print = flow.add((|| "printed").run_when(pages, |pages| *pages < 100));
        /// let ask = flow.add((|| "asked").run_when(pages, |pages| *pages >= 100));
        /// let run = flow.execute().await?;
        /// assert_eq!((run.get(print), run.get(ask)), (Some(&"printed"), None));
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        $visibility fn run_when<T: Send + Sync + 'static>(
            $self,
            task: Task<T>,
            holds: impl Fn(&T) -> bool + Send + Sync + 'static,
        ) -> Configured<$output, $inputs> {
            let mut configured = $configured;
            let condition = Condition::new(task, ConditionKind::When, holds);
            configured.request.config().add_condition(condition);
            configured
        }
    };
}

/// Methods that configure a function before it is added to a flow: its dependencies, its locks,
/// its name and so on.
///
/// Implemented for functions and closures of up to twelve parameters, for what
/// [`once`](crate::once()) returns, and for a [`Flow`](crate::Flow) that becomes a task, also in an `Arc`. Each method returns a [`Configured`] function, which has the
/// same methods.
///
/// ```
/// use std::time::Duration;
///
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// async fn fetch() -> Result<String, std::io::Error> {
///     Ok("a page".into())
/// }
///
/// fn count(page: &String) -> usize {
///     page.len()
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let disk = Lock::new();
/// let page = flow.add(fetch.timeout(Duration::from_secs(5)).named("page"));
/// let count = flow.add(count.inputs(page).with_lock(&disk));
/// assert_eq!(flow.execute().await?[count], 6);
/// # Ok(())
/// # }
/// ```
pub trait TaskExt<Marker>: Sized {
    #[doc(hidden)]
    #[track_caller]
    fn configured(self, _: Sealed) -> Configured<Self>;

    configure_methods!(, self => self.configured(Sealed), (), Self);
}

macro_rules! callable {
    ($($arg:ident $index:tt),*) => {
        impl<F, O, $($arg),*> TaskExt<Callable<(O, $($arg),*)>> for F
        where
            F: Fn($($arg),*) -> O,
        {
            #[track_caller]
            fn configured(self, _: Sealed) -> Configured<Self> {
                Configured::new(self)
            }
        }
    };
}

callable!();
crate::tuples::each_tuple!(callable);

impl<F> TaskExt<Once<()>> for Once<F> {
    #[track_caller]
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

impl<F> Configured<F> {
    #[track_caller]
    pub(crate) fn new(function: F) -> Self {
        let mut configured = Self::without_place(function);
        configured.request.place = Some(Location::caller());
        configured
    }

    /// A function that is added as it is: [`Member::new`](super::item::Member::new) says where.
    pub(crate) fn without_place(function: F) -> Self {
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
