//! What a job costs: microseconds for each, beside calls of a service that the SDK alone offers.
//!
//! `scripts/restate.sh costs [jobs]` brings an engine and runs this. Engine, workers and flow are on this
//! machine, and share its processors.

#![allow(missing_docs, reason = "the SDK's macro writes some that are public")]

#[path = "../tests/engine/server.rs"]
#[allow(dead_code)]
mod server;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use asyncflow::TokioFlow;
use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::restate::{Cluster, Job, Worker};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use restate_sdk::prelude::{Context, ContextSideEffects, Endpoint, HandlerResult, HttpServer};
use server::{Engine, port};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const DOUBLE: Job<u64, u64> = Job::new("double", 1);

/// The same by the SDK alone.
struct Bare;

#[restate_sdk::service]
impl Bare {
    #[handler]
    async fn double(&self, _cx: Context<'_>, number: u64) -> HandlerResult<u64> {
        Ok(number * 2)
    }

    /// Has the engine keep the result before the handler ends, as a job does.
    #[handler]
    async fn kept(&self, cx: Context<'_>, number: u64) -> HandlerResult<u64> {
        Ok(cx.run(async move || Ok(number * 2)).await?)
    }
}

/// Calls a handler of the bare service, `at_once` at a time.
async fn call_bare(url: &str, handler: &str, calls: usize, at_once: usize) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build::<_, Full<Bytes>>(connector);
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..at_once {
        let (client, next) = (client.clone(), Arc::clone(&next));
        let (url, handler) = (format!("{url}/Bare/{handler}"), handler.to_owned());
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    break;
                }
                let request = Request::post(&url)
                    .header("content-type", "application/json")
                    .header("idempotency-key", format!("{handler} {at_once} {number}"))
                    .body(Full::from(number.to_string()))
                    .expect("the request is well-formed");
                let answer = client.request(request).await.expect("the engine answers");
                let body = answer.into_body().collect().await;
                let body = body.expect("the answer is whole").to_bytes();
                assert_eq!(body, (number * 2).to_string());
            }
        });
    }
    callers.join_all().await;
}

fn print(what: &str, took: Duration, jobs: usize, at_once: usize) {
    let each = took.as_secs_f64() * 1e6 / jobs as f64;
    println!("{what:<40} {at_once:>4} at once {each:>9.1} µs each");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let most = std::env::args().nth(1).map_or(Ok(5000), |n| n.parse())?;
    let engine = Engine::start();
    let (worker, bare) = (port(), port());
    let listens = Worker::new().job(DOUBLE, async |number: u64| number * 2);
    tokio::spawn(listens.listen(("127.0.0.1", worker)));
    let listener = TcpListener::bind(("127.0.0.1", bare)).await?;
    let endpoint = Endpoint::builder().bind(Bare).build();
    tokio::spawn(HttpServer::new(endpoint).serve(listener));
    while TcpStream::connect(("127.0.0.1", worker)).await.is_err() {
        tokio::task::yield_now().await;
    }
    engine.register(worker);
    engine.register(bare);

    let folder = tempfile::tempdir_in(".")?;
    let journal = FileJournal::open(folder.path().join("runs.db"))?;
    let cluster = Cluster::connect(engine.url())?;
    let mut flow = TokioFlow::new();
    let numbers = flow.input::<Vec<u64>>("numbers");
    let job = flow.add(each(cluster.remote(DOUBLE)).inputs(numbers));
    let recorded = flow.add(each(durable(cluster.remote(DOUBLE))).inputs(numbers));
    for at_once in [1, 16, 256] {
        let jobs = most.min(at_once * 100);
        let list: Vec<u64> = (0..jobs as u64).collect();
        for handler in ["double", "kept"] {
            let begun = Instant::now();
            call_bare(&engine.url(), handler, jobs, at_once).await;
            let what = format!("bare call of the SDK's service, {handler}");
            print(&what, begun.elapsed(), jobs, at_once);
        }
        let begun = Instant::now();
        let execute = flow.execute().only(job).given(numbers, list.clone());
        execute.max_concurrency(at_once).await?;
        print("job", begun.elapsed(), jobs, at_once);
        let id = format!("{at_once} at once");
        for what in ["job, recorded in a journal", "the same, restored"] {
            let begun = Instant::now();
            let execute = flow.execute().only(recorded).given(numbers, list.clone());
            let execute = execute.journal(&journal, &id);
            execute.max_concurrency(at_once).await?;
            print(what, begun.elapsed(), jobs, at_once);
        }
    }
    Ok(())
}
