//! From what was declared to the dense form.
//!
//! In slices, so that whoever executes a large flow for the first time lets others run in between.
//! One stage after the other goes over all nodes.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::column::{ColumnType, Slot};
use crate::declare::function::Body;
use crate::declare::inputs::InputUse;
use crate::outcome::refusal::Refusal;
use crate::validate;

use super::declared::Declared;
use super::{Graph, NOWHERE, locate};

/// Makes a [`Graph`].
pub(crate) struct Compiler {
    graph: Graph,
    columns: Columns,
    /// Nodes with a configuration, which there may be something wrong with.
    configured: Vec<u32>,
    mistake: Option<Refusal>,
    stage: Stage,
    /// How many nodes are still to be gone over in this stage.
    left: usize,
    /// Of the next of them, how many upstreams have been: it may have very many.
    within: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Asks each node what it is, and counts its upstreams and successors.
    Visit,
    /// Sums up the counts of successors to where each one's end.
    Sum,
    /// Fills in the successors from the back, by which the sums come down from where each row ends
    /// to where it begins. Visiting, summing up and filling in are a counting sort of the edges.
    Fill,
    /// Looks for mistakes, node by node.
    Validate,
    Done,
}

impl Compiler {
    pub(crate) fn new(declared: &Declared) -> Self {
        let (first, rest) = declared.seal();
        let len = declared.len();
        Self {
            graph: Graph {
                id: declared.id,
                first,
                rest,
                rows: zeros(len + 1),
                slots: Vec::new(),
                successors: Box::default(),
                roots: SmallVec::new(),
                once: Vec::new(),
                inputs: Vec::new(),
                moved: Vec::new(),
                nested: Vec::new(),
                taker: OnceLock::new(),
                has_gates: len > declared.tasks(),
                groups: declared.groups.clone(),
                columns: Vec::new(),
                names: OnceLock::new(),
            },
            columns: Columns::default(),
            configured: Vec::new(),
            mistake: None,
            stage: Stage::Visit,
            left: len,
            within: 0,
        }
    }

    /// Does a slice of the work: about so many nodes and edges. Whether that was the last.
    pub(crate) fn step(&mut self, slice: usize) -> bool {
        self.left = match self.stage {
            Stage::Visit => self.visit(slice),
            Stage::Sum => self.sum(slice),
            Stage::Fill => self.fill(slice),
            Stage::Validate => self.validate(slice),
            Stage::Done => return true,
        };
        if self.left == 0 {
            (self.stage, self.left) = self.next();
        }
        self.stage == Stage::Done
    }

    /// Does all of the work.
    pub(super) fn all(mut self) -> Self {
        while !self.step(usize::MAX) {}
        self
    }

    /// The graph, or what is wrong with it.
    pub(super) fn finish(self) -> Result<Arc<Graph>, Refusal> {
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(Arc::new(self.graph)),
        }
    }

    /// The graph, even if there is something wrong with it.
    pub(super) fn graph(self) -> Graph {
        self.graph
    }

    /// The stage after this one, and how many nodes it goes over.
    fn next(&mut self) -> (Stage, usize) {
        let graph = &mut self.graph;
        match self.stage {
            Stage::Visit => {
                graph.moved.sort_unstable();
                graph.columns = std::mem::take(&mut self.columns).finish();
                (Stage::Sum, graph.rows.len())
            }
            Stage::Sum => {
                let edges = graph.rows[graph.len()];
                graph.successors = zeros(edges as usize).into_boxed_slice();
                (Stage::Fill, graph.len())
            }
            Stage::Fill => (Stage::Validate, self.configured.len()),
            Stage::Validate => {
                if self.mistake.is_none() {
                    let rest = validate::nested(graph).and_then(|()| validate::moved(graph));
                    self.mistake = rest.err();
                }
                (Stage::Done, 0)
            }
            Stage::Done => (Stage::Done, 0),
        }
    }

    // Each stage does a slice of its nodes and gives how many are left to it.

    fn visit(&mut self, slice: usize) -> usize {
        let mut work = 0;
        while self.left > 0 && work < slice {
            let graph = &mut self.graph;
            let next = graph.len() - self.left;
            let (segment, place) = locate(&graph.first, &graph.rest, next);
            let mut begin = segment.begin(place);
            let nodes = segment.nodes[place..].iter();
            let nodes = nodes.zip(&segment.upstream_ends[place..]);
            for (index, (node, end)) in (next..).zip(nodes) {
                if work >= slice {
                    break;
                }
                let upstreams = &segment.upstreams[begin..*end as usize];
                // Upstreams come first, so they have been visited.
                let until = (slice - work).saturating_add(self.within);
                let until = until.min(upstreams.len());
                for upstream in &upstreams[self.within..until] {
                    graph.rows[*upstream as usize] += 1;
                }
                work += until - self.within;
                if until < upstreams.len() {
                    self.within = until;
                    break;
                }
                self.within = 0;
                let number = index as u32;
                let facts = node.facts();
                if upstreams.is_empty() {
                    graph.roots.push(number);
                }
                if facts.once {
                    graph.once.push(number);
                }
                if facts.nested {
                    graph.nested.push(number);
                }
                if facts.moves {
                    node.visit_inputs(&mut |task, how| {
                        if how == InputUse::Moved {
                            graph.moved.push((task.index, number));
                        }
                    });
                }
                if node.config.is_some() {
                    self.configured.push(number);
                }
                if let Body::Input(_) = node.body {
                    graph.inputs.push(number);
                }
                if let Some(column) = facts.column {
                    if graph.slots.is_empty() {
                        graph.slots.reserve_exact(graph.rows.len() - 1);
                    }
                    graph.slots.resize(index, NOWHERE);
                    graph.slots.push(self.columns.slot(column));
                }
                self.left -= 1;
                work += 1;
                begin = *end as usize;
            }
        }
        self.left
    }

    fn sum(&mut self, slice: usize) -> usize {
        let rows = &mut self.graph.rows;
        let from = rows.len() - self.left;
        let before = from.checked_sub(1).map(|before| rows[before]);
        let mut sum = before.unwrap_or(0);
        for row in rows[from..].iter_mut().take(slice) {
            sum += *row;
            *row = sum;
        }
        self.left.saturating_sub(slice)
    }

    fn fill(&mut self, slice: usize) -> usize {
        let mut work = 0;
        while self.left > 0 && work < slice {
            let graph = &mut self.graph;
            let (segment, place) = locate(&graph.first, &graph.rest, self.left - 1);
            let mut end = segment.upstream_ends[place] as usize;
            for place in (0..=place).rev() {
                if work >= slice {
                    break;
                }
                let index = self.left as u32 - 1;
                let begin = segment.begin(place);
                let upstreams = &segment.upstreams[begin..end];
                let until = upstreams.len() - self.within;
                let from = until.saturating_sub(slice - work);
                for upstream in upstreams[from..until].iter().rev() {
                    let row = &mut graph.rows[*upstream as usize];
                    *row -= 1;
                    graph.successors[*row as usize] = index;
                }
                work += until - from;
                if from > 0 {
                    self.within += until - from;
                    break;
                }
                self.within = 0;
                self.left -= 1;
                work += 1;
                end = begin;
            }
        }
        self.left
    }

    fn validate(&mut self, slice: usize) -> usize {
        let from = self.configured.len() - self.left;
        for index in self.configured[from..].iter().take(slice) {
            if let Err(mistake) = validate::task(&self.graph, *index) {
                self.mistake = Some(mistake);
                return 0;
            }
        }
        self.left.saturating_sub(slice)
    }
}

/// So many zeros: from pages that are zero already if they are many, and written if they are few,
/// which an allocator does quicker than it clears memory (glibc's `calloc` passes by its cache).
fn zeros(len: usize) -> Vec<u32> {
    const FEW: usize = 1024;
    match len {
        ..FEW => std::iter::repeat_n(0, len).collect(),
        _ => vec![0; len],
    }
}

/// Gives each output its place among those of its type.
#[derive(Default)]
struct Columns {
    /// As the graph will have them, except that it is not yet known what is before each.
    columns: Vec<(ColumnType, u32, u32)>,
    /// The numbers of those after the first few, which are found by looking.
    by_type: BTreeMap<TypeId, u32>,
    /// The type that was last asked for: mostly the next one's, too.
    last: Option<(TypeId, u32)>,
}

/// So many types are looked through one by one.
const FEW: usize = 8;

impl Columns {
    fn slot(&mut self, column: ColumnType) -> Slot {
        let number = match self.last {
            Some((id, number)) if id == column.id => number,
            _ => self.number(column),
        };
        self.last = Some((column.id, number));
        let len = &mut self.columns[number as usize].1;
        *len += 1;
        Slot {
            column: number,
            place: *len - 1,
        }
    }

    fn number(&mut self, column: ColumnType) -> u32 {
        let Self {
            columns, by_type, ..
        } = self;
        let mut few = columns.iter().take(FEW);
        if let Some(number) = few.position(|(known, ..)| known.id == column.id) {
            return number as u32;
        }
        let number = match columns.len() {
            len @ ..FEW => len as u32,
            len => *by_type.entry(column.id).or_insert(len as u32),
        };
        if number as usize == columns.len() {
            columns.push((column, 0, 0));
        }
        number
    }

    fn finish(mut self) -> Vec<(ColumnType, u32, u32)> {
        let mut sum = 0;
        for (_, len, before) in &mut self.columns {
            *before = sum;
            sum += *len;
        }
        self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes in several segments, with none to many upstreams.
    fn declare() -> (Declared, Vec<Arc<Graph>>) {
        let (mut declared, mut in_use) = (Declared::new(), Vec::new());
        for index in 0..60_u32 {
            let upstreams: Vec<u32> = (0..index).filter(|n| (n * 7 + index) % 5 == 0).collect();
            declared.gate(&upstreams);
            if index % 20 == 10 {
                in_use.push(declared.look());
            }
        }
        (declared, in_use)
    }

    fn rows(graph: &Graph) -> Vec<(Vec<u32>, Vec<u32>)> {
        let nodes = 0..graph.len() as u32;
        let row = |index| {
            (
                graph.upstreams(index).to_vec(),
                graph.successors(index).to_vec(),
            )
        };
        nodes.map(row).collect()
    }

    /// As many types as have a column found by looking, and more.
    #[test]
    fn every_output_has_a_place_of_its_own() {
        fn types<const N: usize>() -> Vec<ColumnType> {
            ColumnType::of::<[u8; N]>().into_iter().collect()
        }
        let types = [
            types::<0>(),
            types::<1>(),
            types::<2>(),
            types::<3>(),
            types::<4>(),
            types::<5>(),
            types::<6>(),
            types::<7>(),
            types::<8>(),
            types::<9>(),
            types::<10>(),
        ]
        .concat();
        assert!(types.len() > FEW + 2);
        let mut columns = Columns::default();
        for place in 0..3 {
            for (number, column) in types.iter().enumerate() {
                let slot = columns.slot(*column);
                assert_eq!((slot.column, slot.place), (number as u32, place));
            }
        }
        let columns = columns.finish();
        assert_eq!(columns.len(), types.len());
        for (number, (column, len, before)) in columns.iter().enumerate() {
            assert_eq!(column.id, types[number].id);
            assert_eq!((*len, *before), (3, 3 * number as u32));
        }
    }

    #[test]
    fn in_slices_of_any_size() {
        let (declared, _in_use) = declare();
        let whole = declared.look();
        assert!(whole.rest.len() > 1);
        assert!(!whole.roots.is_empty());
        for slice in [1, 2, 3, 10, 59, 60, 61] {
            let mut compiler = declared.compiler();
            while !compiler.step(slice) {}
            let graph = compiler.graph();
            assert_eq!(rows(&graph), rows(&whole), "slices of {slice}");
            assert_eq!(graph.roots, whole.roots);
        }
    }

    #[test]
    fn successors_are_the_other_end_of_upstreams() {
        let (declared, _in_use) = declare();
        let rows = rows(&declared.look());
        for (index, (upstreams, successors)) in rows.iter().enumerate() {
            let index = index as u32;
            assert!(
                upstreams
                    .iter()
                    .all(|upstream| rows[*upstream as usize].1.contains(&index))
            );
            assert!(
                successors
                    .iter()
                    .all(|successor| rows[*successor as usize].0.contains(&index))
            );
            assert!(successors.is_sorted());
        }
    }
}
