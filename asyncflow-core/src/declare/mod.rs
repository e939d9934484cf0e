//! Declaring: how functions, groups and whole flows become the tasks of a flow.
//!
//! In the order in which a function passes through: [`configure`] collects its configuration,
//! [`inputs`] connects its parameters to the outputs of upstream tasks, [`function`] finds out
//! whether it is async and erases its type, [`group`] arranges several, and [`item`] defines what
//! [`Flow::add`](crate::Flow::add) takes.

pub(crate) mod add_graph;
pub(crate) mod configure;
pub(crate) mod each;
pub(crate) mod function;
pub(crate) mod group;
pub(crate) mod in_context;
pub(crate) mod inputs;
pub(crate) mod item;
pub(crate) mod recorded;
