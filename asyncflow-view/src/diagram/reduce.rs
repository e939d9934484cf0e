//! Leaving out the lines that others imply, where there are too many to read.

use std::collections::HashSet;

use super::sketch::{Line, LineKind};

/// Leaves out ordering lines that a longer way implies, and then all lines that one implies, until
/// there are at most `enough`. Says how many it left out.
pub(crate) fn to_readable(lines: &mut Vec<Line>, shapes: usize, enough: usize) -> usize {
    let before = lines.len();
    // A drawing in which each shape has two or three lines is readable as it is.
    let enough = enough.min(3 * shapes + 20);
    if lines.len() <= enough {
        return 0;
    }
    let implied = implied(lines, shapes);
    lines.retain(|line| line.kind != LineKind::Order || !implied.contains(&(line.from, line.to)));
    if lines.len() > enough {
        lines.retain(|line| {
            line.kind == LineKind::Condition || !implied.contains(&(line.from, line.to))
        });
    }
    before - lines.len()
}

/// The lines beside which there is a longer way.
fn implied(lines: &[Line], shapes: usize) -> HashSet<(u32, u32)> {
    let mut next: Vec<Vec<u32>> = vec![Vec::new(); shapes];
    for line in lines {
        next[line.from as usize].push(line.to);
    }
    // What can be reached by two lines or more, by a search from each shape. There are few shapes.
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
