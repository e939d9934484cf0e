//! Every backend keeps what a `Runtime` must, and the suite that says so finds broken runtimes out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use asyncflow::{
    AsyncStdRuntime, Runtime, RuntimeLock, RuntimeSemaphore, SmolRuntime, TokioRuntime,
};
use asyncflow_core::conformance;
use asyncflow_tests::{
    Counted, Counter, ThreadRuntime, block_on, on_async_std, on_smol, on_tokio, on_tokio_current,
    panic_message, tokio_with_two_workers, watched,
};
use smol::Executor;

/// With the backends' own types, while other tests run in this process.
mod keeps_what_a_runtime_must {
    use super::*;

    #[test]
    fn tokio() {
        on_tokio(|| conformance::check(TokioRuntime::default()));
    }

    #[test]
    fn tokio_current() {
        on_tokio_current(|| conformance::check(TokioRuntime::default()));
    }

    #[test]
    fn async_std() {
        on_async_std(|| conformance::check(AsyncStdRuntime::default()));
    }

    #[test]
    fn smol() {
        on_smol(|| conformance::check(SmolRuntime::default()));
    }
}

#[test]
fn tokio_from_outside_by_its_handle() {
    watched(|| {
        let runtime = tokio_with_two_workers();
        let other = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        other.block_on(conformance::check(TokioRuntime::from(
            runtime.handle().clone(),
        )));
    });
}

#[test]
fn smol_on_an_executor_that_is_given() {
    watched(|| {
        let executor = Arc::new(Executor::new());
        for _ in 0..2 {
            let executor = Arc::clone(&executor);
            thread::spawn(move || {
                smol::block_on(executor.run(std::future::pending::<()>()));
            });
        }
        let runtime = SmolRuntime::on(executor).with_parallelism(2);
        smol::block_on(conformance::check(runtime));
    });
}

/// A runtime in which one thing is broken.
#[derive(Clone, Copy)]
struct Broken(Fault);

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    NoWorkers,
    DropsFutures,
    PollsAtOnce,
    PollsOnce,
    DropsFunctions,
    CallsAtOnce,
    SleepsTooShort,
    ForgetsFutures,
}

impl Runtime for Broken {
    type Lock = Counter;
    type Semaphore = Counter;

    fn parallelism(&self) -> usize {
        usize::from(self.0 != Fault::NoWorkers)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match self.0 {
            Fault::DropsFutures => drop(future),
            Fault::ForgetsFutures => std::mem::forget(future),
            Fault::PollsAtOnce => block_on(future),
            Fault::PollsOnce => {
                thread::spawn(move || {
                    let mut cx = Context::from_waker(Waker::noop());
                    let _ = pin!(future).poll(&mut cx);
                });
            }
            _ => ThreadRuntime.spawn(future),
        }
    }

    fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
        match self.0 {
            Fault::DropsFunctions => drop(function),
            Fault::CallsAtOnce => function(),
            _ => ThreadRuntime.spawn_blocking(function),
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        ThreadRuntime.sleep(match self.0 {
            Fault::SleepsTooShort => duration / 2,
            _ => duration,
        })
    }
}

/// Whether a rule is found broken.
fn breaks<R: Runtime>(runtime: R, rule: &str) -> bool {
    let check = conformance::check_rule(runtime, rule, Duration::from_secs(30));
    catch_unwind(AssertUnwindSafe(|| block_on(check))).is_err()
}

#[test]
fn a_broken_runtime_is_found_out() {
    for (fault, rule) in [
        (Fault::NoWorkers, "parallelism is at least one"),
        (Fault::DropsFutures, "what is spawned is polled to its end"),
        (Fault::PollsAtOnce, "`spawn` does not poll"),
        (
            Fault::PollsOnce,
            "a future is polled again when it is woken",
        ),
        (Fault::DropsFunctions, "blocking functions are all called"),
        (Fault::CallsAtOnce, "`spawn_blocking` does not call"),
        (
            Fault::SleepsTooShort,
            "`sleep` takes as long as it is asked to",
        ),
    ] {
        assert!(breaks(Broken(fault), rule), "{rule}");
        assert!(!breaks(ThreadRuntime, rule), "{rule}");
    }
}

/// A counter that gives out one permit too many, one that never gives any back, and one that counts in
/// 32 bits.
macro_rules! broken_counter {
    ($name:ident, $new:expr, $guard:ty, |$permits:ident| $keep:expr) => {
        struct $name(Arc<Counter>);

        impl RuntimeSemaphore for $name {
            type Permits = $guard;

            fn new(permits: usize) -> Self {
                let new: fn(usize) -> usize = $new;
                Self(Arc::new(RuntimeSemaphore::new(new(permits))))
            }

            fn try_acquire(self: &Arc<Self>, count: usize) -> Option<$guard> {
                let $permits = RuntimeSemaphore::try_acquire(&self.0, count)?;
                Some($keep)
            }

            fn acquire(
                self: &Arc<Self>,
                count: usize,
            ) -> impl Future<Output = $guard> + Send + 'static {
                let acquire = RuntimeSemaphore::acquire(&self.0, count);
                async move {
                    let $permits = acquire.await;
                    $keep
                }
            }
        }

        impl RuntimeLock for $name {
            type Guard = $guard;

            fn new() -> Self {
                RuntimeSemaphore::new(1)
            }

            fn try_acquire(self: &Arc<Self>) -> Option<$guard> {
                RuntimeSemaphore::try_acquire(self, 1)
            }

            fn acquire(self: &Arc<Self>) -> impl Future<Output = $guard> + Send + 'static {
                RuntimeSemaphore::acquire(self, 1)
            }
        }
    };
}

broken_counter!(OneTooMany, |permits| permits + 1, Counted, |permits| {
    permits
});
broken_counter!(GivesNothingBack, |permits| permits, (), |permits| {
    std::mem::forget(permits)
});

broken_counter!(
    Clips,
    |permits| permits.min(u32::MAX as usize),
    Counted,
    |permits| permits
);

macro_rules! runtime_with {
    ($name:ident, $counter:ident) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Runtime for $name {
            type Lock = $counter;
            type Semaphore = $counter;

            asyncflow_tests::forward_to_threads!();
        }
    };
}

runtime_with!(Generous, OneTooMany);
runtime_with!(Greedy, GivesNothingBack);
runtime_with!(Clipping, Clips);

#[test]
fn broken_locks_are_found_out() {
    assert!(breaks(Generous, "a lock excludes"));
    assert!(breaks(Generous, "a semaphore counts"));
    assert!(breaks(Generous, "several permits are acquired all or none"));
    assert!(breaks(Greedy, "a lock excludes"));
    assert!(breaks(Greedy, "a semaphore counts"));
    let large = "a semaphore counts as far as `usize`";
    assert!(breaks(Clipping, large));
    assert!(!breaks(Clipping, "a semaphore counts"));
    assert!(!breaks(ThreadRuntime, large));
}

#[test]
fn a_rule_that_hangs_is_found_out() {
    let patience = Duration::from_millis(20);
    let rule = "what is spawned is polled to its end";
    let check = conformance::check_rule(Broken(Fault::ForgetsFutures), rule, patience);
    let message = panic_message(|| block_on(check));
    assert!(
        message.contains(rule) && message.contains("hangs"),
        "{message}"
    );
}
