//! The graph: what was declared, and the dense form in which it is executed.
//!
//! Nodes are numbered in the order in which they were declared. A task is declared after the tasks
//! that it depends on, because it needs their handles. So every edge leads from a smaller number to
//! a larger one, the numbers are a topological order, and a cycle cannot be written.
//!
//! * [`declared`]: the nodes so far; [`node`]: one of them; [`edge`]: a dependency; [`body`]: its function, erased;
//! * [`compile`]: from these to the dense form, [`compiled`];
//! * [`storage`]: the outputs and statuses of one run of it; [`turn_cost`]: how long those before took;
//! * [`validate`]: mistakes that are found before anything starts; [`refusal`]: their messages;
//! * [`names`]: the names of tasks; [`structure`]: the graph as users see it.
//!
//! Nothing here polls a future or starts a thread.

pub(crate) mod body;
mod compile;
mod compiled;
mod declared;
pub(crate) mod edge;
mod names;
pub(crate) mod node;
pub(crate) mod refusal;
pub(crate) mod storage;
pub(crate) mod structure;
pub(crate) mod turn_cost;
mod validate;

pub(crate) use compiled::Graph;
pub(crate) use declared::{Declared, GroupSpan, Order};
pub(crate) use node::Node;
