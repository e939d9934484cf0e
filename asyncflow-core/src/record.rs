//! Recording: what keeps the outputs of some tasks beyond their run.
//!
//! A run may have a [`Recorder`]. Before a task starts that was declared as
//! [recorded](crate::declare::recorded), the run asks the recorder for an output of an earlier
//! execution. If there is one, the task is *restored*: its function is not called. If there is none,
//! the function is called, and its output is given to the recorder before anything downstream starts.

use std::fmt::{self, Write};
use std::future::Future;
use std::pin::Pin;

use crate::output::BoxError;

/// Keeps encoded outputs beyond the run, and has those of earlier executions.
pub trait Recorder: Send + Sync + 'static {
    /// Returns the record of a task, or `None` if there is none under this key.
    fn load<'a>(&'a self, key: &'a Key) -> RecordFuture<'a, Option<Vec<u8>>>;

    /// Keeps the output of a task. Once the future is ready, the output is found by
    /// [`load`](Self::load), even if the process is killed.
    fn store<'a>(&'a self, key: &'a Key, output: Vec<u8>) -> RecordFuture<'a, ()>;

    /// Returns what identifies the run: the same in all its executions, and in no other run.
    fn identity(&self) -> RecordFuture<'_, String>;

    /// Returns the error of a task whose record cannot be decoded because of `error`.
    fn unreadable(&self, key: &Key, error: BoxError) -> BoxError;
}

/// What the methods of a [`Recorder`] return.
pub type RecordFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// Makes the recorder of an execution, before anything starts. An error refuses the execution.
pub type Opening = RecordFuture<'static, Box<dyn Recorder>>;

/// By what a record is found in a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Key {
    /// The name of the task, after those of the tasks that it is inside of, as `push_segment` writes
    /// them. For an element of an [`each`](crate::each()), with the index of that: `fetch[17]`.
    pub path: String,
    /// The version of the task's function.
    pub version: u32,
}

impl Key {
    pub(crate) fn new(path: String, version: u32) -> Self {
        Self { path, version }
    }
}

/// Appends a task to a path: `/` between tasks, and `\` before any `/`, `[` or `\` of a name, so that
/// different tasks never have the same path.
pub(crate) fn push_segment(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    for c in name.chars() {
        if matches!(c, '/' | '[' | '\\') {
            path.push('\\');
        }
        path.push(c);
    }
}

/// Appends the index of an element to the path of its task.
pub(crate) fn push_element(path: &mut String, index: usize) {
    // A `String` takes all that is written.
    let _ = write!(path, "[{index}]");
}

/// Encodes outputs of type `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be recorded by `{Self}`",
    label = "the output of this task cannot be recorded",
    note = "derive `Serialize` and `Deserialize` for the output: it must own what it has, as `DeserializeOwned` says"
)]
pub trait Codec<T>: 'static {
    /// Encodes an output.
    fn encode(output: &T) -> Result<Vec<u8>, BoxError>;

    /// Decodes an output. Must return an error for bytes that are not those of a `T`.
    fn decode(bytes: &[u8]) -> Result<T, BoxError>;
}

/// The functions of a [`Codec`], as values.
pub struct CodecFns<T> {
    pub(crate) encode: fn(&T) -> Result<Vec<u8>, BoxError>,
    pub(crate) decode: fn(&[u8]) -> Result<T, BoxError>,
}

impl<T> CodecFns<T> {
    pub(crate) fn of<C: Codec<T>>() -> Self {
        Self {
            encode: C::encode,
            decode: C::decode,
        }
    }
}

impl<T> fmt::Debug for CodecFns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecFns").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{push_element, push_segment};

    fn path(names: &[&str]) -> String {
        let mut path = String::new();
        for name in names {
            push_segment(&mut path, name);
        }
        path
    }

    #[test]
    fn paths_of_different_tasks_differ() {
        assert_eq!(path(&["nightly", "load"]), "nightly/load");
        assert_eq!(path(&["nightly/load"]), r"nightly\/load");
        assert_eq!(path(&[r"a\", "b"]), r"a\\/b");
        assert_eq!(path(&["part[1]"]), r"part\[1]");
        let mut element = path(&["nightly", "part"]);
        push_element(&mut element, 1);
        assert_eq!(element, "nightly/part[1]");
    }
}
