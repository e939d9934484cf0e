//! Several errors as one.

use syn::{Error, Result};

/// Combines errors into one, of which the compiler reports each. `Ok` if there are none.
pub(crate) fn combine(errors: impl IntoIterator<Item = Error>) -> Result<()> {
    let combined = errors.into_iter().reduce(|mut first, next| {
        first.combine(next);
        first
    });
    combined.map_or(Ok(()), Err)
}
