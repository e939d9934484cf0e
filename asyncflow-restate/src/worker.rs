//! Workers: programs that do jobs.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::DerefMut;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, process};

use bytes::Bytes;
use restate_sdk::context::{Context, ContextClient, ContextSideEffects};
use restate_sdk::endpoint::{ContextInternal, Endpoint, Error, ServiceOptions};
use restate_sdk::errors::HandlerResult;
use restate_sdk::http_server::HttpServer;
use restate_sdk::service::Service;
use restate_sdk::service::macro_support::{ServiceBoxFuture, service_definition};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::function::{Handler, JobFn, Limit};
use crate::job::{Job, JobId};
use crate::message::{Reply, Request, join, split};
use crate::threads::Threads;

/// How long the engine keeps results by default, in which a flow that was killed finds them again.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// How long a job may take by default before the engine gives it to another worker.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A program that does jobs, or a part of one.
///
/// The engine sends it jobs once its address is registered, by `restate deployments register
/// http://worker:9080` or with a request to the engine's admin port. It can run on any number of
/// machines, behind one address.
///
/// ```no_run
/// use asyncflow::restate::{Job, Worker};
///
/// const HALF: Job<u32, u32> = Job::new("half", 1);
///
/// fn half(number: &u32) -> u32 {
///     number / 2
/// }
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     Worker::new().job(HALF, half).concurrency(8).listen("0.0.0.0:9080").await
/// }
/// ```
#[must_use = "a worker does nothing until it listens"]
pub struct Worker {
    handlers: HashMap<JobId, Handler>,
    concurrency: Option<usize>,
    limit: Duration,
    retention: Duration,
}

impl Worker {
    /// Makes a worker that offers no job yet.
    pub fn new() -> Self {
        Self {
            handlers: HashMap::new(),
            concurrency: None,
            limit: LIMIT,
            retention: RETENTION,
        }
    }

    /// Offers a job.
    ///
    /// The function is async or plain, and takes the input as `&I` or `I`. An async function runs on
    /// the worker's Tokio runtime, a plain one on its blocking threads. If it returns an error or
    /// panics, the attempt of the flow's task has failed.
    ///
    /// # Panics
    ///
    /// Panics if the worker offers the job in this version already.
    #[track_caller]
    pub fn job<I, O, Marker>(mut self, job: Job<I, O>, function: impl JobFn<I, O, Marker>) -> Self {
        let id = job.id();
        let before = self.handlers.insert(id, function.into_handler());
        assert!(before.is_none(), "{id} was offered before");
        self
    }

    /// Does at most `jobs` jobs at the same time. Others wait in this process.
    ///
    /// Without this, there is no limit: the engine sends any number.
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
    #[track_caller]
    pub fn concurrency(self, jobs: usize) -> Self {
        assert!(jobs > 0, "`concurrency(0)` would let no job start");
        Self {
            concurrency: Some(jobs),
            ..self
        }
    }

    /// Sets how long a job may take, with its wait for others, before the engine gives it to another
    /// worker. 24 hours by default.
    ///
    /// A job that takes longer is started again and again, so leave room. A worker that hangs is
    /// replaced after this time.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Sets how long the engine keeps a result. 24 hours by default.
    ///
    /// A flow that was killed and is executed again within this time finds the results of its jobs. The
    /// engine needs room for them.
    pub fn retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// Listens for jobs, until the future is dropped or the process is asked to end (`SIGINT`).
    ///
    /// Runs on threads of its own, so it can be awaited on any runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is not free or not one.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, async jobs are dropped at their await point, and the engine repeats
    /// them on another worker.
    pub async fn listen(self, address: impl ToSocketAddrs) -> io::Result<()> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let threads = Threads::start("asyncflow-worker", true)?;
        let served = threads.spawn(async move {
            let listener = TcpListener::bind(&*addresses).await?;
            HttpServer::new(self.endpoint()).serve(listener).await;
            Ok(())
        });
        served
            .await
            .unwrap_or_else(|| Err(io::Error::other("the worker's threads have ended")))
    }

    fn endpoint(self) -> Endpoint {
        let limit = self.concurrency.map_or_else(Limit::none, Limit::of);
        let name: Arc<str> = Arc::from(format!("{} {}", host(), process::id()));
        let running = Running::default();
        let mut endpoint = Endpoint::builder();
        for (job, handler) in self.handlers {
            let service = JobService {
                handler,
                limit: limit.clone(),
                worker: Arc::clone(&name),
                running: running.clone(),
            };
            let options = ServiceOptions::new()
                // The first asks for a suspension, which a job cannot do, and the second ends it.
                .inactivity_timeout(self.limit)
                .abort_timeout(Duration::from_secs(1))
                .idempotency_retention(self.retention)
                .journal_retention(Duration::ZERO)
                .retry_policy_initial_interval(Duration::from_millis(100))
                .retry_policy_exponentiation_factor(2.0)
                .retry_policy_max_interval(Duration::from_secs(5));
            let described = service_definition(JobDispatcher(Arc::new(service)), describe(job));
            endpoint = endpoint.bind(described.options(options));
        }
        endpoint.bind(Asyncflow(running)).build()
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("jobs", &self.handlers.keys())
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// The name of this machine, if the environment or the system tells it.
fn host() -> String {
    let told = std::env::var("HOSTNAME").ok();
    let read = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = told.or_else(read).unwrap_or_default();
    match name.trim() {
        "" => "worker".into(),
        name => name.into(),
    }
}

/// A job as a service of the engine.
struct JobService {
    handler: Handler,
    limit: Limit,
    worker: Arc<str>,
    running: Running,
}

/// The jobs of this process that can be cancelled, by the engine's ids of them.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>);

impl Running {
    fn jobs(&self) -> impl DerefMut<Target = HashMap<String, oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin<'a>(&'a self, id: &'a str) -> RunningJob<'a> {
        let (cancel, cancelled) = oneshot::channel();
        self.jobs().insert(id.to_owned(), cancel);
        RunningJob {
            running: self,
            id,
            cancelled,
        }
    }

    fn cancel(&self, id: &str) {
        if let Some(cancel) = self.jobs().remove(id) {
            // It fails if the job has ended.
            let _ = cancel.send(());
        }
    }
}

/// A job that can be cancelled until this is dropped.
struct RunningJob<'a> {
    running: &'a Running,
    id: &'a str,
    cancelled: oneshot::Receiver<()>,
}

impl Drop for RunningJob<'_> {
    fn drop(&mut self) {
        self.running.jobs().remove(self.id);
    }
}

/// What the engine is told of a job. The SDK's macros write this for services whose names are known to
/// the compiler.
fn describe(job: JobId) -> restate_sdk::discovery::Service {
    let described = serde_json::json!({
        "name": job.service(),
        "ty": "SERVICE",
        "documentation": format!("A job of asyncflow: {job}."),
        "handlers": [{
            "name": RUN,
            "input": { "required": true, "contentType": "*/*" },
            "output": { "contentType": "application/octet-stream", "setContentTypeIfEmpty": false },
        }],
    });
    serde_json::from_value(described).expect("the description of a job is as the engine wants it")
}

/// The name of the one handler of a job.
const RUN: &str = "run";

struct JobDispatcher(Arc<JobService>);

impl Service for JobDispatcher {
    type Future = ServiceBoxFuture;

    fn handle(&self, cx: ContextInternal) -> ServiceBoxFuture {
        let service = Arc::clone(&self.0);
        Box::pin(async move {
            if cx.handler_name() != RUN {
                return Err(Error::unknown_handler(cx.service_name(), cx.handler_name()));
            }
            let (message, metadata) = cx.input::<Vec<u8>>().await;
            let reply = service.run((&cx, metadata).into(), message).await;
            cx.handle_handler_result(reply);
            cx.end();
            Ok(())
        })
    }
}

impl JobService {
    /// Does a job, and has the engine keep the reply before the job ends. So if the engine asks again,
    /// it is told the same. The engine takes another reply for a fault in the program, and would ask for
    /// ever: it can have the reply and, after a crash, not the end.
    async fn run(&self, cx: Context<'_>, message: Vec<u8>) -> HandlerResult<Vec<u8>> {
        let id = cx.invocation_id();
        let job = || async move { Ok(self.reply_to(id, Bytes::from(message)).await?) };
        Ok(cx.run(job).await?)
    }

    async fn reply_to(&self, id: &str, message: Bytes) -> Result<Vec<u8>, String> {
        let (execution, input) = match split::<Request>(&message) {
            Ok((request, input)) => (request.execution, message.slice_ref(input)),
            Err(error) => return self.reply(String::new(), Duration::ZERO, Err(error)),
        };
        let mut running = self.running.begin(id);
        let (outcome, queued) = tokio::select! {
            biased;
            done = self.limit.run(&self.handler, input) => done,
            Ok(()) = &mut running.cancelled => (Err("cancelled".into()), Duration::ZERO),
        };
        self.reply(execution, queued, outcome)
    }

    fn reply(
        &self,
        execution: String,
        queued: Duration,
        outcome: Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let (output, error) = match outcome {
            Ok(output) => (output, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let reply = Reply {
            execution,
            worker: self.worker.to_string(),
            queued,
            error,
        };
        join(&reply, &output)
    }
}

/// What all workers offer beside their jobs.
struct Asyncflow(Running);

#[restate_sdk::service(name = "asyncflow")]
impl Asyncflow {
    /// Cancels a job by the engine's id of it, since clients of the engine cannot. The SDK tells a job
    /// only when it has ended, so one in this process is told here.
    #[handler]
    async fn cancel(&self, cx: Context<'_>, invocation: String) -> HandlerResult<()> {
        self.0.cancel(&invocation);
        cx.invocation_handle(invocation).cancel();
        Ok(())
    }
}
