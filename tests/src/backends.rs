//! The runtimes that tests run on, the limit of time, and tests in a process of their own.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use asyncflow::SmolRuntime;

/// How long a test may take. It is not what any test measures: a test that hangs fails here.
const WATCHDOG: Duration = Duration::from_secs(120);

/// Set in the processes that [`in_child`] starts, to the test that they run.
const CHILD: &str = "ASYNCFLOW_TEST_CHILD";

/// A Tokio runtime with two workers.
pub fn tokio_with_two_workers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

/// A Tokio runtime with one thread, and one blocking thread.
pub fn tokio_current() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap()
}

/// Runs a test on [`tokio_with_two_workers`].
pub fn on_tokio<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || tokio_with_two_workers().block_on(test()));
}

/// Runs a test on [`tokio_current`].
pub fn on_tokio_current<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || tokio_current().block_on(test()));
}

/// Runs a test on async-std.
pub fn on_async_std<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || async_std::task::block_on(test()));
}

/// Runs a test on smol.
pub fn on_smol<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || smol::block_on(test()));
}

/// Runs a test on smol with one thread, which also polls the test.
pub fn on_smol_current<Fut: Future<Output = ()>>(
    test: impl FnOnce(SmolRuntime) -> Fut + Send + 'static,
) {
    watched(move || {
        let executor = Arc::new(smol::Executor::new());
        let runtime = SmolRuntime::on(Arc::clone(&executor)).with_parallelism(1);
        smol::block_on(executor.run(test(runtime)));
    });
}

/// Runs `test` on a thread of its own with a stack of 2 MiB, and fails if it hangs.
pub fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, wait) = channel::<()>();
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let _done = done;
            test();
        })
        .unwrap();
    match wait.recv_timeout(WATCHDOG) {
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs: it took over {WATCHDOG:?}"),
        _ => {
            if let Err(payload) = thread.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}

/// Runs a test in this process.
#[doc(hidden)]
pub fn in_process(_path: &str, test: impl FnOnce()) {
    test();
}

/// Runs the test `path` (as `module_path!` gives it) in a process of its own.
///
/// # Panics
///
/// If that process fails, or dies.
pub fn in_child(path: &str, test: impl FnOnce()) {
    let (_, name) = path.split_once("::").expect("a path begins with the crate");
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return test();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "the process of `{name}` ended with {}\n{stdout}\n{stderr}",
        output.status
    );
}
