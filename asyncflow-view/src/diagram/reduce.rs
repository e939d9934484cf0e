//! Transitive reduction: removes redundant edges from a diagram that has too many.

use std::collections::HashSet;

use super::model::{Edge, EdgeKind};

/// Removes edges that a longer path implies while there are more than `max`: first those that only
/// order, then all but conditions. Returns how many it removed.
pub(crate) fn to_readable(edges: &mut Vec<Edge>, shapes: usize, max: usize) -> usize {
    let before = edges.len();
    // Found by eye: a diagram with two or three edges for each shape is readable as it is, and a
    // small one with a few more.
    let max = max.min(3 * shapes + 20);
    if edges.len() <= max {
        return 0;
    }
    let implied = implied(edges, shapes);
    edges.retain(|edge| edge.kind != EdgeKind::Order || !implied.contains(&(edge.from, edge.to)));
    if edges.len() > max {
        edges.retain(|edge| {
            edge.kind.condition().is_some() || !implied.contains(&(edge.from, edge.to))
        });
    }
    before - edges.len()
}

/// The edges whose ends are also connected by a longer path.
fn implied(edges: &[Edge], shapes: usize) -> HashSet<(u32, u32)> {
    let mut next: Vec<Vec<u32>> = vec![Vec::new(); shapes];
    for edge in edges {
        next[edge.from as usize].push(edge.to);
    }
    // Searches from each shape for what two or more edges reach. There are few shapes.
    let mut implied = HashSet::new();
    for from in 0..shapes {
        let mut seen = vec![false; shapes];
        let mut open = next[from].clone();
        while let Some(at) = open.pop() {
            for &to in &next[at as usize] {
                if !std::mem::replace(&mut seen[to as usize], true) {
                    open.push(to);
                }
            }
        }
        implied.extend(
            next[from]
                .iter()
                .filter(|to| seen[**to as usize])
                .map(|to| (from as u32, *to)),
        );
    }
    implied
}
