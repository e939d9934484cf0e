//! The client of an engine: HTTP/2 to its ingress port.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{RemoteError, RemoteErrorKind};
use crate::job::JobId;
use crate::message::{MOST_BYTES, Reply, chain, split};

/// How often a connection is asked whether it is alive, and how long it has to answer.
const ALIVE: Duration = Duration::from_secs(5);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A request that took longer than this had a connection that was alive: others fail sooner.
const HELD: Duration = Duration::from_secs(2 * ALIVE.as_secs() + CONNECT.as_secs());

/// The first and the longest pause before a call is repeated.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    /// Without a slash at its end.
    url: String,
}

/// A call of a job.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) job: JobId,
    /// Calls with the same key have one result.
    pub(crate) key: String,
    pub(crate) message: Bytes,
    pub(crate) patience: Duration,
}

/// What the engine answered.
pub(crate) enum Answer {
    Reply(Reply, Bytes),
    /// It ended the job without an output, because it was asked to.
    Cancelled,
}

/// How long the engine has not been reached, as far as failed requests tell.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    failures: u32,
}

impl Outage {
    /// Takes note of a request that failed now. Returns for how long the engine has not been reached,
    /// and the pause before the next request.
    fn go_on(&mut self, begun: Instant, now: Instant) -> (Duration, Duration) {
        let mut since = begun;
        if now - begun > HELD {
            // The connection has held until now.
            *self = Self::default();
            since = now;
        }
        let pause = PAUSES.0 * (1 << self.failures.min(10));
        self.failures += 1;
        (now - *self.since.get_or_insert(since), pause.min(PAUSES.1))
    }
}

/// Why a request has no answer.
enum Trouble {
    /// Repeating it may help.
    Unreachable(String),
    Error(RemoteError),
}

impl Client {
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let url = url.trim_end_matches('/');
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        match (uri.scheme_str(), uri.authority(), uri.query()) {
            (Some("http"), Some(_), None) => {}
            _ => return Err("it is not like http://127.0.0.1:8080".into()),
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let http = HttpClient::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_only(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(ALIVE)
            .http2_keep_alive_timeout(ALIVE)
            .http2_keep_alive_while_idle(false)
            .build(connector);
        Ok(Self {
            http,
            url: url.to_owned(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Calls a job, and waits for its end. Repeats the call if the engine cannot be reached, until its
    /// patience is over.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, RemoteError> {
        let path = format!("{}/run", call.job.service());
        let mut outage = Outage::default();
        loop {
            let begun = Instant::now();
            let why = match self.post(&path, Some(&call.key), &call.message).await {
                Ok((status, body)) => match self.understand(call, status, body) {
                    Ok(answer) => return Ok(answer),
                    Err(Trouble::Error(error)) => return Err(error),
                    Err(Trouble::Unreachable(why)) => why,
                },
                Err(why) => why,
            };
            let (unreachable, pause) = outage.go_on(begun, Instant::now());
            if unreachable + pause > call.patience {
                return Err(RemoteError::new(
                    RemoteErrorKind::Unreachable,
                    format!(
                        "{} cannot be sent to {}, for {:.1?}: {why}; start the engine, check the \
                         address, or wait longer with `Cluster::patience`",
                        call.job, self.url, call.patience
                    ),
                ));
            }
            sleep(pause).await;
        }
    }

    fn understand(&self, call: &Call, status: StatusCode, body: Bytes) -> Result<Answer, Trouble> {
        let job = call.job;
        let error = |kind, text| Err(Trouble::Error(RemoteError::new(kind, text)));
        match status {
            StatusCode::OK => match split::<Reply>(&body) {
                Ok((reply, output)) => {
                    let output = body.slice_ref(output);
                    Ok(Answer::Reply(reply, output))
                }
                Err(why) => error(
                    RemoteErrorKind::Unfit,
                    format!(
                        "the answer to {job} cannot be read: {why}; build flow and worker with the \
                         same version of asyncflow"
                    ),
                ),
            },
            StatusCode::CONFLICT => Ok(Answer::Cancelled),
            StatusCode::NOT_FOUND => error(
                RemoteErrorKind::UnknownJob,
                format!(
                    "no worker that is registered at {} offers {job}: start a worker with this \
                     version of it and register its address, for example by `restate deployments \
                     register http://worker:9080`",
                    self.url
                ),
            ),
            StatusCode::PAYLOAD_TOO_LARGE => error(
                RemoteErrorKind::TooLarge,
                format!(
                    "{job} has an input of {} bytes, which is more than {} takes: pass a reference, \
                     such as a path or an address, in place of the data",
                    call.message.len(),
                    self.url
                ),
            ),
            StatusCode::TOO_MANY_REQUESTS => Err(Trouble::Unreachable("it is busy".into())),
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Trouble::Unreachable(text(status, &body))),
            status => error(
                RemoteErrorKind::Other,
                format!("{job} has failed at {}: {}", self.url, text(status, &body)),
            ),
        }
    }

    /// Cancels a call, as far as the engine can.
    pub(crate) async fn cancel(&self, call: Call) {
        // The engine does not tell the id of a call that it has not answered; a call with the same key
        // that it need not answer tells it.
        let path = format!("{}/run/send", call.job.service());
        let sent = self.post(&path, Some(&call.key), &call.message);
        let Ok(Ok((status, body))) = timeout(call.patience, sent).await else {
            return;
        };
        #[derive(Deserialize)]
        struct Sent {
            #[serde(rename = "invocationId")]
            invocation_id: String,
        }
        let sent: Option<Sent> = serde_json::from_slice(&body).ok();
        let Some(sent) = sent.filter(|_| status.is_success()) else {
            return;
        };
        let id = serde_json::to_vec(&sent.invocation_id).unwrap_or_default();
        let id = Bytes::from(id);
        let cancel = self.post("asyncflow/cancel", None, &id);
        let _ = timeout(call.patience, cancel).await;
    }

    async fn post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let url = format!("{}/{path}", self.url);
        let mut request = Request::builder().method(Method::POST).uri(url);
        request = match key {
            Some(key) => request
                .header("idempotency-key", key)
                .header("content-type", "application/octet-stream"),
            None => request.header("content-type", "application/json"),
        };
        let request = request.body(Full::new(body.clone()));
        let request = request.map_err(|error| error.to_string())?;
        let failed = |error: &dyn Error| chain(error);
        let response = self.http.request(request).await;
        let response = response.map_err(|error| failed(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| failed(&error))?;
        Ok((status, body.to_bytes()))
    }
}

/// What the engine says of an error.
fn text(status: StatusCode, body: &Bytes) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(Said { message }) => format!("{message} ({status})"),
        Err(_) => status.to_string(),
    }
}

/// The error of an input of so many bytes.
pub(crate) fn check_size(job: JobId, bytes: usize) -> Result<(), RemoteError> {
    match bytes {
        ..=MOST_BYTES => Ok(()),
        bytes => {
            let text = crate::function::too_large("input", bytes);
            let text = format!("{job} cannot be sent: {text}");
            Err(RemoteError::new(RemoteErrorKind::TooLarge, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_since_the_first_request_that_failed_soon() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert_eq!(
            outage.go_on(at(0), at(1)),
            (Duration::from_secs(1), PAUSES.0)
        );
        assert_eq!(
            outage.go_on(at(2), at(9)),
            (Duration::from_secs(9), 2 * PAUSES.0)
        );
        for _ in 0..50 {
            outage.go_on(at(9), at(9));
        }
        assert_eq!(
            outage.go_on(at(9), at(10)),
            (Duration::from_secs(10), PAUSES.1)
        );
    }

    #[test]
    fn an_outage_begins_when_a_connection_ends_that_has_held() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        outage.go_on(at(0), at(1));
        let held = HELD.as_secs() + 2;
        assert_eq!(outage.go_on(at(1), at(held)), (Duration::ZERO, PAUSES.0));
        assert_eq!(
            outage.go_on(at(held), at(held + 3)).0,
            Duration::from_secs(3)
        );
    }
}
