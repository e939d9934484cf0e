//! A Tokio runtime on threads of its own, for code that runs on any executor.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Ends the threads when the last clone is dropped, without waiting for what they do.
#[derive(Clone, Debug)]
pub(crate) struct Threads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: Handle,
    /// Dropped with this, which tells the thread.
    _stop: oneshot::Sender<()>,
}

impl Threads {
    /// Starts a thread, or with `many` as many as there are processors.
    pub(crate) fn start(name: &str, many: bool) -> io::Result<Self> {
        let mut builder = match many {
            true => Builder::new_multi_thread(),
            false => Builder::new_current_thread(),
        };
        let runtime = builder.enable_all().thread_name(name).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        // The runtime must not be dropped by a task of another, so it lives and ends here.
        thread::Builder::new().name(name.into()).spawn(move || {
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self(Arc::new(Inner {
            handle,
            _stop: stop,
        })))
    }

    /// Runs a future there, until it is ready or what this returns is dropped.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Spawned<T> {
        Spawned {
            task: self.0.handle.spawn(future),
            _threads: self.clone(),
        }
    }

    /// Runs a future there to its end.
    pub(crate) fn detach(&self, future: impl Future<Output = ()> + Send + 'static) {
        // It keeps the threads until then.
        let threads = self.clone();
        self.0.handle.spawn(async move {
            future.await;
            drop(threads);
        });
    }
}

/// A future that runs on other threads. `None` if they have ended.
pub(crate) struct Spawned<T> {
    task: JoinHandle<T>,
    _threads: Threads,
}

impl<T> Future for Spawned<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.task).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
