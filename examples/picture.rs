//! Draws the pictures in the README and in the guide: a diagram of the flow of a request, and the timeline
//! of its run, as `flow.to_dot()` and `report.to_svg()` draw them.
//!
//! ```text
//! cargo run --example picture --features view,tokio -- [FOLDER]
//! ```
//!
//! Without a FOLDER it writes to `target/pictures`. Look at the row `posts`, which is attempted again, at
//! `ads`, whose fallback steps in when its time is over, and at `cover`, which waits for the lock of
//! the image cache. The README has `docs/timeline.svg`. On other backends the picture differs by fractions
//! of milliseconds only. The diagram needs Graphviz.

mod backend;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::view::{DrawFlow, DrawReport};
use backend::{AppFlow, block_on};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures"),
        PathBuf::from,
    );
    fs::create_dir_all(&folder)?;
    let page = page();
    let run = block_on(page.execute().timed())?;
    println!("{}", run.report());
    fs::write(folder.join("timeline.svg"), run.report().to_svg())?;
    match graphviz(&page.to_dot()) {
        Ok(diagram) => fs::write(folder.join("diagram.svg"), diagram)?,
        Err(error) => println!("no diagram: `dot` of Graphviz does not start: {error}"),
    }
    println!("see {}", folder.display());
    Ok(())
}

/// Draws a diagram. Without the prolog of the file, so that it can be a part of a page.
fn graphviz(dot: &str) -> Result<String, Box<dyn Error>> {
    let mut program = Command::new("dot");
    program
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut program = program.spawn()?;
    program
        .stdin
        .take()
        .expect("it is piped")
        .write_all(dot.as_bytes())?;
    let drawn = String::from_utf8(program.wait_with_output()?.stdout)?;
    let start = drawn.find("<svg").ok_or("it draws nothing")?;
    Ok(drawn[start..].to_owned())
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
