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

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Lockable, Observer, Running, Runtime, TaskRef};

mod by_hand;

pub use self::by_hand::{BY_HAND, ByHand, Sleeps, by_hand};
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
    ($($tests:tt)*) => {
        $crate::each_test_on_every_backend! { here $($tests)* }
    };
}

/// Like [`on_every_backend!`], each test in a process of its own: for those that take the process
/// down with them when they fail.
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
                        $crate::on_tokio(case::<$crate::TokioRuntime>);
                    });
                }

                #[test]
                fn tokio_current() {
                    $crate::$place(concat!(module_path!(), "::tokio_current"), || {
                        $crate::on_tokio_current(case::<$crate::TokioRuntime>);
                    });
                }

                #[test]
                fn async_std() {
                    $crate::$place(concat!(module_path!(), "::async_std"), || {
                        $crate::on_async_std(case::<$crate::AsyncStdRuntime>);
                    });
                }

                #[test]
                fn smol() {
                    $crate::$place(concat!(module_path!(), "::smol"), || {
                        $crate::on_smol(case::<$crate::SmolRuntime>);
                    });
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

/// Counts the values that are alive: each running task of a test holds a [`Guard`].
#[derive(Clone, Debug, Default)]
pub struct Guards(Arc<AtomicUsize>);

/// Alive until it is dropped; made by [`Guards::guard`].
#[derive(Debug)]
pub struct Guard(Arc<AtomicUsize>);

impl Guards {
    /// None alive.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more that is alive.
    pub fn guard(&self) -> Guard {
        self.0.fetch_add(1, Ordering::SeqCst);
        Guard(Arc::clone(&self.0))
    }

    /// How many are alive.
    pub fn live(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Holds up tasks until it is opened; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<Barred>, Condvar)>);

#[derive(Debug, Default)]
struct Barred {
    open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    /// A shut gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it, for good.
    pub fn open(&self) {
        let mut barred = self.0.0.lock().unwrap();
        barred.open = true;
        let wakers = std::mem::take(&mut barred.wakers);
        drop(barred);
        self.0.1.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.0.lock().unwrap().open
    }

    /// Waits until it is open.
    pub async fn pass(&self) {
        poll_fn(|cx| {
            let mut barred = self.0.0.lock().unwrap();
            if barred.open {
                return Poll::Ready(());
            }
            barred.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until it is open, with the thread.
    pub fn pass_blocking(&self) {
        let barred = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(barred, |barred| !barred.open).unwrap());
    }

    /// Opens it when dropped.
    pub fn opener(&self) -> Opener {
        Opener(self.clone())
    }
}

/// Opens a [`Gate`] when dropped, which is how a test sees that a future was.
#[derive(Debug)]
pub struct Opener(Gate);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Lets nobody on until so many have arrived: that they get on shows that they were there at the
/// same time. Clones share it.
///
/// With more than that, it lets them on in groups of as many.
#[derive(Clone, Debug)]
pub struct Meeting(Arc<Mutex<Arrivals>>);

#[derive(Debug)]
struct Arrivals {
    /// How many meet.
    count: usize,
    /// How many of the group that gathers are still to come.
    missing: usize,
    /// Opened for the group that gathers.
    gate: Gate,
}

impl Meeting {
    /// A meeting of so many.
    pub fn of(count: usize) -> Self {
        Self(Arc::new(Mutex::new(Arrivals {
            count,
            missing: count,
            gate: Gate::new(),
        })))
    }

    /// Takes note of one more, and gives what it has to pass.
    fn arrive(&self) -> Gate {
        let mut arrivals = self.0.lock().unwrap();
        arrivals.missing -= 1;
        let gate = arrivals.gate.clone();
        if arrivals.missing == 0 {
            arrivals.missing = arrivals.count;
            arrivals.gate = Gate::new();
            drop(arrivals);
            gate.open();
        }
        gate
    }

    /// Waits for the others.
    pub async fn meet(&self) {
        self.arrive().pass().await;
    }

    /// Waits for the others, with the thread.
    pub fn meet_blocking(&self) {
        self.arrive().pass_blocking();
    }

    /// An async task that waits for the others.
    pub fn task(&self) -> impl Fn() -> Job + Send + Sync + use<> {
        let meeting = self.clone();
        move || {
            let meeting = meeting.clone();
            Box::pin(async move { meeting.meet().await })
        }
    }
}

/// Counts what is inside of something at the same time, and the most that ever was; clones share
/// it.
#[derive(Clone, Debug, Default)]
pub struct Inside(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    visits: AtomicUsize,
}

/// Inside until it is dropped; made by [`Inside::enter`].
#[derive(Debug)]
pub struct Visit {
    inside: Inside,
    weight: usize,
}

impl Inside {
    /// Nobody inside.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody who counts as so many.
    pub fn enter(&self, weight: usize) -> Visit {
        let now = self.0.now.fetch_add(weight, Ordering::SeqCst) + weight;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        self.0.visits.fetch_add(1, Ordering::SeqCst);
        Visit {
            inside: self.clone(),
            weight,
        }
    }

    /// The most that were inside at the same time.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// How many came in.
    pub fn visits(&self) -> usize {
        self.0.visits.load(Ordering::SeqCst)
    }

    /// An async task that stays inside while others have a turn.
    pub fn task(&self, weight: usize) -> impl Fn() -> Job + Send + Sync + use<> {
        let inside = self.clone();
        move || {
            let inside = inside.clone();
            Box::pin(async move {
                let _visit = inside.enter(weight);
                turns(4).await;
            })
        }
    }

    /// A plain task that stays inside for a moment.
    pub fn plain(&self, weight: usize) -> impl Fn() + Send + Sync + use<> {
        let inside = self.clone();
        move || {
            let _visit = inside.enter(weight);
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.inside.0.now.fetch_sub(self.weight, Ordering::SeqCst);
    }
}

/// The future of an async task that captured something.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Lets everything else have so many turns.
pub async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Numbers that look random, the same ones for the same seed.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One that is smaller than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Lets everything else have a turn, once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls `future` at most this many times, each time that it asks to be polled again; `None` if
/// it is not ready by then.
pub async fn poll_times<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == times {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits on the runtime's own timer.
pub async fn pause<R: Runtime + Default>(duration: Duration) {
    let runtime = R::default().attach().unwrap();
    runtime.sleep(duration).await;
}

/// A run of one task that has these permits, and keeps them until `go` is opened.
pub async fn hold<R: Runtime + Default>(permits: impl Lockable, go: &Gate) -> Running {
    let (mut flow, has, go) = (Flow::<R>::new(), Gate::new(), go.clone());
    let opens = has.clone();
    let holder = move || {
        let (opens, go) = (opens.clone(), go.clone());
        async move {
            opens.open();
            go.pass().await;
        }
    };
    flow.add(holder.with_lock(permits).named("holder"));
    let running = flow.start();
    has.pass().await;
    running
}

/// A gate that is opened as soon as these tasks have ended, and who sees to that.
pub fn ended<const N: usize>(names: [&'static str; N]) -> (Gate, impl Observer) {
    struct Opens<const N: usize>([&'static str; N], AtomicUsize, Gate);
    impl<const N: usize> Observer for Opens<N> {
        fn task_ended(&self, task: TaskRef<'_>, _: TaskStatus) {
            if self.0.contains(&task.name()) && self.1.fetch_add(1, Ordering::SeqCst) + 1 == N {
                self.2.open();
            }
        }
    }
    let gate = Gate::new();
    (gate.clone(), Opens(names, AtomicUsize::new(0), gate))
}

/// Waits until something is so that nothing tells of.
///
/// # Panics
///
/// If it is not so within a time that is much longer than anything takes.
pub async fn eventually<R: Runtime + Default>(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        pause::<R>(Duration::from_millis(1)).await;
    }
    panic!("waited in vain for: {what}");
}

/// Set in the processes that [`in_child`] starts, to the test that they run.
const CHILD: &str = "ASYNCFLOW_TEST_CHILD";

/// Runs a test in this process.
#[doc(hidden)]
pub fn here(_path: &str, test: impl FnOnce()) {
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
    let output = std::process::Command::new(std::env::current_exe().unwrap())
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
