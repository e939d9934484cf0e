//! Groups: `Series` and `Parallel`, for functions that come from elsewhere.
//!
//! A group is a tree until it is added to a flow; then only tasks and edges remain, and here and
//! there a *gate*: a place in the graph without a function that passes on that its upstreams have
//! ended. A gate stands where n tasks come before m, so that n + m edges do instead of n × m, and
//! where the handle of a group needs one end to name.
//!
//! Trees may be a million deep. So nothing here recurses: not adding, and not dropping.

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

use super::function::{Async, TaskFn};
use super::item::{Declaration, Element, Item, Member, WithLock};

/// Functions and groups that run one after the other.
///
/// Literal with [`series!`](crate::series!), dynamic with [`then`](Series::then), `collect` and
/// `extend`. Any depth, any length; an empty one keeps the order of its neighbours.
///
/// ```
/// use asyncflow_core::{Series, parallel, series};
/// # use asyncflow_core::{Flow, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// # async fn download() {}
/// # async fn unpack() {}
/// # fn check() {}
/// # async fn install() {}
/// let group = flow.add(series![download, parallel![unpack, check], install]);
/// let steps: Series = (0..3).map(|_| async || {}).collect();
/// flow.add(steps.after(group));
/// # block_on(flow.execute()).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a group does nothing until it is added to a flow"]
pub struct Series(pub(crate) Members);

/// Functions and groups that run side by side.
///
/// Literal with [`parallel!`](crate::parallel!), dynamic with [`with`](Parallel::with), `collect`
/// and `extend`. See [`Series`].
#[derive(Debug)]
#[must_use = "a group does nothing until it is added to a flow"]
pub struct Parallel(pub(crate) Members);

/// Makes a [`Series`]: `series![f, g, parallel![h, i]]`.
#[macro_export]
macro_rules! series {
    ($($item:expr),* $(,)?) => {
        $crate::Series::new()$(.then($item))*
    };
}

/// Makes a [`Parallel`]: `parallel![f, g, series![h, i]]`.
#[macro_export]
macro_rules! parallel {
    ($($item:expr),* $(,)?) => {
        $crate::Parallel::new()$(.with($item))*
    };
}

/// What both kinds of group are made of.
pub(crate) struct Members {
    order: Order,
    elements: Vec<Element>,
    after: TaskIds,
    /// Taken by every member for itself.
    pub(crate) permits: Vec<Permits>,
}

macro_rules! collect {
    ($name:ident, $item:ty, |$each:ident| $element:expr) => {
        impl Extend<$item> for $name {
            fn extend<Items: IntoIterator<Item = $item>>(&mut self, items: Items) {
                let members = items.into_iter().map(|$each: $item| $element);
                self.0.elements.extend(members);
            }
        }

        impl FromIterator<$item> for $name {
            fn from_iter<Items: IntoIterator<Item = $item>>(items: Items) -> Self {
                let mut group = Self::new();
                group.extend(items);
                group
            }
        }
    };
}

macro_rules! group {
    ($name:ident, $push:ident, $doc:literal) => {
        impl $name {
            /// An empty group.
            pub fn new() -> Self {
                Self(Members::new(Order::$name))
            }

            #[doc = $doc]
            pub fn $push<T: Item<Marker>, Marker>(mut self, item: T) -> Self {
                self.0.elements.push(item.into_member(Sealed).0);
                self
            }

            /// Runs the group only once everything in `upstreams` has succeeded.
            pub fn after(mut self, upstreams: impl Upstreams) -> Self {
                upstreams.visit(&mut |task| self.0.after.push(task), Sealed);
                self
            }

            /// Lets every member take the lock for itself.
            pub fn with_lock(self, lock: impl Lockable) -> Self {
                self.locked(lock.to_permits(Sealed), Sealed)
            }

            /// How many members it has; a group in it counts as one.
            pub fn len(&self) -> usize {
                self.0.elements.len()
            }

            /// Whether it has no members.
            pub fn is_empty(&self) -> bool {
                self.0.elements.is_empty()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        collect!($name, Member, |member| member.0);
        collect!($name, Series, |group| Element::Group(group.0));
        collect!($name, Parallel, |group| Element::Group(group.0));

        /// Collects async functions of one type; for others see [`Member`].
        impl<F, Fut, T> Extend<F> for $name
        where
            F: Fn() -> Fut + TaskFn<(), Async<Value, T>>,
            Fut: Future<Output = T>,
            T: Output,
        {
            fn extend<Items: IntoIterator<Item = F>>(&mut self, items: Items) {
                let members = items
                    .into_iter()
                    .map(|function| function.into_member(Sealed).0);
                self.0.elements.extend(members);
            }
        }

        /// Collects async functions of one type; for others see [`Member`].
        impl<F, Fut, T> FromIterator<F> for $name
        where
            F: Fn() -> Fut + TaskFn<(), Async<Value, T>>,
            Fut: Future<Output = T>,
            T: Output,
        {
            fn from_iter<Items: IntoIterator<Item = F>>(items: Items) -> Self {
                let mut group = Self::new();
                group.extend(items);
                group
            }
        }
    };
}

group!(
    Series,
    then,
    "Adds a member that runs after the ones before it."
);
group!(Parallel, with, "Adds a member that runs beside the others.");

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
        // Not its members: a tree may be too deep to print by recursion.
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

/// How many upstreams a nested group has without a gate in between. A longer list would be copied
/// at every level of nesting.
const MOST_COPIED: usize = 8;

/// Indices of tasks that something must wait for.
type Ends = SmallVec<[NodeIndex; 2]>;

/// A group of which some members are in the flow and others are still to be added.
struct Frame {
    order: Order,
    rest: std::vec::IntoIter<Element>,
    /// What the next member must wait for.
    entry: Ends,
    /// What one must wait for to be after the members of a parallel group so far.
    exits: Ends,
    permits: Rc<Vec<Permits>>,
    /// Where among the flow's groups its span is.
    span: usize,
}

impl Frame {
    #[track_caller]
    fn open(
        mut members: Members,
        entry: Ends,
        outer: &Rc<Vec<Permits>>,
        flow: &mut Declared,
    ) -> Self {
        let mut entry = entry;
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
        // What more than one member, or a group on every level of a deep tree, would have to copy.
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

    /// Takes note of where a member ends.
    fn closed(&mut self, mut ends: Ends) {
        match self.order {
            Order::Series => self.entry = ends,
            // An empty member ends where it began, which the others are after anyway.
            Order::Parallel if ends == self.entry => {}
            Order::Parallel if self.exits.is_empty() => self.exits = ends,
            Order::Parallel => {
                // The shorter list to the longer: where groups are nested, what was collected
                // inside of a member is not copied again at every level.
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

/// Adds a task or a whole group to a flow. Returns the task, or the end of the group.
#[track_caller]
pub(crate) fn add(flow: &mut Declared, element: Element) -> TaskId {
    let end = match element {
        Element::Task(Declaration { body, request }) => flow.add_task(body, request, &[]),
        Element::Group(members) => add_group(flow, members),
    };
    flow.task_id(end)
}

/// Adds a whole tree to a flow. Returns its one end.
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
                    merge(&mut request.config().permits, held.clone());
                }
                let task = flow.add_task(body, request, &frame.entry);
                frame.closed(smallvec![task]);
            }
            None => {
                let frame = stack.pop().expect("it was just looked at");
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
