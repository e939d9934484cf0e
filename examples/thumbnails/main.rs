//! Makes thumbnails of pictures, and an index page: a flow with a journal whose heavy part runs on
//! workers.
//!
//! ```text
//! files ──▶ read (each) ──▶ thumb (each, on a worker) ──▶ write (each) ──▶ index
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
//! `each`, `remote` and `journal`.

#[path = "../backend/mod.rs"]
mod backend;
#[allow(dead_code)]
mod jobs;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::restate::Cluster;
use backend::{AppFlow, block_on};
use jobs::{Picture, THUMB, make_thumb};

fn main() -> Result<(), Error> {
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

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Makes a page with a thumbnail for every picture of a folder. With `stops`, it fails half way.
async fn make(cluster: &Cluster, folder: &Path, stops: bool) -> Result<(), Error> {
    let target = folder.join("thumbnails");
    fs::create_dir_all(&target)?;
    let journal = FileJournal::open(target.join("runs.db"))?;
    let files = list(folder)?;
    let fails = files.get(files.len() / 2).filter(|_| stops);
    let fails = fails.map(|file| name(file));

    let mut flow = AppFlow::new();
    // Recorded, since the index in this list is what a thumbnail is found by in a later execution.
    let files = flow.add(durable(move || files.clone()).named("files"));
    let read = |file: &PathBuf| -> Result<Picture, Error> {
        Ok(Picture::parse(name(file), &fs::read(file)?)?)
    };
    let pictures = flow.add(each(read).inputs(files).named("read"));
    // Each is a job, and recorded once it is done.
    let thumbs = each(durable(cluster.remote(THUMB))).inputs(pictures);
    let thumbs = flow.add(thumbs.named("thumb"));
    let write = {
        let target = target.clone();
        move |thumb: &Picture| match fails.as_ref() == Some(&thumb.name) {
            true => Err(io::Error::other("as if the power was cut")),
            false => {
                let file = target.join(&thumb.name).with_extension("pgm");
                fs::write(&file, thumb.to_file()).map(|()| file)
            }
        }
    };
    let written = flow.add(each(durable(write)).inputs(thumbs).named("write"));
    let index = move |thumbs: &Vec<PathBuf>| {
        let item = |thumb: &PathBuf| format!("<li>{}</li>\n", thumb.display());
        let items: String = thumbs.iter().map(item).collect();
        let page = format!("<!doctype html>\n<ul>\n{items}</ul>\n");
        fs::write(target.join("index.html"), page)
    };
    flow.add(index.inputs(written).named("index"));

    let run = flow.execute().journal(&journal, "thumbnails").await?;
    println!("{}", run.report());
    Ok(())
}

fn name(file: &Path) -> String {
    let name = file.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The pictures of a folder, in the order of their names.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pgm"));
    files.sort();
    Ok(files)
}
