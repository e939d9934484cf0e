//! Locks, limits and rates: what may run at the same time.
//!
//! | at most | over | use |
//! |---|---|---|
//! | one task | all tasks, runs and flows that take it | [`Lock`](crate::Lock) |
//! | n tasks, or tasks of different weights | the same | [`Semaphore`](crate::Semaphore), [`permits(3)`](crate::Semaphore::permits) |
//! | n starts in some time | the same | [`RateLimit`](crate::RateLimit) |
//! | n tasks | one run, with the runs inside of it | [`max_concurrency(n)`](crate::Execute::max_concurrency) |
//! | n blocking functions | the program | how the runtime's pool is configured |
//!
//! The first three go into [`with_lock`](crate::TaskExt::with_lock), as often as needed. They are shared by
//! reference or by clone, and `new` is `const`, so a `static` works. A lock holds within one kind of runtime:
//! a flow on Tokio and one on smol do not exclude each other.
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
//! use std::time::Duration;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! static CONNECTIONS: Semaphore = Semaphore::named("connections", 4);
//! static API: RateLimit = RateLimit::per(100, Duration::from_millis(100)).named("api");
//! static DISK: Lock = Lock::named("disk");
//!
//! static OPEN: AtomicUsize = AtomicUsize::new(0);
//!
//! async fn fetch(page: &u32) -> u32 {
//!     assert!(OPEN.fetch_add(1, SeqCst) < 4);
//!     tokio::task::yield_now().await;
//!     OPEN.fetch_sub(1, SeqCst);
//!     *page
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let pages = flow.value((0..20).collect::<Vec<u32>>());
//! let fetched = flow.add(each(fetch).inputs(pages).with_lock(&CONNECTIONS).with_lock(&API));
//! flow.add((|_: &Vec<u32>| { /* writes them */ }).inputs(fetched).with_lock(&DISK));
//! flow.add((|| { /* reads */ }).with_lock(&DISK));
//! // A migration that needs all connections for itself.
//! flow.add((async || {}).with_lock(CONNECTIONS.permits(4)));
//! flow.execute().max_concurrency(8).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds what, and when
//!
//! * A task takes its permits when its upstreams have succeeded, and gives them back when its function has
//!   ended: by success, error, panic, time limit, or because the run is stopped or dropped.
//! * It takes all of them at once or, after some attempts in vain, one after the other in an order that all
//!   tasks keep. So several locks cannot deadlock, in whatever order they are given.
//! * It holds nothing while it waits for upstreams, for its turn of a rate limit, or in the pause before its
//!   next attempt.
//! * It occupies no thread while it waits.
//! * A plain function that has timed out keeps its permits until it returns.
//! * Each element of an [`each`](crate::each()) takes permits by itself.
//! * A flow that becomes a task can be given a lock only if no task in it takes one.
//!   [`with_lock(group, &lock)`](crate::with_lock()) gives one to every member of a group.
//!
//! # Functions that block
//!
//! A function that is not async runs on a blocking thread of the runtime: for files, for a client without
//! `async`, for what computes long. An async function that blocks holds up the thread that polls it, and
//! with it other tasks. Make what blocks a task of its own, and pass it its data as inputs.
//!
//! # Who is next
//!
//! Tasks that wait for the same thing get it by [`priority`](crate::TaskExt::priority), the higher first,
//! and then in the order in which they began to wait. Priorities also decide which of the ready tasks
//! starts:
//!
//! ```
//! use std::sync::Mutex;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let order = flow.value(Mutex::new(Vec::new()));
//! for (name, priority) in [("lint", -1), ("build", 10), ("docs", 0)] {
//!     let run = move |order: &Mutex<Vec<&str>>| order.lock().unwrap().push(name);
//!     flow.add(run.inputs(order).priority(priority));
//! }
//! let run = flow.execute().max_concurrency(1).await?;
//! assert_eq!(*run[order].lock().unwrap(), ["build", "docs", "lint"]);
//! # Ok(())
//! # }
//! ```
//!
//! If several tasks may run at a time, each thread takes the first task that is left. Then tasks that are ready
//! at the same time may overtake each other, if one thread is quicker than another.
//!
//! # Rates
//!
//! A `RateLimit` spaces starts evenly: twenty a second are one every 50 ms, and no burst. Every attempt is a
//! start. The wait for its turn counts neither for the time limit of the task nor for `max_concurrency`.
//!
//! # Locks of your own data
//!
//! These locks order functions. They hold no data. Data that several tasks change is in a `Mutex`; see
//! [state](super::state). What takes a lock here need not take it inside of its function again.
