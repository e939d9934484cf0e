//! The shapes of the measured graphs.
//!
//! A shape is a function from a task to its upstreams. No graph is stored, so the harness adds
//! nothing to the peak memory of a contender. The upstreams of a task have smaller numbers than the
//! task. `cpp/flow_graph.cpp` has the same functions; the two are compared by checksum.

use std::fmt;

/// The number of tasks in each layer of [`Shape::Layers`].
const LAYER_WIDTH: usize = 100;
/// The upstreams of a task of [`Shape::Layers`]: offsets from its own position, in the layer above.
const LAYER_EDGES: [usize; 4] = [0, 1, 7, 31];
/// The number of tasks in each chain of [`Shape::Skewed`].
pub const SKEWED_LEVELS: usize = 10;

/// How the tasks of a graph depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Each task after the one before it.
    Chain,
    /// No dependencies.
    Independent,
    /// One task, then all others except the last, then the last.
    OneToNToOne,
    /// Layers of 100 tasks, each after four tasks of the layer above.
    Layers,
    /// Each task after its parent in a binary tree.
    Tree,
    /// Parallel chains of ten. With [`Work::SkewedSleep`](crate::plan::Work::SkewedSleep), each
    /// chain has one slow task; neighbouring chains have it at different levels.
    Skewed,
}

impl Shape {
    /// The five shapes over which geometric means are taken.
    pub const FIVE: [Shape; 5] = [
        Shape::Chain,
        Shape::Independent,
        Shape::OneToNToOne,
        Shape::Layers,
        Shape::Tree,
    ];

    /// Every shape.
    pub const ALL: [Shape; 6] = [
        Shape::Chain,
        Shape::Independent,
        Shape::OneToNToOne,
        Shape::Layers,
        Shape::Tree,
        Shape::Skewed,
    ];

    /// The name in tables, on the command line and in the protocol with the C++ program.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Chain => "chain",
            Shape::Independent => "independent",
            Shape::OneToNToOne => "one-to-n-to-one",
            Shape::Layers => "layers",
            Shape::Tree => "tree",
            Shape::Skewed => "skewed",
        }
    }

    /// The shape with this name.
    pub fn parse(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// Replaces the contents of `upstreams` by the upstreams of `task` in a graph of `tasks`.
    pub fn upstreams(self, task: usize, tasks: usize, upstreams: &mut Vec<usize>) {
        upstreams.clear();
        match self {
            Shape::Independent => {}
            Shape::Chain => upstreams.extend(task.checked_sub(1)),
            Shape::Tree => upstreams.extend(task.checked_sub(1).map(|below| below / 2)),
            Shape::OneToNToOne if task == 0 => {}
            Shape::OneToNToOne if task + 1 == tasks && tasks > 2 => upstreams.extend(1..task),
            Shape::OneToNToOne => upstreams.push(0),
            Shape::Layers => {
                if let Some(above) = (task / LAYER_WIDTH).checked_sub(1) {
                    let position = task % LAYER_WIDTH;
                    let upstream = |edge| above * LAYER_WIDTH + (position + edge) % LAYER_WIDTH;
                    upstreams.extend(LAYER_EDGES.map(upstream));
                }
            }
            Shape::Skewed => {
                upstreams.extend(task.checked_sub((tasks / SKEWED_LEVELS).max(1)));
            }
        }
    }

    /// The largest number of upstreams of a task in a graph of `tasks`.
    pub fn widest_join(self, tasks: usize) -> usize {
        match self {
            Shape::Independent => 0,
            Shape::Chain | Shape::Tree | Shape::Skewed => 1,
            Shape::Layers => LAYER_EDGES.len(),
            Shape::OneToNToOne => tasks.saturating_sub(2).max(1),
        }
    }

    /// A number that depends on every edge, to compare two implementations of a shape.
    pub fn checksum(self, tasks: usize) -> u64 {
        let mut upstreams = Vec::new();
        let mut sum = 0u64;
        for task in 0..tasks {
            self.upstreams(task, tasks, &mut upstreams);
            for &upstream in &upstreams {
                let edge = (task as u64) << 32 | upstream as u64;
                sum = sum.wrapping_mul(31).wrapping_add(edge);
            }
        }
        sum
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_distinct_and_come_first() {
        let mut upstreams = Vec::new();
        for shape in Shape::ALL {
            for tasks in [1, 2, 3, 100, 101, 1000] {
                for task in 0..tasks {
                    shape.upstreams(task, tasks, &mut upstreams);
                    assert!(upstreams.iter().all(|&upstream| upstream < task), "{shape}");
                    assert!(upstreams.len() <= shape.widest_join(tasks), "{shape}");
                    upstreams.sort_unstable();
                    assert!(upstreams.windows(2).all(|w| w[0] != w[1]), "{shape}");
                }
            }
        }
    }

    #[test]
    fn names_parse() {
        for shape in Shape::ALL {
            assert_eq!(Shape::parse(shape.name()), Some(shape));
        }
    }
}
