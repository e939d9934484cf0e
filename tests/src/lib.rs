//! Runs a test that is written once on every backend, under a name that says which.
//!
//! ```
//! use asyncflow_tests::{Log, on_every_backend};
//! use asyncflow::prelude::*;
//!
//! on_every_backend! {
//!     async fn one_after_the_other<R>() {
//!         let (mut flow, log) = (Flow::<R>::new(), Log::new());
//!         let first = flow.add(log.note("first"));
//!         flow.add(log.note("second").after(first));
//!         flow.execute().await.unwrap();
//!         assert_eq!(log.events(), ["first", "second"]);
//!     }
//! }
//! # fn main() {}
//! ```

use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use asyncflow::{AsyncStdRuntime, SmolRuntime, TokioRuntime};

/// How long a test may take. It is not what any test measures: a test that hangs fails here.
const WATCHDOG: Duration = Duration::from_secs(120);

/// Defines tests, each of which runs on Tokio (with two workers, and on one thread with one
/// blocking thread), async-std and smol.
///
/// In each `async fn name<R>()`, `R` is a `Runtime + Default`. The tests are called
/// `name::tokio`, `name::tokio_current`, `name::async_std` and `name::smol`.
#[macro_export]
macro_rules! on_every_backend {
    ($($(#[$attribute:meta])* async fn $name:ident<$R:ident>() $body:block)*) => {
        $(
            $(#[$attribute])*
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                async fn case<$R: ::asyncflow::Runtime + Default>() $body

                #[test]
                fn tokio() {
                    $crate::on_tokio(case::<$crate::TokioRuntime>);
                }

                #[test]
                fn tokio_current() {
                    $crate::on_tokio_current(case::<$crate::TokioRuntime>);
                }

                #[test]
                fn async_std() {
                    $crate::on_async_std(case::<$crate::AsyncStdRuntime>);
                }

                #[test]
                fn smol() {
                    $crate::on_smol(case::<$crate::SmolRuntime>);
                }
            }
        )*
    };
}

/// Runs a test on Tokio with two workers.
pub fn on_tokio<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(test());
    });
}

/// Runs a test on Tokio with one thread, and one blocking thread.
pub fn on_tokio_current<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(test());
    });
}

/// Runs a test on async-std.
pub fn on_async_std<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || async_std::task::block_on(test()));
}

/// Runs a test on smol.
pub fn on_smol<Fut: Future<Output = ()>>(test: impl FnOnce() -> Fut + Send + 'static) {
    watched(move || smol::block_on(test()));
}

/// Runs `test` on a thread of its own, and fails if it hangs.
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

/// A list of events, in the order in which they were noted; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event.
    pub fn push(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    /// An async function that adds an event; a task.
    pub fn note(
        &self,
        event: &'static str,
    ) -> impl Fn() -> std::future::Ready<()> + Send + Sync + 'static {
        let log = self.clone();
        move || {
            log.push(event);
            std::future::ready(())
        }
    }

    /// A plain function that adds an event; a task on a blocking thread.
    pub fn note_blocking(&self, event: &'static str) -> impl Fn() + Send + Sync + 'static {
        let log = self.clone();
        move || log.push(event)
    }

    /// All events so far.
    pub fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Where an event is in the log.
    ///
    /// # Panics
    ///
    /// If it is not there exactly once.
    #[track_caller]
    pub fn place(&self, event: &str) -> usize {
        let events = self.events();
        let mut places = events
            .iter()
            .enumerate()
            .filter(|(_, other)| *other == event);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => place,
            (None, _) => panic!("`{event}` is not among {events:?}"),
            _ => panic!("`{event}` is more than once among {events:?}"),
        }
    }

    /// Asserts that each of these events was noted before the next.
    #[track_caller]
    pub fn assert_order(&self, events: &[&str]) {
        let places: Vec<usize> = events.iter().map(|event| self.place(event)).collect();
        assert!(
            places.is_sorted(),
            "expected {events:?} in this order, in {:?}",
            self.events()
        );
    }
}
