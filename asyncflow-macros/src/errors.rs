//! Several errors as one.

use syn::{Error, Result};

/// `Ok` if there are no errors; otherwise all of them in one, which the compiler reports one by one.
pub(crate) fn combine(errors: impl IntoIterator<Item = Error>) -> Result<()> {
    let combined = errors.into_iter().reduce(|mut first, next| {
        first.combine(next);
        first
    });
    combined.map_or(Ok(()), Err)
}
