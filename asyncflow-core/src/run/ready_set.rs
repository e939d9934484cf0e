//! An ordered set of nodes: which of those that are ready comes first.
//!
//! A tree of bits, 64 wide. A leaf has a bit for each node. A bit above says that the word below is
//! not zero. So adding a node and taking the first one each touch at most six words, whatever the
//! size of the graph, and only one word in a graph of up to 64 nodes.

use smallvec::SmallVec;

/// How many bits a word has.
const WIDTH: usize = u64::BITS as usize;

#[derive(Debug, Default)]
pub(crate) struct ReadySet {
    /// The leaves, then the words above them, and so on up to a single word. Empty until the first
    /// node is added.
    words: SmallVec<[u64; 1]>,
    /// Where in `words` each level begins, from the leaves up.
    levels: SmallVec<[u64; 1]>,
}

impl ReadySet {
    /// Adds a node, by its place in the order of starts, to a set of at most `len` nodes.
    pub(crate) fn insert(&mut self, rank: usize, len: usize) {
        if self.words.is_empty() {
            self.make_room(len);
        }
        let mut place = rank;
        for level in &self.levels {
            let word = &mut self.words[*level as usize + place / WIDTH];
            let before = *word;
            *word |= 1 << (place % WIDTH);
            if before != 0 {
                break;
            }
            place /= WIDTH;
        }
    }

    #[cold]
    fn make_room(&mut self, len: usize) {
        let mut words = len.max(1);
        let mut total = 0;
        loop {
            words = words.div_ceil(WIDTH);
            self.levels.push(total as u64);
            total += words;
            if words == 1 {
                break;
            }
        }
        self.words.resize(total, 0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.last().is_none_or(|top| *top == 0)
    }

    /// The first node.
    pub(crate) fn first(&self) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let mut place = 0;
        for level in self.levels.iter().rev() {
            let word = self.words[*level as usize + place];
            place = place * WIDTH + word.trailing_zeros() as usize;
        }
        Some(place)
    }

    /// Takes out a node that is in the set.
    pub(crate) fn remove(&mut self, rank: usize) {
        let mut place = rank;
        for level in &self.levels {
            let word = &mut self.words[*level as usize + place / WIDTH];
            *word &= !(1 << (place % WIDTH));
            if *word != 0 {
                break;
            }
            place /= WIDTH;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Numbers that are the same in every run.
    fn numbers(below: usize) -> impl Iterator<Item = usize> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize % below
        })
    }

    /// Compared with a set of the standard library, at sizes around those at which a level is added.
    #[test]
    fn gives_back_what_was_added_in_order() {
        for len in [1, 2, 63, 64, 65, 4_095, 4_096, 4_097, 300_000] {
            let (mut set, mut model) = (ReadySet::default(), BTreeSet::new());
            for number in numbers(len).take(2_000) {
                set.insert(number, len);
                model.insert(number);
                if number % 3 == 0 {
                    assert_eq!(set.first(), model.first().copied());
                    let Some(first) = model.pop_first() else {
                        continue;
                    };
                    set.remove(first);
                }
            }
            while let Some(first) = model.pop_first() {
                assert_eq!(set.first(), Some(first));
                set.remove(first);
            }
            assert!(set.is_empty());
        }
    }
}
