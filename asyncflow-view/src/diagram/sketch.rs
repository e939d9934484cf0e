//! What a diagram shows, whatever the format: shapes, lines between them, groups around them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use asyncflow_core::{Node, NodeKind, Permits, Report, Structure, TaskStatus};

use super::clusters::{self, Cluster};
use super::fold::{self, Folding, READABLE_LINES};
use super::reduce;
use super::tone::{self, Tone};
use crate::text::{self, LONG, SHORT};

/// How many names are told of the tasks in one shape.
const NAMES: usize = 3;

/// A diagram.
#[derive(Debug)]
pub(crate) struct Sketch {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) lines: Vec<Line>,
    /// Outer ones before those in them.
    pub(crate) clusters: Vec<Cluster>,
    /// Whether it is read from left to right, because it is wider than it is long.
    pub(crate) across: bool,
    /// What a reader must know: what was folded, what the lines mean.
    pub(crate) notes: Vec<String>,
}

/// A task, a gate, or several of them.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) form: Form,
    /// The name, and below it what else there is to say. Gates have none.
    pub(crate) label: Vec<String>,
    pub(crate) tooltip: String,
    pub(crate) tone: Tone,
    pub(crate) cluster: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Async,
    Plain,
    Input,
    Several,
    AllOf,
    AnyOf,
}

/// A dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) kind: LineKind,
}

/// In the order of what is drawn if there are several between two shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LineKind {
    /// Only one after the other.
    Order,
    /// The downstream receives the output of the upstream.
    Data,
    /// The upstream's output decides whether the downstream runs.
    Condition,
}

impl Sketch {
    pub(crate) fn new(structure: &Structure, report: Option<&Report>) -> Self {
        let folding = fold::fold(structure);
        let members = members(&folding);
        let mut shapes: Vec<Shape> = members
            .iter()
            .map(|nodes| shape(structure, report, nodes))
            .collect();
        let mut lines = lines(structure, &folding);
        let hidden = reduce::to_readable(&mut lines, shapes.len(), READABLE_LINES);
        let clusters = clusters::around(structure, &members);
        for (shape, cluster) in shapes.iter_mut().zip(clusters.of) {
            shape.cluster = cluster;
        }
        let notes = notes(structure, &folding, &shapes, &lines, hidden);
        let across = is_wide(&lines, shapes.len());
        Self {
            shapes,
            lines,
            clusters: clusters.clusters,
            across,
            notes,
        }
    }
}

/// The nodes in each shape.
fn members(folding: &Folding) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); folding.shapes];
    for (node, shape) in folding.shape_of.iter().enumerate() {
        members[*shape as usize].push(node);
    }
    members
}

fn lines(structure: &Structure, folding: &Folding) -> Vec<Line> {
    let mut kinds: HashMap<(u32, u32), LineKind> = HashMap::new();
    for node in structure.nodes() {
        let to = folding.shape_of[node.number()];
        let mut note = |from: usize, kind| {
            let from = folding.shape_of[from];
            if from != to {
                let known = kinds.entry((from, to)).or_insert(kind);
                *known = kind.max(*known);
            }
        };
        for upstream in node.upstreams() {
            note(upstream, LineKind::Order);
        }
        for input in node.inputs() {
            note(input, LineKind::Data);
        }
        if let Some(condition) = node.condition() {
            note(condition, LineKind::Condition);
        }
    }
    let sorted: BTreeMap<_, _> = kinds.into_iter().collect();
    let line = |((from, to), kind)| Line { from, to, kind };
    sorted.into_iter().map(line).collect()
}

fn shape(structure: &Structure, report: Option<&Report>, nodes: &[usize]) -> Shape {
    let first = structure.node(nodes[0]);
    let statuses = Statuses::new(structure, report, nodes);
    let tone = statuses.tone();
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
            label.extend(conduct(task));
            label.extend(task.permits().iter().map(holds));
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
    let form = match (tasks.as_slice(), first.kind()) {
        ([], NodeKind::AnyOf) => Form::AnyOf,
        ([], _) => Form::AllOf,
        ([task], _) => match task.kind() {
            NodeKind::Plain => Form::Plain,
            NodeKind::Input => Form::Input,
            _ => Form::Async,
        },
        _ => Form::Several,
    };
    Shape {
        form,
        label,
        tooltip,
        tone,
        cluster: None,
    }
}

fn gate_tooltip(gate: &Node<'_>) -> String {
    match gate.kind() {
        NodeKind::AnyOf => "opens when one of them has succeeded".to_owned(),
        _ => "opens when all of them have succeeded".to_owned(),
    }
}

/// Two lines for several tasks: what they are called or how many they are, and some of their names.
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

/// What every one of several tasks does beside running.
fn common(tasks: &[Node<'_>]) -> Vec<String> {
    let mut common: Vec<String> = tasks[0].permits().iter().map(holds).collect();
    for task in tasks {
        let own: Vec<String> = task.permits().iter().map(holds).collect();
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

/// What it does that others do not.
fn conduct(task: &Node<'_>) -> Option<String> {
    let mut conduct = Vec::new();
    if task.always() {
        conduct.push("always runs".to_owned());
    }
    if let Some(timeout) = task.timeout() {
        conduct.push(format!("at most {}", text::duration(timeout)));
    }
    if task.retries() {
        conduct.push("retried".to_owned());
    }
    (!conduct.is_empty()).then(|| conduct.join(" · "))
}

/// What became of the tasks in a shape.
struct Statuses {
    worst: Option<TaskStatus>,
    /// By the words for them.
    counts: BTreeMap<String, usize>,
    attempts: u32,
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
            let heavier = |worst| tone::weight(status) > tone::weight(worst);
            if statuses.worst.is_none_or(heavier) {
                statuses.worst = Some(status);
            }
        }
        statuses
    }

    fn tone(&self) -> Tone {
        self.worst.map_or(tone::PLAIN, tone::of)
    }

    fn to_text(&self) -> Option<String> {
        let tasks: usize = self.counts.values().sum();
        let mut words: Vec<String> = match (tasks, self.counts.len()) {
            (0, _) => return None,
            (1, _) => self.counts.keys().cloned().collect(),
            (_, 1) => self
                .counts
                .keys()
                .map(|word| format!("all {word}"))
                .collect(),
            _ => {
                let count =
                    |(word, count): (&String, &usize)| format!("{} {word}", text::count(*count));
                vec![self.counts.iter().map(count).collect::<Vec<_>>().join(", ")]
            }
        };
        if tasks == 1 && self.attempts > 1 {
            words.push(format!("{} attempts", self.attempts));
        }
        if let Some(ran) = self.ran {
            let together = if tasks > 1 { "together " } else { "" };
            words.push(format!("{together}{}", text::duration(ran)));
        }
        Some(words.join(" · "))
    }
}

/// The legend: only of what is there.
fn notes(
    structure: &Structure,
    folding: &Folding,
    shapes: &[Shape],
    lines: &[Line],
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
    let has_form = |form| shapes.iter().any(|shape| shape.form == form);
    let has_line = |kind| lines.iter().any(|line| line.kind == kind);
    let mut legend = Vec::new();
    for (there, what) in [
        (has_form(Form::Async), "rounded: async"),
        (has_form(Form::Plain), "square: plain, on a blocking thread"),
        (has_form(Form::Input), "slanted: input"),
        (has_form(Form::AllOf), "point: all of those before it"),
        (has_form(Form::AnyOf), "ring: any of those before it"),
        (has_line(LineKind::Data), "solid line: data"),
        (has_line(LineKind::Order), "dashed line: order only"),
        (has_line(LineKind::Condition), "if: a condition"),
    ] {
        if there {
            legend.push(what);
        }
    }
    // Two short lines are narrower than one long one.
    let (forms, others) = legend.split_at(legend.len().min(3));
    notes.extend(
        [forms, others]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| part.join(" · ")),
    );
    if hidden > 0 {
        notes.push(format!(
            "{} that others imply are not drawn",
            match hidden {
                1 => "1 dependency".to_owned(),
                hidden => format!("{} dependencies", text::count(hidden)),
            }
        ));
    }
    notes
}

/// Whether more shapes stand beside each other than after each other.
fn is_wide(lines: &[Line], shapes: usize) -> bool {
    // Lines may lead from a later shape to an earlier one when tasks are folded, so ranks are found
    // by going over the lines until nothing changes, a few times at most: this is only a guess.
    let mut rank = vec![0_usize; shapes];
    for _ in 0..8 {
        for line in lines {
            rank[line.to as usize] = rank[line.to as usize].max(rank[line.from as usize] + 1);
        }
    }
    let length = rank.iter().max().map_or(0, |last| last + 1);
    let mut widths = vec![0; length];
    for rank in rank {
        widths[rank] += 1;
    }
    widths.into_iter().max().unwrap_or(0) > length
}
