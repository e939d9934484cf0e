//! The critical path, by place.

use asyncflow_core::Report;

/// The places on it, from the first to the last; none if the run was not timed.
pub(crate) fn places(report: &Report) -> Vec<usize> {
    let structure = report.structure();
    let ended = |place: usize| {
        structure
            .place(place)
            .id()
            .and_then(|id| report.task(id).times()?.ended)
    };
    let mut at = (0..structure.len())
        .filter(|p| ended(*p).is_some())
        .max_by_key(|p| ended(*p));
    let mut path = Vec::new();
    while let Some(place) = at {
        if structure.place(place).kind().is_task() {
            path.push(place);
        }
        let mut seen: Vec<usize> = structure.place(place).upstreams().collect();
        let mut i = 0;
        while i < seen.len() {
            if !structure.place(seen[i]).kind().is_task() {
                seen.extend(structure.place(seen[i]).upstreams());
            }
            i += 1;
        }
        at = seen
            .into_iter()
            .filter(|p| ended(*p).is_some())
            .max_by_key(|p| ended(*p));
    }
    path.reverse();
    path
}
