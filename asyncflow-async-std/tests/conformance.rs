//! The conformance suite on async-std.

use asyncflow_async_std::AsyncStdRuntime;
use asyncflow_core::conformance;

#[test]
fn global_executor() {
    async_std::task::block_on(conformance::check(AsyncStdRuntime::default()));
}
