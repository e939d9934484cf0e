//! Implements a runtime of your own: an `async_executor::Executor` on a few threads, and the thread
//! pool of the crate `blocking`. The runtime executes a flow, and is then checked by the conformance
//! suite.
//!
//! ```text
//! cargo run --example custom_runtime --features conformance,async-lock
//! ```
//!
//! Look at `impl Runtime`: it is all that a backend consists of.

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_executor::Executor;
use async_io::Timer;
use asyncflow::prelude::*;
use asyncflow::runtime::{WeightedSemaphore, conformance};
use asyncflow::{FlowError, Runtime};

/// A handle of the executor, with the number of threads that run it.
#[derive(Clone)]
struct Threads {
    executor: Arc<Executor<'static>>,
    count: usize,
}

impl Threads {
    fn start(count: usize) -> Self {
        let executor = Arc::new(Executor::new());
        for _ in 0..count {
            let executor = Arc::clone(&executor);
            thread::spawn(move || async_io::block_on(executor.run(pending::<()>())));
        }
        Self { executor, count }
    }
}

impl Runtime for Threads {
    // The core implements these for executors that have no locks of their own.
    type Lock = async_lock::Mutex<()>;
    type Semaphore = WeightedSemaphore;

    fn parallelism(&self) -> usize {
        self.count
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(future).detach();
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        blocking::unblock(function).detach();
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::after(duration);
        async move {
            timer.await;
        }
    }
}

fn main() -> Result<(), FlowError> {
    let runtime = Threads::start(2);

    let mut flow = Flow::on(runtime.clone());
    let setup = flow.add(async || println!("setup"));
    let work_1 = flow.add((async || println!("work 1, on the executor")).after(setup));
    let work_2 = flow.add((|| println!("work 2, on a blocking thread")).after(setup));
    flow.add((async || println!("shutdown")).after([work_1, work_2]));
    async_io::block_on(flow.execute())?;

    // In your own crate this line belongs in a test. It panics if the runtime breaks a rule.
    async_io::block_on(conformance::check(runtime));
    println!("the runtime keeps every rule that flows rely on");
    Ok(())
}
