//! Tasks of flows on other machines.

mod client;
mod cluster;
mod error;
mod function;
mod job;
mod message;
mod threads;
mod worker;

pub use cluster::{Cluster, Remote, RemoteFn, RemoteFuture};
pub use error::{RemoteError, RemoteErrorKind};
pub use function::{JobFn, marker};
pub use job::Job;
pub use worker::Worker;
