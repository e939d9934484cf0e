//! Starts the parts of a TCP service in order, serves, and shuts the parts down in reverse order.
//!
//! ```text
//!              ╭─▶ open_database ──╮
//! configure ───┤                   ├──▶ listen ──┬─▶ serve
//!              ╰─▶ prepare_cache ──╯             ╰─▶ visit
//!
//! remove_folder ◀── close_database ◀── flush_cache ◀── serve and visit have ended
//! ```
//!
//! ```text
//! cargo run --example service --features tokio
//! ```
//!
//! Look at the order of the lines. To see a start-up that fails, pass an address that it cannot bind:
//! `-- 192.0.2.1:80`. The parts that were started are shut down all the same.

mod backend;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::{env, process};

use asyncflow::FlowError;
use asyncflow::prelude::*;
// These work on every executor, because a thread of their own polls the network.
use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};

use backend::{AppFlow, block_on};

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();

    // Start-up: each part receives the parts that it needs.
    let config = flow.add(configure);
    let database = flow.add(open_database.inputs(config));
    let cache = flow.add(prepare_cache.inputs(config));
    let listener = flow.add(listen.inputs(config).after((database, cache)));

    // The service runs until a client tells it to stop. Here `visit` is the client.
    let served = flow.add(serve.inputs((listener, cache)));
    let visited = flow.add(visit.inputs(listener));

    // Shutdown: runs whether the tasks before it succeeded or not, and receives the parts that exist.
    let (config, database, cache) = (config.optional(), database.optional(), cache.optional());
    let ended = (served, visited);
    let flushed = flow.add(flush_cache.inputs((cache, database)).after(ended).always());
    let closed = flow.add(close_database.inputs(database).after(flushed).always());
    flow.add(remove_folder.inputs(config).after(closed).always());

    block_on(flow.execute())?;
    Ok(())
}

struct Config {
    address: String,
    folder: PathBuf,
    expected_lines: usize,
}

/// The file to which lines are written in the end.
struct Database(File);

/// The lines that are not in the file yet.
struct Cache(Mutex<Vec<String>>);

fn configure() -> io::Result<Config> {
    let folder = env::temp_dir().join(format!("asyncflow-service-{}", process::id()));
    fs::create_dir(&folder)?;
    println!("configured");
    Ok(Config {
        address: env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned()),
        folder,
        expected_lines: 2,
    })
}

fn open_database(config: &Config) -> io::Result<Database> {
    let file = File::create_new(config.folder.join("lines.txt"))?;
    println!("database open");
    Ok(Database(file))
}

async fn prepare_cache(config: &Config) -> io::Result<Cache> {
    let lines = Vec::with_capacity(config.expected_lines);
    println!("cache ready");
    Ok(Cache(Mutex::new(lines)))
}

async fn listen(config: &Config) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(&config.address).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Answers one line per connection, until the line is `stop`.
async fn serve(listener: &TcpListener, cache: &Cache) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await?;
        match line.trim_end() {
            "stop" => return stream.write_all(b"bye").await,
            line => stream.write_all(store(line, cache).as_bytes()).await?,
        }
    }
}

fn store(line: &str, Cache(lines): &Cache) -> String {
    let mut lines = lines.lock().unwrap();
    lines.push(line.to_owned());
    format!("stored as number {}", lines.len())
}

async fn visit(listener: &TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    for line in ["first", "second", "stop"] {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        println!("  {line:8} -> {answer}");
    }
    Ok(())
}

fn flush_cache(cache: Option<&Cache>, database: Option<&Database>) -> io::Result<()> {
    if let (Some(Cache(lines)), Some(Database(file))) = (cache, database) {
        let (mut file, lines) = (file, lines.lock().unwrap());
        file.write_all(lines.join("\n").as_bytes())?;
        println!("cache flushed, with {} lines", lines.len());
    }
    Ok(())
}

fn close_database(database: Option<&Database>) -> io::Result<()> {
    if let Some(Database(file)) = database {
        file.sync_all()?;
        println!("database closed, with {} bytes", file.metadata()?.len());
    }
    Ok(())
}

fn remove_folder(config: Option<&Config>) -> io::Result<()> {
    if let Some(config) = config {
        fs::remove_dir_all(&config.folder)?;
        println!("folder removed");
    }
    Ok(())
}
