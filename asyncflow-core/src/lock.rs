//! `Lock` and `Semaphore`: placeholders for the locks and semaphores of the backend. And `RateLimit`, which is
//! the same on all backends.
//!
//! When a flow is executed, each placeholder is replaced with a native lock or semaphore of the
//! flow's runtime. All runs of all flows on the same type of runtime get the same native lock.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::RuntimeSemaphore;
use crate::sealed::Sealed;
use crate::weighted_semaphore::WeightedSemaphore;

/// A lock that at most one task holds at a time, among all runs and flows of one backend.
///
/// All clones are the same lock. `new` is `const`, so a lock can be a `static`.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// static DISK: Lock = Lock::new();
///
/// flow.add((async || { /* alone on the disk */ }).with_lock(&DISK));
/// flow.add((async || { /* alone on the disk */ }).with_lock(&DISK));
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
pub struct Lock {
    name: Option<&'static str>,
    shared: OnceLock<Arc<Shared>>,
}

/// A semaphore: a number of permits for tasks, shared among all runs and flows of one backend.
///
/// All clones are the same semaphore. `new` is `const`, so a semaphore can be a `static`.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// static CONNECTIONS: Semaphore = Semaphore::new(4);
///
/// flow.add((async || { /* one of at most four */ }).with_lock(&CONNECTIONS));
/// flow.add((async || { /* takes three of the four */ }).with_lock(CONNECTIONS.permits(3)));
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
pub struct Semaphore {
    name: Option<&'static str>,
    permits: usize,
    shared: OnceLock<Arc<Shared>>,
}

/// A limit of how often tasks start, among all runs and flows of the process.
///
/// Given to tasks like a lock. The starts of all its tasks are spaced: with 5 starts per second, at least
/// 200 ms apart, so there are no bursts. Each attempt of a task is a start, and so is the start of a flow
/// that is a task. Tasks start in the order in which they asked. A plain function counts as started when it
/// is queued for a blocking thread.
///
/// A task waits for its turn before it takes permits and a slot of
/// [`max_concurrency`](crate::Execute::max_concurrency), so it holds nothing that others need. A time limit
/// does not count that wait, and a stop of the run ends it.
///
/// All clones are the same limit. `per_second`, `per` and `named` are `const`, so a limit can be a
/// `static`. The execution of a flow is refused if one of its tasks has a limit of 0 starts.
///
/// ```
/// use std::time::Duration;
///
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// static API: RateLimit = RateLimit::per_second(500).named("api");
///
/// for page in 0..3 {
///     flow.add((move || async move { println!("asks for page {page}") }).with_lock(&API));
/// }
/// let run = flow.execute().timed().await?;
/// assert!(run.report().wall().unwrap() >= Duration::from_millis(4));
/// # Ok(())
/// # }
/// ```
pub struct RateLimit {
    name: Option<&'static str>,
    starts: u32,
    period: Duration,
    shared: OnceLock<Arc<Shared>>,
}

/// What a task needs to run: a [`Lock`], a number of permits of a [`Semaphore`], or a turn of a
/// [`RateLimit`].
///
/// Made by [`Semaphore::permits`]. Also passed to
/// [`Observer::task_waiting`](crate::Observer::task_waiting).
///
/// ```
/// use asyncflow::prelude::*;
///
/// let connections = Semaphore::named("connections", 4);
/// let permits = connections.permits(2);
/// assert_eq!((permits.count(), permits.capacity()), (2, Some(4)));
/// assert_eq!(permits.name(), Some("connections"));
/// assert_eq!(permits.id(), connections.clone().permits(1).id());
/// assert_eq!(permits.to_string(), "2 of 4 permits of connections");
/// ```
#[derive(Clone)]
pub struct Permits {
    pub(crate) shared: Arc<Shared>,
    pub(crate) count: usize,
}

/// The shared state of all clones of a placeholder.
pub(crate) struct Shared {
    /// Identifies the placeholder. Tasks take their permits in the order of ranks, so that they
    /// cannot deadlock.
    pub(crate) rank: u64,
    pub(crate) name: Option<&'static str>,
    pub(crate) kind: Kind,
    /// The native lock or semaphore of each type of runtime that the placeholder was used on.
    natives: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
}

/// What a placeholder stands for.
pub(crate) enum Kind {
    Lock,
    /// With this many permits.
    Semaphore(usize),
    Rate(Rate),
}

/// The state of a rate limit.
pub(crate) struct Rate {
    starts: u32,
    period: Duration,
    /// Who has it is the next to start. Others wait in the order in which they asked.
    pub(crate) turn: Arc<WeightedSemaphore>,
    /// When a task last started. Only read and changed by who has the turn.
    last: Mutex<Option<Instant>>,
}

impl Rate {
    /// The time between two starts. None if so many starts are allowed that a clock cannot tell.
    fn interval(&self) -> Duration {
        self.period.checked_div(self.starts).unwrap_or_default()
    }

    /// Whether no task could ever start.
    pub(crate) fn is_zero(&self) -> bool {
        self.starts == 0
    }

    /// How long it is from `now` until the next start. Never longer than the time between two starts,
    /// also if runtimes with different clocks share the limit.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        match *self.last() {
            Some(last) => {
                let passed = now.saturating_duration_since(last);
                self.interval().saturating_sub(passed)
            }
            None => Duration::ZERO,
        }
    }

    pub(crate) fn started(&self, now: Instant) {
        *self.last() = Some(now);
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(name: Option<&'static str>, kind: Kind) -> Arc<Self> {
        static NEXT_RANK: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            rank: NEXT_RANK.fetch_add(1, Ordering::Relaxed),
            name,
            kind,
            natives: Mutex::new(Vec::new()),
        })
    }

    /// The number of permits. `None` if it is no semaphore.
    pub(crate) fn capacity(&self) -> Option<usize> {
        match self.kind {
            Kind::Semaphore(capacity) => Some(capacity),
            Kind::Lock | Kind::Rate(_) => None,
        }
    }

    /// The number of permits, 1 for a lock.
    pub(crate) fn permits(&self) -> usize {
        self.capacity().unwrap_or(1)
    }

    /// Returns the native `T` of this placeholder, which `new` makes the first time.
    pub(crate) fn native<T: Any + Send + Sync>(&self, new: impl FnOnce() -> T) -> Arc<T> {
        let mut natives = self
            .natives
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = natives
            .iter()
            .find(|(id, _)| *id == TypeId::of::<T>())
            .map(|(_, native)| Arc::clone(native));
        let native = found.unwrap_or_else(|| {
            let native: Arc<dyn Any + Send + Sync> = Arc::new(new());
            natives.push((TypeId::of::<T>(), Arc::clone(&native)));
            native
        });
        native
            .downcast()
            .expect("a native is listed under the id of its own type")
    }
}

impl Lock {
    /// Makes a new lock.
    pub const fn new() -> Self {
        Self {
            name: None,
            shared: OnceLock::new(),
        }
    }

    /// Makes a new lock with a name for diagrams and observers.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let disk = Lock::named("disk");
    /// let task = flow.add((|| {}).with_lock(&disk));
    /// assert_eq!(flow.structure().task(task).permits()[0].to_string(), "lock disk");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn named(name: &'static str) -> Self {
        Self {
            name: Some(name),
            shared: OnceLock::new(),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared
            .get_or_init(|| Shared::new(self.name, Kind::Lock))
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Lock {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            shared: OnceLock::from(Arc::clone(self.shared())),
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

impl Semaphore {
    /// Makes a new semaphore with this many permits.
    pub const fn new(permits: usize) -> Self {
        Self {
            name: None,
            permits,
            shared: OnceLock::new(),
        }
    }

    /// Makes a new semaphore with a name for diagrams and observers.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    ///
    /// static CONNECTIONS: Semaphore = Semaphore::named("connections", 4);
    /// assert_eq!(CONNECTIONS.permits(1).name(), Some("connections"));
    /// ```
    pub const fn named(name: &'static str, permits: usize) -> Self {
        Self {
            name: Some(name),
            permits,
            shared: OnceLock::new(),
        }
    }

    /// Returns `count` permits, for a task that needs all of them at the same time.
    ///
    /// If a task asks for more permits than the semaphore has, or for 0, the execution of its flow
    /// is refused before anything starts.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let memory = Semaphore::new(16);
    /// flow.add((|| println!("needs 12 of 16")).with_lock(memory.permits(12)));
    /// flow.execute().await?;
    ///
    /// flow.add((|| ()).with_lock(memory.permits(17)).named("huge"));
    /// let error = flow.execute().await.unwrap_err();
    /// assert!(error.to_string().starts_with("task `huge` needs 17 permits"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn permits(&self, count: usize) -> Permits {
        Permits {
            shared: Arc::clone(self.shared()),
            count,
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared
            .get_or_init(|| Shared::new(self.name, Kind::Semaphore(self.permits)))
    }
}

impl Clone for Semaphore {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            permits: self.permits,
            shared: OnceLock::from(Arc::clone(self.shared())),
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Semaphore({})", self.permits)
    }
}

impl RateLimit {
    /// Makes a limit of so many starts per second.
    pub const fn per_second(starts: u32) -> Self {
        Self::per(starts, Duration::from_secs(1))
    }

    /// Makes a limit of so many starts per period. Two starts are at least `period / starts` apart.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use asyncflow::prelude::*;
    ///
    /// static MAIL: RateLimit = RateLimit::per(100, Duration::from_secs(3600));
    /// ```
    pub const fn per(starts: u32, period: Duration) -> Self {
        Self {
            name: None,
            starts,
            period,
            shared: OnceLock::new(),
        }
    }

    /// Sets its name for diagrams and observers.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// let api = RateLimit::per_second(5).named("api");
    /// let mut flow = TokioFlow::new();
    /// let call = flow.add((async || {}).with_lock(&api));
    /// let rates = flow.structure().task(call).rates()[0].to_string();
    /// assert_eq!(rates, "at most 5 starts per 1s of api");
    /// ```
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared.get_or_init(|| {
            let rate = Rate {
                starts: self.starts,
                period: self.period,
                turn: Arc::new(WeightedSemaphore::new(1)),
                last: Mutex::new(None),
            };
            Shared::new(self.name, Kind::Rate(rate))
        })
    }
}

impl Clone for RateLimit {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            starts: self.starts,
            period: self.period,
            shared: OnceLock::from(Arc::clone(self.shared())),
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RateLimit({} per {:?})", self.starts, self.period)
    }
}

impl From<&Lock> for Permits {
    fn from(lock: &Lock) -> Self {
        Self {
            shared: Arc::clone(lock.shared()),
            count: 1,
        }
    }
}

impl Permits {
    /// Returns the number of permits.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of permits of the whole semaphore, or `None` for a [`Lock`] or a [`RateLimit`].
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// Returns how many starts there are per period, or `None` if this is no [`RateLimit`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// let mut flow = TokioFlow::new();
    /// let call = flow.add((async || {}).with_lock(RateLimit::per_second(5)));
    /// let structure = flow.structure();
    /// assert_eq!(structure.task(call).rates()[0].rate(), Some((5, Duration::from_secs(1))));
    /// ```
    pub fn rate(&self) -> Option<(u32, Duration)> {
        self.to_rate().map(|rate| (rate.starts, rate.period))
    }

    pub(crate) fn to_rate(&self) -> Option<&Rate> {
        match &self.shared.kind {
            Kind::Rate(rate) => Some(rate),
            Kind::Lock | Kind::Semaphore(_) => None,
        }
    }

    /// Returns the name of the lock, semaphore or rate limit, if it has one.
    pub fn name(&self) -> Option<&'static str> {
        self.shared.name
    }

    /// Returns a number that identifies the lock, semaphore or rate limit: the same for all of its clones, and
    /// for no other.
    pub fn id(&self) -> u64 {
        self.shared.rank
    }
}

/// Writes `lock disk`, `2 of 4 permits of connections` or `at most 5 starts per 1s of api`. If there is no name, writes the
/// [`id`](Permits::id), as in `lock #7`.
impl fmt::Display for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shared.kind {
            Kind::Lock => f.write_str("lock ")?,
            Kind::Semaphore(capacity) => write!(f, "{} of {capacity} permits of ", self.count)?,
            Kind::Rate(Rate { starts, period, .. }) => {
                let plural = if *starts == 1 { "" } else { "s" };
                write!(f, "at most {starts} start{plural} per {period:?} of ")?;
            }
        }
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "#{}", self.id()),
        }
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_rate() {
            Some(_) => fmt::Display::fmt(self, f),
            None => write!(f, "{} of {} permits", self.count, self.shared.permits()),
        }
    }
}

/// What [`with_lock`](crate::TaskExt::with_lock) takes: a [`Lock`], a [`Semaphore`] (for one permit),
/// [`Permits`] or a [`RateLimit`], or a reference to one of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a lock",
    label = "expected a `Lock`, a `Semaphore`, `semaphore.permits(n)` or a `RateLimit`",
    note = "use `asyncflow::Lock` and `asyncflow::Semaphore`: they become the runtime's native ones when the flow is executed"
)]
pub trait Lockable {
    #[doc(hidden)]
    fn to_permits(&self, sealed: Sealed) -> Permits;
}

impl Lockable for Lock {
    fn to_permits(&self, _: Sealed) -> Permits {
        self.into()
    }
}

impl Lockable for Semaphore {
    fn to_permits(&self, _: Sealed) -> Permits {
        self.permits(1)
    }
}

impl Lockable for RateLimit {
    fn to_permits(&self, _: Sealed) -> Permits {
        Permits {
            shared: Arc::clone(self.shared()),
            count: 1,
        }
    }
}

impl Lockable for Permits {
    fn to_permits(&self, _: Sealed) -> Permits {
        self.clone()
    }
}

impl<L: Lockable + ?Sized> Lockable for &L {
    fn to_permits(&self, _: Sealed) -> Permits {
        (**self).to_permits(Sealed)
    }
}

/// Adds `permits` to those that a task needs, which are sorted by rank and list each placeholder
/// once.
///
/// If a placeholder is asked for twice, the larger count is needed. So a task may take the same lock
/// as the group that it is in.
pub(crate) fn merge(needed: &mut Vec<Permits>, permits: Permits) {
    match needed.binary_search_by_key(&permits.shared.rank, |held| held.shared.rank) {
        Ok(found) => needed[found].count = needed[found].count.max(permits.count),
        Err(place) => needed.insert(place, permits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_identity() {
        static LOCK: Lock = Lock::new();
        let clone = LOCK.clone();
        assert!(Arc::ptr_eq(LOCK.shared(), clone.shared()));
        assert!(!Arc::ptr_eq(LOCK.shared(), Lock::new().shared()));
    }

    #[test]
    fn one_native_for_each_type() {
        let lock = Lock::new();
        let first = lock.shared().native(|| 1_u32);
        let again = lock.shared().native(|| 2_u32);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*lock.shared().native(|| "another"), "another");
    }

    #[test]
    fn merged_in_rank_order_whatever_the_order_of_asking() {
        let (a, b) = (Semaphore::new(5), Lock::new());
        a.to_permits(Sealed);
        b.to_permits(Sealed);
        let mut needed = Vec::new();
        merge(&mut needed, b.to_permits(Sealed));
        merge(&mut needed, a.permits(2));
        merge(&mut needed, a.permits(4));
        merge(&mut needed, b.to_permits(Sealed));
        let counts: Vec<_> = needed
            .iter()
            .map(|held| (held.shared.rank, held.count))
            .collect();
        assert_eq!(counts, [(a.shared().rank, 4), (b.shared().rank, 1)]);
    }
}
