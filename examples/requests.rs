//! Builds a flow once, and executes it for every request of an axum server, with different data.
//!
//! ```text
//!           ╭──▶ user ──╮
//!   id ─────┤           ├──▶ page
//!           ╰──▶ posts ─╯
//! ```
//!
//! ```text
//! cargo run --example requests --features tokio
//! ```
//!
//! It sends itself four requests at the same time, prints the answers, and exits. Look at the last
//! one: its run fails, and the others do not.

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

/// The flow, with the handles of its input and its output.
struct Pages {
    flow: TokioFlow,
    id: Task<u64>,
    page: Task<String>,
}

impl Pages {
    fn new() -> Self {
        let mut flow = TokioFlow::new();
        let id = flow.input::<u64>("id");

        #[task(flow)]
        async fn user(id: &u64) -> Result<String, String> {
            sleep(Duration::from_millis(20)).await;
            match *id {
                0 => Err("there is no user 0".into()),
                id => Ok(format!("user {id}")),
            }
        }

        #[task(flow)]
        async fn posts(id: &u64) -> Vec<String> {
            sleep(Duration::from_millis(20)).await;
            (1..=*id.min(&3)).map(|n| format!("post {n}")).collect()
        }

        #[task(flow)]
        fn page(user: &String, posts: &Vec<String>) -> String {
            format!("{user} wrote {}", posts.join(", "))
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
