//! A TCP service that starts up in the right order, answers, and shuts down in the reverse order.
//!
//! ```text
//!              ╭─▶ open_database ──╮
//! configure ───┤                   ├──▶ listen ──┬─▶ serve
//!              ╰─▶ prepare_cache ──╯             ╰─▶ visit
//!
//! remove_folder ◀── close_database ◀── flush_cache ◀── all of it has ended
//! ```
//!
//! ```text
//! cargo run --example service --features tokio
//! ```
//!
//! To see a start-up that fails, give it an address that it cannot have: `-- 192.0.2.1:80`. What
//! was opened by then is closed all the same.

mod backend;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::{env, process};

use asyncflow::FlowError;
use asyncflow::prelude::*;
// These work on every executor, as they bring a thread of their own that waits for the network.
use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};

use backend::{AppFlow, block_on};

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();

    // Start-up: each part receives those that it is built on.
    let config = flow.add(configure);
    let database = flow.add(open_database.inputs(config));
    let cache = flow.add(prepare_cache.inputs(config));
    let listener = flow.add(listen.inputs(config).after((database, cache)));

    // The service runs until it is told to stop, which is what its visitor does in the end.
    let served = flow.add(serve.inputs((listener, cache)));
    let visited = flow.add(visit.inputs(listener));

    // Shutdown, however that ended: of each part, if it exists.
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
    expected_guests: usize,
}

/// The guests who are in the database already.
struct Database(File);

/// The guests who are not yet.
struct Cache(Mutex<Vec<String>>);

fn configure() -> io::Result<Config> {
    let folder = env::temp_dir().join(format!("asyncflow-service-{}", process::id()));
    fs::create_dir(&folder)?;
    println!("configured");
    Ok(Config {
        address: env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned()),
        folder,
        expected_guests: 2,
    })
}

fn open_database(config: &Config) -> io::Result<Database> {
    let file = File::create_new(config.folder.join("guests.txt"))?;
    println!("database open");
    Ok(Database(file))
}

async fn prepare_cache(config: &Config) -> io::Result<Cache> {
    let guests = Vec::with_capacity(config.expected_guests);
    println!("cache ready");
    Ok(Cache(Mutex::new(guests)))
}

async fn listen(config: &Config) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(&config.address).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Answers every line, each of which comes on a connection of its own.
async fn serve(listener: &TcpListener, cache: &Cache) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await?;
        match line.trim_end() {
            "stop" => return stream.write_all(b"bye").await,
            guest => stream.write_all(welcome(guest, cache).as_bytes()).await?,
        }
    }
}

fn welcome(guest: &str, Cache(guests): &Cache) -> String {
    let mut guests = guests.lock().unwrap();
    guests.push(guest.to_owned());
    format!("welcome {guest}, you are number {}", guests.len())
}

async fn visit(listener: &TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    for line in ["Ada", "Grace", "stop"] {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        println!("  {line:8} -> {answer}");
    }
    Ok(())
}

fn flush_cache(cache: Option<&Cache>, database: Option<&Database>) -> io::Result<()> {
    if let (Some(Cache(guests)), Some(Database(file))) = (cache, database) {
        let (mut file, guests) = (file, guests.lock().unwrap());
        file.write_all(guests.join("\n").as_bytes())?;
        println!("cache flushed, with {} guests", guests.len());
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
