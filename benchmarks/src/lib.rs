//! Benchmarks of asyncflow, hand-written graphs, its peers and oneTBB, which take turns in one
//! process. `README.md` explains the method and the commands.
//!
//! # Layout
//!
//! * what is executed: [`shape`], [`plan`], [`job`] and [`dagx_set`];
//! * what executes it: [`runtime`], [`contender`] and [`contenders`];
//! * whether the result is right: [`recorder`] and [`trial`];
//! * how long it takes: [`measure`], [`statistics`] and [`sheet`];
//! * what is compared: [`groups`];
//! * the output: [`table`] and [`chart`];
//! * the program: [`options`], [`launch`] and [`suite`].

#![forbid(unsafe_code)]

/// Bar charts.
pub mod bars;
pub mod chart;
pub mod contender;
pub mod contenders;
pub mod dagx_set;
pub mod groups;
pub mod job;
pub mod launch;
pub mod measure;
pub mod memory;
pub mod options;
pub mod plan;
pub mod recorder;
pub mod runtime;
pub mod shape;
pub mod sheet;
pub mod spin;
pub mod statistics;
pub mod suite;
pub mod table;
pub mod trial;
