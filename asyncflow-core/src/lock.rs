//! `Lock` and `Semaphore`: placeholders for the locks and semaphores of the backend.
//!
//! When a flow is executed, each placeholder is replaced with a native lock or semaphore of the
//! flow's runtime. All runs of all flows on the same type of runtime get the same native lock.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::sealed::Sealed;

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

/// What a task holds while it runs: a [`Lock`], or a number of permits of a [`Semaphore`].
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
    /// `None` for a lock.
    pub(crate) capacity: Option<usize>,
    /// The native lock or semaphore of each type of runtime that the placeholder was used on.
    natives: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
}

impl Shared {
    fn new(name: Option<&'static str>, capacity: Option<usize>) -> Arc<Self> {
        static NEXT_RANK: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            rank: NEXT_RANK.fetch_add(1, Ordering::Relaxed),
            name,
            capacity,
            natives: Mutex::new(Vec::new()),
        })
    }

    /// The number of permits, 1 for a lock.
    pub(crate) fn permits(&self) -> usize {
        self.capacity.unwrap_or(1)
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
        self.shared.get_or_init(|| Shared::new(self.name, None))
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
            .get_or_init(|| Shared::new(self.name, Some(self.permits)))
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

    /// Returns the number of permits of the whole semaphore, or `None` for a [`Lock`].
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity
    }

    /// Returns the name of the lock or semaphore, if it has one.
    pub fn name(&self) -> Option<&'static str> {
        self.shared.name
    }

    /// Returns a number that identifies the lock or semaphore: the same for all of its clones, and
    /// for no other.
    pub fn id(&self) -> u64 {
        self.shared.rank
    }
}

/// Writes `lock disk` or `2 of 4 permits of connections`. If there is no name, writes the
/// [`id`](Permits::id), as in `lock #7`.
impl fmt::Display for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.capacity() {
            None => f.write_str("lock ")?,
            Some(capacity) => write!(f, "{} of {capacity} permits of ", self.count)?,
        }
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "#{}", self.id()),
        }
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} permits", self.count, self.shared.permits())
    }
}

/// What [`with_lock`](crate::TaskExt::with_lock) takes: a [`Lock`], a [`Semaphore`] (for one permit)
/// or [`Permits`], or a reference to one of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a lock",
    label = "expected a `Lock`, a `Semaphore` or `semaphore.permits(n)`",
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
