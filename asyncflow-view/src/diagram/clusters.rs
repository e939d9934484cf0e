//! Clusters: the frames that a diagram draws around the shapes of groups.

use std::collections::HashMap;

use asyncflow_core::{GroupKind, Structure};

use super::fold::MAX_SHAPES;

/// How deeply clusters are nested. The shapes of a deeper group are drawn in the cluster around it.
/// Found by eye: with more, the frames take more room than the shapes.
const MAX_DEPTH: usize = 4;

/// A frame around the shapes of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    /// `series` or `parallel`.
    pub(crate) label: &'static str,
    /// The cluster that it is in.
    pub(crate) within: Option<usize>,
}

pub(crate) struct Clusters {
    pub(crate) clusters: Vec<Cluster>,
    /// The innermost cluster of each shape.
    pub(crate) of: Vec<Option<usize>>,
}

/// The set of shapes in a group, one bit a shape.
type ShapeSet = [u64; MAX_SHAPES.div_ceil(64)];

/// Returns the clusters of a diagram. A group becomes a cluster if it has at least two shapes, but
/// not all of them. Of several groups with the same shapes only the innermost becomes one.
pub(crate) fn around(structure: &Structure, members: &[Vec<usize>]) -> Clusters {
    let nothing = Clusters {
        clusters: Vec::new(),
        of: vec![None; members.len()],
    };
    if members.len() > MAX_SHAPES {
        return nothing;
    }
    let spans: Vec<(usize, usize)> = members
        .iter()
        .map(|nodes| (nodes[0], nodes[nodes.len() - 1]))
        .collect();
    // Inner groups come later, so of groups with the same shapes the innermost stays.
    let mut groups: HashMap<ShapeSet, GroupKind> = HashMap::new();
    for group in structure.groups() {
        let mut inside = ShapeSet::default();
        for (shape, (first, last)) in spans.iter().enumerate() {
            if group.first <= *first && *last < group.end {
                inside[shape / 64] |= 1 << (shape % 64);
            }
        }
        if (2..members.len()).contains(&size(&inside)) {
            groups.insert(inside, group.kind);
        }
    }
    let mut groups: Vec<(ShapeSet, GroupKind)> = groups.into_iter().collect();
    groups.sort_by_key(|(inside, _)| (std::cmp::Reverse(size(inside)), *inside));

    let mut clusters: Vec<(ShapeSet, Cluster, usize)> = Vec::new();
    for (inside, kind) in groups {
        let within = clusters
            .iter()
            .rposition(|(outer, ..)| is_within(&inside, outer));
        let depth = within.map_or(1, |outer| clusters[outer].2 + 1);
        if depth <= MAX_DEPTH {
            let label = match kind {
                GroupKind::Series => "series",
                _ => "parallel",
            };
            clusters.push((inside, Cluster { label, within }, depth));
        }
    }
    let of = (0..members.len())
        .map(|shape| {
            clusters
                .iter()
                .rposition(|(inside, ..)| inside[shape / 64] & (1 << (shape % 64)) != 0)
        })
        .collect();
    Clusters {
        clusters: clusters
            .into_iter()
            .map(|(_, cluster, _)| cluster)
            .collect(),
        of,
    }
}

fn size(inside: &ShapeSet) -> usize {
    inside.iter().map(|bits| bits.count_ones() as usize).sum()
}

fn is_within(inside: &ShapeSet, outer: &ShapeSet) -> bool {
    inside
        .iter()
        .zip(outer)
        .all(|(inside, outer)| inside & !outer == 0)
}
