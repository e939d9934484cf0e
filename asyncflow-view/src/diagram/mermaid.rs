//! Diagrams in Mermaid, which GitHub and many documents draw.

use std::fmt::Write;

use super::sketch::{Form, LineKind, Sketch};
use super::tone::{self, Border, Tone};
use crate::text;

pub(crate) fn write(sketch: &Sketch) -> String {
    let direction = if sketch.across { "LR" } else { "TD" };
    let mut out = format!("flowchart {direction}\n");
    clusters(&mut out, sketch);
    for (number, shape) in sketch
        .shapes
        .iter()
        .enumerate()
        .filter(|(_, shape)| shape.cluster.is_none())
    {
        node(&mut out, number, shape, "  ");
    }
    for line in &sketch.lines {
        let arrow = match line.kind {
            LineKind::Data => "-->",
            LineKind::Order => "-.->",
            LineKind::Condition => "-->|if|",
        };
        let _ = writeln!(out, "  n{} {arrow} n{}", line.from, line.to);
    }
    if !sketch.notes.is_empty() {
        let notes: Vec<String> = sketch
            .notes
            .iter()
            .map(|note| text::mermaid(note))
            .collect();
        let _ = writeln!(out, "  legend[\"{}\"]:::legend", notes.join("<br/>"));
    }
    for tone in tone::ALL
        .iter()
        .filter(|tone| sketch.shapes.iter().any(|shape| shape.tone == **tone))
    {
        class(&mut out, tone);
    }
    frames(&mut out, sketch);
    out.push_str("  classDef ring fill:transparent,stroke:#7b828c,stroke-width:1.6px\n");
    out.push_str("  classDef gate fill:#7b828c,stroke:#7b828c,color:#7b828c\n");
    out.push_str("  classDef legend fill:transparent,stroke:transparent,color:#7b828c\n");
    out
}

fn clusters(out: &mut String, sketch: &Sketch) {
    fn each_in(out: &mut String, sketch: &Sketch, within: Option<usize>, indent: &str) {
        for (number, cluster) in sketch
            .clusters
            .iter()
            .enumerate()
            .filter(|(_, c)| c.within == within)
        {
            let word = if cluster.series { "series" } else { "parallel" };
            let _ = writeln!(out, "{indent}subgraph g{number}[\"{word}\"]");
            let inner = format!("{indent}  ");
            for (shape, it) in sketch
                .shapes
                .iter()
                .enumerate()
                .filter(|(_, shape)| shape.cluster == Some(number))
            {
                node(out, shape, it, &inner);
            }
            each_in(out, sketch, Some(number), &inner);
            let _ = writeln!(out, "{indent}end");
        }
    }
    each_in(out, sketch, None, "  ");
}

/// Frames without a fill, so that they lie on a light page and on a dark one.
fn frames(out: &mut String, sketch: &Sketch) {
    let names: Vec<String> = (0..sketch.clusters.len())
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

fn node(out: &mut String, number: usize, shape: &super::sketch::Shape, indent: &str) {
    let lines: Vec<String> = shape.label.iter().map(|line| text::mermaid(line)).collect();
    let label = lines.join("<br/>");
    let class = shape.tone.class;
    let _ = match shape.form {
        Form::Async => writeln!(out, "{indent}n{number}([\"{label}\"]):::{class}"),
        Form::Plain => writeln!(out, "{indent}n{number}[\"{label}\"]:::{class}"),
        Form::Input => writeln!(out, "{indent}n{number}[/\"{label}\"/]:::{class}"),
        Form::Several => writeln!(out, "{indent}n{number}[[\"{label}\"]]:::{class}"),
        Form::AllOf => writeln!(out, "{indent}n{number}((\" \")):::gate"),
        Form::AnyOf => writeln!(out, "{indent}n{number}((\"any\")):::ring"),
    };
}

fn class(out: &mut String, tone: &Tone) {
    let dashes = match tone.border {
        Border::Solid => "",
        Border::Dashed => ",stroke-dasharray:6 4",
        Border::Dotted => ",stroke-dasharray:2 3",
    };
    let _ = writeln!(
        out,
        "  classDef {} fill:{},stroke:{},color:#1c1d1f,stroke-width:{:.1}px{dashes}",
        tone.class,
        tone.fill,
        tone.stroke,
        f64::from(tone.width) / 10.0
    );
}
