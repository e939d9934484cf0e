//! Items: what can be added to a flow or be a member of a group.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::graph::body::{Body, InputUse};
use crate::handle::{Group, Task, TaskId};
use crate::lock::{Lockable, Permits, merge};
use crate::sealed::Sealed;
use crate::task::config::Request;

use super::configure::{Configured, TaskExt};
use super::each::Each;
use super::function::{Once, TaskFn};
use super::group::{Members, Parallel, Series};
use super::in_context::InContext;
use super::inputs::Inputs;
use super::recorded::Recorded;

/// What [`Flow::add`](crate::Flow::add), [`series!`](crate::series!) and
/// [`parallel!`](crate::parallel!) take: a function, a configured function, a [`Series`], a
/// [`Parallel`], or a whole flow in an `Arc`.
///
/// `Marker` is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a flow",
    label = "not a task function, group or flow",
    note = "add a function or closure (async or not), a configured one (`f.after(..)`), a `Series`, a `Parallel` or an `Arc<Flow<_>>`"
)]
pub trait Item<Marker> {
    /// The handle that `Flow::add` returns.
    type Handle;

    #[doc(hidden)]
    fn into_member(self, _: Sealed) -> Member;
    #[doc(hidden)]
    fn handle(id: TaskId, _: Sealed) -> Self::Handle;
}

/// The marker of what becomes one task: of its kind, and of its function.
#[derive(Debug)]
pub struct One<Kind, Marker>(PhantomData<fn() -> (Kind, Marker)>);

/// The marker of functions without configuration, which return `O`.
#[derive(Debug)]
pub struct Bare<O>(PhantomData<fn() -> O>);

/// The marker of configured functions, flows, groups and members.
#[derive(Debug)]
pub struct Ready<Marker>(PhantomData<fn() -> Marker>);

/// What becomes one task: a function, a configured function, or a flow.
///
/// It is asked before [`TaskFn`] is: of its impls, one fits each type, so it cannot fail for a configured
/// function, and what that lacks is reported.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a flow",
    label = "not a function without parameters, a configured one (`f.inputs(..)`), a group or a flow",
    note = "pass the function itself, and not what it returns: `flow.add(work)`, or `flow.add(work.inputs(..))` if it has parameters",
    note = "a closure that changes or moves what it captures is no `Fn`: wrap it in `once(..)`, and the flow can be executed once",
    note = "an async closure that captures is no `Fn` either: add what it captures with `let db = flow.value(db)`, and take it as a parameter: `flow.add((async |db: &Db| ..).inputs(db))`"
)]
#[doc(hidden)]
pub trait IntoTask<Kind> {
    type Function;
    type Inputs;

    fn into_configured(self) -> Configured<Self::Function, Self::Inputs>;
}

// Here and below: the notes say more than a list of impls.
#[diagnostic::do_not_recommend]
impl<F: Fn() -> O, O> IntoTask<Bare<O>> for F {
    type Function = F;
    type Inputs = ();

    fn into_configured(self) -> Configured<F> {
        Configured::without_place(self)
    }
}

#[diagnostic::do_not_recommend]
impl<F, I> IntoTask<Ready<()>> for Configured<F, I> {
    type Function = F;
    type Inputs = I;

    fn into_configured(self) -> Self {
        self
    }
}

macro_rules! into_task {
    ($function:ty $(, $parameter:ident $(: $bound:path)?)*) => {
        #[diagnostic::do_not_recommend]
        impl<$($parameter $(: $bound)?),*> $crate::declare::item::IntoTask<$crate::declare::item::Ready<()>> for $function {
            type Function = Self;
            type Inputs = ();

            fn into_configured(self) -> Configured<Self> {
                Configured::without_place(self)
            }
        }
    };
}

pub(crate) use into_task;

into_task!(Once<F>, F);
into_task!(Recorded<F, C>, F, C);
into_task!(Each<F>, F);
into_task!(InContext<F>, F);

impl<T, Kind, Marker> Item<One<Kind, Marker>> for T
where
    T: IntoTask<Kind>,
    T::Inputs: Inputs,
    T::Function: TaskFn<T::Inputs, Marker>,
{
    type Handle = Task<<T::Function as TaskFn<T::Inputs, Marker>>::Value>;

    fn into_member(self, _: Sealed) -> Member {
        let Configured {
            function,
            inputs,
            mut request,
        } = self.into_configured();
        if T::Inputs::CONTEXT || T::Function::CONTEXT {
            request.config().context = true;
        }
        inputs.visit(&mut |task, how| match how {
            InputUse::Optional => request.awaited.push(task),
            InputUse::Borrowed | InputUse::Moved => request.upstreams.push(task),
        });
        Member(Element::Task(Declaration {
            body: function.into_body(inputs),
            request,
        }))
    }

    fn handle(id: TaskId, _: Sealed) -> Self::Handle {
        Task::new(id)
    }
}

macro_rules! item_for_group {
    ($name:ident) => {
        #[diagnostic::do_not_recommend]
        impl Item<Ready<()>> for $name {
            type Handle = Group;

            fn into_member(self, _: Sealed) -> Member {
                Member(Element::Group(self.0))
            }

            fn handle(end: TaskId, _: Sealed) -> Group {
                Group { end }
            }
        }

        impl WithLock<Ready<()>> for $name {
            type Locked = Self;

            fn locked(mut self, permits: Permits, _: Sealed) -> Self {
                merge(&mut self.0.permits, permits);
                self
            }
        }
    };
}

item_for_group!(Series);
item_for_group!(Parallel);

#[diagnostic::do_not_recommend]
impl Item<Ready<()>> for Member {
    type Handle = Group;

    fn into_member(self, _: Sealed) -> Member {
        self
    }

    fn handle(end: TaskId, _: Sealed) -> Group {
        Group { end }
    }
}

/// Anything that can be added to a flow, as a value of one type.
///
/// Lets a [`Series`] or [`Parallel`] be collected from members that are not all async functions of
/// one type.
///
/// ```
/// use asyncflow::prelude::*;
/// use asyncflow::{Member, TokioFlow};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let members = (0..8).map(|n| Member::new(move || println!("plain function {n}")));
/// flow.add(members.collect::<Parallel>());
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
pub struct Member(pub(crate) Element);

impl Member {
    /// Makes a member from a function, a configured function, a group or a flow.
    ///
    /// ```
    /// use asyncflow::prelude::*;
    /// use asyncflow::{Member, TokioFlow};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let members = [
    ///     Member::new(|| println!("a function")),
    ///     Member::new(parallel![async || println!("a group")]),
    /// ];
    /// let group: Series = members.into_iter().collect();
    /// assert_eq!(group.len(), 2);
    /// flow.add(group);
    /// flow.execute().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn new<T: Item<Marker>, Marker>(item: T) -> Self {
        let mut member = item.into_member(Sealed);
        if let Element::Task(task) = &mut member.0 {
            // A configured function knows where that was done.
            task.request.place.get_or_insert(Location::caller());
        }
        member
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The erased form of an [`Item`].
#[derive(Debug)]
pub(crate) enum Element {
    Task(Declaration),
    Group(Members),
}

/// A task that is not in a flow yet.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) body: Body,
    pub(crate) request: Request,
}

/// The marker of functions that have no configuration yet.
#[derive(Debug)]
pub struct Unlocked<Marker>(PhantomData<fn() -> Marker>);

/// What [`with_lock`] takes. `Marker` is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given a lock",
    label = "not a task function or group",
    note = "pass a function, a configured function, a `series![..]` or a `parallel![..]`"
)]
pub trait WithLock<Marker> {
    /// The type of the item with the lock.
    type Locked;

    #[doc(hidden)]
    #[track_caller]
    fn locked(self, permits: Permits, _: Sealed) -> Self::Locked;
}

impl<F, Marker> WithLock<Unlocked<Marker>> for F
where
    F: TaskExt<Marker>,
{
    type Locked = Configured<F>;

    #[track_caller]
    fn locked(self, permits: Permits, _: Sealed) -> Configured<F> {
        self.with_lock(permits)
    }
}

impl<F, I> WithLock<Ready<()>> for Configured<F, I> {
    type Locked = Self;

    fn locked(self, permits: Permits, _: Sealed) -> Self {
        self.with_lock(permits)
    }
}

/// Makes a function run only while it holds `lock`, like
/// [`f.with_lock(&lock)`](TaskExt::with_lock).
///
/// Also takes a whole group. Each member of the group then takes the lock on its own.
///
/// A member that is a flow holds the lock for as long as it runs. The tasks in that flow must not
/// take locks or semaphores themselves, because they could deadlock: the execution is refused. Nor
/// may a function that holds a lock execute a flow that needs the same lock. That deadlock is not
/// detected.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// # async fn read() {}
/// # async fn write() {}
/// # async fn tidy() {}
/// let disk = Lock::new();
/// flow.add(parallel![with_lock(read, &disk), with_lock(parallel![write, tidy], &disk)]);
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn with_lock<T, Marker>(item: T, lock: impl Lockable) -> T::Locked
where
    T: WithLock<Marker>,
{
    item.locked(lock.to_permits(Sealed), Sealed)
}
