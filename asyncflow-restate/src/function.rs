//! The functions that do jobs, without their types.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asyncflow_core::BoxError;
use asyncflow_core::remote::{CallAsync, CallPlain, discard, message, settle};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::message::{MOST_BYTES, chain, decode, encode};

/// A function that does a job: async or plain, with the input as `&I` or `I`.
///
/// It returns the output, or a `Result` of it, as task functions do. A plain function is called on a
/// blocking thread. `Marker` is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot do a job with the input `{I}` and the output `{O}`",
    label = "not a function of this job",
    note = "it takes the input as `&{I}` or `{I}`, is async or not, and returns `{O}` (which implements `asyncflow::Output`) or a `Result` of it",
    note = "it must be `Fn + Send + Sync + 'static`, and its future must be `Send`"
)]
pub trait JobFn<I, O, Marker>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_handler(self) -> Handler;
}

/// The markers of [`JobFn`].
pub mod marker {
    use std::marker::PhantomData;

    /// An async function that borrows its input.
    #[derive(Debug)]
    pub struct AsyncRef<Kind>(PhantomData<fn() -> Kind>);
    /// An async function that takes its input.
    #[derive(Debug)]
    pub struct AsyncOwned<Kind>(PhantomData<fn() -> Kind>);
    /// A plain function that borrows its input.
    #[derive(Debug)]
    pub struct PlainRef<Kind>(PhantomData<fn() -> Kind>);
    /// A plain function that takes its input.
    #[derive(Debug)]
    pub struct PlainOwned<Kind>(PhantomData<fn() -> Kind>);
}

/// An encoded output, or why there is none.
pub(crate) type Outcome = Result<Vec<u8>, String>;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The right to do a job, as long as it is held. A plain function keeps it to its end, even if nobody
/// waits for it any more.
type Permit = Option<OwnedSemaphorePermit>;

/// A function of a job, from encoded input to encoded output.
#[derive(Clone)]
pub struct Handler(Arc<dyn Fn(Bytes, Permit) -> BoxFuture<Outcome> + Send + Sync>);

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

fn input<I: DeserializeOwned>(bytes: &[u8]) -> Result<I, String> {
    decode(bytes).map_err(|error| {
        format!(
            "the worker cannot read the input: {error}; build flow and worker from the same types, \
             or raise the version of the job"
        )
    })
}

fn output<O: Serialize>(result: Result<O, BoxError>) -> Outcome {
    let output = result.map_err(|error| chain(&*error))?;
    let bytes =
        encode(&output).map_err(|error| format!("the output cannot be encoded: {error}"))?;
    match bytes.len() {
        ..=MOST_BYTES => Ok(bytes),
        length => Err(too_large("output", length)),
    }
}

/// What is wrong with a value of so many bytes.
pub(crate) fn too_large(what: &str, length: usize) -> String {
    format!(
        "the {what} has {length} bytes, and the engine takes {MOST_BYTES} at most: pass a reference, \
         such as a path or an address, in place of the data"
    )
}

/// The error of a function that panicked.
fn panicked(payload: Box<dyn Any + Send>) -> String {
    let text = message(&payload).unwrap_or("a payload that is not a string");
    let text = format!("panicked: {text}");
    discard(payload);
    text
}

/// Polls a future, whose panic becomes an error.
async fn caught(future: impl Future<Output = Outcome>) -> Outcome {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|payload| std::task::Poll::Ready(Err(panicked(payload))))
    })
    .await
}

/// Calls a plain function on a blocking thread of the current Tokio runtime.
async fn blocking(call: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    match tokio::task::spawn_blocking(call).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => Err(panicked(error.into_panic())),
        Err(_) => Err("the worker is shutting down".into()),
    }
}

macro_rules! job {
    ($marker:ident, $call:ident, $run:ident($($open:tt)*) $(.$await:tt)?, $args:ty, |$input:ident| $pass:expr) => {
        impl<F, I, O, Kind> JobFn<I, O, marker::$marker<Kind>> for F
        where
            F: for<'a> $call<'a, $args, Kind, Value = O> + Send + Sync + 'static,
            I: DeserializeOwned + Send + Sync + 'static,
            O: Serialize + Send + Sync + 'static,
        {
            fn into_handler(self) -> Handler {
                let function = Arc::new(self);
                Handler(Arc::new(move |bytes, permit| {
                    let function = Arc::clone(&function);
                    Box::pin($run($($open)* {
                        let _permit = permit;
                        let $input: I = input(&bytes)?;
                        let called = function.call(($pass,));
                        output(settle(called $(.$await)?))
                    }))
                }))
            }
        }
    };
}

job!(AsyncRef, CallAsync, caught(async move) .await, (&'a I,), |input| &input);
job!(AsyncOwned, CallAsync, caught(async move) .await, (I,), |input| input);
job!(PlainRef, CallPlain, blocking(move ||), (&'a I,), |input| &input);
job!(PlainOwned, CallPlain, blocking(move ||), (I,), |input| input);

/// Runs jobs, so many at a time.
#[derive(Clone, Debug)]
pub(crate) struct Limit(Option<Arc<Semaphore>>);

impl Limit {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn of(jobs: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(jobs))))
    }

    /// Does a job once there is room. Returns how long it waited for that.
    pub(crate) async fn run(&self, handler: &Handler, input: Bytes) -> (Outcome, Duration) {
        let asked = Instant::now();
        let permit = match &self.0 {
            // It is never closed.
            Some(semaphore) => Arc::clone(semaphore).acquire_owned().await.ok(),
            None => None,
        };
        let queued = asked.elapsed();
        ((handler.0)(input, permit).await, queued)
    }
}
