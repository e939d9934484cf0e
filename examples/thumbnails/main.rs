//! Makes thumbnails of pictures, and an index page: a flow with a journal whose heavy tasks run on
//! workers.
//!
//! ```text
//!  list ──▶ read 1 ──▶ thumb 1 (a worker) ─╮
//!       ──▶ read 2 ──▶ thumb 2 (a worker) ─┼▶ index
//!       ──▶ …                              ─╯
//! ```
//!
//! In one process, without a server:
//!
//! ```text
//! cargo run --example thumbnails --features tokio,durable,restate -- [FOLDER]
//! ```
//!
//! With an engine and workers, in three terminals:
//!
//! ```text
//! restate-server
//! cargo run --example thumbnails_worker --features tokio,restate
//! restate deployments register http://127.0.0.1:9080
//! cargo run --example thumbnails --features tokio,durable,restate -- FOLDER http://127.0.0.1:8080
//! ```
//!
//! Kill any of them in the middle, and start it again: what is done is not done again. Without a folder
//! it draws some pictures and stops itself in the middle of a first execution, to show that. Look at
//! `remote`, and at `journal`.

#[path = "../backend/mod.rs"]
mod backend;
#[allow(dead_code)]
mod jobs;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::restate::Cluster;
use backend::{AppFlow, block_on};
use jobs::{Picture, THUMB, make_thumb};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (folder, url) = (arguments.next(), arguments.next());
    let cluster = match url {
        Some(url) => Cluster::connect(url)?,
        None => Cluster::local().job(THUMB, make_thumb).concurrency(2),
    };
    match folder {
        Some(folder) => block_on(make(&cluster, Path::new(&folder), false)),
        None => {
            let folder = tempfile::tempdir()?;
            for number in 0..12 {
                let file = folder.path().join(format!("circles {number}.pgm"));
                fs::write(file, Picture::circles(number).to_file())?;
            }
            let stopped = block_on(make(&cluster, folder.path(), true));
            println!("stopped: {}", stopped.unwrap_err());
            block_on(make(&cluster, folder.path(), false))
        }
    }
}

/// Makes a page with a thumbnail for every picture of a folder. With `stops`, it fails half way.
async fn make(cluster: &Cluster, folder: &Path, stops: bool) -> Result<(), Box<dyn Error>> {
    let pictures = list(folder)?;
    let target = folder.join("thumbnails");
    fs::create_dir_all(&target)?;
    let journal = FileJournal::open(target.join("runs.db"))?;

    let mut flow = AppFlow::new();
    let mut written = Vec::new();
    for (number, file) in pictures.iter().enumerate() {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (from, to) = (file.clone(), target.join(format!("{name}.pgm")));
        let read = move || -> Result<Picture, Box<dyn Error + Send + Sync>> {
            Ok(Picture::parse(&fs::read(&from)?)?)
        };
        let picture = flow.add(read.named(format!("read {name}")));
        let thumb = cluster
            .remote(THUMB)
            .inputs(picture)
            .named(format!("thumb {name}"));
        let thumb = flow.add(thumb);
        let half = pictures.len() / 2;
        let write = move |thumb: &Picture| match stops && number == half {
            true => Err(std::io::Error::other("as if the power was cut")),
            false => fs::write(&to, thumb.to_file()).map(|()| to.clone()),
        };
        // Its output is recorded: in the next execution, the file is not written again.
        let write = durable(write).inputs(thumb).named(format!("write {name}"));
        written.push(flow.add(write.after(written.last().copied())));
    }
    let page = target.join("index.html");
    let index = move |thumbs: Vec<&PathBuf>| {
        let item = |thumb: &&PathBuf| format!("<li>{}</li>\n", thumb.display());
        let items: String = thumbs.iter().map(item).collect();
        fs::write(&page, format!("<!doctype html>\n<ul>\n{items}</ul>\n"))
    };
    flow.add(index.inputs(written).named("index"));

    let run = flow.execute().journal(&journal, "thumbnails").await?;
    println!("{}", run.report());
    Ok(())
}

/// The pictures of a folder, in the order of their names.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pgm"));
    files.sort();
    Ok(files)
}
