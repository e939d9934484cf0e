//! From what was declared to the dense form.
//!
//! One stage after the other goes over all nodes. Counting, summing up and filling in are a
//! counting sort of the edges by their upstream. A large flow is compiled in slices (see
//! [`Pace`]), so that other tasks of the runtime get their turn.

use std::any::TypeId;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::node_index::NodeIndex;
use crate::pace::Pace;
use crate::sort::sort_by_number;
use crate::task::column::{CellIndex, ColumnSpan, ColumnType};
use crate::task::outputs::{Layout, NO_CELL};

use super::Graph;
use super::body::{Body, InputUse};
use super::compiled::StartOrder;
use super::declared::Declared;
use super::edge::Edge;
use super::refusal::Refusal;
use super::turn_cost::TurnCost;
use super::validate;

/// A graph, and what is wrong with it if it cannot be executed.
pub(super) struct Compiled {
    pub(super) graph: Graph,
    pub(super) mistake: Option<Refusal>,
}

pub(super) async fn compile(declared: &Declared, pace: &mut Pace) -> Compiled {
    let (first, rest) = declared.seal();
    let len = declared.len();
    let slice = pace.slice();
    let mut graph = Graph {
        id: declared.id,
        first: Arc::clone(&first),
        rest: rest.clone(),
        rows: zeros(len + 1),
        downstreams: Box::default(),
        layout: Layout::default(),
        roots: SmallVec::new(),
        once: Vec::new(),
        inputs: Vec::new(),
        nested: Vec::new(),
        lock_user: OnceLock::new(),
        has_gates: len > declared.tasks(),
        start_order: None,
        turn_cost: TurnCost::default(),
        groups: declared.groups.clone(),
        names: OnceLock::new(),
    };
    let segments = || std::iter::once(&first).chain(&rest);
    let mut columns = Columns::default();
    let mut configured = Vec::new();

    // Asks each node what it is, and counts its downstreams.
    let mut indices = NodeIndex::all(len);
    for segment in segments() {
        let mut begin = 0;
        for (node, end) in segment.nodes.iter().zip(&segment.upstream_ends) {
            let upstreams = &segment.upstreams[begin..*end as usize];
            begin = *end as usize;
            for part in upstreams.chunks(slice) {
                for upstream in part {
                    graph.rows[upstream.node().get()] += 1;
                }
                pace.spend(part.len()).await;
            }
            let index = indices.next().expect("there are as many as nodes");
            if upstreams.is_empty() {
                graph.roots.push(index);
            }
            let facts = node.facts();
            if facts.once {
                graph.once.push(index);
            }
            if facts.nested {
                graph.nested.push(index);
            }
            if facts.moves {
                node.visit_inputs(&mut |task, how| {
                    if how == InputUse::Moved {
                        graph.layout.moved.push((task.index, index));
                    }
                });
            }
            if node.config.is_some() {
                configured.push(index);
            }
            if let Body::Input(_) = node.body {
                graph.inputs.push(index);
            }
            if let Some(column) = facts.column {
                let cells = &mut graph.layout.cells;
                if cells.is_empty() {
                    cells.reserve_exact(len);
                }
                cells.resize(index.get(), NO_CELL);
                cells.push(columns.add(column));
            }
            pace.spend(1).await;
        }
    }
    let priority = |node| graph.node(node).priority();
    if configured.iter().any(|node| priority(*node) != 0) {
        // Inputs and values have no function, and keep nobody waiting for what needs them.
        let order = StartOrder::new(len, |node| match graph.node(node).body {
            Body::Input(_) | Body::Value(_) => i32::MAX,
            _ => priority(node),
        });
        graph.start_order = Some(Box::new(order));
        let mut roots = std::mem::take(&mut graph.roots);
        sort_by_number(&mut roots, |root| graph.rank(*root) as u64);
        graph.roots = roots;
    }
    // Those of one task stay in the order of declaration.
    sort_by_number(&mut graph.layout.moved, |(task, _)| task.to_word().into());
    graph.layout.columns = columns.finish();

    // Sums up the counts, to where the downstreams of each node end.
    let mut sum = 0;
    for part in graph.rows.chunks_mut(slice) {
        let part_len = part.len();
        for row in part {
            sum += *row;
            *row = sum;
        }
        pace.spend(part_len).await;
    }

    // Fills in the downstreams from the back. Each sum comes down to where they begin.
    let (edges, none) = (sum as usize, Edge::needs(NodeIndex::from_word(0)));
    let mut downstreams = Vec::with_capacity(edges);
    // In slices, because the first writes to so much memory were measured to take 7 ms for four million
    // edges.
    while downstreams.len() < edges {
        let part = slice.min(edges - downstreams.len());
        downstreams.extend(std::iter::repeat_n(none, part));
        pace.spend(part).await;
    }
    graph.downstreams = downstreams.into_boxed_slice();
    let mut indices = NodeIndex::all(len).rev();
    for segment in segments().rev() {
        for place in (0..segment.nodes.len()).rev() {
            let index = indices.next().expect("there are as many as nodes");
            for part in segment.upstreams(place).rchunks(slice) {
                for upstream in part.iter().rev() {
                    let row = &mut graph.rows[upstream.node().get()];
                    *row -= 1;
                    graph.downstreams[*row as usize] = upstream.to(index);
                }
                pace.spend(part.len()).await;
            }
            pace.spend(1).await;
        }
    }

    let mistake = find_mistake(&graph, &configured, pace).await.err();
    Compiled { graph, mistake }
}

async fn find_mistake(
    graph: &Graph,
    configured: &[NodeIndex],
    pace: &mut Pace,
) -> Result<(), Refusal> {
    for index in configured {
        validate::task(graph, *index)?;
        pace.spend(1).await;
    }
    validate::once(graph)?;
    validate::nested(graph)?;
    validate::moved(graph)
}

/// This many zeros are written one by one, which is quicker than having the allocator clear them:
/// glibc's `calloc` does not use its cache of small blocks.
const MOST_WRITTEN: usize = 1024;

fn zeros(len: usize) -> Vec<u32> {
    match len {
        ..MOST_WRITTEN => std::iter::repeat_n(0, len).collect(),
        _ => vec![0; len],
    }
}

/// Gives each output its row among the outputs of its type.
#[derive(Default)]
struct Columns {
    columns: Vec<ColumnSpan>,
    /// The columns after the first [`MOST_SEARCHED`], sorted by their types.
    by_type: Vec<(TypeId, u32)>,
    /// The column that was last asked for, which is mostly the next one, too.
    last: Option<(TypeId, u32)>,
}

/// This many columns are searched one by one, before the others are looked up by their types.
const MOST_SEARCHED: usize = 8;

impl Columns {
    fn add(&mut self, kind: ColumnType) -> CellIndex {
        let column = match self.last {
            Some((id, column)) if id == kind.id => column,
            _ => self.find(kind),
        };
        self.last = Some((kind.id, column));
        let len = &mut self.columns[column as usize].len;
        *len += 1;
        CellIndex {
            column,
            row: *len - 1,
        }
    }

    fn find(&mut self, kind: ColumnType) -> u32 {
        let mut searched = self.columns.iter().take(MOST_SEARCHED);
        if let Some(found) = searched.position(|column| column.kind.id == kind.id) {
            return found as u32;
        }
        let column = match self.columns.len() {
            len @ ..MOST_SEARCHED => len as u32,
            len => match self.by_type.binary_search_by_key(&kind.id, |(id, _)| *id) {
                Ok(place) => self.by_type[place].1,
                Err(place) => {
                    self.by_type.insert(place, (kind.id, len as u32));
                    len as u32
                }
            },
        };
        if column as usize == self.columns.len() {
            self.columns.push(ColumnSpan {
                kind,
                len: 0,
                before: 0,
            });
        }
        column
    }

    fn finish(mut self) -> Vec<ColumnSpan> {
        let mut sum = 0;
        for column in &mut self.columns {
            column.before = sum;
            sum += column.len;
        }
        self.columns
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use crate::graph::body::InputBody;
    use crate::task::config::{Config, Request};

    use super::*;

    /// A flow of two tasks without a function, each with a priority if it is configured.
    fn two_tasks(priorities: [Option<i32>; 2]) -> Arc<Graph> {
        let mut declared = Declared::new();
        for priority in priorities {
            let config = priority.map(|priority| {
                Box::new(Config {
                    priority,
                    ..Config::default()
                })
            });
            let request = Request {
                config,
                ..Request::default()
            };
            let input = InputBody { column: None };
            declared.add_task(Body::Input(Box::new(input)), request, &[]);
        }
        declared.look()
    }

    #[test]
    fn only_priorities_need_an_order_of_their_own() {
        for (priorities, has_order) in [
            ([None, None], false),
            ([Some(0), None], false),
            ([Some(0), Some(1)], true),
            ([None, Some(-1)], true),
        ] {
            assert_eq!(two_tasks(priorities).start_order.is_some(), has_order);
        }
    }

    #[test]
    fn a_graph_of_tasks_has_no_gates() {
        assert!(!two_tasks([None; 2]).has_gates);
        assert!(declare().0.look().has_gates);
    }

    /// Nodes in several segments, with none to many upstreams.
    fn declare() -> (Declared, Vec<Arc<Graph>>) {
        let (mut declared, mut in_use) = (Declared::new(), Vec::new());
        for len in 0..60_usize {
            let nodes = NodeIndex::all(len);
            let upstreams: Vec<NodeIndex> = nodes
                .filter(|node| (node.get() * 7 + len) % 5 == 0)
                .collect();
            declared.gate(&upstreams);
            if len % 20 == 10 {
                in_use.push(declared.look());
            }
        }
        (declared, in_use)
    }

    fn edges(graph: &Graph) -> Vec<(Vec<NodeIndex>, Vec<NodeIndex>)> {
        let row = |index| {
            let downstreams = graph.downstreams(index).iter();
            (
                graph.upstreams(index).collect(),
                downstreams.map(|edge| edge.node()).collect(),
            )
        };
        NodeIndex::all(graph.len()).map(row).collect()
    }

    /// More types than are searched one by one.
    #[test]
    fn every_output_has_its_own_cell() {
        fn types<const N: usize>() -> Option<ColumnType> {
            ColumnType::of::<[u8; N]>()
        }
        let types: Vec<ColumnType> = [
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
        .into_iter()
        .flatten()
        .collect();
        assert!(types.len() > MOST_SEARCHED + 2);
        let mut columns = Columns::default();
        for row in 0..3 {
            for (number, kind) in types.iter().enumerate() {
                let cell = columns.add(*kind);
                assert_eq!((cell.column, cell.row), (number as u32, row));
            }
        }
        let columns = columns.finish();
        assert_eq!(columns.len(), types.len());
        for (number, column) in columns.iter().enumerate() {
            assert_eq!(column.kind.id, types[number].id);
            assert_eq!((column.len, column.before), (3, 3 * number as u32));
        }
    }

    #[test]
    fn slices_of_any_size_give_the_same_graph() {
        let (declared, _in_use) = declare();
        let whole = declared.look();
        assert!(whole.rest.len() > 1);
        assert!(!whole.roots.is_empty());
        for slice in [1, 2, 3, 10, 59, 60, 61] {
            let mut pace = Pace::in_slices_of(slice);
            let mut compiling = pin!(compile(&declared, &mut pace));
            let mut turns = 0;
            let compiled = loop {
                turns += 1;
                let mut context = Context::from_waker(Waker::noop());
                if let Poll::Ready(compiled) = compiling.as_mut().poll(&mut context) {
                    break compiled;
                }
            };
            let work = 3 * 60 + 2 * whole.downstreams.len();
            assert!(turns > work / (slice + 1) / 2, "{turns} turns for {slice}");
            assert_eq!(edges(&compiled.graph), edges(&whole), "slices of {slice}");
            assert_eq!(compiled.graph.roots, whole.roots);
        }
    }

    #[test]
    fn downstreams_mirror_upstreams() {
        let (declared, _in_use) = declare();
        let edges = edges(&declared.look());
        for (index, (upstreams, downstreams)) in NodeIndex::all(edges.len()).zip(&edges) {
            for upstream in upstreams {
                assert!(edges[upstream.get()].1.contains(&index));
            }
            for downstream in downstreams {
                assert!(edges[downstream.get()].0.contains(&index));
            }
            assert!(downstreams.is_sorted());
        }
    }
}
