//! asyncflow side by side with hand-written graphs, its peers and oneTBB: in one process, taking
//! turns round by round. `README.md` explains the method and the commands.
//!
//! # Layout
//! What is executed: [`shape`], [`plan`] and [`job`]. Who executes it: [`contender`] and
//! [`contenders`]. Whether it was done right: [`recorder`] and [`trial`]. How long it took:
//! [`measure`], [`statistics`] and [`sheet`]. What is measured: [`groups`] and [`dagx_set`]. What comes out:
//! [`table`] and [`chart`]. The program: [`options`], [`launch`] and [`session`].

#![forbid(unsafe_code)]

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
pub mod session;
pub mod shape;
pub mod sheet;
pub mod spin;
pub mod statistics;
pub mod table;
pub mod trial;
