//! State: what tasks share, and what belongs to one run.
//!
//! | what | lives as long as | declared with | a task receives it |
//! |---|---|---|---|
//! | a client, a pool, a configuration | the flow | [`flow.value(v)`](crate::Flow::value) | as an input, `&T` |
//! | the same, in a flow that is a type | the flow | the `self` of [`#[flow]`](macro@crate::flow) | as `&self` |
//! | what differs from run to run: a request, an id | the run | [`flow.input("name")`](crate::Flow::input), [`given`](crate::Execute::given) | as an input, `&T` |
//! | what a task makes | the run | its output | as an input, `&T`, or by value |
//! | a lock, a limit | the program | a `static` | with [`with_lock`](crate::TaskExt::with_lock) |
//!
//! # Values and inputs
//!
//! A value is lent to every task of every run, and never copied. It needs no `Arc` and no `Clone`.
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! struct Db {
//!     host: String,
//! }
//!
//! impl Db {
//!     async fn name(&self, id: u64) -> Result<String, std::io::Error> {
//!         Ok(format!("user {id}"))
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let db = flow.value(Db { host: "here".into() });
//! let id = flow.input::<u64>("id");
//!
//! #[task(flow)]
//! async fn name(db: &Db, id: &u64) -> Result<String, std::io::Error> {
//!     db.name(*id).await
//! }
//!
//! let greet = async |db: &Db, name: &String| format!("{name} of {}", db.host);
//! let greet = flow.add(greet.inputs((db, name))); // a closure receives it in the same way
//!
//! let (one, two) = tokio::join!(flow.execute().given(id, 1), flow.execute().given(id, 2));
//! assert_eq!((&*one?[greet], &*two?[greet]), ("user 1 of here", "user 2 of here"));
//! # Ok(())
//! # }
//! ```
//!
//! An input that is not given is an error before anything starts, which names it. Several values of one
//! type are told apart by their handles.
//!
//! # A type for the flow
//!
//! In a service or a library, the flow is a type. The state is its `self`, and each method can be called
//! alone, without a flow.
//!
//! ```
//! use asyncflow::TokioRuntime;
//! use asyncflow::prelude::*;
//!
//! struct Greeting {
//!     host: String,
//! }
//!
//! #[flow]
//! impl Greeting {
//!     #[task]
//!     async fn name(&self, #[input] id: &u64) -> String {
//!         format!("user {id} of {}", self.host)
//!     }
//!
//!     #[task]
//!     fn greet(name: &String) -> String {
//!         format!("Hello, {name}")
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let greeting: GreetingFlow<TokioRuntime> = GreetingFlow::new(Greeting { host: "here".into() });
//! let run = greeting.execute().given(greeting.id, 7).await?;
//! assert_eq!(run[greeting.greet], "Hello, user 7 of here");
//! # Ok(())
//! # }
//! ```
//!
//! In reports, a value is a row. Its name is that of its type, such as `Pool`, and `Pool#2` for another.
//!
//! # State that changes
//!
//! Tasks run at the same time, so what is shared is behind `&`. What changes goes into an atomic or a
//! `Mutex`. Prefer outputs: what a task returns is seen by the tasks downstream, and by no other.
//!
//! ```
//! use std::sync::Mutex;
//!
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let seen = flow.value(Mutex::new(Vec::new()));
//! for page in 0..3 {
//!     flow.add((move |seen: &Mutex<Vec<u32>>| seen.lock().unwrap().push(page)).inputs(seen));
//! }
//! let run = flow.execute().await?;
//! assert_eq!(run[seen].lock().unwrap().len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! The value outlives the run: a second execution would find three pages in it. For a state of each run,
//! let the first task make it: its output is new in every run.
//!
//! To change a large output without a copy, take it by value with [`moved`](crate::Task::moved):
//! `sort.inputs(rows.moved())` passes a `Vec<Row>` on. No other task can have it then.
//!
//! A function that can be called only once, because it gives away what it owns, is wrapped in
//! [`once`](crate::once()). Its flow can be executed once.
