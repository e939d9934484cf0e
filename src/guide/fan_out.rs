//! Fan-out: one function for many things.
//!
//! | the list | write | makes |
//! |---|---|---|
//! | is made by a task, or given to the run | [`each(f)`](crate::each()) | one task, with a `Vec` of outputs |
//! | is known when the flow is built, and each element is a task with a name and dependencies of its own | [`flow.add`](crate::Flow::add) in a loop | a `Vec` of handles |
//! | is a list of functions | [`parallel!`](crate::parallel), or a [`Parallel`](crate::types::Parallel) from an iterator | a group |
//!
//! # A list that a task makes
//!
//! ```
//! use std::time::Duration;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::backon::ConstantBuilder;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! async fn list() -> Result<Vec<String>, std::io::Error> {
//!     Ok(vec!["/a".into(), "/bb".into(), "/ccc".into()])
//! }
//!
//! async fn fetch(url: &String) -> Result<usize, std::io::Error> {
//!     Ok(url.len())
//! }
//!
//! fn total(sizes: &Vec<usize>) -> usize {
//!     sizes.iter().sum()
//! }
//!
//! let mut flow = TokioFlow::new();
//! let urls = flow.add(list);
//! let sizes = flow.add(
//!     each(fetch)
//!         .inputs(urls)
//!         .with_lock(&Semaphore::new(2)) // two at a time
//!         .timeout(Duration::from_secs(5)) // for each element
//!         .retry(ConstantBuilder::default()), // each element by itself
//! );
//! let total = flow.add(total.inputs(sizes));
//! let run = flow.execute().await?;
//! assert_eq!((&run[sizes], run[total]), (&vec![2, 3, 4], 9)); // in the order of the list
//! # Ok(())
//! # }
//! ```
//!
//! With `#[task]`, the parameter says so: `async fn fetch(#[each(urls)] url: &String) -> ..`.
//!
//! * Locks, limits, time limits, retries and fallbacks hold for each element.
//! * Elements start in the order of the list, and only when their permits are free. So a list may have
//!   millions: beside the outputs, it takes memory for those that run.
//! * A function that is not async runs on blocking threads, as many as the runtime has. Give it a
//!   [`Semaphore`](crate::Semaphore), or the run [`max_concurrency`](crate::Execute::max_concurrency), if
//!   that is too many.
//! * Further inputs come behind the list, and all elements share them: `each(fetch).inputs((urls, client))`.
//! * A list that is [`moved`](crate::Task::moved) is taken apart: the function receives `Item`.
//!
//! # Elements that fail
//!
//! By default, the first element that fails stops the others, and the run. A fallback makes the output of an
//! element. With [`keep_going`](crate::Execute::keep_going), all elements run, and each failure has a name:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let texts = flow.value(vec!["1", "two", "3", "four"]);
//! let parse = |text: &&str| text.parse::<u8>();
//! flow.add(each(parse).inputs(texts).named("parse"));
//! let error = flow.execute().keep_going().await.unwrap_err();
//! let failed: Vec<&str> = error.failures().map(|failure| failure.name()).collect();
//! assert_eq!(failed, ["parse[1]", "parse[3]"]);
//!
//! // If an element fails, the task has no output. To keep what succeeded, let each output say how its
//! // element went, and make the output of a failure by a fallback.
//! let parse = |text: &&str| text.parse::<u8>().map(Some);
//! let parse = each(parse).inputs(texts).fallback(|failure| {
//!     eprintln!("{failure}"); // which element, and why
//!     None
//! });
//! let numbers = flow.add(parse);
//! let run = flow.execute().only(numbers).await?;
//! assert_eq!(run[numbers], [Some(1), None, Some(3), None]);
//! # Ok(())
//! # }
//! ```
//!
//! So the element has failed as far as `.retry` and the report are concerned, and the task has an output. A
//! function that hides its error, such as one that ends in `.ok()`, is never attempted again.
//!
//! # A task for each
//!
//! A task of its own has a name, dependencies, a row in the report. It costs more memory than an element.
//! A `Vec` of handles is an input, and arrives as a `Vec` of references:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let parts: Vec<Task<String>> = ["eu", "us"]
//!     .into_iter()
//!     .map(|region| flow.add((move || region.to_uppercase()).named(region)))
//!     .collect();
//! let join = |parts: Vec<&String>| parts.into_iter().cloned().collect::<Vec<_>>().join(" and ");
//! let join = flow.add(join.inputs(parts));
//! assert_eq!(flow.execute().await?[join], "EU and US");
//! # Ok(())
//! # }
//! ```
//!
//! For a graph whose tasks depend on each other, see [graphs](super::graphs).
