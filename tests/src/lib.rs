//! The harness: runs a test that is written once on every backend, under a name that says which,
//! and has what the tests share.
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
//!
//! | file | has |
//! |---|---|
//! | `any_backend` | one type for the runtimes of all backends |
//! | `backends` | the runtimes to run on, the limit of time, tests in a process of their own |
//! | `gate` | what holds tasks up until a test lets them go on |
//! | `count` | what is alive, what is inside at the same time |
//! | `log` | events, in the order in which they happened |
//! | `tasks` | task functions, retry policies, statuses |
//! | `turns` | giving others a turn, waiting, polling so many times |
//! | `by_clock` | a runtime whose time passes when a test says so |
//! | `by_hand` | a runtime whose sleeps end when a test says so |
//! | `kept` | a runtime that keeps what it is asked to run until a test runs it |
//! | `forward` | what those leave to the runtime that they wrap |
//! | `threads` | a runtime that starts a thread for everything |

mod any_backend;
mod backends;
mod by_clock;
mod by_hand;
mod count;
mod forward;
mod gate;
mod kept;
mod log;
mod tasks;
mod threads;
mod turns;

pub use asyncflow::{AsyncStdRuntime, SmolRuntime, TokioRuntime};

pub use self::any_backend::{AnyRuntime, Backend};
pub use self::backends::{
    in_child, in_process, on_async_std, on_smol, on_smol_current, on_tokio, on_tokio_current,
    tokio_current, tokio_with_two_workers, watched,
};
pub use self::by_clock::{ByClock, Clock, by_clock};
pub use self::by_hand::{BY_HAND, ByHand, Sleeps, by_hand};
pub use self::count::{Guard, Guards, Inside, Visit};
pub use self::gate::{Gate, Meeting, Opener, ended, hold, run_ended};
pub use self::kept::{Function, Kept};
pub use self::log::Log;
pub use self::tasks::{
    Job, LONG, at_once, attempts_after, counts, opens, outlives_a_stop, panic_message, passes,
    skipped, slow, waits, waits_then_opens,
};
pub use self::threads::{Counted, Counter, ThreadRuntime, block_on};
pub use self::turns::{
    Numbers, eventually, pause, poll_times, poll_until, poll_while_woken, turns, yield_now,
};

/// Defines tests, each of which runs on Tokio (with two workers, and on one thread with one
/// blocking thread), async-std and smol.
///
/// In each `async fn name<R>()`, `R` is a `Runtime + Default`: [`AnyRuntime`]. The tests are called
/// `name::tokio`, `name::tokio_current`, `name::async_std` and `name::smol`.
#[macro_export]
macro_rules! on_every_backend {
    ($($tests:tt)*) => {
        $crate::each_test_on_every_backend! { in_process $($tests)* }
    };
}

/// Like [`on_every_backend!`], each test in a process of its own: for those that end the process
/// when they fail, look at the whole process, or change something that all of it shares.
#[macro_export]
macro_rules! on_every_backend_in_child {
    ($($tests:tt)*) => {
        $crate::each_test_on_every_backend! { in_child $($tests)* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! each_test_on_every_backend {
    ($place:ident $($(#[$attribute:meta])* async fn $name:ident<$R:ident>() $body:block)*) => {
        $(
            $(#[$attribute])*
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                async fn case<$R: ::asyncflow::Runtime + Default>() $body

                #[test]
                fn tokio() {
                    $crate::$place(concat!(module_path!(), "::tokio"), || {
                        $crate::on_tokio($crate::Backend::Tokio.within(case::<$crate::AnyRuntime>));
                    });
                }

                #[test]
                fn tokio_current() {
                    $crate::$place(concat!(module_path!(), "::tokio_current"), || {
                        $crate::on_tokio_current($crate::Backend::Tokio.within(case::<$crate::AnyRuntime>));
                    });
                }

                #[test]
                fn async_std() {
                    $crate::$place(concat!(module_path!(), "::async_std"), || {
                        $crate::on_async_std($crate::Backend::AsyncStd.within(case::<$crate::AnyRuntime>));
                    });
                }

                #[test]
                fn smol() {
                    $crate::$place(concat!(module_path!(), "::smol"), || {
                        $crate::on_smol($crate::Backend::Smol.within(case::<$crate::AnyRuntime>));
                    });
                }
            }
        )*
    };
}

/// An async function that can be called again: it clones what it captured.
#[macro_export]
macro_rules! again {
    (($($captured:ident),*) $(|$parameter:ident: $type:ty|)? $body:block) => {{
        move |$($parameter: $type)?| {
            $(let $captured = $captured.clone();)*
            async move $body
        }
    }};
}
