//! Graphs that are known only when the program runs.
//!
//! | the graph | use |
//! |---|---|
//! | is data: targets of a build, a file, a database | [`Flow::add_graph`](crate::Flow::add_graph) |
//! | is a list | [`each`](crate::each()), see [fan-out](super::fan_out) |
//! | has branches | [`run_if`](crate::TaskExt::run_if), [`run_unless`](crate::TaskExt::run_unless), [`run_when`](crate::TaskExt::run_when), [`after_any`](crate::TaskExt::after_any) |
//! | is a part of another | [`only`](crate::Execute::only) |
//! | goes on until something holds, or depends on an output | a task that executes flows through its [context](crate::TaskContext::execute) |
//! | is a flow inside of another | [`flow.add(Arc::new(inner))`](crate::Flow::add) |
//!
//! # From data
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The key of each task, and the keys of what it depends on. In any order.
//! let makefile = [("app", vec!["main.o", "lib.o"]), ("main.o", vec![]), ("lib.o", vec![])];
//!
//! let mut flow = TokioFlow::new();
//! let targets = flow.add_graph(makefile, |flow, &target, upstreams| {
//!     let make = move |made: Vec<&String>| format!("{target}{made:?}");
//!     flow.add(make.inputs(upstreams).named(target))
//! })?;
//! let run = flow.execute().await?;
//! assert_eq!(run[targets["app"]], r#"app["main.o[]", "lib.o[]"]"#);
//!
//! // What a user asks for by name, such as the arguments of a command line.
//! let wanted = flow.find("lib.o").ok_or("there is no such target")?;
//! let run = flow.execute().only(wanted).await?;
//! assert_eq!(run.report().count(TaskStatus::is_success), 1);
//!
//! // A circle is an error, and nothing is added.
//! let circle = [("a", vec!["b"]), ("b", vec!["a"])];
//! let error = flow.add_graph(circle, |flow, _, upstreams| flow.add((|| {}).after(upstreams)));
//! assert!(error.unwrap_err().to_string().contains("a → b → a"));
//! # Ok(())
//! # }
//! ```
//!
//! The example `make` is a build tool on this, with a file of targets and up-to-date checks.
//!
//! # Branches
//!
//! A condition is the output of a task. What depends on a task that does not run is skipped, which is no
//! failure. A task that takes both branches [`optional`](crate::Task::optional) joins them:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let cached = flow.input::<bool>("cached");
//! let load = flow.add((|| 42).run_if(cached));
//! let compute = flow.add((|| 6 * 7).run_unless(cached));
//! let show = |load: Option<&u64>, compute: Option<&u64>| load.or(compute).copied();
//! let show = show.inputs((load.optional(), compute.optional())).after_any([load, compute]);
//! let show = flow.add(show);
//! assert_eq!(flow.execute().given(cached, false).await?[show], Some(42));
//! # Ok(())
//! # }
//! ```
//!
//! # Loops
//!
//! A flow has no circles, so a loop is a loop of Rust, in a task. What it executes through its context
//! belongs to the task: it is stopped with it, counted by `max_concurrency`, and seen by observers.
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! /// A flow with its input and output.
//! struct Step {
//!     flow: TokioFlow,
//!     guess: Task<f64>,
//!     next: Task<f64>,
//! }
//!
//! async fn root(cx: &TaskContext, step: &Step) -> Result<f64, FlowError> {
//!     let mut guess = 1.0;
//!     loop {
//!         let next = cx.execute(&step.flow).given(step.guess, guess).await?[step.next];
//!         if (next - guess).abs() < 1e-9 {
//!             return Ok(next);
//!         }
//!         guess = next;
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut step = TokioFlow::new();
//! let guess = step.input("guess");
//! let next = step.add((|guess: &f64| (guess + 2.0 / guess) / 2.0).inputs(guess));
//!
//! let mut flow = TokioFlow::new();
//! let step = flow.value(Step { flow: step, guess, next });
//! let root = flow.add(root.inputs((context(), step)));
//! assert!((flow.execute().await?[root] - 2_f64.sqrt()).abs() < 1e-9);
//! # Ok(())
//! # }
//! ```
//!
//! The flow can also be made in the task, from what it has read: build it with
//! [`Flow::new`](crate::Flow::new), and execute it in the same way.
