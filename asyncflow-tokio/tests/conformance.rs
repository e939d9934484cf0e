//! The conformance suite on Tokio.

use asyncflow_core::conformance;
use asyncflow_tokio::TokioRuntime;
use tokio::runtime::Builder;

#[test]
fn multi_thread() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(conformance::check(TokioRuntime::default()));
}

#[test]
fn current_thread_with_one_blocking_thread() {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(conformance::check(TokioRuntime::default()));
}

#[test]
fn from_outside_by_its_handle() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    std::thread::spawn(move || {
        let other = Builder::new_current_thread().build().unwrap();
        other.block_on(conformance::check(TokioRuntime::from(handle)));
    })
    .join()
    .unwrap();
}
