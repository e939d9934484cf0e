//! Folding: a flow of many tasks becomes a diagram of few shapes.
//!
//! A folding says of every node which shape it is drawn in. Each way of folding is tried in turn,
//! from the one that tells the most to the one that always works, until the shapes are few enough:
//!
//! 1. tasks that are alike: of the same name but for `#2`, with alike upstreams and downstreams;
//! 2. the same for names that differ in numbers, and then whatever their names;
//! 3. chains of those;
//! 4. groups;
//! 5. ranks: tasks that are equally many steps from the beginning.
//!
//! No folding makes a cycle. In 1 and 2, a shape's upstreams tell its key, so it cannot be among
//! its own. In 3, only the one line between two shapes is contracted. A group has consecutive
//! numbers, which are in topological order, and ranks only grow. Each takes time linear in the
//! tasks and dependencies, but for sorting.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use asyncflow_core::{Node, Structure};

/// How many shapes are a readable diagram.
pub(crate) const READABLE: usize = 120;

/// How many lines between them are.
pub(crate) const READABLE_LINES: usize = 300;

/// Chains are folded until about this few shapes are left, and not further.
const ROOMY: usize = READABLE / 3;

/// How many ranks are drawn; of more, several in a row share a shape.
const RANKS: usize = 24;

/// How deep groups are told apart when they are folded.
const GROUP_DEPTHS: [usize; 4] = [4, 3, 2, 1];

/// Which shape each node is drawn in.
#[derive(Debug)]
pub(crate) struct Folding {
    /// By node.
    pub(crate) shape_of: Vec<u32>,
    /// How many there are.
    pub(crate) shapes: usize,
    /// What was put into one shape; nothing if each node has its own.
    pub(crate) what: Option<&'static str>,
}

impl Folding {
    /// Numbers the shapes in the order of their first nodes.
    fn by_key<K: Eq + Hash>(keys: impl Iterator<Item = K>, what: &'static str) -> Self {
        let mut numbers = HashMap::new();
        let shape_of = keys
            .map(|key| {
                let next = numbers.len() as u32;
                *numbers.entry(key).or_insert(next)
            })
            .collect();
        Self {
            shape_of,
            shapes: numbers.len(),
            what: Some(what),
        }
    }

    fn is_readable(&self, structure: &Structure) -> bool {
        self.shapes <= READABLE && self.lines(structure).len() <= READABLE_LINES
    }

    /// The dependencies between shapes, each once.
    fn lines(&self, structure: &Structure) -> Vec<(u32, u32)> {
        let mut lines = Vec::new();
        for node in structure.nodes() {
            let to = self.shape_of[node.number()];
            let from = node.upstreams().map(|from| self.shape_of[from]);
            lines.extend(from.filter(|from| *from != to).map(|from| (from, to)));
        }
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

/// The first folding that is readable.
pub(crate) fn fold(structure: &Structure) -> Folding {
    if structure.len() <= READABLE {
        let itself = Folding {
            shape_of: (0..structure.len() as u32).collect(),
            shapes: structure.len(),
            what: None,
        };
        return itself;
    }
    for likeness in [Likeness::Name, Likeness::Digits, Likeness::Kind] {
        let alike = alike(structure, likeness);
        if alike.is_readable(structure) {
            return alike;
        }
        let chains = chains(structure, &alike);
        if chains.is_readable(structure) {
            return chains;
        }
    }
    for depth in GROUP_DEPTHS {
        let groups = groups(structure, depth);
        if groups.is_readable(structure) {
            return groups;
        }
    }
    ranks(structure)
}

/// What tasks that are alike have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Likeness {
    /// Their names, but for the `#2` that tells equal ones apart.
    Name,
    /// Their names, but for the digits in them.
    Digits,
    /// Only what kind of task they are.
    Kind,
}

/// Puts together what is alike, seen from both ends of the flow: each node's key tells the keys of
/// all before it, and all after it.
fn alike(structure: &Structure, likeness: Likeness) -> Folding {
    let own: Vec<u64> = structure
        .nodes()
        .map(|node| own_key(&node, likeness))
        .collect();
    let mut before = own.clone();
    for node in structure.nodes() {
        let upstreams = node.upstreams().map(|upstream| before[upstream]);
        before[node.number()] = key_with(own[node.number()], upstreams);
    }
    let mut after = own;
    for number in (0..structure.len()).rev() {
        let downstreams = structure.node(number).downstreams();
        let downstreams = downstreams.map(|downstream| after[downstream]);
        after[number] = key_with(after[number], downstreams);
    }
    Folding::by_key(before.into_iter().zip(after), "tasks that are alike")
}

fn own_key(node: &Node<'_>, likeness: Likeness) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(&node.kind()).hash(&mut hasher);
    node.always().hash(&mut hasher);
    node.condition().is_some().hash(&mut hasher);
    for permits in node.permits() {
        (permits.id(), permits.count()).hash(&mut hasher);
    }
    let name = node.name().unwrap_or("");
    match likeness {
        Likeness::Name => stem(name).hash(&mut hasher),
        Likeness::Digits => {
            for part in name.split(|c: char| c.is_ascii_digit()) {
                // Runs of digits count as one, so that 9 and 10 are alike.
                if !part.is_empty() {
                    part.hash(&mut hasher);
                }
            }
        }
        Likeness::Kind => {}
    }
    hasher.finish()
}

/// A name without the `#2` that tells it apart from equal ones.
pub(crate) fn stem(name: &str) -> &str {
    match name.rsplit_once('#') {
        Some((stem, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            stem
        }
        _ => name,
    }
}

/// A key and the set of those around it, in whatever order and number.
fn key_with(own: u64, around: impl Iterator<Item = u64>) -> u64 {
    let mut around: Vec<u64> = around.collect();
    around.sort_unstable();
    around.dedup();
    let mut hasher = DefaultHasher::new();
    (own, around).hash(&mut hasher);
    hasher.finish()
}

/// Puts shapes in a row into one: the shortest pieces of chains that make it roomy.
fn chains(structure: &Structure, finer: &Folding) -> Folding {
    const NONE: u32 = u32::MAX;
    const SEVERAL: u32 = u32::MAX - 1;
    let mut only_next = vec![NONE; finer.shapes];
    let mut only_previous = vec![NONE; finer.shapes];
    let note = |only: &mut u32, other| *only = if *only == NONE { other } else { SEVERAL };
    for (from, to) in finer.lines(structure) {
        note(&mut only_next[from as usize], to);
        note(&mut only_previous[to as usize], from);
    }
    let follows = |from: u32, to: u32| {
        from < SEVERAL
            && to < SEVERAL
            && only_next[from as usize] == to
            && only_previous[to as usize] == from
    };
    // The chain that each shape is in, and its node in it.
    let mut chain_of = vec![(NONE, 0_usize); finer.shapes];
    for shape in 0..finer.shapes as u32 {
        if follows(only_previous[shape as usize], shape) {
            continue;
        }
        let (mut at, mut steps) = (shape, 0);
        loop {
            chain_of[at as usize] = (shape, steps);
            let next = only_next[at as usize];
            if !follows(at, next) {
                break;
            }
            at = next;
            steps += 1;
        }
    }
    let pieces = |length: usize| {
        let keys = finer.shape_of.iter().map(|&shape| {
            let (chain, steps) = chain_of[shape as usize];
            (chain, steps / length)
        });
        Folding::by_key(keys, "chains, and in them tasks that are alike")
    };
    let mut length = 2;
    loop {
        let folding = pieces(length);
        if folding.shapes <= ROOMY || length > finer.shapes {
            return folding;
        }
        length *= 2;
    }
}

/// Puts every group that lies so deep in others into one shape, with all that is in it.
fn groups(structure: &Structure, depth: usize) -> Folding {
    let mut spans: Vec<(usize, usize)> = structure
        .groups()
        .map(|group| (group.first, group.end))
        .filter(|(first, end)| end - first > 1 && end - first < structure.len())
        .collect();
    // Outer before inner, each span once.
    spans.sort_unstable_by_key(|&(first, end)| (first, std::cmp::Reverse(end)));
    spans.dedup();
    let mut group_of: Vec<Option<usize>> = vec![None; structure.len()];
    let mut around: Vec<usize> = Vec::new();
    for (group, &(first, end)) in spans.iter().enumerate() {
        while around
            .last()
            .is_some_and(|&outer: &usize| spans[outer].1 <= first)
        {
            around.pop();
        }
        if around.len() + 1 == depth {
            group_of[first..end].fill(Some(group));
        }
        around.push(group);
    }
    let keys = group_of
        .into_iter()
        .enumerate()
        .map(|(node, group)| match group {
            Some(group) => (true, group),
            None => (false, node),
        });
    Folding::by_key(keys, "groups")
}

/// Puts tasks that are equally many steps from the beginning into one shape.
fn ranks(structure: &Structure) -> Folding {
    let mut rank = vec![0_usize; structure.len()];
    for node in structure.nodes() {
        // A gate is a mark between two steps, not a step.
        let step = usize::from(node.kind().is_task());
        let before = node.upstreams().map(|upstream| rank[upstream]).max();
        rank[node.number()] = before.unwrap_or(0) + step;
    }
    let ranks = rank.iter().max().map_or(0, |last| last + 1);
    let in_one = ranks.div_ceil(RANKS);
    Folding::by_key(
        rank.into_iter().map(|rank| rank.saturating_sub(1) / in_one),
        "tasks that are equally many steps from the beginning",
    )
}
