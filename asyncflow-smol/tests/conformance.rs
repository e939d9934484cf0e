//! The conformance suite on smol.

use std::sync::Arc;

use async_executor::Executor;
use asyncflow_core::conformance;
use asyncflow_smol::SmolRuntime;

#[test]
fn global_executor() {
    smol::block_on(conformance::check(SmolRuntime::default()));
}

#[test]
fn executor_of_ones_own() {
    let executor = Arc::new(Executor::new());
    for _ in 0..2 {
        let executor = Arc::clone(&executor);
        std::thread::spawn(move || {
            smol::block_on(executor.run(std::future::pending::<()>()));
        });
    }
    let runtime = SmolRuntime::on(executor).with_parallelism(2);
    smol::block_on(conformance::check(runtime));
}
