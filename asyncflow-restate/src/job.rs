//! Jobs: what workers do, by name and type.

use std::fmt;
use std::marker::PhantomData;

/// A kind of job: its name, its version, and the types of its input and output.
///
/// Declare it as a constant in a crate that the flow's program and the worker's program share.
///
/// ```
/// use asyncflow::restate::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Image(Vec<u8>);
///
/// #[derive(Serialize, Deserialize)]
/// pub struct Thumb(Vec<u8>);
///
/// pub const THUMB: Job<Image, Thumb> = Job::new("thumb", 1);
///
/// assert_eq!((THUMB.name(), THUMB.version()), ("thumb", 1));
/// ```
pub struct Job<I, O> {
    name: &'static str,
    version: u32,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O> Job<I, O> {
    /// Makes a kind of job.
    ///
    /// The name has letters, digits, `-` and `_`, and begins with a letter. Raise the version when the
    /// types change, or when earlier results are no longer right. Flows and workers of different
    /// versions do not mix: a worker can offer both.
    ///
    /// # Panics
    ///
    /// Panics if the name has other characters. In a constant, that is an error of the compiler.
    pub const fn new(name: &'static str, version: u32) -> Self {
        let bytes = name.as_bytes();
        assert!(
            !bytes.is_empty() && bytes[0].is_ascii_alphabetic(),
            "the name of a job begins with a letter"
        );
        let mut place = 0;
        while place < bytes.len() {
            let byte = bytes[place];
            assert!(
                byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
                "the name of a job has letters, digits, `-` and `_`"
            );
            place += 1;
        }
        Self {
            name,
            version,
            types: PhantomData,
        }
    }

    /// Returns the name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn id(&self) -> JobId {
        JobId {
            name: self.name,
            version: self.version,
        }
    }
}

impl<I, O> Clone for Job<I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Job<I, O> {}

impl<I, O> fmt::Debug for Job<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish()
    }
}

/// A kind of job without its types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobId {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
}

impl JobId {
    /// What the engine calls it.
    pub(crate) fn service(self) -> String {
        format!("asyncflow-{}-v{}", self.name, self.version)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job `{}` (version {})", self.name, self.version)
    }
}
