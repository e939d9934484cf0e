//! Diagrams in DOT, the language of Graphviz.

use std::fmt::Write;

use super::model::{Diagram, EdgeKind, Shape, ShapeKind};
use super::style::Border;
use crate::text;

/// A grey with enough contrast on white and on black.
const GREY: &str = "#7b828c";

pub(crate) fn write(diagram: &Diagram) -> String {
    let mut out = String::from("digraph flow {\n");
    let direction = if diagram.left_to_right { "LR" } else { "TB" };
    let legend: Vec<&str> = diagram.legend.iter().map(String::as_str).collect();
    let fonts = "fontname=\"Helvetica,Arial,sans-serif\"";
    let _ = writeln!(
        out,
        "  graph [rankdir={direction}, bgcolor=\"transparent\", pad=0.3, nodesep=0.25, ranksep=0.45, \
         {fonts}, fontsize=10, fontcolor=\"{GREY}\", labelloc=b, label={}];",
        label(&legend)
    );
    let _ = writeln!(
        out,
        "  node [{fonts}, fontsize=11, fontcolor=\"#1c1d1f\", margin=\"0.16,0.08\", height=0.3];"
    );
    let _ = writeln!(
        out,
        "  edge [{fonts}, fontsize=10, fontcolor=\"{GREY}\", color=\"{GREY}\", arrowsize=0.65];"
    );
    clusters(&mut out, diagram, None, "  ");
    for (number, shape) in diagram.shapes.iter().enumerate() {
        let _ = writeln!(out, "  n{number} [{}];", attributes(shape));
    }
    for edge in &diagram.edges {
        let style = match (edge.kind, edge.kind.condition()) {
            (_, Some(label)) => format!(" [label=\"{label}\", arrowhead=odiamond, penwidth=1.4]"),
            (EdgeKind::Order, None) => " [style=dashed]".to_owned(),
            (_, None) => String::new(),
        };
        // The point of a gate is smaller than an arrowhead.
        let headless = matches!(diagram.shapes[edge.to as usize].kind, ShapeKind::AllOf);
        let style = match (headless, edge.kind) {
            (true, EdgeKind::Order) => " [style=dashed, arrowhead=none]".to_owned(),
            _ => style,
        };
        let _ = writeln!(out, "  n{} -> n{}{style};", edge.from, edge.to);
    }
    out.push_str("}\n");
    out
}

/// Writes clusters as nested subgraphs. The recursion is only a few levels deep.
fn clusters(out: &mut String, diagram: &Diagram, outer: Option<usize>, indent: &str) {
    for (number, cluster) in diagram.clusters_in(outer) {
        let label = cluster.label;
        let _ = writeln!(
            out,
            "{indent}subgraph cluster_{number} {{\n{indent}  label=\"{label}\"; labelloc=t; labeljust=l; \
             style=rounded; color=\"{GREY}\"; penwidth=0.7; margin=10; tooltip=\"{label}\";"
        );
        let inner = format!("{indent}  ");
        for (shape, _) in diagram.shapes_in(Some(number)) {
            let _ = writeln!(out, "{inner}n{shape};");
        }
        clusters(out, diagram, Some(number), &inner);
        let _ = writeln!(out, "{indent}}}");
    }
}

fn attributes(shape: &Shape) -> String {
    let (dot_shape, rounded) = match shape.kind {
        ShapeKind::Async => ("box", true),
        ShapeKind::Plain => ("box", false),
        ShapeKind::Input => ("parallelogram", false),
        ShapeKind::Value => ("cylinder", false),
        ShapeKind::Each => ("hexagon", false),
        ShapeKind::Several => ("box", true),
        ShapeKind::AllOf => {
            return format!(
                "shape=point, width=0.08, color=\"{GREY}\", tooltip={}",
                text::dot(&shape.tooltip)
            );
        }
        ShapeKind::AnyOf => {
            return format!(
                "shape=circle, width=0.14, height=0.14, fixedsize=true, label=\"\", color=\"{GREY}\", penwidth=1.6, tooltip={}",
                text::dot(&shape.tooltip)
            );
        }
    };
    let mut style = vec!["filled"];
    if rounded {
        style.push("rounded");
    }
    match shape.style.border {
        Border::Solid => {}
        Border::Dashed => style.push("dashed"),
        Border::Dotted => style.push("dotted"),
    }
    // A double border.
    let border = if shape.kind == ShapeKind::Several {
        ", peripheries=2"
    } else {
        ""
    };
    let label: Vec<&str> = shape.label.iter().map(String::as_str).collect();
    format!(
        "shape={dot_shape}, style=\"{}\", fillcolor=\"{}\", color=\"{}\", penwidth={:.1}{border}, label={}, tooltip={}",
        style.join(","),
        shape.style.fill,
        shape.style.stroke,
        f64::from(shape.style.width) / 10.0,
        self::label(&label),
        text::dot(&shape.tooltip),
    )
}

/// A quoted label of several lines, each of which is escaped.
fn label(lines: &[&str]) -> String {
    let quoted = |line: &&str| {
        let quoted = text::dot(line);
        quoted[1..quoted.len() - 1].to_owned()
    };
    let lines: Vec<String> = lines.iter().map(quoted).collect();
    format!("\"{}\"", lines.join("\\n"))
}
