//! An ordered set of nodes: which of those that are ready comes first.
//!
//! A tree of bits, 64 wide. A leaf has a bit for each node. A bit above says that the word below is
//! not zero. So adding a node and taking the first one each touch at most six words, whatever the
//! size of the graph, and only one word in a graph of up to 64 nodes.

/// How many bits a word has.
const WIDTH: usize = u64::BITS as usize;

#[derive(Debug)]
pub(crate) enum ReadySet {
    /// The only word, as long as no further one is needed.
    Word(u64),
    Tree(Box<Tree>),
}

#[derive(Debug)]
pub(crate) struct Tree {
    /// The leaves, then the words above them, and so on up to a single word.
    words: Vec<u64>,
    /// Where in `words` each level begins, from the leaves up.
    levels: Vec<usize>,
}

impl Default for ReadySet {
    fn default() -> Self {
        Self::Word(0)
    }
}

impl ReadySet {
    /// Adds a node, by its place in the order of starts, to a set of at most `len` nodes.
    pub(crate) fn insert(&mut self, rank: usize, len: usize) {
        match self {
            Self::Word(word) if len <= WIDTH => *word |= 1 << rank,
            Self::Word(_) => {
                let mut tree = Tree::new(len);
                tree.insert(rank);
                *self = Self::Tree(Box::new(tree));
            }
            Self::Tree(tree) => tree.insert(rank),
        }
    }

    /// The first node.
    pub(crate) fn first(&self) -> Option<usize> {
        match self {
            Self::Word(0) => None,
            Self::Word(word) => Some(word.trailing_zeros() as usize),
            Self::Tree(tree) => tree.first(),
        }
    }

    /// Takes out a node that is in the set.
    pub(crate) fn remove(&mut self, rank: usize) {
        match self {
            Self::Word(word) => *word &= !(1 << rank),
            Self::Tree(tree) => tree.remove(rank),
        }
    }
}

impl Tree {
    #[cold]
    fn new(len: usize) -> Self {
        let (mut words, mut levels) = (len, Vec::new());
        let mut total = 0;
        while words > 1 {
            words = words.div_ceil(WIDTH);
            levels.push(total);
            total += words;
        }
        Self {
            words: vec![0; total],
            levels,
        }
    }

    fn insert(&mut self, rank: usize) {
        let mut place = rank;
        for level in &self.levels {
            let word = &mut self.words[*level + place / WIDTH];
            let before = *word;
            *word |= 1 << (place % WIDTH);
            if before != 0 {
                break;
            }
            place /= WIDTH;
        }
    }

    fn first(&self) -> Option<usize> {
        if self.words.last() == Some(&0) {
            return None;
        }
        let mut place = 0;
        for level in self.levels.iter().rev() {
            let word = self.words[*level + place];
            place = place * WIDTH + word.trailing_zeros() as usize;
        }
        Some(place)
    }

    fn remove(&mut self, rank: usize) {
        let mut place = rank;
        for level in &self.levels {
            let word = &mut self.words[*level + place / WIDTH];
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
            assert_eq!(set.first(), None);
        }
    }
}
