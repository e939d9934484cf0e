//! Checks of a `Runtime`.
