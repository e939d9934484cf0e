//! What asyncflow promises, a file for each promise; `README.md` beside this crate says which test
//! proves what.

// `ready(gate.open())` says what a task does in the fewest words.
#![allow(clippy::unit_arg)]

mod again;
mod always;
mod backends;
mod cancelling;
mod concurrency;
mod conditions;
mod conformance;
mod context;
mod data;
mod deadlines;
mod decisions;
mod decorator;
mod deep;
mod diagrams;
mod documented;
mod drivers;
mod durable;
mod each;
mod ending;
mod failures;
mod fairness;
mod fallbacks;
mod flow_types;
mod graph_from_data;
mod groups;
mod locks;
mod memory;
mod mistakes;
mod model;
mod nested;
mod observers;
mod ordering;
mod panics;
mod pictures;
mod priorities;
mod progress;
mod rate_limits;
mod remote;
mod report;
mod retries;
mod running;
mod runs_inside;
mod runtimes;
mod selection;
mod structure;
mod timelines;
mod timeouts;
mod traces;
mod values;
