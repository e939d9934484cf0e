//! Messages of the compiler, and what to do. Search this page for the words of yours.
//!
//! | the message says | the reason |
//! |---|---|
//! | `cannot be added to a flow` | [a call instead of a function](#a-call-instead-of-a-function), [a closure that captures](#an-async-closure-that-captures), or [one that is no `Fn`](#fnonce-and-fnmut) |
//! | `expected to take 0 arguments, but it takes 1 argument` | [a function without its inputs](#a-function-without-its-inputs) |
//! | `is not the output of a task` | [a type without `Output`](#a-type-without-output) |
//! | `type mismatch in function arguments` | [inputs of another type](#inputs-of-another-type) |
//! | `future cannot be sent between threads safely` | [a future that is not `Send`](#a-future-that-is-not-send) |
//! | `async closure does not implement Fn because it captures state` | [a captured variable](#an-async-closure-that-captures) |
//! | `lifetime may not live long enough`, at an `async move` block | [a captured variable, beside an input that is borrowed](#an-async-closure-that-captures) |
//! | `this closure implements FnOnce, not Fn`, or `FnMut` | [a closure that moves or changes what it owns](#fnonce-and-fnmut) |
//! | `closure may outlive the current function` | [a closure without `move`](#a-closure-that-borrows) |
//! | `type annotations needed`, or `implementation of CalledWith is not general enough` | [a parameter without its type](#a-parameter-without-its-type) |
//! | `macro expansion ignores` | [`#[task]` outside of a function body](#task-at-module-level) |
//!
//! A message is often repeated for the same place. The first one says all. Lines such as `required for ..
//! to implement TaskFn` are the compiler's way to the reason, and can be skipped.
//!
//! # A call instead of a function
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # let mut flow = TokioFlow::new();
//! async fn work(n: &u64) -> u64 { n + 1 }
//!
//! flow.add(work(&1));
//! ```
//!
//! ```text
//! error[E0277]: `impl Future<Output = u64>` cannot be added to a flow
//! ```
//!
//! A flow calls its functions itself, once for each execution. Pass the function, and its arguments
//! as [inputs](crate::TaskExt::inputs):
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! async fn work(n: &u64) -> u64 { n + 1 }
//!
//! let mut flow = TokioFlow::new();
//! let n = flow.value(1);
//! flow.add(work.inputs(n));
//! ```
//!
//! # A function without its inputs
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # let mut flow = TokioFlow::new();
//! async fn work(n: &u64) -> u64 { n + 1 }
//!
//! flow.add(work);
//! ```
//!
//! ```text
//! error[E0593]: function is expected to take 0 arguments, but it takes 1 argument
//! ```
//!
//! A parameter receives the output of another task: pass its handle, `flow.add(work.inputs(n))`, as above.
//!
//! # A type without `Output`
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # let mut flow = TokioFlow::new();
//! struct Page(String);
//!
//! fn page() -> Page { Page("<p>".into()) }
//!
//! flow.add(page);
//! ```
//!
//! ```text
//! error[E0277]: `Page` is not the output of a task
//! ```
//!
//! Derive [`Output`](macro@crate::Output) for your own types. For a type of another crate, return a
//! `Result`, an `Arc` or a struct of your own around it, or use `#[task]`, which needs no `Output`:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! #[derive(Output)]
//! struct Page(String);
//!
//! fn page() -> Page { Page("<p>".into()) }
//!
//! let mut flow = TokioFlow::new();
//! flow.add(page);
//! ```
//!
//! # Inputs of another type
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # use asyncflow::prelude::*;
//! # let mut flow = TokioFlow::new();
//! fn length(text: &str) -> usize { text.len() }
//!
//! let text = flow.add(|| String::from("a text"));
//! flow.add(length.inputs(text));
//! ```
//!
//! ```text
//! error[E0631]: type mismatch in function arguments
//!    = note: expected function signature `for<'a> fn(&'a String) -> _`
//!               found function signature `fn(&str) -> _`
//! ```
//!
//! A function receives `&T` for a `Task<T>`, with exactly this `T`: `&String` for a `Task<String>`, not
//! `&str`. [The table of inputs](crate#data) has all forms. Where the types differ, write a closure:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! fn length(text: &str) -> usize { text.len() }
//!
//! let mut flow = TokioFlow::new();
//! let text = flow.add(|| String::from("a text"));
//! flow.add((|text: &String| length(text)).inputs(text));
//! ```
//!
//! # A future that is not `Send`
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # use std::rc::Rc;
//! # let mut flow = TokioFlow::new();
//! # async fn send(_: &str) {}
//! async fn work() {
//!     let text = Rc::new(String::from("a text"));
//!     send(&text).await; // holds the `Rc` while it waits
//! }
//!
//! flow.add(work);
//! ```
//!
//! ```text
//! error: future cannot be sent between threads safely
//!   = help: within `impl Future<Output = ()>`, the trait `Send` is not implemented for `Rc<String>`
//! ```
//!
//! A task may go on on another thread after an `.await`, so what it holds over one must be `Send`: `Arc`
//! instead of `Rc`, and no guard of a `std::sync::Mutex`. The note of the message names the value and the
//! `.await`. Where only the type of the future is known, as in a `Box<dyn Future<Output = u64>>`, add
//! `+ Send` to it.
//!
//! # An async closure that captures
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # struct Client;
//! # impl Client { async fn get(&self) -> u64 { 1 } }
//! # let mut flow = TokioFlow::new();
//! let client = Client;
//! flow.add(async move || client.get().await);
//! ```
//!
//! ```text
//! error[E0277]: `{async closure@…}` cannot be added to a flow
//! error: async closure does not implement `Fn` because it captures state from its environment
//! ```
//!
//! Its future borrows from the closure, which an `Fn` cannot lend. Give what it needs to the flow as a
//! [value](crate::Flow::value), which tasks borrow:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # struct Client;
//! # impl Client { async fn get(&self) -> u64 { 1 } }
//! let mut flow = TokioFlow::new();
//! let client = flow.value(Client);
//! flow.add((async |client: &Client| client.get().await).inputs(client));
//! ```
//!
//! What is cheap to clone can be cloned for each call instead, if the future borrows no input. That is the
//! way for tasks that are made in a loop:
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! # async fn get(_: &str) -> u64 { 1 }
//! let mut flow = TokioFlow::new();
//! for page in [String::from("/a"), String::from("/b")] {
//!     flow.add(move || {
//!         let page = page.clone();
//!         async move { get(&page).await }
//!     });
//! }
//! ```
//!
//! With a borrowed input beside it, as in `move |client: &Client| { let page = page.clone(); async move { .. } }`,
//! the compiler says `lifetime may not live long enough`: make `page` a value as well, or a list an
//! [`each`](crate::each()). A flow that is executed only once takes `once(async move || ..)`.
//!
//! # `FnOnce` and `FnMut`
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # let mut flow = TokioFlow::new();
//! let text = String::from("a text");
//! flow.add(move || text);
//! ```
//!
//! ```text
//! error[E0277]: `{closure@…}` cannot be added to a flow
//! error[E0525]: expected a closure that implements the `Fn` trait, but this closure only implements `FnOnce`
//! ```
//!
//! A flow can be executed again, so its functions can be called again. If this one is to be executed only
//! once, wrap the function in [`once`](crate::once()). Otherwise, clone what it gives away, or make it a
//! [value](crate::Flow::value). What changes goes into an atomic, a `Mutex` or the output.
//!
//! ```
//! use asyncflow::TokioFlow;
//! use asyncflow::prelude::*;
//!
//! let mut flow = TokioFlow::new();
//! let text = String::from("a text");
//! flow.add(once(move || text));
//! ```
//!
//! # A closure that borrows
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # let mut flow = TokioFlow::new();
//! let text = String::from("a text");
//! flow.add(|| text.len());
//! ```
//!
//! ```text
//! error[E0373]: closure may outlive the current function, but it borrows `text`, which is owned by the current function
//! ```
//!
//! Tasks run on other threads, so they own what they use: write `move ||`. Use `Arc` or a
//! [value](crate::Flow::value) for what several of them share.
//!
//! # A parameter without its type
//!
//! ```compile_fail
//! # use asyncflow::TokioFlow;
//! # use asyncflow::prelude::*;
//! # let mut flow = TokioFlow::new();
//! let text = flow.add(|| String::from("a text"));
//! flow.add((|text| text.len()).inputs(text));
//! ```
//!
//! ```text
//! error[E0282]: type annotations needed
//! ```
//!
//! The parameters of a closure need their types: `|text: &String| text.len()`.
//!
//! # `#[task]` at module level
//!
//! ```compile_fail
//! use asyncflow::prelude::*;
//!
//! #[task(flow)]
//! fn work() {}
//! # fn main() {}
//! ```
//!
//! ```text
//! error: macro expansion ignores `"`#[task(flow)]` goes on a function inside of a function body; for methods, write `#[flow]` on their impl block and `#[task]` on each"` and any tokens following
//! ```
//!
//! `#[task(flow)]` declares a function and adds it to the flow at that place, so it goes into the body
//! in which `flow` is a variable. For a flow that is a type of its own, write `#[flow]` on an impl block.
//! For a function at module level, write `flow.add(work)`.
