//! The worker of the example `thumbnails`. Start it on as many machines as you like, behind one address.
//!
//! ```text
//! cargo run --example thumbnails_worker --features tokio,restate -- [ADDRESS]
//! ```

#![allow(dead_code)]

mod jobs;

use asyncflow::restate::Worker;
use jobs::{THUMB, make_thumb};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9080".into());
    println!("register http://{address} with the engine");
    let worker = Worker::new().job(THUMB, make_thumb);
    worker.concurrency(4).listen(address).await
}
