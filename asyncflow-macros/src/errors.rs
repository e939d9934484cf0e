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

/// All three values, or all of their errors.
pub(crate) fn all<A, B, C>(a: Result<A>, b: Result<B>, c: Result<C>) -> Result<(A, B, C)> {
    match (a, b, c) {
        (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
        (a, b, c) => {
            let combined = combine([a.err(), b.err(), c.err()].into_iter().flatten());
            Err(combined.expect_err("one of the three is an error"))
        }
    }
}
