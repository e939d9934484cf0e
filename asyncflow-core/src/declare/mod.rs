//! Declaring: how functions, groups and whole flows become the tasks of a flow.
//!
//! In the order in which a function passes through: [`function`] tells what kind of function it
//! is and erases its type, [`inputs`] ties its parameters to upstream outputs, [`configure`]
//! collects what the user asks of it, [`lock`] names what it must hold, [`group`] arranges many,
//! and [`item`] is what [`Flow::add`](crate::Flow::add) takes.

pub(crate) mod configure;
pub(crate) mod function;
pub(crate) mod group;
pub(crate) mod inputs;
pub(crate) mod item;
