//! Diagrams in Mermaid, which GitHub and other sites render.

use std::fmt::Write;

use super::model::{Diagram, EdgeKind, Shape, ShapeKind};
use super::style::{self, Border, Style};
use crate::text;

pub(crate) fn write(diagram: &Diagram) -> String {
    let direction = if diagram.left_to_right { "LR" } else { "TD" };
    let mut out = format!("flowchart {direction}\n");
    clusters(&mut out, diagram, None, "  ");
    for (number, shape) in diagram.shapes_in(None) {
        node(&mut out, number, shape, "  ");
    }
    for edge in &diagram.edges {
        let arrow = match (edge.kind, edge.kind.condition()) {
            (_, Some(label)) => format!("-->|{label}|"),
            (EdgeKind::Order, None) => "-.->".to_owned(),
            (_, None) => "-->".to_owned(),
        };
        let _ = writeln!(out, "  n{} {arrow} n{}", edge.from, edge.to);
    }
    if !diagram.legend.is_empty() {
        let legend: Vec<String> = diagram
            .legend
            .iter()
            .map(|line| text::mermaid(line))
            .collect();
        let _ = writeln!(out, "  legend[\"{}\"]:::legend", legend.join("<br/>"));
    }
    for style in style::ALL
        .iter()
        .filter(|style| diagram.shapes.iter().any(|shape| shape.style == **style))
    {
        class(&mut out, style);
    }
    cluster_class(&mut out, diagram);
    out.push_str("  classDef ring fill:transparent,stroke:#7b828c,stroke-width:1.6px\n");
    out.push_str("  classDef gate fill:#7b828c,stroke:#7b828c,color:#7b828c\n");
    out.push_str("  classDef legend fill:transparent,stroke:transparent,color:#7b828c\n");
    out
}

/// Writes clusters as nested subgraphs, with the shapes in them.
fn clusters(out: &mut String, diagram: &Diagram, outer: Option<usize>, indent: &str) {
    for (number, cluster) in diagram.clusters_in(outer) {
        let _ = writeln!(out, "{indent}subgraph g{number}[\"{}\"]", cluster.label);
        let inner = format!("{indent}  ");
        for (shape_number, shape) in diagram.shapes_in(Some(number)) {
            node(out, shape_number, shape, &inner);
        }
        clusters(out, diagram, Some(number), &inner);
        let _ = writeln!(out, "{indent}end");
    }
}

/// Styles clusters without a fill, so that they are readable on a light page and on a dark one.
fn cluster_class(out: &mut String, diagram: &Diagram) {
    let names: Vec<String> = (0..diagram.clusters.len())
        .map(|number| format!("g{number}"))
        .collect();
    if !names.is_empty() {
        let _ = writeln!(
            out,
            "  classDef frame fill:transparent,stroke:#7b828c,color:#7b828c"
        );
        let _ = writeln!(out, "  class {} frame", names.join(","));
    }
}

fn node(out: &mut String, number: usize, shape: &Shape, indent: &str) {
    let lines: Vec<String> = shape.label.iter().map(|line| text::mermaid(line)).collect();
    let label = lines.join("<br/>");
    let class = shape.style.class;
    let _ = match shape.kind {
        ShapeKind::Async => writeln!(out, "{indent}n{number}([\"{label}\"]):::{class}"),
        ShapeKind::Plain => writeln!(out, "{indent}n{number}[\"{label}\"]:::{class}"),
        ShapeKind::Input => writeln!(out, "{indent}n{number}[/\"{label}\"/]:::{class}"),
        ShapeKind::Value => writeln!(out, "{indent}n{number}[(\"{label}\")]:::{class}"),
        ShapeKind::Each => writeln!(out, "{indent}n{number}{{{{\"{label}\"}}}}:::{class}"),
        ShapeKind::Several => writeln!(out, "{indent}n{number}[[\"{label}\"]]:::{class}"),
        ShapeKind::AllOf => writeln!(out, "{indent}n{number}((\" \")):::gate"),
        ShapeKind::AnyOf => writeln!(out, "{indent}n{number}((\"any\")):::ring"),
    };
}

fn class(out: &mut String, style: &Style) {
    let dashes = match style.border {
        Border::Solid => "",
        Border::Dashed => ",stroke-dasharray:6 4",
        Border::Dotted => ",stroke-dasharray:2 3",
    };
    let _ = writeln!(
        out,
        "  classDef {} fill:{},stroke:{},color:#1c1d1f,stroke-width:{:.1}px{dashes}",
        style.class,
        style.fill,
        style.stroke,
        f64::from(style.width) / 10.0
    );
}
