//! Draws the picture at the top of the README: the timeline of a run, as `report.to_svg()` draws it.
//!
//! ```text
//! cargo run --example picture --features view,tokio -- [FILE]
//! ```
//!
//! Without a FILE it writes `target/timeline.svg`; open that in a browser, and look at how tasks wait
//! for their upstreams and for the lock. The README has `docs/timeline.svg`. On other backends the
//! picture differs by fractions of milliseconds only.

mod backend;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::view::DrawReport;
use backend::{AppFlow, block_on, sleep};

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = std::env::args_os()
        .nth(1)
        .map_or_else(|| here.join("target/timeline.svg"), PathBuf::from);
    let run = block_on(site().execute().timed())?;
    std::fs::create_dir_all(file.parent().unwrap_or(here))?;
    std::fs::write(&file, run.report().to_svg())?;
    println!("see {}", file.display());
    Ok(())
}

/// Builds a site. Some tasks wait for the network, some compute, and some need the disk exclusively.
fn site() -> AppFlow {
    let mut flow = AppFlow::new();
    let disk = Lock::named("disk");

    let config = flow.add(waits(14).named("read config"));
    let schema = flow.add(computes(34).named("load schema").with_lock(&disk));
    let connect = flow.add(waits(44).named("connect").after(config));
    let images = computes(40).named("resize images").after(config);
    let images = flow.add(images.with_lock(&disk));
    let users = flow.add(waits(62).named("fetch users").after(connect));
    let posts = flow.add(waits(96).named("fetch posts").after(connect));
    let check = flow.add(computes(26).named("validate").after((users, schema)));
    let render = computes(36).named("render").after((posts, check, images));
    let render = flow.add(render);
    let pages = computes(30).named("write pages").after(render);
    let pages = flow.add(pages.with_lock(&disk));
    let feed = computes(22).named("write feed").after(render);
    let feed = flow.add(feed.with_lock(&disk));
    flow.add(waits(18).named("publish").after([pages, feed]));
    flow
}

/// An async function that takes this many milliseconds.
fn waits(millis: u64) -> impl Fn() -> Pause + Send + Sync + 'static {
    move || Box::pin(sleep(Duration::from_millis(millis)))
}

type Pause = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A plain function that takes this many milliseconds.
fn computes(millis: u64) -> impl Fn() + Send + Sync + 'static {
    move || thread::sleep(Duration::from_millis(millis))
}
