//! Sorting.
//!
//! The sorts of `std` are compiled anew for every type and order, several thousand bytes each. What is sorted
//! here is sorted seldom, so it shares the code of one sort.

/// Sorts items by their numbers. Items of the same number stay in their order.
pub(crate) fn sort_by_number<T>(items: &mut [T], number: impl Fn(&T) -> u64) {
    if items.is_sorted_by_key(&number) {
        return;
    }
    let order = items.iter().map(number).zip(0..).collect();
    arrange(order, &mut |a, b| items.swap(a, b));
}

/// Swaps items until they are in the order of their numbers, which come with the places of the items.
fn arrange(mut order: Vec<(u64, usize)>, swap: &mut dyn FnMut(usize, usize)) {
    order.sort_unstable();
    for start in 0..order.len() {
        // Follows the circle of places, each of which gets its item from the next.
        let mut place = start;
        loop {
            let from = std::mem::replace(&mut order[place].1, place);
            if from == start {
                break;
            }
            swap(place, from);
            place = from;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn is_stable_and_complete() {
        let mut random = 1_u64;
        for len in 0..200 {
            let mut items: Vec<(u64, usize)> = (0..len)
                .map(|place| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    ((random >> 33) % 20, place)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(number, _)| *number);
            sort_by_number(&mut items, |(number, _)| *number);
            assert_eq!(items, expected);
        }
    }
}
