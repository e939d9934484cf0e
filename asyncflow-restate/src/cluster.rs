//! Clusters: where flows send jobs.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use asyncflow_core::TaskContext;
use asyncflow_core::remote::{InContext, in_context};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::client::{Answer, Call, Client, check_size};
use crate::error::{RemoteError, RemoteErrorKind};
use crate::function::{Handler, JobFn, Limit};
use crate::job::{Job, JobId};
use crate::message::{Reply, Request, decode, encode, join};
use crate::threads::{Spawned, Threads};

/// How long calls are repeated by default while the engine cannot be reached.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a flow sends jobs: an engine with its workers, or this process.
///
/// Clones share the connection, which has a thread of its own. So it is used on any runtime.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
/// use asyncflow::restate::{Cluster, Job};
///
/// const HALF: Job<u32, u32> = Job::new("half", 1);
///
/// # fn main() -> std::io::Result<()> {
/// let cluster = Cluster::connect("http://127.0.0.1:8080")?;
/// let mut flow = TokioFlow::new();
/// let number = flow.add(|| 42_u32);
/// let half = flow.add(cluster.remote(HALF).inputs(number));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster {
    engine: Engine,
    threads: Threads,
    patience: Duration,
}

#[derive(Clone)]
enum Engine {
    /// Shared, because it is large.
    Remote(Arc<Client>),
    Local(Local),
}

/// What does the jobs of a local cluster.
#[derive(Clone)]
struct Local {
    handlers: HashMap<JobId, Handler>,
    limit: Limit,
}

/// A task function that sends its input to a [`Cluster`], made by [`Cluster::remote`].
pub type Remote<I, O> = InContext<RemoteFn<I, O>>;

/// The function of a [`Remote`] task.
pub type RemoteFn<I, O> =
    Box<dyn for<'a> Fn(&'a TaskContext, &'a I) -> RemoteFuture<'a, O> + Send + Sync>;

/// The future of a [`Remote`] task.
pub type RemoteFuture<'a, O> = Pin<Box<dyn Future<Output = Result<O, RemoteError>> + Send + 'a>>;

impl Cluster {
    /// Uses the engine at this address, which is that of its ingress port.
    ///
    /// Returns at once: the connection is made for the first job, and again whenever it is lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is not like `http://127.0.0.1:8080`, or if the system has no
    /// thread for it.
    pub fn connect(url: impl AsRef<str>) -> io::Result<Self> {
        let url = url.as_ref();
        let threads = Threads::start("asyncflow-restate", false)?;
        let client = Client::new(url).map_err(|why| {
            let text = format!("`{url}` is not the address of an engine: {why}");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        Ok(Self::new(Engine::Remote(Arc::new(client)), threads))
    }

    /// Does jobs in this process, with the same encoding, for tests and for one machine. No server is
    /// needed.
    ///
    /// The functions run on a Tokio runtime of the cluster's own, as in a worker.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::restate::{Cluster, Job};
    ///
    /// const HALF: Job<u32, u32> = Job::new("half", 1);
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let cluster = Cluster::local().job(HALF, |number: &u32| number / 2);
    /// let mut flow = TokioFlow::new();
    /// let number = flow.add(|| 42_u32);
    /// let half = flow.add(cluster.remote(HALF).inputs(number));
    /// assert_eq!(flow.execute().await?[half], 21);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the system has no thread for it.
    pub fn local() -> Self {
        let threads = Threads::start("asyncflow-local", true);
        let threads = threads.expect("the system has no thread for a local cluster");
        let local = Local {
            handlers: HashMap::new(),
            limit: Limit::none(),
        };
        Self::new(Engine::Local(local), threads)
    }

    fn new(engine: Engine, threads: Threads) -> Self {
        Self {
            engine,
            threads,
            patience: PATIENCE,
        }
    }

    /// Does a job in this process, in a [local](Self::local) cluster.
    ///
    /// The function is what [`Worker::job`](crate::Worker::job) takes.
    ///
    /// # Panics
    ///
    /// Panics if the cluster is not local, where workers offer the jobs, or if it offers the job
    /// already.
    #[track_caller]
    pub fn job<I, O, Marker>(mut self, job: Job<I, O>, function: impl JobFn<I, O, Marker>) -> Self {
        let id = job.id();
        let Engine::Local(local) = &mut self.engine else {
            panic!(
                "{id} is offered by workers: a cluster that is not local has no jobs of its own"
            );
        };
        let before = local.handlers.insert(id, function.into_handler());
        assert!(before.is_none(), "{id} was offered before");
        self
    }

    /// Does at most `jobs` jobs at the same time in a [local](Self::local) cluster.
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0, or if the cluster is not local, where each worker has its own limit.
    #[track_caller]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        assert!(jobs > 0, "`concurrency(0)` would let no job start");
        match &mut self.engine {
            Engine::Local(local) => local.limit = Limit::of(jobs),
            Engine::Remote(_) => panic!("each worker has its own limit: set it there"),
        }
        self
    }

    /// Sets for how long calls are repeated while the engine cannot be reached. 30 seconds by default.
    ///
    /// Then the attempt of the task fails.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Makes a task function that has a worker do a job. Its input is the job's, as `Task<I>`.
    ///
    /// It is a task function like any other: it takes `.inputs`, `.retry`, `.timeout`, `.with_lock` and
    /// so on. Each attempt of the task is one call of the job. With [`each`](asyncflow_core::each()), each
    /// element of a list is a job, with attempts of its own. See the [crate](crate) for what happens when
    /// something breaks.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::restate::{Cluster, Job};
    ///
    /// const HALF: Job<u32, u32> = Job::new("half", 1);
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let cluster = Cluster::local().job(HALF, |number: &u32| number / 2);
    /// let mut flow = TokioFlow::new();
    /// let numbers = flow.add(|| vec![42_u32, 24]);
    /// let halves = flow.add(each(cluster.remote(HALF)).inputs(numbers));
    /// assert_eq!(flow.execute().await?[halves], [21, 12]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn remote<I, O>(&self, job: Job<I, O>) -> Remote<I, O>
    where
        I: Serialize + Send + Sync + 'static,
        O: DeserializeOwned + Send + Sync + 'static,
    {
        let (cluster, job) = (self.clone(), job.id());
        let call: RemoteFn<I, O> = Box::new(move |cx, input| {
            let cluster = cluster.clone();
            Box::pin(async move {
                let input = encode(input).map_err(|why| {
                    let text = format!("the input of {job} cannot be encoded: {why}");
                    RemoteError::new(RemoteErrorKind::Unfit, text)
                })?;
                let (reply, output) = cluster.call(cx, job, &input).await?;
                cx.note(match reply.queued.as_millis() {
                    0 => format!("on {}", reply.worker),
                    _ => format!("on {}, queued {:.1?}", reply.worker, reply.queued),
                });
                if let Some(error) = reply.error {
                    let text = format!("{job} failed: {error}");
                    return Err(RemoteError::new(RemoteErrorKind::Failed, text));
                }
                decode(&output).map_err(|why| {
                    let text = format!(
                        "the output of {job} does not fit its type: {why}; build flow and worker \
                         from the same types, or raise the version of the job"
                    );
                    RemoteError::new(RemoteErrorKind::Unfit, text)
                })
            })
        });
        in_context(call)
    }

    async fn call(
        &self,
        cx: &TaskContext,
        job: JobId,
        input: &[u8],
    ) -> Result<(Reply, Bytes), RemoteError> {
        check_size(job, input.len())?;
        match &self.engine {
            Engine::Local(local) => self.call_local(local, job, input).await,
            Engine::Remote(client) => self.call_remote(client, cx, job, input).await,
        }
    }

    async fn call_local(
        &self,
        local: &Local,
        job: JobId,
        input: &[u8],
    ) -> Result<(Reply, Bytes), RemoteError> {
        let Some(handler) = local.handlers.get(&job).cloned() else {
            let text = format!(
                "this local cluster does not offer {job}: give it the function with \
                 `Cluster::local().job(..)`"
            );
            return Err(RemoteError::new(RemoteErrorKind::UnknownJob, text));
        };
        let (limit, input) = (local.limit.clone(), Bytes::copy_from_slice(input));
        let done = self
            .threads
            .spawn(async move { limit.run(&handler, input).await });
        let (outcome, queued) = done.await.ok_or_else(|| gone(job))?;
        let (output, error) = match outcome {
            Ok(output) => (output, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let reply = Reply {
            execution: String::new(),
            worker: "this process".into(),
            queued,
            error,
        };
        Ok((reply, Bytes::from(output)))
    }

    async fn call_remote(
        &self,
        client: &Arc<Client>,
        cx: &TaskContext,
        job: JobId,
        input: &[u8],
    ) -> Result<(Reply, Bytes), RemoteError> {
        let execution = random();
        let key = match cx.identity().await {
            Some(Ok((run, path))) => key(&run, &path, cx.attempt(), job, input),
            Some(Err(error)) => {
                return Err(RemoteError::new(RemoteErrorKind::Other, error.to_string()));
            }
            // Nobody will ask for this call again.
            None => execution.clone(),
        };
        let request = Request {
            execution: execution.clone(),
        };
        let message = join(&request, input)
            .map_err(|why| RemoteError::new(RemoteErrorKind::Unfit, format!("{job}: {why}")))?;
        let mut call = Call {
            job,
            key: key.clone(),
            message: Bytes::from(message),
            patience: self.patience,
        };
        let mut cancelled = 0;
        for generation in 1.. {
            let called = Called {
                task: self.threads.spawn({
                    let (client, call) = (Arc::clone(client), call.clone());
                    async move { client.call(&call).await }
                }),
                cluster: self,
                client,
                call: Some(call.clone()),
            };
            match called.answer().await? {
                Answer::Reply(reply, output)
                    if reply.error.is_none() || reply.execution == execution =>
                {
                    return Ok((reply, output));
                }
                // A failure that an earlier execution has seen. Failures are not kept, so the job runs
                // again, under another key.
                Answer::Reply(..) => {}
                // By an earlier execution, which may not have been told, or by someone else.
                Answer::Cancelled if cancelled == 0 => cancelled += 1,
                Answer::Cancelled => break,
            }
            call.key = format!("{key}-{generation}");
        }
        let text = format!("{job} was cancelled at {}", client.url());
        Err(RemoteError::new(RemoteErrorKind::Cancelled, text))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Cluster");
        match &self.engine {
            Engine::Remote(client) => debug.field("url", &client.url()),
            Engine::Local(local) => debug.field("jobs", &local.handlers.keys()),
        };
        debug
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

fn gone(job: JobId) -> RemoteError {
    let text = format!("{job} was given up, because the threads of the cluster have ended");
    RemoteError::new(RemoteErrorKind::Other, text)
}

/// A call that is under way. Dropping it cancels the job.
struct Called<'a> {
    task: Spawned<Result<Answer, RemoteError>>,
    cluster: &'a Cluster,
    client: &'a Arc<Client>,
    /// Present until it is answered.
    call: Option<Call>,
}

impl Called<'_> {
    async fn answer(mut self) -> Result<Answer, RemoteError> {
        let answer = (&mut self.task).await;
        let call = self.call.take();
        answer.unwrap_or_else(|| Err(gone(call.expect("it is answered once").job)))
    }
}

impl Drop for Called<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let client = Arc::clone(self.client);
            self.cluster
                .threads
                .detach(async move { client.cancel(call).await });
        }
    }
}

/// A text that no other call has.
fn random() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// The key of a call that a later execution of the run asks for again. All parts are in it, and
/// nothing else, so another input never finds the result.
fn key(run: &str, path: &str, attempt: u32, job: JobId, input: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [run.as_bytes(), path.as_bytes(), job.name.as_bytes(), input] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(attempt.to_be_bytes());
    hash.update(job.version.to_be_bytes());
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use asyncflow::TokioFlow;
    use asyncflow::prelude::*;

    use super::*;
    use crate::message::MOST_BYTES;

    #[test]
    fn every_part_changes_the_key() {
        const DOUBLE: Job<u8, u8> = Job::new("double", 1);
        const OTHER: Job<u8, u8> = Job::new("doubled", 1);
        const NEWER: Job<u8, u8> = Job::new("double", 2);
        let keys = [
            key("run", "task", 1, DOUBLE.id(), b"input"),
            key("runs", "task", 1, DOUBLE.id(), b"input"),
            key("run", "task[0]", 1, DOUBLE.id(), b"input"),
            key("run", "task", 2, DOUBLE.id(), b"input"),
            key("run", "task", 1, OTHER.id(), b"input"),
            key("run", "task", 1, NEWER.id(), b"input"),
            key("run", "task", 1, DOUBLE.id(), b"inputs"),
            key("runt", "ask", 1, DOUBLE.id(), b"input"),
        ];
        for (number, key) in keys.iter().enumerate() {
            assert!(!keys[..number].contains(key), "key {number} is another's");
        }
        // Flows that were built with an earlier version find their jobs by it.
        let first = "7bc3c6bf44d830a89481d8b1b857c6d5b68253159e7f65b281272ed3d7fb8172";
        assert_eq!(keys[0], first);
    }

    #[tokio::test]
    async fn too_much_is_an_error_before_it_is_sent() {
        const LENGTH: Job<String, usize> = Job::new("length", 1);
        const FILL: Job<usize, String> = Job::new("fill", 1);
        let cluster = Cluster::local()
            .job(LENGTH, |text: &String| text.len())
            .job(FILL, |length: usize| "a".repeat(length));
        let mut flow = TokioFlow::new();
        let length = flow.input::<usize>("length");
        let text = flow.add((|length: &usize| "a".repeat(*length)).inputs(length));
        let sent = flow.add(cluster.remote(LENGTH).inputs(text));
        let received = flow.add(cluster.remote(FILL).inputs(length));
        for task in [TaskId::from(sent), received.into()] {
            let error = flow.execute().given(length, MOST_BYTES).only(task);
            let error = error.await.unwrap_err().to_string();
            assert!(error.contains("pass a reference"), "{error}");
        }
        let run = flow.execute().given(length, MOST_BYTES - 5).await.unwrap();
        assert_eq!(
            (run[sent], run[received].len()),
            (MOST_BYTES - 5, MOST_BYTES - 5)
        );
    }
}
