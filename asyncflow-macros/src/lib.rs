//! The macros of [asyncflow](https://docs.rs/asyncflow): [`#[task]`](macro@task) and
//! [`#[derive(Output)]`](macro@Output).
//!
//! Use them through the crate `asyncflow`, which re-exports both: what they expand to names it.
//!
//! # Layout
//!
//! `#[task(args)] fn function(params)` passes through one file for each of its parts: `args`,
//! `function` and `params` check what was written and say what to write instead; `expand` builds
//! the declaration out of what they found. `derive` is `#[derive(Output)]`.

mod args;
mod derive;
mod expand;
mod function;
mod params;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Adds a function to a flow where it is declared.
///
/// Stands on a function inside of a function body and becomes a `let` of the task's handle, under
/// the function's name:
///
/// ```text
/// let mut flow = TokioFlow::new();
/// let disk = Lock::new();
///
/// #[task(flow)]
/// async fn user() -> Result<User, HttpError> { .. }
///
/// #[task(flow)]                                  // receives the output of the task `user`
/// async fn posts(user: &User) -> Result<Vec<Post>, HttpError> { .. }
///
/// #[task(flow)]                                  // not async: runs on a blocking thread
/// fn html(user: &User, posts: &Vec<Post>) -> Html { .. }
///
/// #[task(flow, upstream = html, lock = disk)]    // only the order, and a lock
/// fn notify() { .. }
///
/// let run = flow.execute().await?;
/// println!("{}", run[html]);                     // `html` is a `Task<Html>`
/// ```
///
/// As with any function inside of another, the body cannot use the variables around it. What it
/// needs comes through its parameters, or it is a closure and is added with `flow.add(..)`.
///
/// # Arguments
///
/// First the flow: its variable, or any other expression for it (`self.flow`). Then, in any order:
///
/// | argument | meaning |
/// |---|---|
/// | `upstream = a` | run only once `a` has succeeded. Takes a handle, a group's handle, or a list of handles; an array literal `[a, b]` may mix handles of different outputs |
/// | `lock = disk` | run only while holding this `Lock`, `Semaphore` or `semaphore.permits(n)`, or all of an array literal of them |
/// | `name = "html"` | its name in reports, errors and diagrams, instead of the function's |
/// | `timeout = Duration::from_secs(5)` | a bound on each attempt |
/// | `retry = policy` | attempts after a failure: a builder of the `backon` crate |
/// | `always` | run once its upstreams have ended, however they ended |
/// | `run_if = flag` | run only if the output of `flag`, a `Task<bool>`, is `true` |
/// | `after_any = [a, b]` | run as soon as any one of them has succeeded |
///
/// Each means what the method of the same purpose in `TaskExt` means. Lists and locks are
/// borrowed: they can be used again.
///
/// # Parameters
///
/// A parameter has the name of the handle of an upstream, and receives its output:
///
/// | parameter | `name` is | receives |
/// |---|---|---|
/// | `name: &T` | a `Task<T>` | the output, borrowed |
/// | `name: Option<&T>` | a `Task<T>` | the same, or `None` if there is no output, in an `always` task |
/// | `name: Vec<&T>` | a `Vec<Task<T>>`, array or slice | the output of each |
/// | `#[moved] name: T` | a `Task<T>` | the output, by value, as its only consumer |
///
/// There can be twelve of them. `T` is exactly the output's type: `&String` and not `&str`.
///
/// # What the function returns
///
/// A `Result<T, E>`, however it is spelled (`io::Result<T>`, an alias), of any `E` that converts
/// into a `Box<dyn Error + Send + Sync>`: the handle is a `Task<T>`. Or any other `T`. In both
/// cases `T` needs no `Output`, only `Send + Sync + 'static`.
#[proc_macro_attribute]
pub fn task(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args.into(), item.into()).into()
}

/// Lets a task function return this type as it is, without a `Result` around it.
///
/// ```text
/// #[derive(Output)]
/// struct Page { html: String }
///
/// let page = flow.add(|| Page { html: String::new() });   // a `Task<Page>`
/// ```
///
/// Implements `asyncflow::Output`, for which the type must be `Send + Sync + 'static`. Of a generic
/// type each type parameter must be so too. A type that borrows has no place in a run, which
/// outlives the function: own the data instead.
#[proc_macro_derive(Output)]
pub fn derive_output(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::expand(input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
