//! The example `service` as a type: starts the parts of a TCP service in order, serves, and shuts the
//! parts down in reverse order.
//!
//! ```text
//!              ╭─▶ database ──╮
//! folder ──────┤              ├──▶ listener ──┬─▶ served
//!              ╰─▶ cache ─────╯               ╰─▶ visited
//!
//! removed ◀── closed ◀── flushed ◀── served and visited have ended
//! ```
//!
//! ```text
//! cargo run --example service_flow --features tokio
//! ```
//!
//! Look at the order of the lines. The methods are declared in the order in which they are read, and
//! each names what it waits for. To see a start-up that fails, pass an address that it cannot bind:
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

use backend::{AppRuntime, block_on};

/// What the parts share: how the service is configured.
struct Service {
    address: String,
    folder: PathBuf,
}

/// The file to which lines are written in the end.
struct Database(File);

/// The lines that are not in the file yet.
struct Cache(Mutex<Vec<String>>);

#[flow]
impl Service {
    // Start-up: each part receives the parts that it needs.

    #[task]
    fn folder(&self) -> io::Result<()> {
        fs::create_dir(&self.folder)?;
        println!("folder made");
        Ok(())
    }

    #[task(upstream = folder)]
    fn database(&self) -> io::Result<Database> {
        let file = File::create_new(self.folder.join("lines.txt"))?;
        println!("database open");
        Ok(Database(file))
    }

    #[task(upstream = folder)]
    async fn cache() -> Cache {
        println!("cache ready");
        Cache(Mutex::new(Vec::new()))
    }

    #[task(upstream = [database, cache])]
    async fn listener(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(&self.address).await?;
        println!("listening on {}", listener.local_addr()?);
        Ok(listener)
    }

    // The service runs until a client tells it to stop. Here `visited` is the client.

    /// Answers one line per connection, until the line is `stop`.
    #[task]
    async fn served(listener: &TcpListener, cache: &Cache) -> io::Result<()> {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let mut line = String::new();
            BufReader::new(&mut stream).read_line(&mut line).await?;
            match line.trim_end() {
                "stop" => return stream.write_all(b"bye").await,
                line => stream.write_all(cache.store(line).as_bytes()).await?,
            }
        }
    }

    #[task]
    async fn visited(listener: &TcpListener) -> io::Result<()> {
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

    // Shutdown: runs whether the tasks before it succeeded or not, and receives the parts that exist.

    #[task(always, upstream = [served, visited])]
    fn flushed(cache: Option<&Cache>, database: Option<&Database>) -> io::Result<()> {
        if let (Some(Cache(lines)), Some(Database(file))) = (cache, database) {
            let (mut file, lines) = (file, lines.lock().unwrap());
            file.write_all(lines.join("\n").as_bytes())?;
            println!("cache flushed, with {} lines", lines.len());
        }
        Ok(())
    }

    #[task(always, upstream = flushed)]
    fn closed(database: Option<&Database>) -> io::Result<()> {
        if let Some(Database(file)) = database {
            file.sync_all()?;
            println!("database closed, with {} bytes", file.metadata()?.len());
        }
        Ok(())
    }

    #[task(always, upstream = closed)]
    fn removed(&self, folder: Option<&()>) -> io::Result<()> {
        if folder.is_some() {
            fs::remove_dir_all(&self.folder)?;
            println!("folder removed");
        }
        Ok(())
    }
}

fn main() -> Result<(), FlowError> {
    let service = ServiceFlow::<AppRuntime>::new(Service {
        address: env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned()),
        folder: env::temp_dir().join(format!("asyncflow-service-flow-{}", process::id())),
    });
    block_on(service.execute())?;
    Ok(())
}

impl Cache {
    fn store(&self, line: &str) -> String {
        let mut lines = self.0.lock().unwrap();
        lines.push(line.to_owned());
        format!("stored as number {}", lines.len())
    }
}
