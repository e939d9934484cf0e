//! Groups: `Series` and `Parallel`, for functions that are defined elsewhere.
//!
//! A group is a tree until it is added to a flow. Then only nodes and edges remain. Most of the
//! nodes are tasks. A *gate* is a node without a function, which ends once its upstreams have ended.
//! A gate is inserted where m tasks depend on n others, so that n + m edges are enough instead of
//! n × m, and where the handle of a group needs a single last node.
//!
//! Trees may be a million levels deep, so neither adding nor dropping one recurses.

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use smallvec::{SmallVec, smallvec};

use crate::graph::{Declared, GroupSpan, Order};
use crate::handle::{TaskId, TaskIds, Upstreams};
use crate::lock::{Lockable, Permits, merge};
use crate::node_index::NodeIndex;
use crate::output::{Output, Value};
use crate::sealed::Sealed;

use super::function::{Async, Called, TaskFn};
use super::item::{Declaration, Element, Item, Member, WithLock};

/// Functions and groups that run one after the other.
///
/// Written as a literal with [`series!`](crate::series!), or built with [`then`](Series::then),
/// `collect` and `extend`. A group may have any number of members and any depth. An empty group has
/// no effect: `series![a, parallel![], b]` runs `b` after `a`.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// # async fn download() {}
/// # async fn unpack() {}
/// # fn check() {}
/// # async fn install() {}
/// let group = flow.add(series![download, parallel![unpack, check], install]);
/// let steps: Series = (0..3).map(|_| async || {}).collect();
/// flow.add(steps.after(group));
/// assert_eq!(flow.len(), 7);
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a group does nothing until it is added to a flow"]
pub struct Series(pub(crate) Members);

/// Functions and groups that run at the same time.
///
/// Written as a literal with [`parallel!`](crate::parallel!), or built with
/// [`with`](Parallel::with), `collect` and `extend`. See [`Series`].
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let downloads: Parallel = (0..8).map(|n| move || async move { println!("download {n}") }).collect();
/// let downloads = flow.add(downloads);
/// flow.add((|| println!("all eight are done")).after(downloads));
/// flow.execute().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a group does nothing until it is added to a flow"]
pub struct Parallel(pub(crate) Members);

/// Makes a [`Series`]: `series![f, g, parallel![h, i]]`.
///
/// ```
/// use asyncflow::prelude::*;
///
/// let group = series![|| println!("first"), async || println!("second")];
/// assert_eq!(group.len(), 2);
/// ```
#[macro_export]
macro_rules! series {
    ($($item:expr),* $(,)?) => {
        $crate::Series::new()$(.then($item))*
    };
}

/// Makes a [`Parallel`]: `parallel![f, g, series![h, i]]`.
///
/// ```
/// use asyncflow::prelude::*;
///
/// let group = parallel![|| println!("one"), series![async || println!("two")]];
/// assert_eq!(group.len(), 2);
/// ```
#[macro_export]
macro_rules! parallel {
    ($($item:expr),* $(,)?) => {
        $crate::Parallel::new()$(.with($item))*
    };
}

/// The content of a group of either kind.
pub(crate) struct Members {
    order: Order,
    elements: Vec<Element>,
    /// The upstreams of the whole group.
    after: TaskIds,
    /// Taken by each member on its own.
    pub(crate) permits: Vec<Permits>,
}

macro_rules! collect {
    (
        $(#[$doc:meta])* $name:ident, $item:ty, [$($generics:tt)*] where [$($bounds:tt)*],
        |$each:ident| $element:expr
    ) => {
        $(#[$doc])*
        impl<$($generics)*> Extend<$item> for $name
        where
            $($bounds)*
        {
            fn extend<Items: IntoIterator<Item = $item>>(&mut self, items: Items) {
                let members = items.into_iter().map(|$each: $item| $element);
                self.0.elements.extend(members);
            }
        }

        $(#[$doc])*
        impl<$($generics)*> FromIterator<$item> for $name
        where
            $($bounds)*
        {
            fn from_iter<Items: IntoIterator<Item = $item>>(items: Items) -> Self {
                let mut group = Self::new();
                group.extend(items);
                group
            }
        }
    };
}

macro_rules! group {
    ($name:ident, $(#[doc = $doc:literal])* $push:ident) => {
        impl $name {
            /// Makes an empty group.
            pub fn new() -> Self {
                Self(Members::new(Order::$name))
            }

            $(#[doc = $doc])*
            #[track_caller]
            pub fn $push<T: Item<Marker>, Marker>(mut self, item: T) -> Self {
                self.0.elements.push(Member::new(item).0);
                self
            }

            /// Runs the group only once everything in `upstreams` has succeeded.
            ///
            /// Takes what [`TaskExt::after`](crate::TaskExt::after) takes. Can be repeated.
            ///
            /// ```
            /// use asyncflow::TokioFlow;
            /// use asyncflow::prelude::*;
            ///
            /// # #[tokio::main]
            /// # async fn main() -> Result<(), FlowError> {
            /// let mut flow = TokioFlow::new();
            /// let setup = flow.add(async || {});
            /// flow.add(parallel![|| 1, || 2].after(setup));
            /// flow.add(series![|| 3, || 4].after(setup));
            /// assert_eq!(flow.structure().task(setup).downstreams().count(), 3);
            /// flow.execute().await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn after(mut self, upstreams: impl Upstreams) -> Self {
                upstreams.visit(&mut |task| self.0.after.push(task), Sealed);
                self
            }

            /// Makes each member take the lock on its own.
            ///
            /// See [`with_lock`](crate::with_lock()) for members that are flows.
            ///
            /// ```
            /// use asyncflow::TokioFlow;
            /// use asyncflow::prelude::*;
            ///
            /// # #[tokio::main]
            /// # async fn main() -> Result<(), FlowError> {
            /// let mut flow = TokioFlow::new();
            /// let disk = Lock::new();
            /// flow.add(series![|| 1, parallel![|| 2, || 3]].with_lock(&disk));
            /// let structure = flow.structure();
            /// let locked = structure.nodes().filter(|node| !node.permits().is_empty());
            /// assert_eq!(locked.count(), 3);
            /// flow.execute().await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn with_lock(self, lock: impl Lockable) -> Self {
                self.locked(lock.to_permits(Sealed), Sealed)
            }

            /// Returns the number of members. A group in it counts as one.
            pub fn len(&self) -> usize {
                self.0.elements.len()
            }

            /// Returns `true` if it has no members.
            pub fn is_empty(&self) -> bool {
                self.0.elements.is_empty()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        collect!($name, Member, [] where [], |member| member.0);
        collect!($name, Series, [] where [], |group| Element::Group(group.0));
        collect!($name, Parallel, [] where [], |group| Element::Group(group.0));
        collect!(
            /// Collects async functions of one type. For other functions see [`Member`].
            $name, F,
            [F, Fut, T] where [
                F: Fn() -> Fut + TaskFn<(), Called<Async, Value, T>>,
                Fut: Future<Output = T>,
                T: Output,
            ],
            |function| function.into_member(Sealed).0
        );
    };
}

group!(
    Series,
    /// Adds a member that runs after the members before it.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let mut steps = Series::new();
    /// for step in 1..=3 {
    ///     steps = steps.then(move || println!("step {step}"));
    /// }
    /// assert_eq!(steps.len(), 3);
    /// flow.add(steps);
    /// flow.execute().await?;
    /// # Ok(())
    /// # }
    /// ```
    then
);
group!(
    Parallel,
    /// Adds a member that runs at the same time as the others.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let mut downloads = Parallel::new();
    /// for page in 1..=3 {
    ///     downloads = downloads.with(move || async move { println!("page {page}") });
    /// }
    /// assert_eq!(downloads.len(), 3);
    /// flow.add(downloads);
    /// flow.execute().await?;
    /// # Ok(())
    /// # }
    /// ```
    with
);

impl Members {
    fn new(order: Order) -> Self {
        Self {
            order,
            elements: Vec::new(),
            after: TaskIds::new(),
            permits: Vec::new(),
        }
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the members, because printing a deep tree would recurse.
        write!(f, "{:?} of {}", self.order, self.elements.len())
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        let mut pending = std::mem::take(&mut self.elements);
        while let Some(element) = pending.pop() {
            if let Element::Group(mut group) = element {
                pending.append(&mut group.elements);
            }
        }
    }
}

/// The most upstreams that a nested group has without a gate in between. A longer list would be
/// copied at every level of nesting.
const MOST_COPIED: usize = 8;

/// Nodes that something must wait for.
type Ends = SmallVec<[NodeIndex; 4]>;

/// A group that is being added to a flow.
struct Frame {
    order: Order,
    /// The members that are not in the flow yet.
    rest: std::vec::IntoIter<Element>,
    /// The upstreams of the next member.
    entry: Ends,
    /// The last nodes of the members so far, if the group is parallel.
    exits: Ends,
    /// Those of the outer groups included. Shared, because most groups add none of their own.
    permits: Rc<Vec<Permits>>,
    /// The index of its span among the flow's groups.
    span: usize,
}

impl Frame {
    #[track_caller]
    fn open(
        mut members: Members,
        mut entry: Ends,
        outer: &Rc<Vec<Permits>>,
        flow: &mut Declared,
    ) -> Self {
        for task in &members.after {
            entry.push(flow.check(*task));
        }
        let permits = if members.permits.is_empty() {
            Rc::clone(outer)
        } else {
            let mut permits = std::mem::take(&mut members.permits);
            for held in outer.iter() {
                merge(&mut permits, held.clone());
            }
            Rc::new(permits)
        };
        let elements = std::mem::take(&mut members.elements);
        // Whether several members, or a group at every level of a deep tree, would copy the list.
        let copied = members.order == Order::Parallel && elements.len() > 1
            || elements
                .iter()
                .any(|element| matches!(element, Element::Group(_)));
        if entry.len() > 1 && copied {
            entry = smallvec![flow.gate(&entry)];
        }
        let first = flow.len();
        flow.groups().push(GroupSpan {
            order: members.order,
            first,
            end: first,
        });
        Self {
            order: members.order,
            rest: elements.into_iter(),
            entry,
            exits: Ends::new(),
            permits,
            span: flow.groups().len() - 1,
        }
    }

    /// Records the last nodes of a member.
    fn closed(&mut self, mut ends: Ends) {
        match self.order {
            Order::Series => self.entry = ends,
            // The member is empty: its ends are the upstreams that all members wait for anyway.
            Order::Parallel if ends == self.entry => {}
            Order::Parallel if self.exits.is_empty() => self.exits = ends,
            Order::Parallel => {
                // Appends the shorter list to the longer, so that nested groups do not copy the
                // nodes of an inner group again at every level.
                if ends.len() > self.exits.len() {
                    std::mem::swap(&mut self.exits, &mut ends);
                }
                self.exits.extend(ends);
            }
        }
    }

    fn ends(self) -> Ends {
        match self.order {
            Order::Parallel if !self.exits.is_empty() => self.exits,
            _ => self.entry,
        }
    }
}

/// Adds a task or a whole group to a flow. Returns the task or the last node of the group.
#[track_caller]
pub(crate) fn add(flow: &mut Declared, element: Element) -> TaskId {
    let end = match element {
        Element::Task(Declaration { body, request }) => flow.add_task(body, request, &[]),
        Element::Group(members) => add_group(flow, members),
    };
    flow.task_id(end)
}

/// Adds a whole tree to a flow. Returns its last node, which may be a gate.
#[track_caller]
fn add_group(flow: &mut Declared, members: Members) -> NodeIndex {
    let mut stack = vec![Frame::open(members, Ends::new(), &Rc::default(), flow)];
    loop {
        let frame = stack.last_mut().expect("the loop ends with the last frame");
        match frame.rest.next() {
            Some(Element::Group(group)) => {
                if frame.entry.len() > MOST_COPIED {
                    frame.entry = smallvec![flow.gate(&frame.entry)];
                }
                let (entry, permits) = (frame.entry.clone(), Rc::clone(&frame.permits));
                stack.push(Frame::open(group, entry, &permits, flow));
            }
            Some(Element::Task(declaration)) => {
                let Declaration { body, mut request } = declaration;
                for held in frame.permits.iter() {
                    request.config().need(held.clone());
                }
                let task = flow.add_task(body, request, &frame.entry);
                frame.closed(smallvec![task]);
            }
            None => {
                let frame = stack.pop().expect("the stack has a last frame");
                flow.groups()[frame.span].end = flow.len();
                let ends = frame.ends();
                match (stack.last_mut(), ends.as_slice()) {
                    (Some(outer), _) => outer.closed(ends),
                    (None, [end]) => return *end,
                    (None, ends) => return flow.gate(ends),
                }
            }
        }
    }
}
