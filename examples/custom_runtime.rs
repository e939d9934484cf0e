//! A runtime of your own: a plain `async_executor::Executor` on a few threads, and the thread pool
//! of the crate `blocking`. It executes a flow, and passes the conformance suite.
//!
//! ```text
//! cargo run --example custom_runtime
//! ```

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_executor::Executor;
use async_io::Timer;
use asyncflow::prelude::*;
use asyncflow::{FlowError, Runtime};
use asyncflow_core::async_locks::TurnstileSemaphore;
use asyncflow_core::conformance;

/// A cheap handle: the executor, and on how many threads it is polled.
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
    // The core brings these for executors that have none of their own.
    type Lock = async_lock::Mutex<()>;
    type Semaphore = TurnstileSemaphore;

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

    // In a crate of your own this line is a test. It panics if the runtime breaks a rule.
    async_io::block_on(conformance::check(runtime));
    println!("the runtime keeps every rule that flows rely on");
    Ok(())
}
