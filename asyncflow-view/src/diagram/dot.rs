//! Diagrams in DOT, the language of Graphviz.

use std::fmt::Write;

use super::sketch::{Form, LineKind, Shape, Sketch};
use super::tone::Border;
use crate::text;

/// A grey that is seen on white and on black.
const LINE: &str = "#7b828c";

pub(crate) fn write(sketch: &Sketch) -> String {
    let mut out = String::from("digraph flow {\n");
    let direction = if sketch.across { "LR" } else { "TB" };
    let notes: Vec<&str> = sketch.notes.iter().map(String::as_str).collect();
    let fonts = "fontname=\"Helvetica,Arial,sans-serif\"";
    let _ = writeln!(
        out,
        "  graph [rankdir={direction}, bgcolor=\"transparent\", pad=0.3, nodesep=0.25, ranksep=0.45, \
         {fonts}, fontsize=10, fontcolor=\"{LINE}\", labelloc=b, label={}];",
        label(&notes)
    );
    let _ = writeln!(
        out,
        "  node [{fonts}, fontsize=11, fontcolor=\"#1c1d1f\", margin=\"0.16,0.08\", height=0.3];"
    );
    let _ = writeln!(
        out,
        "  edge [{fonts}, fontsize=10, fontcolor=\"{LINE}\", color=\"{LINE}\", arrowsize=0.65];"
    );
    clusters(&mut out, sketch);
    for (number, shape) in sketch.shapes.iter().enumerate() {
        let _ = writeln!(out, "  n{number} [{}];", attributes(shape));
    }
    for line in &sketch.lines {
        let style = match line.kind {
            LineKind::Data => "",
            LineKind::Order => " [style=dashed]",
            LineKind::Condition => " [label=\"if\", arrowhead=odiamond, penwidth=1.4]",
        };
        // A gate is a mark on the way, which needs no arrow's head.
        let headless = matches!(sketch.shapes[line.to as usize].form, Form::AllOf);
        let style = match (headless, line.kind) {
            (true, LineKind::Order) => " [style=dashed, arrowhead=none]",
            _ => style,
        };
        let _ = writeln!(out, "  n{} -> n{}{style};", line.from, line.to);
    }
    out.push_str("}\n");
    out
}

/// Frames as nested subgraphs. They are at most a few deep.
fn clusters(out: &mut String, sketch: &Sketch) {
    fn open(out: &mut String, sketch: &Sketch, number: usize, indent: &str) {
        let word = if sketch.clusters[number].series {
            "series"
        } else {
            "parallel"
        };
        let _ = writeln!(
            out,
            "{indent}subgraph cluster_{number} {{\n{indent}  label=\"{word}\"; labelloc=t; labeljust=l; \
             style=rounded; color=\"{LINE}\"; penwidth=0.7; margin=10; tooltip=\"{word}\";"
        );
        let inner = format!("{indent}  ");
        for (shape, _) in sketch
            .shapes
            .iter()
            .enumerate()
            .filter(|(_, shape)| shape.cluster == Some(number))
        {
            let _ = writeln!(out, "{inner}n{shape};");
        }
        each_in(out, sketch, Some(number), &inner);
        let _ = writeln!(out, "{indent}}}");
    }
    fn each_in(out: &mut String, sketch: &Sketch, within: Option<usize>, indent: &str) {
        for (number, _) in sketch
            .clusters
            .iter()
            .enumerate()
            .filter(|(_, c)| c.within == within)
        {
            open(out, sketch, number, indent);
        }
    }
    each_in(out, sketch, None, "  ");
}

fn attributes(shape: &Shape) -> String {
    let (form, rounded) = match shape.form {
        Form::Async => ("box", true),
        Form::Plain => ("box", false),
        Form::Input => ("parallelogram", false),
        Form::Several => ("box", true),
        Form::AllOf => {
            return format!(
                "shape=point, width=0.08, color=\"{LINE}\", tooltip={}",
                text::dot(&shape.tooltip)
            );
        }
        Form::AnyOf => {
            return format!(
                "shape=circle, width=0.14, height=0.14, fixedsize=true, label=\"\", color=\"{LINE}\", penwidth=1.6, tooltip={}",
                text::dot(&shape.tooltip)
            );
        }
    };
    let mut style = vec!["filled"];
    if rounded {
        style.push("rounded");
    }
    match shape.tone.border {
        Border::Solid => {}
        Border::Dashed => style.push("dashed"),
        Border::Dotted => style.push("dotted"),
    }
    // Several sheets on each other.
    let sheets = if shape.form == Form::Several {
        ", peripheries=2"
    } else {
        ""
    };
    let label: Vec<&str> = shape.label.iter().map(String::as_str).collect();
    format!(
        "shape={form}, style=\"{}\", fillcolor=\"{}\", color=\"{}\", penwidth={:.1}{sheets}, label={}, tooltip={}",
        style.join(","),
        shape.tone.fill,
        shape.tone.stroke,
        f64::from(shape.tone.width) / 10.0,
        self::label(&label),
        text::dot(&shape.tooltip),
    )
}

/// Lines of a label, each escaped for itself.
fn label(lines: &[&str]) -> String {
    let quoted = |line: &&str| {
        let quoted = text::dot(line);
        quoted[1..quoted.len() - 1].to_owned()
    };
    let lines: Vec<String> = lines.iter().map(quoted).collect();
    format!("\"{}\"", lines.join("\\n"))
}
