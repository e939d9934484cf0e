//! Draws the picture at the top of the README: the timeline of a request, as `report.to_svg()` draws it.
//!
//! ```text
//! cargo run --example picture --features view,tokio -- [FILE]
//! ```
//!
//! Without a FILE it writes `target/timeline.svg`; open that in a browser. Look at the row `posts`, which
//! is attempted again, at `ads`, whose fallback steps in when its time is over, and at the
//! tasks that wait for the lock of the image cache. The README has `docs/timeline.svg`. On other backends
//! the picture differs by fractions of milliseconds only.

mod backend;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::view::DrawReport;
use backend::{AppFlow, block_on};

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = std::env::args_os()
        .nth(1)
        .map_or_else(|| here.join("target/timeline.svg"), PathBuf::from);
    let run = block_on(page().execute().timed())?;
    std::fs::create_dir_all(file.parent().unwrap_or(here))?;
    std::fs::write(&file, run.report().to_svg())?;
    println!("see {}", file.display());
    Ok(())
}

/// Answers a request for the page of a user. Pauses stand for what its functions would wait for.
fn page() -> AppFlow {
    let mut flow = AppFlow::new();
    let image_cache = Lock::named("image cache");

    #[task(flow)]
    async fn session() -> u64 {
        millis(15).await;
        7
    }

    #[task(flow)]
    async fn user(session: &u64) -> String {
        millis(30).await;
        format!("user {session}")
    }

    #[task(flow, retry = [Duration::from_millis(12)].into_iter())]
    async fn posts(session: &u64, #[context] cx: &TaskContext) -> Result<Vec<u64>, &'static str> {
        millis(25).await;
        match cx.attempt() {
            1 => Err("the connection was reset"),
            attempt => {
                cx.note(format!("attempt {attempt}"));
                Ok((0..6).map(|post| session * 100 + post).collect())
            }
        }
    }

    #[task(flow, timeout = Duration::from_millis(80), fallback = |_| Vec::new())]
    async fn ads(user: &String) -> Vec<String> {
        millis(10_000).await;
        vec![format!("an offer for {user}")]
    }

    #[task(flow, lock = image_cache)] // not async: runs on a blocking thread
    fn avatar(user: &String) -> usize {
        std::thread::sleep(Duration::from_millis(55));
        user.len()
    }

    #[task(flow, lock = image_cache)]
    fn cover(posts: &Vec<u64>) -> usize {
        std::thread::sleep(Duration::from_millis(25));
        posts.len()
    }

    #[task(flow)]
    async fn comments(#[each(posts)] post: &u64) -> usize {
        millis(15 + post % 4 * 8).await;
        3
    }

    #[task(flow, upstream = [avatar, cover])]
    fn html(user: &String, posts: &Vec<u64>, comments: &Vec<usize>, ads: &Vec<String>) -> String {
        std::thread::sleep(Duration::from_millis(20));
        format!("{user}: {posts:?} {comments:?} {ads:?}")
    }

    #[task(flow, upstream = html, always)]
    async fn log() {
        millis(10).await;
    }

    flow
}

async fn millis(millis: u64) {
    backend::sleep(Duration::from_millis(millis)).await;
}
