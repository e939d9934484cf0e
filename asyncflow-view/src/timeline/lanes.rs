//! Assigns spans to as few lanes as possible, so that the spans in a lane do not overlap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Returns the lane of each span and the number of lanes. A span takes the first lane that is free
/// when it begins, so the upper lanes are full and the lower ones show the peaks.
pub(crate) fn assign(spans: &[(u64, u64)]) -> (Vec<u32>, u32) {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&span| spans[span]);
    let mut lanes = vec![0; spans.len()];
    let mut free: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
    let mut busy: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut count = 0;
    for span in order {
        let (start, end) = spans[span];
        while let Some(&Reverse((until, lane))) = busy.peek() {
            if until > start {
                break;
            }
            busy.pop();
            free.push(Reverse(lane));
        }
        let lane = match free.pop() {
            Some(Reverse(lane)) => lane,
            None => {
                count += 1;
                count - 1
            }
        };
        lanes[span] = lane;
        // An empty span takes its lane too, so that spans with the same begin do not share one.
        busy.push(Reverse((end.max(start + 1), lane)));
    }
    (lanes, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_free_lane_is_taken() {
        let (lanes, count) = assign(&[(0, 10), (2, 4), (4, 6), (5, 7), (10, 12)]);
        assert_eq!((lanes, count), (vec![0, 1, 1, 2, 0], 3));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_in_a_lane_overlaps_and_no_lane_is_wasted(
            spans in prop::collection::vec((0..50_u64, 0..20_u64), 0..60)
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(start, long)| (start, start + long)).collect();
            let (lanes, count) = assign(&spans);
            for (a, &(a_start, a_end)) in spans.iter().enumerate() {
                for (b, &(b_start, b_end)) in spans.iter().enumerate().skip(a + 1) {
                    let apart = a_end.max(a_start + 1) <= b_start || b_end.max(b_start + 1) <= a_start;
                    prop_assert!(apart || lanes[a] != lanes[b]);
                }
            }
            let at_once = |moment| spans.iter().filter(|(start, end)| *start <= moment && moment < (*end).max(start + 1)).count();
            prop_assert_eq!(count as usize, (0..70).map(at_once).max().unwrap_or(0));
        }
    }
}
