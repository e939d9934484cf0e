//! The macros of [asyncflow](https://docs.rs/asyncflow): [`#[task]`](macro@task),
//! [`#[flow]`](macro@flow) and [`#[derive(Output)]`](macro@Output).
//!
//! Use them through the crate `asyncflow`, which re-exports them. The code that they expand to refers to
//! `::asyncflow`.
//!
//! # Layout
//!
//! * `args`, `function` and `params` parse and check the three parts of
//!   `#[task(args)] fn function(params)`; their errors say what to write instead;
//! * `call` builds from these parts how the task calls its function and what is configured;
//! * `expand` is `#[task]` inside of a function body, `flow` is `#[flow]` on an impl block;
//! * `derive` is `#[derive(Output)]`;
//! * `errors` combines several errors into one, `text` has what messages are made of.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod args;
mod call;
mod derive;
mod errors;
mod expand;
mod flow;
mod function;
mod params;
mod text;

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
/// For methods with shared state, see [`#[flow]`](macro@flow).
///
/// # Arguments
///
/// The first argument is the flow: a variable, or any other expression (`self.flow`). The others
/// can come in any order:
///
/// | argument | meaning |
/// |---|---|
/// | `upstream = a` | runs only after `a` has succeeded. Takes a handle, the handle of a group, or a list of handles; an array literal `[a, b]` may mix handles of different output types |
/// | `lock = disk` | runs only while it holds this `Lock`, `Semaphore` or `semaphore.permits(n)`, or all in an array literal of them; a `RateLimit` goes here too |
/// | `name = "html"` | the name in reports, errors and diagrams; the default is the name of the function |
/// | `timeout = Duration::from_secs(5)` | the time limit of each attempt |
/// | `retry = policy` | attempts again after a failure; takes a builder of the `backon` crate |
/// | `retry_when = \|failure\| ..` | attempts again only after failures for which this is `true` |
/// | `fallback = \|_\| Vec::new()` | makes the output when all attempts have failed |
/// | `allow_failure` | its failure does not stop the run, nor make it an error |
/// | `always` | runs after its upstreams have ended, however they ended |
/// | `run_if = flag`, `run_unless = flag` | runs only if the output of `flag`, a `Task<bool>`, is `true`, or `false` |
/// | `run_when = (task, \|value\| ..)` | runs only if this is `true` for the output of `task` |
/// | `after_any = [a, b]` | runs as soon as any one of them has succeeded |
/// | `durable`, `durable = 2` | its output is recorded in the journal of the run, if it has one; the number is the version of the function (feature `durable`) |
/// | `priority = 1` | starts before ready tasks of a lower priority; the default is 0 |
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
/// | `name: Option<&T>` | `Task<T>` | the output, or `None` if there is none; the task waits for the end of the upstream, and is not skipped because of it |
/// | `name: Vec<&T>` | `Vec<Task<T>>`, an array or a slice | the output of each |
/// | `name: Vec<Option<&T>>` | the same | the output of each, or `None` |
/// | `#[moved] name: T` | `Task<T>` | the output, by value; no other task can use it |
///
/// An attribute takes the argument from elsewhere:
///
/// | parameter | receives |
/// |---|---|
/// | `#[from(user)] author: &User` | the output of `user`, under another name |
/// | `#[from(a, b)] names: Vec<&T>` | the outputs of the tasks `a` and `b` |
/// | `#[each(urls)] url: &Url` | one element after the other of the output of `urls`, a list: the function is called [for each](../asyncflow/fn.each.html), and the task's output is the `Vec` of what it returned |
/// | `#[context] cx: &TaskContext` | what the engine tells the task |
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

/// Declares a flow as a type: the methods of an impl block are its tasks.
///
/// The tasks share state, which they borrow as `&self`. The compiler checks the graph, and the methods
/// stay ordinary functions, to be called and tested alone.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use asyncflow::TokioRuntime;
/// use asyncflow::prelude::*;
///
/// static AUDIT_LOG: Lock = Lock::named("audit log");
///
/// pub struct Page {
///     host: String,
/// }
///
/// #[flow]
/// impl Page {
///     #[task]
///     async fn user(&self, #[input] id: &u64) -> io::Result<String> {
///         Ok(format!("user {id} on {}", self.host))
///     }
///
///     #[task(timeout = Duration::from_secs(1))]
///     async fn posts(&self, id: &u64) -> io::Result<Vec<String>> {
///         Ok(vec![format!("a post by {id}")])
///     }
///
///     #[task] // not async: runs on a blocking thread
///     fn html(user: &String, posts: &Vec<String>) -> String {
///         format!("<h1>{user}</h1>{}", posts.join(""))
///     }
///
///     #[task(upstream = html, lock = AUDIT_LOG)]
///     fn audit(&self) {
///         println!("served {}", self.host);
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let page: PageFlow<TokioRuntime> = PageFlow::new(Page { host: "here".into() });
/// let run = page.execute().given(page.id, 7).await?;
/// assert_eq!(run[page.html], "<h1>user 7 on here</h1>a post by 7"); // `html` is a `Task<String>`
///
/// assert_eq!(Page::html(&"Ada".into(), &vec![]), "<h1>Ada</h1>");
/// # Ok(())
/// # }
/// ```
///
/// # What it makes
///
/// For `impl Page`, the struct `PageFlow<R>`, where `R` is the [runtime](../asyncflow/trait.Runtime.html):
///
/// * It has the handle of each task and input in a field of its name, with the visibility and the docs of
///   the function.
/// * It dereferences to `Flow<R>`, so it is executed like any flow, and more tasks can be added to it.
///   `Flow::from` takes the flow out of it, for example to make it a task of another flow.
/// * `PageFlow::new(state)` makes it on the default runtime, `PageFlow::on(runtime, state)` on this one. If
///   no task takes `&self`, these take no state, and there is `Default`.
/// * Its docs have a table of the graph: what each task waits for, its kind and its configuration.
/// * It is as visible as the most visible of its tasks, or as `#[flow(pub)]` says.
///
/// The state is one value, lent to every task of every run. It must be `Send + Sync + 'static`.
///
/// # Tasks
///
/// A function with `#[task]` is a task; other items of the block stay as they are. `#[task]` takes the
/// [arguments](macro@task#arguments) that it takes elsewhere, without the flow:
///
/// * `upstream`, `after_any`, `run_if`, `run_unless` and `run_when` name tasks of the block.
/// * The value of any other argument is any expression. `self` is the state there: `lock = self.disk`.
/// * `output = T` is described below.
///
/// # Parameters
///
/// A parameter names a task of the block, or an input, and has the [forms](macro@task#parameters) that it
/// has elsewhere. The order of declaration does not matter. `#[input] id: &u64` declares an input, which
/// other functions name as `id: &u64`. The outputs of several tasks are `#[from(a, b)] names: Vec<&T>`.
///
/// # Return type
///
/// The handle of a function that returns `Result<T, E>`, under any path, is a `Task<T>`; so is that of a
/// function that returns any other type `T`. The macro goes by the spelling. If it is an alias of a
/// `Result` with another name, write `#[task(output = T)]`.
///
/// # Generics
///
/// An impl block may be generic: `impl<C: Client> Page<C>` makes a `PageFlow<R, C>`. What the tasks
/// need of `C`, such as `Send + Sync + 'static`, is written as a bound. A lifetime is refused, because
/// the flow keeps the state.
///
/// # Conditional tasks
///
/// A task with `#[cfg(..)]` exists if the condition holds, with its handle. Several may have one name, if
/// each has a `#[cfg(..)]`.
#[proc_macro_attribute]
pub fn flow(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(args.into(), item.into()).into()
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

/// The example of the README is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
