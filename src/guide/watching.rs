//! Watching runs: what each view looks like, for the request that is drawn at the top of the README.
//!
//! | to see | use | feature |
//! |---|---|---|
//! | how each task ended | [`run.report()`](crate::Run::report), or the [`report`](crate::FlowError::report) of the error | |
//! | how long each waited and ran, and what to make faster | [`timed()`](crate::Execute::timed), [`critical_path`](crate::Report::critical_path) | |
//! | a picture or a page of that | [`to_svg`](crate::view::DrawReport::to_svg), [`to_html`](crate::view::DrawReport::to_html), [`to_chrome_trace`](crate::view::DrawReport::to_chrome_trace) | `view` |
//! | the graph | [`to_mermaid`](crate::view::DrawFlow::to_mermaid), [`to_dot`](crate::view::DrawFlow::to_dot) | `view` |
//! | a progress bar while it runs | [`Progress`](crate::view::progress::Progress) | `progress` |
//! | spans and events in the log | [`Tracer`](crate::view::tracing::Tracer) | `tracing` |
//! | anything else, as it happens | your own [`Observer`](crate::Observer) | |
//! | the state of a run that goes on | [`Running::report`](crate::Running::report) | |
//! | the report in another program | `serde_json::to_string(run.report())`, in a versioned form | `serde` |
//!
//! # After the run
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//! use asyncflow::view::DrawReport;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("timeline.html");
//! let mut flow = TokioFlow::new();
//! let fetch = flow.add((async || "a page").named("fetch"));
//! let count = flow.add((|page: &&str| page.len()).inputs(fetch).named("count"));
//!
//! let run = flow.execute().timed().await?;
//! println!("{}", run.report());
//! std::fs::write(path, run.report().to_html())?;
//!
//! let slowest = run.report().critical_path().expect("it was timed");
//! # let names: Vec<_> = slowest.tasks().iter().map(|task| task.name()).collect();
//! # assert_eq!(names, ["fetch", "count"]);
//! assert_eq!(run.report().status(count), TaskStatus::Succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! The report is a table. It fits 80 columns, and shows what matters of a large flow:
//!
//! ```text
//! 9 tasks in 160.4ms: 8 succeeded, 1 recovered
//! * session   succeeded       16.4ms  ███
//! * user      succeeded       30.6ms    ██████
//!   posts     succeeded 2×    65.5ms    ████░░█████  attempt 2
//! * ads       recovered       81.6ms         █████████████
//!   avatar    succeeded       55.4ms         █████████
//!   cover     succeeded       25.1ms              ░░░█████
//!   comments  succeeded       40.1ms              ███████
//! * html      succeeded       20.1ms                     ████
//! * log       succeeded       11.3ms                        ██
//! * on the critical path   ░ waiting, also between attempts   █ running
//! ```
//!
//! The tasks on the critical path decide how long the run takes. To make the run faster, make one of these
//! faster, or let it start earlier. Here that is `ads`, whose time limit is too long.
//!
//! `to_svg` draws the same:
//!
// In a shadow root, so that the styles of the picture do not apply to the page.
#![doc = concat!(
    "<div style=\"overflow-x:auto\"><template shadowrootmode=\"open\">",
    "<style>svg{min-width:640px;max-width:100%;height:auto}</style>",
    include_str!("../../docs/timeline.svg"),
    "</template></div>"
)]
//!
//! `to_html` makes one file to zoom and search in, with the details of each task: the elements of an
//! [`each`](crate::each()) and the tasks of flows inside unfold from their row. The example `census`
//! writes such a page. `to_chrome_trace` is for <https://ui.perfetto.dev>.
//!
//! # Before the run
//!
//! `flow.to_mermaid()` is text that GitHub and others draw from a code block. `flow.to_dot()` is for
//! Graphviz: `dot -Tsvg`. A diagram of a report has colours for what became of each task.
//!
#![doc = concat!(
    "<div style=\"overflow-x:auto\"><template shadowrootmode=\"open\">",
    "<style>svg{min-width:640px;max-width:100%;height:auto}</style>",
    include_str!("../../docs/diagram.svg"),
    "</template></div>"
)]
//!
//! Both pictures are made by `cargo run --example picture --features view,tokio -- docs`.
//!
//! # During the run
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//! use asyncflow::view::progress::Progress;
//! use asyncflow::view::tracing::Tracer;
//! use asyncflow::{Observer, types::TaskRef};
//!
//! struct Print;
//!
//! impl Observer for Print {
//!     fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
//!         println!("{} {status}", task.name());
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let copy = |cx: &TaskContext| {
//!     for block in 0..100 {
//!         cx.progress(block, 100); // to the bar
//!     }
//!     cx.note("100 blocks"); // to the table, the timeline and the log
//! };
//! flow.add(copy.inputs(context()).named("copy"));
//! flow.execute().observe(Progress::new()).observe(Tracer::new()).observe(Print).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The bar, on a terminal:
//!
//! ```text
//! ⠤ 3/9 [==========>                   ] 1s gone, 3s to go
//!   3 running, 1 waiting for permits, 3 succeeded, 1 retried
//!   503 ms  ads
//!   503 ms  avatar
//! ```
//!
//! The log, as `tracing_subscriber` prints it. A span closes when its task ends:
//!
//! ```text
//! WARN run{tasks=9}:task{name="posts"}:attempt{attempt=1 error="the connection was reset"}: attempt failed task="posts" attempt=1 error="the connection was reset"
//! INFO run{tasks=9}:task{name="posts"}:attempt{attempt=2}: noted note="attempt 2"
//! INFO run{tasks=9}:task{name="posts" status="succeeded"}: close
//! ```
//!
//! Observers see what happens in flows inside of the flow as well. A run without observers and clocks does
//! nothing for them.
