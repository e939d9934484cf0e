//! Testing flows.
//!
//! | to test | do |
//! |---|---|
//! | one function | call it: it is an ordinary function |
//! | the flow without its database or network | [give](crate::Execute::given) values in place of tasks |
//! | a part of the flow | [`only`](crate::Execute::only) |
//! | what happens on a failure | give the task an input that makes it fail, and read the [report](crate::FlowError::report) |
//! | the graph itself | [`structure`](crate::Flow::structure) |
//! | time limits and retries, without waiting | a paused clock |
//!
//! # The functions alone
//!
//! ```
//! use asyncflow::TokioRuntime;
//! use asyncflow::prelude::*;
//!
//! pub struct Page {
//!     host: String,
//! }
//!
//! #[flow]
//! impl Page {
//!     #[task]
//!     async fn user(&self, #[input] id: &u64) -> Result<String, std::io::Error> {
//!         Ok(format!("user {id} of {}", self.host))
//!     }
//!
//!     #[task]
//!     fn html(user: &String) -> String {
//!         format!("<h1>{user}</h1>")
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A method of a `#[flow]` type stays a method.
//! assert_eq!(Page::html(&"Ada".into()), "<h1>Ada</h1>");
//! let page = Page { host: "here".into() };
//! assert_eq!(page.user(&7).await?, "user 7 of here");
//!
//! // The flow, with a value in place of `user`: its function is not called.
//! let page: PageFlow<TokioRuntime> = PageFlow::new(page);
//! let run = page.execute().given(page.id, 7).given(page.user, "Ada".into()).await?;
//! assert_eq!(run[page.html], "<h1>Ada</h1>");
//! assert_eq!(run.report().status(page.user), TaskStatus::Given);
//! # Ok(())
//! # }
//! ```
//!
//! A [`value`](crate::Flow::value) is replaced in the same way: `given(client, Client::fake())`. If clients of
//! different types are wanted, make the type generic: `impl<C: Client> Page<C>`.
//!
//! # Parts and failures
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let text = flow.input::<String>("text");
//! let number = flow.add((|text: &String| text.parse::<u32>()).inputs(text).named("number"));
//! let double = flow.add((|number: &u32| number * 2).inputs(number).named("double"));
//! let store = flow.add((|double: &u32| println!("stores {double}")).inputs(double));
//!
//! // Not `store`.
//! let run = flow.execute().given(text, "4".into()).only(double).await?;
//! assert_eq!(run[double], 8);
//! assert_eq!(run.report().status(store), TaskStatus::NotSelected);
//!
//! // What is upstream of a given task is not needed for the target, so it does not run.
//! let run = flow.execute().given(text, "x".into()).given(number, 5).only(double).await?;
//! assert_eq!(run[double], 10);
//!
//! let error = flow.execute().given(text, "x".into()).await.unwrap_err();
//! let report = error.report().unwrap();
//! assert_eq!(report.status(number), TaskStatus::Failed);
//! assert_eq!(report.status(store), TaskStatus::Skipped { because: number.into() });
//!
//! // The graph: what depends on what.
//! let structure = flow.structure();
//! let upstreams = structure.task(store).upstreams();
//! let names: Vec<_> = upstreams.filter_map(|node| structure.node(node).name()).collect();
//! assert_eq!(names, ["double"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! Pauses, time limits, deadlines and rate limits use the clock of the runtime. Tokio's can be paused
//! (feature `test-util`); it then jumps to the next event, and the test takes no time:
//!
//! ```
//! use std::time::Duration;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), FlowError> {
//! // In a test: `#[tokio::test(start_paused = true)]`.
//! let start = tokio::time::Instant::now();
//! let mut flow = TokioFlow::new();
//! let hang = async || std::future::pending::<u32>().await;
//! let hang = hang.timeout(Duration::from_secs(10)).retry([Duration::from_secs(60)].into_iter());
//! let hang = flow.add(hang.fallback(|_| 0));
//! let run = flow.execute().await?;
//! assert_eq!((run[hang], run.report().task(hang).attempts()), (0, 2));
//! assert_eq!(start.elapsed().as_secs(), 80);
//! # Ok(())
//! # }
//! ```
//!
//! # Order
//!
//! Assert events and their order, not elapsed time. To see the order in which tasks start and end, push to a
//! `Mutex<Vec<_>>` that is a [value](crate::Flow::value), or write an [`Observer`](crate::Observer). With
//! [`max_concurrency(1)`](crate::Execute::max_concurrency), tasks run one after the other. With
//! `flavor = "current_thread"`, async functions share one thread.
//!
//! A runtime of your own is tested by the conformance suite: see [runtimes](super::runtimes).
