//! Builds a flow once, and executes it for every request of an axum server, with different data.
//!
//! ```text
//!   client ─┬──▶ user ──╮
//!           │           ├──▶ page
//!   id ─────┴──▶ posts ─╯
//! ```
//!
//! All runs share the client of the database. The posts have a time limit, and a page without posts is better
//! than none.
//!
//! ```text
//! cargo run --example requests --features tokio
//! ```
//!
//! It sends itself four requests at the same time, prints the answers, and exits. The posts of user 3 take
//! too long, so that page is without them. There is no user 0, so that run fails, and the others do not.

use std::sync::Arc;
use std::time::Duration;

use asyncflow::TokioFlow;
use asyncflow::prelude::*;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// A client of the database, as a program has one for all of its requests.
struct Client;

impl Client {
    async fn user(&self, id: u64) -> Result<String, String> {
        sleep(Duration::from_millis(20)).await;
        match id {
            0 => Err("there is no user 0".into()),
            id => Ok(format!("user {id}")),
        }
    }

    async fn posts(&self, id: u64) -> Vec<String> {
        let slow = if id == 3 { 60_000 } else { 20 };
        sleep(Duration::from_millis(slow)).await;
        (1..=id).map(|n| format!("post {n}")).collect()
    }
}

/// The flow, with the handles of its input and its output.
struct Pages {
    flow: TokioFlow,
    id: Task<u64>,
    page: Task<String>,
}

impl Pages {
    fn new() -> Self {
        let mut flow = TokioFlow::new();
        let client = flow.value(Client);
        let id = flow.input::<u64>("id");

        #[task(flow)]
        async fn user(client: &Client, id: &u64) -> Result<String, String> {
            client.user(*id).await
        }

        #[task(flow, timeout = Duration::from_millis(500), fallback = |_| Vec::new())]
        async fn posts(client: &Client, id: &u64) -> Vec<String> {
            client.posts(*id).await
        }

        #[task(flow)]
        fn page(user: &String, posts: &Vec<String>) -> String {
            match posts.is_empty() {
                true => format!("{user}: the posts are not available"),
                false => format!("{user} wrote {}", posts.join(", ")),
            }
        }

        Self { flow, id, page }
    }
}

/// Executes the flow with the id of this request. If the client disconnects, axum drops this future,
/// which cancels the run.
async fn page(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<u64>,
) -> Result<String, (StatusCode, String)> {
    match pages.flow.execute().given(pages.id, id).await {
        Ok(mut run) => Ok(run.take(pages.page).expect("the flow succeeded")),
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.to_string())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Router::new()
        .route("/users/{id}", get(page))
        .with_state(Arc::new(Pages::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let requests = [1, 2, 3, 0].map(|id| {
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            let request =
                format!("GET /users/{id} HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        })
    });
    for request in requests {
        let answer = request.await??;
        let status = answer.lines().next().unwrap_or_default();
        let body = answer.lines().last().unwrap_or_default();
        println!("{status}: {body}");
    }
    server.abort();
    Ok(())
}
