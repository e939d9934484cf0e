//! How to do common things, a page each.
//!
//! | page | what it answers |
//! |---|---|
//! | [coming from `join!`](coming_from) | what becomes of `join!`, `JoinSet` and `FuturesUnordered` |
//! | [state] | where clients, configuration and the data of a request go |
//! | [fan-out](fan_out) | how one function runs for many things |
//! | [graphs] | how a graph comes from data; branches and loops |
//! | [failures] | what follows a failure, and how to read the error |
//! | [cancelling] | ctrl-c, time limits, clean-up, and where it does not run |
//! | [limits] | locks, semaphores, rates and priorities |
//! | [testing] | how to test a flow, its parts and its failures |
//! | [watching] | reports, timelines, diagrams, progress bars and spans |
//! | [durable and remote](durable_and_remote) | runs that survive a crash, tasks on other machines |
//! | [runtimes] | which flow runs where, and how to bring another runtime |
//! | [how it works](how_it_works) | what happens between `execute` and the result |
//! | [compiler] | what an error message of the compiler means |

pub mod cancelling;
pub mod coming_from;
pub mod compiler;
pub mod durable_and_remote;
pub mod failures;
pub mod fan_out;
pub mod graphs;
pub mod how_it_works;
pub mod limits;
pub mod runtimes;
pub mod state;
pub mod testing;
pub mod watching;
