//! What a diagram shows in any format: shapes, edges between them, clusters around them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use asyncflow_core::{ConditionKind, Node, NodeKind, Permits, Report, Structure, TaskStatus};

use super::clusters::{self, Cluster};
use super::fold::{self, Folding, MAX_EDGES};
use super::reduce;
use super::style::{self, Style};
use crate::text::{self, LONG, SHORT};

/// How many of the tasks in one shape are named. More make the shape too wide or too high.
const NAMES: usize = 3;

#[derive(Debug)]
pub(crate) struct Diagram {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) edges: Vec<Edge>,
    /// Each cluster comes after the one that it is in.
    pub(crate) clusters: Vec<Cluster>,
    /// Whether it is drawn from left to right instead of from top to bottom, because it has more
    /// shapes side by side than one after another.
    pub(crate) left_to_right: bool,
    /// The legend: what was folded, and what shapes and edges mean.
    pub(crate) legend: Vec<String>,
}

/// One or several nodes.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) kind: ShapeKind,
    /// One string a line, the name first. Empty for gates.
    pub(crate) label: Vec<String>,
    pub(crate) tooltip: String,
    pub(crate) style: Style,
    /// The innermost cluster that it is in.
    pub(crate) cluster: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShapeKind {
    Async,
    Plain,
    Input,
    Value,
    /// A function for each element of a list.
    Each,
    /// Several tasks that were folded.
    Several,
    AllOf,
    AnyOf,
}

/// A dependency between two shapes, given by their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) kind: EdgeKind,
}

/// Between two shapes only the greatest kind is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EdgeKind {
    /// The downstream starts after the upstream, and receives nothing from it.
    Order,
    /// The downstream receives the output of the upstream.
    Data,
    /// The output of the upstream decides whether the downstream runs: a function of it, whether it is
    /// `false`, or whether it is `true`.
    When,
    Unless,
    If,
}

impl EdgeKind {
    fn of(condition: ConditionKind) -> Self {
        match condition {
            ConditionKind::If => Self::If,
            ConditionKind::Unless => Self::Unless,
            _ => Self::When,
        }
    }

    /// The label of a condition.
    pub(crate) fn condition(self) -> Option<&'static str> {
        match self {
            Self::Order | Self::Data => None,
            Self::When => Some("when"),
            Self::Unless => Some("unless"),
            Self::If => Some("if"),
        }
    }
}

impl Diagram {
    pub(crate) fn new(structure: &Structure, report: Option<&Report>) -> Self {
        let folding = fold::fold(structure);
        let members = members(&folding);
        let mut shapes: Vec<Shape> = members
            .iter()
            .map(|nodes| shape(structure, report, nodes))
            .collect();
        let mut edges = edges(structure, &folding);
        let hidden = reduce::to_readable(&mut edges, shapes.len(), MAX_EDGES);
        let clusters = clusters::around(structure, &members);
        for (shape, cluster) in shapes.iter_mut().zip(clusters.of) {
            shape.cluster = cluster;
        }
        let legend = legend(structure, &folding, &shapes, &edges, hidden);
        let left_to_right = is_wide(&edges, shapes.len());
        Self {
            shapes,
            edges,
            clusters: clusters.clusters,
            left_to_right,
            legend,
        }
    }

    /// The clusters directly inside another, or the outermost ones, with their numbers.
    pub(crate) fn clusters_in(
        &self,
        outer: Option<usize>,
    ) -> impl Iterator<Item = (usize, &Cluster)> {
        let clusters = self.clusters.iter().enumerate();
        clusters.filter(move |(_, cluster)| cluster.within == outer)
    }

    /// The shapes directly inside a cluster, or outside of all, with their numbers.
    pub(crate) fn shapes_in(&self, outer: Option<usize>) -> impl Iterator<Item = (usize, &Shape)> {
        let shapes = self.shapes.iter().enumerate();
        shapes.filter(move |(_, shape)| shape.cluster == outer)
    }
}

/// The nodes in each shape, in ascending order.
fn members(folding: &Folding) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); folding.shapes];
    for (node, shape) in folding.shape_of.iter().enumerate() {
        members[*shape as usize].push(node);
    }
    members
}

fn edges(structure: &Structure, folding: &Folding) -> Vec<Edge> {
    let mut kinds: HashMap<(u32, u32), EdgeKind> = HashMap::new();
    for node in structure.nodes() {
        let to = folding.shape_of[node.number()];
        let mut add = |from: usize, kind| {
            let from = folding.shape_of[from];
            if from != to {
                let known = kinds.entry((from, to)).or_insert(kind);
                *known = kind.max(*known);
            }
        };
        for upstream in node.upstreams() {
            add(upstream, EdgeKind::Order);
        }
        for input in node.inputs() {
            add(input, EdgeKind::Data);
        }
        for (upstream, condition) in node.conditions() {
            add(upstream, EdgeKind::of(condition));
        }
    }
    let sorted: BTreeMap<_, _> = kinds.into_iter().collect();
    let edge = |((from, to), kind)| Edge { from, to, kind };
    sorted.into_iter().map(edge).collect()
}

fn shape(structure: &Structure, report: Option<&Report>, nodes: &[usize]) -> Shape {
    let first = structure.node(nodes[0]);
    let statuses = Statuses::new(structure, report, nodes);
    let style = statuses.style();
    let tasks: Vec<Node<'_>> = nodes
        .iter()
        .map(|node| structure.node(*node))
        .filter(|node| node.kind().is_task())
        .collect();
    let mut label = Vec::new();
    let tooltip = match tasks.as_slice() {
        [] => gate_tooltip(&first),
        [task] => {
            let name = task.name().unwrap_or_default();
            label.push(text::clean(name, SHORT));
            label.extend(settings(task));
            label.extend(task.permits().iter().map(holds));
            label.extend(task.rates().iter().map(rate));
            text::clean(name, LONG)
        }
        tasks => {
            let [title, names] = titles(tasks);
            label.push(title);
            label.push(names.clone());
            label.extend(common(tasks));
            names
        }
    };
    if let (false, Some(what)) = (tasks.is_empty(), statuses.to_text()) {
        label.push(what);
    }
    if let ([task], Some(report)) = (tasks.as_slice(), report) {
        let note = task.id().and_then(|id| report.task(id).note());
        label.extend(note.map(|note| text::clean(note, SHORT)));
    }
    let kind = match (tasks.as_slice(), first.kind()) {
        ([], NodeKind::AnyOf) => ShapeKind::AnyOf,
        ([], _) => ShapeKind::AllOf,
        ([task], _) => match task.kind() {
            _ if task.is_each() => ShapeKind::Each,
            NodeKind::Plain => ShapeKind::Plain,
            NodeKind::Input => ShapeKind::Input,
            NodeKind::Value => ShapeKind::Value,
            _ => ShapeKind::Async,
        },
        _ => ShapeKind::Several,
    };
    Shape {
        kind,
        label,
        tooltip,
        style,
        cluster: None,
    }
}

fn gate_tooltip(gate: &Node<'_>) -> String {
    match gate.kind() {
        NodeKind::AnyOf => "opens when one of its upstreams has succeeded".to_owned(),
        _ => "opens when all of its upstreams have succeeded".to_owned(),
    }
}

/// The first two lines of a label for several tasks: their number, with their name if it is the
/// same for all; and some of their names.
fn titles(tasks: &[Node<'_>]) -> [String; 2] {
    let name = |task: &Node<'_>| text::clean(task.name().unwrap_or_default(), SHORT);
    let stem = |task: &Node<'_>| fold::stem(task.name().unwrap_or_default()).to_owned();
    let first = stem(&tasks[0]);
    let number = text::count(tasks.len());
    let one_name = tasks.iter().all(|task| stem(task) == first);
    let listed = |names: &[String]| names.join(", ");
    let title = match one_name {
        true => format!("{} ×{number}", text::clean(&first, SHORT)),
        false => text::tasks(tasks.len()),
    };
    let names: Vec<String> = tasks.iter().take(NAMES).map(name).collect();
    let names = match tasks.len() > NAMES {
        false => listed(&names),
        true => {
            let last = &tasks[tasks.len() - 1];
            format!("{}, … {}", listed(&names[..NAMES - 1]), name(last))
        }
    };
    [title, text::clean(&names, 2 * SHORT)]
}

/// The permits and rate limits that every one of the tasks needs, as lines of a label.
fn common(tasks: &[Node<'_>]) -> Vec<String> {
    let needs = |task: &Node<'_>| -> Vec<String> {
        let rates = task.rates().iter().map(rate);
        task.permits().iter().map(holds).chain(rates).collect()
    };
    let mut common = needs(&tasks[0]);
    for task in tasks {
        let own = needs(task);
        common.retain(|permits| own.contains(permits));
    }
    common
        .iter()
        .map(|permits| format!("each {permits}"))
        .collect()
}

fn holds(permits: &Permits) -> String {
    text::clean(&format!("holds {permits}"), SHORT + 8)
}

fn rate(limit: &Permits) -> String {
    text::clean(&limit.to_string(), SHORT + 8)
}

/// The settings of a task that differ from the default, in one line.
fn settings(task: &Node<'_>) -> Option<String> {
    let mut settings = Vec::new();
    match (task.is_each(), task.kind()) {
        (false, _) => {}
        (true, NodeKind::Plain) => settings.push("for each element, plain".to_owned()),
        (true, _) => settings.push("for each element, async".to_owned()),
    }
    if task.always() {
        settings.push("always runs".to_owned());
    }
    if let Some(timeout) = task.timeout() {
        settings.push(format!("at most {}", text::duration(timeout)));
    }
    if task.retries() {
        settings.push("retried".to_owned());
    }
    if task.has_fallback() {
        settings.push("fallback".to_owned());
    }
    if task.allows_failure() {
        settings.push("may fail".to_owned());
    }
    if task.priority() != 0 {
        settings.push(format!("priority {}", task.priority()));
    }
    (!settings.is_empty()).then(|| settings.join(" · "))
}

/// The results of the tasks in a shape.
struct Statuses {
    /// The status that gives the shape its style. `None` without a report.
    worst: Option<TaskStatus>,
    /// How many tasks have each status, by its text.
    counts: BTreeMap<String, usize>,
    attempts: u32,
    /// The sum over all tasks.
    ran: Option<Duration>,
}

impl Statuses {
    fn new(structure: &Structure, report: Option<&Report>, nodes: &[usize]) -> Self {
        let mut statuses = Self {
            worst: None,
            counts: BTreeMap::new(),
            attempts: 0,
            ran: None,
        };
        let ids = nodes.iter().filter_map(|node| structure.node(*node).id());
        for task in ids.filter_map(|id| Some(report?.task(id))) {
            let status = task.status();
            *statuses.counts.entry(status.to_string()).or_default() += 1;
            if let Some(ran) = task.ran() {
                statuses.ran = Some(statuses.ran.unwrap_or_default() + ran);
            }
            statuses.attempts += task.attempts();
            let worse = |worst| style::severity(status) > style::severity(worst);
            if statuses.worst.is_none_or(worse) {
                statuses.worst = Some(status);
            }
        }
        statuses
    }

    fn style(&self) -> Style {
        self.worst.map_or(style::PLAIN, style::of)
    }

    fn to_text(&self) -> Option<String> {
        let tasks: usize = self.counts.values().sum();
        if tasks == 0 {
            return None;
        }
        let count = |(word, count): (&String, &usize)| match *count {
            _ if tasks == 1 => word.clone(),
            count if count == tasks => format!("all {word}"),
            count => format!("{} {word}", text::count(count)),
        };
        let mut words = vec![self.counts.iter().map(count).collect::<Vec<_>>().join(", ")];
        if tasks == 1 && self.attempts > 1 {
            words.push(format!("{} attempts", self.attempts));
        }
        if let Some(ran) = self.ran {
            let total = if tasks > 1 { " in total" } else { "" };
            words.push(format!("{}{total}", text::duration(ran)));
        }
        Some(words.join(" · "))
    }
}

/// The legend, which explains only what occurs in this diagram.
fn legend(
    structure: &Structure,
    folding: &Folding,
    shapes: &[Shape],
    edges: &[Edge],
    hidden: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(what) = folding.what {
        let tasks = structure
            .nodes()
            .filter(|node| node.kind().is_task())
            .count();
        notes.push(format!(
            "{} folded into {} shapes: {what}",
            text::tasks(tasks),
            shapes.len()
        ));
    }
    let has_shape = |kind| shapes.iter().any(|shape| shape.kind == kind);
    let has_edge = |kind| edges.iter().any(|edge| edge.kind == kind);
    let has_condition = edges.iter().any(|edge| edge.kind.condition().is_some());
    let mut legend = Vec::new();
    for (occurs, what) in [
        (has_shape(ShapeKind::Async), "rounded: async"),
        (
            has_shape(ShapeKind::Plain),
            "square: plain, on a blocking thread",
        ),
        (has_shape(ShapeKind::Input), "slanted: input"),
        (has_shape(ShapeKind::Value), "cylinder: value"),
        (has_shape(ShapeKind::Each), "hexagon: for each element"),
        (
            has_shape(ShapeKind::AllOf),
            "point: all of the tasks before it",
        ),
        (
            has_shape(ShapeKind::AnyOf),
            "ring: any of the tasks before it",
        ),
        (has_edge(EdgeKind::Data), "solid line: data"),
        (has_edge(EdgeKind::Order), "dashed line: order only"),
        (has_condition, "if, unless, when: a condition"),
    ] {
        if occurs {
            legend.push(what);
        }
    }
    // Two lines, because one would often be wider than the diagram.
    let (first, second) = legend.split_at(legend.len().min(3));
    notes.extend(
        [first, second]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| part.join(" · ")),
    );
    match hidden {
        0 => {}
        1 => notes.push("1 dependency that others imply is not drawn".to_owned()),
        hidden => notes.push(format!(
            "{} dependencies that others imply are not drawn",
            text::count(hidden)
        )),
    }
    notes
}

/// Whether the widest rank has more shapes than there are ranks.
fn is_wide(edges: &[Edge], shapes: usize) -> bool {
    // After folding, an edge can lead to an earlier shape, so one pass over the edges does not find
    // all ranks. Eight passes find most of them, which is enough to choose a direction.
    let mut rank = vec![0_usize; shapes];
    for _ in 0..8 {
        for edge in edges {
            rank[edge.to as usize] = rank[edge.to as usize].max(rank[edge.from as usize] + 1);
        }
    }
    let length = rank.iter().max().map_or(0, |last| last + 1);
    let mut widths = vec![0; length];
    for rank in rank {
        widths[rank] += 1;
    }
    widths.into_iter().max().unwrap_or(0) > length
}
