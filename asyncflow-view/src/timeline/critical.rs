//! The critical path, by place.

use asyncflow_core::Report;

/// The places on it, from the first to the last; none if the run was not timed.
pub(crate) fn places(_report: &Report) -> Vec<usize> {
    Vec::new()
}
