//! The groups that are drawn around shapes.

use std::collections::HashMap;

use asyncflow_core::{GroupKind, Structure};

use super::fold::READABLE;

/// How many frames are drawn around each other. Deeper groups are left out, with what is in them
/// drawn in the next one out.
const DEEPEST: usize = 4;

/// A frame around shapes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    pub(crate) series: bool,
    /// The next frame out.
    pub(crate) within: Option<usize>,
}

pub(crate) struct Clusters {
    pub(crate) clusters: Vec<Cluster>,
    /// The innermost of each shape.
    pub(crate) of: Vec<Option<usize>>,
}

/// Which shapes are in a group.
type Inside = [u64; READABLE.div_ceil(64)];

/// The groups worth a frame: those with at least two shapes and not all, each set of shapes once.
pub(crate) fn around(structure: &Structure, members: &[Vec<usize>]) -> Clusters {
    let nothing = Clusters {
        clusters: Vec::new(),
        of: vec![None; members.len()],
    };
    if members.len() > READABLE {
        return nothing;
    }
    let spans: Vec<(usize, usize)> = members
        .iter()
        .map(|places| (places[0], places[places.len() - 1]))
        .collect();
    // Later groups are inner ones, so of equal sets the innermost stays: it says what joins them.
    let mut groups: HashMap<Inside, bool> = HashMap::new();
    for group in structure.groups() {
        let mut inside = Inside::default();
        for (shape, (first, last)) in spans.iter().enumerate() {
            if group.first <= *first && *last < group.end {
                inside[shape / 64] |= 1 << (shape % 64);
            }
        }
        if (2..members.len()).contains(&size(&inside)) {
            groups.insert(inside, group.kind == GroupKind::Series);
        }
    }
    let mut groups: Vec<(Inside, bool)> = groups.into_iter().collect();
    groups.sort_by_key(|(inside, _)| (std::cmp::Reverse(size(inside)), *inside));

    let mut frames: Vec<(Inside, Cluster, usize)> = Vec::new();
    for (inside, series) in groups {
        let within = frames
            .iter()
            .rposition(|(outer, ..)| is_within(&inside, outer));
        let depth = within.map_or(1, |outer| frames[outer].2 + 1);
        if depth <= DEEPEST {
            frames.push((inside, Cluster { series, within }, depth));
        }
    }
    let of = (0..members.len())
        .map(|shape| {
            frames
                .iter()
                .rposition(|(inside, ..)| inside[shape / 64] & (1 << (shape % 64)) != 0)
        })
        .collect();
    Clusters {
        clusters: frames.into_iter().map(|(_, cluster, _)| cluster).collect(),
        of,
    }
}

fn size(inside: &Inside) -> usize {
    inside.iter().map(|bits| bits.count_ones() as usize).sum()
}

fn is_within(inside: &Inside, outer: &Inside) -> bool {
    inside
        .iter()
        .zip(outer)
        .all(|(inside, outer)| inside & !outer == 0)
}
