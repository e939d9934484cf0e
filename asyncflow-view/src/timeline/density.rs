//! How many spans there are at a time.

/// The average number of spans in each of `steps` equal parts of a range.
pub(crate) fn levels(
    spans: impl Iterator<Item = (u64, u64)>,
    (start, end): (u64, u64),
    steps: usize,
) -> Vec<f64> {
    // Spans that begin or end in a step, by the part of it that they cover.
    let mut part = vec![0.0; steps + 1];
    // The change of the number of spans that cover the whole step.
    let mut change = vec![0.0; steps + 2];
    let long = end.saturating_sub(start).max(1) as f64;
    let step = |moment: u64| {
        let at = moment.saturating_sub(start) as f64 / long * steps as f64;
        at.min(steps as f64)
    };
    for (from, to) in spans {
        let (from, to) = (step(from), step(to));
        let (first, last) = (from as usize, to as usize);
        if first == last {
            part[first] += to - from;
            continue;
        }
        part[first] += (first + 1) as f64 - from;
        part[last] += to - last as f64;
        change[first + 1] += 1.0;
        change[last] -= 1.0;
    }
    let mut level = 0.0;
    let average = |at: usize| {
        level += change[at];
        part[at] + level
    };
    (0..steps).map(average).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_by_the_part_of_a_step_that_they_cover() {
        let spans = [(10, 30), (15, 20), (40, 50)];
        let levels = levels(spans.into_iter(), (10, 50), 4);
        assert_eq!(levels, [1.5, 1.0, 0.0, 1.0]);
    }
}
