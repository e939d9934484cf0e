//! Folding: draws several nodes as one shape, so that a large flow gives a small diagram.
//!
//! These ways of folding are tried in turn, from the one that keeps the most detail to the one that
//! always works, until the diagram is small enough:
//!
//! 1. similar tasks: their names are equal except for a suffix such as `#2`, and their upstreams
//!    and downstreams are similar;
//! 2. chains of shapes of 1;
//! 3. 1 and 2 again with names that may differ in digits, and then with any names;
//! 4. groups;
//! 5. ranks: tasks that are the same number of steps from the start.
//!
//! No folding makes a cycle. The key of a similar task contains the keys of its upstreams, so no
//! shape is its own upstream. In a chain only the edge between two shapes is contracted. A group
//! has consecutive numbers, which are a topological order. Ranks only grow along edges. Each
//! folding takes linear time in the nodes and dependencies, except for sorting.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use asyncflow_core::{Node, Structure};

/// The most shapes in a diagram. Found by eye, with the example `gallery`.
pub(crate) const MAX_SHAPES: usize = 120;

/// The most edges in a diagram. Found by eye, and below the 500 at which Mermaid refuses to draw.
pub(crate) const MAX_EDGES: usize = 300;

/// How many shapes remain when chains are folded, at most. Pieces of chains are only as long as
/// this needs, so that the diagram still shows that there is a chain.
const CHAIN_SHAPES: usize = MAX_SHAPES / 3;

/// The most ranks in a diagram, which is then a single column of shapes; found by eye. If there are
/// more, consecutive ranks share a shape.
const MAX_RANKS: usize = 24;

/// The nesting depths at which groups are folded, in the order in which they are tried: a greater
/// depth keeps more detail. Four, because clusters are nested no deeper either.
const GROUP_DEPTHS: [usize; 4] = [4, 3, 2, 1];

/// Which shape each node is drawn in.
#[derive(Debug)]
pub(crate) struct Folding {
    /// By node.
    pub(crate) shape_of: Vec<u32>,
    /// The number of shapes.
    pub(crate) shapes: usize,
    /// What shares a shape, for the legend. `None` if each node has its own shape.
    pub(crate) what: Option<&'static str>,
}

impl Folding {
    /// Puts nodes with equal keys into one shape. Numbers the shapes in the order of their first
    /// nodes.
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
        self.shapes <= MAX_SHAPES && self.edges(structure).len() <= MAX_EDGES
    }

    /// The dependencies between different shapes, without duplicates.
    fn edges(&self, structure: &Structure) -> Vec<(u32, u32)> {
        let mut edges = Vec::new();
        for node in structure.nodes() {
            let to = self.shape_of[node.number()];
            let from = node.upstreams().map(|from| self.shape_of[from]);
            edges.extend(from.filter(|from| *from != to).map(|from| (from, to)));
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

/// The first folding with few enough shapes and edges.
pub(crate) fn fold(structure: &Structure) -> Folding {
    if structure.len() <= MAX_SHAPES {
        let unfolded = Folding {
            shape_of: (0..structure.len() as u32).collect(),
            shapes: structure.len(),
            what: None,
        };
        return unfolded;
    }
    for similarity in [
        Similarity::Name,
        Similarity::NameWithoutDigits,
        Similarity::Kind,
    ] {
        let similar = similar(structure, similarity);
        if similar.is_readable(structure) {
            return similar;
        }
        let chains = chains(structure, &similar);
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

/// What similar nodes have in common, besides their kind and settings.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Similarity {
    /// Their names, except for a suffix such as `#2`.
    Name,
    /// Their names, except for the digits.
    NameWithoutDigits,
    /// Nothing else.
    Kind,
}

/// Puts similar nodes into one shape. The key of a node contains the keys of everything upstream of
/// it and of everything downstream.
fn similar(structure: &Structure, similarity: Similarity) -> Folding {
    let own: Vec<u64> = structure
        .nodes()
        .map(|node| own_key(&node, similarity))
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
    Folding::by_key(before.into_iter().zip(after), "similar tasks")
}

fn own_key(node: &Node<'_>, similarity: Similarity) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(&node.kind()).hash(&mut hasher);
    node.always().hash(&mut hasher);
    for (_, kind) in node.conditions() {
        std::mem::discriminant(&kind).hash(&mut hasher);
    }
    for permits in node.permits().iter().chain(node.rates()) {
        (permits.id(), permits.count()).hash(&mut hasher);
    }
    let name = node.name().unwrap_or("");
    match similarity {
        Similarity::Name => stem(name).hash(&mut hasher),
        Similarity::NameWithoutDigits => {
            for part in name.split(|c: char| c.is_ascii_digit()) {
                // Skips the empty parts within a number, so that 9 and 10 are similar.
                if !part.is_empty() {
                    part.hash(&mut hasher);
                }
            }
        }
        Similarity::Kind => {}
    }
    hasher.finish()
}

/// A name without the suffix, such as `#2`, that makes it unique in its flow.
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

/// Combines the key of a node with the set of its neighbours' keys.
fn key_with(own: u64, neighbours: impl Iterator<Item = u64>) -> u64 {
    let mut neighbours: Vec<u64> = neighbours.collect();
    neighbours.sort_unstable();
    neighbours.dedup();
    let mut hasher = DefaultHasher::new();
    (own, neighbours).hash(&mut hasher);
    hasher.finish()
}

/// Cuts chains of shapes into pieces and puts each piece into one shape. Pieces are as short as
/// [`CHAIN_SHAPES`] allows.
fn chains(structure: &Structure, finer: &Folding) -> Folding {
    const NONE: u32 = u32::MAX;
    const SEVERAL: u32 = u32::MAX - 1;
    let mut only_next = vec![NONE; finer.shapes];
    let mut only_previous = vec![NONE; finer.shapes];
    let note = |only: &mut u32, other| *only = if *only == NONE { other } else { SEVERAL };
    for (from, to) in finer.edges(structure) {
        note(&mut only_next[from as usize], to);
        note(&mut only_previous[to as usize], from);
    }
    let follows = |from: u32, to: u32| {
        from < SEVERAL
            && to < SEVERAL
            && only_next[from as usize] == to
            && only_previous[to as usize] == from
    };
    // For each shape the chain that it is in, named by its first shape, and the position in it.
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
        Folding::by_key(keys, "chains of similar tasks")
    };
    let mut length = 2;
    loop {
        let folding = pieces(length);
        if folding.shapes <= CHAIN_SHAPES || length > finer.shapes {
            return folding;
        }
        length *= 2;
    }
}

/// Puts each group at this nesting depth into one shape.
fn groups(structure: &Structure, depth: usize) -> Folding {
    let mut spans: Vec<(usize, usize)> = structure
        .groups()
        .map(|group| (group.first, group.end))
        .filter(|(first, end)| end - first > 1 && end - first < structure.len())
        .collect();
    // Outer groups before inner ones, without duplicates.
    spans.sort_unstable_by_key(|&(first, end)| (first, std::cmp::Reverse(end)));
    spans.dedup();
    let mut group_of: Vec<Option<usize>> = vec![None; structure.len()];
    // The groups that contain the current one, outermost first.
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

/// Puts tasks that are the same number of steps from the start into one shape.
fn ranks(structure: &Structure) -> Folding {
    let mut rank = vec![0_usize; structure.len()];
    for node in structure.nodes() {
        // A gate takes no step of its own.
        let step = usize::from(node.kind().is_task());
        let before = node.upstreams().map(|upstream| rank[upstream]).max();
        rank[node.number()] = before.unwrap_or(0) + step;
    }
    let ranks = rank.iter().max().map_or(0, |last| last + 1);
    let ranks_per_shape = ranks.div_ceil(MAX_RANKS);
    Folding::by_key(
        rank.into_iter()
            .map(|rank| rank.saturating_sub(1) / ranks_per_shape),
        "tasks that are the same number of steps from the start",
    )
}
