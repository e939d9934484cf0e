//! The types that a task function may return.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::error::Error;
use std::ffi::{CString, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::sealed::Sealed;

/// Any error that a task can fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A type that a task function may return without a `Result` around it.
///
/// Implemented for most types of the standard library that functions return: `()`, numbers, `bool`,
/// `char`, strings, `Option`, `Vec`, arrays, tuples, maps and sets, `Arc`, `Duration`, paths and so
/// on. For your own types, write `#[derive(Output)]` or an empty `impl`:
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// #[derive(Output)]
/// struct Page {
///     html: String,
/// }
///
/// let page = flow.add(|| Page { html: "<p>".into() });
/// assert_eq!(flow.execute().await?[page].html, "<p>");
/// # Ok(())
/// # }
/// ```
///
/// A function that returns a `Result<T, E>` needs no `Output`. Its output is the `T`, which may be
/// any type that is `Send + Sync + 'static`.
///
/// `Output` is implemented neither for futures nor for types like `Box<T>` and `Pin<T>`, which may
/// be futures. This is how [`Flow::add`](crate::Flow::add) distinguishes an async function from a
/// plain one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the output of a task",
    label = "a task cannot return this type as it is",
    note = "add `#[derive(Output)]` to the type, or write `impl asyncflow::Output for ... {{}}`",
    note = "or return a `Result` of it: `Ok(value)` works for every type that is `Send + Sync + 'static`"
)]
pub trait Output: Send + Sync + 'static {}

/// What a task function returns: an [`Output`], or a `Result<T, E>` with any error that converts
/// into a [`BoxError`].
///
/// `Kind` distinguishes the two and is always inferred.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// let number = flow.add(|| "42".parse::<u8>());
/// assert_eq!(flow.execute().await?[number], 42);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the outcome of a task",
    label = "a task cannot return this type",
    note = "a task returns a type that implements `asyncflow::Output` (add `#[derive(Output)]`)",
    note = "or a `Result<T, E>` where `T: Send + Sync + 'static` and `E: Into<Box<dyn std::error::Error + Send + Sync>>`"
)]
pub trait Outcome<Kind> {
    /// The output, which downstream tasks receive.
    type Value: Send + Sync + 'static;

    #[doc(hidden)]
    fn settle(self, _: Sealed) -> Result<Self::Value, BoxError>;
}

/// What a task function returned, as a `Result`.
#[doc(hidden)]
pub fn settle<Kind, O: Outcome<Kind>>(outcome: O) -> Result<O::Value, BoxError> {
    outcome.settle(Sealed)
}

/// The kind of outcome that cannot fail.
#[derive(Debug)]
pub struct Value;

/// The kind of outcome that is a `Result`.
#[derive(Debug)]
pub struct Fallible;

impl<T: Output> Outcome<Value> for T {
    type Value = T;

    fn settle(self, _: Sealed) -> Result<T, BoxError> {
        Ok(self)
    }
}

/// An error that a task can fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a task can fail with",
    label = "the task returns a `Result` with this error",
    note = "it must convert into a `Box<dyn std::error::Error + Send + Sync>`: implement `std::error::Error` for it, or return `anyhow::Error`, `String` or `&'static str`"
)]
#[doc(hidden)]
pub trait IntoFailure {
    fn into_failure(self) -> BoxError;
}

// The notes above say more than what `Into` lacks.
#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoFailure for E {
    fn into_failure(self) -> BoxError {
        self.into()
    }
}

impl<T, E> Outcome<Fallible> for Result<T, E>
where
    T: Send + Sync + 'static,
    E: IntoFailure,
{
    type Value = T;

    fn settle(self, _: Sealed) -> Result<T, BoxError> {
        self.map_err(IntoFailure::into_failure)
    }
}

macro_rules! output {
    ($($type:ty),* $(,)?) => { $(impl Output for $type {})* };
}

output! {
    (), bool, char, f32, f64,
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize,
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize,
    NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
    String, &'static str, Box<str>, OsString, CString, PathBuf, &'static Path, Box<Path>,
    Duration, Instant, SystemTime,
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6,
    std::fs::File, std::net::TcpListener, std::net::TcpStream, std::net::UdpSocket,
    std::process::ExitStatus, std::process::Output, std::process::Child,
}

impl<T: Send + Sync + 'static> Output for Option<T> {}
impl<T: Send + Sync + 'static> Output for Vec<T> {}
impl<T: Send + Sync + 'static> Output for Box<[T]> {}
impl<T: Send + Sync + 'static> Output for &'static [T] {}
impl<T: Send + Sync + 'static, const N: usize> Output for [T; N] {}
impl<T: Send + Sync + 'static> Output for VecDeque<T> {}
impl<T: Send + Sync + 'static> Output for LinkedList<T> {}
impl<T: Send + Sync + 'static> Output for BinaryHeap<T> {}
impl<T: Send + Sync + 'static> Output for BTreeSet<T> {}
impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Output for BTreeMap<K, V> {}
impl<T: Send + Sync + 'static, S: Send + Sync + 'static> Output for HashSet<T, S> {}
impl<K, V, S> Output for HashMap<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Send + Sync + 'static,
{
}
impl<T: ?Sized + Send + Sync + 'static> Output for Arc<T> {}
impl<T: Send + Sync + 'static> Output for std::sync::Mutex<T> {}
impl<T: Send + Sync + 'static> Output for std::sync::RwLock<T> {}
impl<T: Send + Sync + 'static> Output for Range<T> {}
impl<T: Send + Sync + 'static> Output for RangeInclusive<T> {}

macro_rules! output_for_tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Send + Sync + 'static),+> Output for ($($name,)+) {}
    };
}

crate::tuples::each_tuple!(output_for_tuple);
