//! `Lock` and `Semaphore`: placeholders for what the backend has.
//!
//! A placeholder names one exclusion for the whole program. When a flow is executed it becomes the
//! native lock or semaphore of the flow's runtime, the same one for every run and flow on that
//! kind of runtime.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::sealed::Sealed;

/// Lets one task at a time run, over all runs and flows of one backend.
///
/// `Clone` shares: every clone is the same lock. `new` is `const`, so that a `static` works.
///
/// ```
/// use asyncflow_core::Lock;
/// # use asyncflow_core::{Flow, TaskExt, doctest::{Inline, block_on}};
/// static DISK: Lock = Lock::new();
///
/// # let mut flow = Flow::<Inline>::new();
/// flow.add((async || { /* alone on the disk */ }).with_lock(&DISK));
/// flow.add((async || { /* alone on the disk */ }).with_lock(&DISK));
/// # block_on(flow.execute()).unwrap();
/// ```
pub struct Lock {
    name: Option<&'static str>,
    shared: OnceLock<Arc<Shared>>,
}

/// Lets a number of tasks run at a time, over all runs and flows of one backend.
///
/// `Clone` shares: every clone is the same semaphore. `new` is `const`, so that a `static` works.
///
/// ```
/// use asyncflow_core::Semaphore;
/// # use asyncflow_core::{Flow, TaskExt, doctest::{Inline, block_on}};
/// static CONNECTIONS: Semaphore = Semaphore::new(4);
///
/// # let mut flow = Flow::<Inline>::new();
/// flow.add((async || { /* one of at most four */ }).with_lock(&CONNECTIONS));
/// flow.add((async || { /* takes three of the four */ }).with_lock(CONNECTIONS.permits(3)));
/// # block_on(flow.execute()).unwrap();
/// ```
pub struct Semaphore {
    name: Option<&'static str>,
    permits: usize,
    shared: OnceLock<Arc<Shared>>,
}

/// A number of permits of a [`Semaphore`]; made by [`Semaphore::permits`].
#[derive(Clone)]
pub struct Permits {
    pub(crate) shared: Arc<Shared>,
    pub(crate) count: usize,
}

/// What all clones of a placeholder have in common.
pub(crate) struct Shared {
    /// Its place in the order in which tasks that need several take them, so that no two tasks
    /// wait for each other.
    pub(crate) rank: u64,
    pub(crate) name: Option<&'static str>,
    /// `None` for a lock.
    pub(crate) capacity: Option<usize>,
    /// What it became on each kind of runtime that it was used on.
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

    /// How many permits can be had at most.
    pub(crate) fn permits(&self) -> usize {
        self.capacity.unwrap_or(1)
    }

    /// The native `T` that this placeholder is, made by `new` the first time.
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
            .expect("it is listed under the id of its own type")
    }
}

impl Lock {
    /// A lock of its own.
    pub const fn new() -> Self {
        Self {
            name: None,
            shared: OnceLock::new(),
        }
    }

    /// A lock of its own, that is called so in diagrams and by observers.
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
    /// A semaphore of its own, with this many permits.
    pub const fn new(permits: usize) -> Self {
        Self {
            name: None,
            permits,
            shared: OnceLock::new(),
        }
    }

    /// A semaphore of its own, that is called so in diagrams and by observers.
    pub const fn named(name: &'static str, permits: usize) -> Self {
        Self {
            name: Some(name),
            permits,
            shared: OnceLock::new(),
        }
    }

    /// Several of its permits at once, for a task that needs them all.
    ///
    /// A task that needs more than the semaphore has, or none, is refused when its flow is
    /// executed, before anything starts.
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

impl Permits {
    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many there are in all; `None` for a [`Lock`].
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity
    }

    /// The name of the lock or semaphore, if it was given one.
    pub fn name(&self) -> Option<&'static str> {
        self.shared.name
    }

    /// Which lock or semaphore it is: all its clones have this number, and no other has.
    pub fn id(&self) -> u64 {
        self.shared.rank
    }
}

/// `lock disk`, `2 of 4 permits of connections`; one without a name is called by its identity.
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

/// What [`with_lock`](crate::TaskExt::with_lock) takes: a [`Lock`], a [`Semaphore`] (one permit of
/// it) or [`Permits`], or a reference to one.
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
        Permits {
            shared: Arc::clone(self.shared()),
            count: 1,
        }
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

/// Adds `permits` to what a task needs: in the order of their ranks, each placeholder once.
///
/// Asking twice for the same one is asking for the larger number, so that a lock around a group
/// and the same lock on a member of it do not wait for each other.
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
