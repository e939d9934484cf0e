//! The macros of [asyncflow](https://docs.rs/asyncflow): [`#[task]`](macro@task) and
//! [`#[derive(Output)]`](macro@Output).
//!
//! Use them through the crate `asyncflow`, which re-exports both. The code that they expand to
//! refers to `::asyncflow`.
//!
//! # Layout
//!
//! * `args`, `function` and `params` parse and check the three parts of
//!   `#[task(args)] fn function(params)`; their errors say what to write instead;
//! * `expand` builds the declaration from these parts;
//! * `derive` is `#[derive(Output)]`;
//! * `errors` combines several errors into one.

mod args;
mod derive;
mod errors;
mod expand;
mod function;
mod params;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Declares a function and adds it to a flow.
///
/// Apply it to a function inside of a function body. It expands to a `let` that binds the handle of
/// the task to the name of the function:
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let disk = Lock::new();
///
/// #[task(flow)]
/// async fn user() -> std::io::Result<String> {
///     Ok("Ada".to_owned())
/// }
///
/// #[task(flow)] // receives the output of the task `user`
/// async fn posts(user: &String) -> Vec<String> {
///     vec![format!("a post by {user}")]
/// }
///
/// #[task(flow)] // not async: runs on a blocking thread
/// fn html(user: &String, posts: &Vec<String>) -> String {
///     format!("<h1>{user}</h1>{}", posts.join(""))
/// }
///
/// #[task(flow, upstream = html, lock = disk)] // runs after `html`, and needs a lock
/// fn notify() {
///     println!("done");
/// }
///
/// let run = flow.execute().await?;
/// assert_eq!(run[html], "<h1>Ada</h1>a post by Ada"); // `html` is a `Task<String>`
/// # Ok(())
/// # }
/// ```
///
/// Like any function inside of another, the task cannot use the variables around it. Pass what it
/// needs through its parameters, or add a closure with `flow.add(..)`.
///
/// # Arguments
///
/// The first argument is the flow: a variable, or any other expression (`self.flow`). The others
/// can come in any order:
///
/// | argument | meaning |
/// |---|---|
/// | `upstream = a` | runs only after `a` has succeeded. Takes a handle, the handle of a group, or a list of handles; an array literal `[a, b]` may mix handles of different output types |
/// | `lock = disk` | runs only while it holds this `Lock`, `Semaphore` or `semaphore.permits(n)`, or all in an array literal of them |
/// | `name = "html"` | the name in reports, errors and diagrams; the default is the name of the function |
/// | `timeout = Duration::from_secs(5)` | the time limit of each attempt |
/// | `retry = policy` | attempts again after a failure; takes a builder of the `backon` crate |
/// | `always` | runs after its upstreams have ended, however they ended |
/// | `run_if = flag` | runs only if the output of `flag`, a `Task<bool>`, is `true` |
/// | `after_any = [a, b]` | runs as soon as any one of them has succeeded |
///
/// Each does what the corresponding method of `TaskExt` does. Lists and locks are borrowed, so they
/// can be used again.
///
/// # Parameters
///
/// A parameter has the name of the handle of an upstream and receives its output:
///
/// | parameter | type of the handle `name` | receives |
/// |---|---|---|
/// | `name: &T` | `Task<T>` | the output, by reference |
/// | `name: Option<&T>` | `Task<T>` | in an `always` task: the output, or `None` if there is none |
/// | `name: Vec<&T>` | `Vec<Task<T>>`, an array or a slice | the output of each |
/// | `#[moved] name: T` | `Task<T>` | the output, by value; no other task can use it |
///
/// A task has at most twelve parameters. `T` is the exact type of the output: `&String`, not
/// `&str`.
///
/// # Return type
///
/// If the function returns a `Result<T, E>` (or an alias such as `io::Result<T>`), the handle is a
/// `Task<T>`. `E` is any type that converts into a `Box<dyn Error + Send + Sync>`. If it returns
/// any other type `T`, the handle is a `Task<T>` as well. `T` needs to be `Send + Sync + 'static`,
/// but it need not implement `Output`.
#[proc_macro_attribute]
pub fn task(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args.into(), item.into()).into()
}

/// Implements `asyncflow::Output`, so that a task function can return the type without a `Result`.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// #[derive(Output)]
/// struct Page {
///     html: String,
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let page = flow.add(|| Page { html: "<p>".to_owned() }); // a `Task<Page>`
/// let run = flow.execute().await?;
/// assert_eq!(run[page].html, "<p>");
/// # Ok(())
/// # }
/// ```
///
/// The type must be `Send + Sync + 'static`; in a generic type, each type parameter must be too. A
/// type that borrows cannot be an output, because the run keeps the output after the function has
/// returned: own the data instead.
#[proc_macro_derive(Output)]
pub fn derive_output(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::expand(input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
