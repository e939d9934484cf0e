//! How a status looks in a diagram.
//!
//! The fills are light and the text on them is dark, so they are readable on a light page and on a
//! dark one. Blue, vermilion, purple and ochre can be told apart with red-green colour blindness.
//! The border and the text of a shape also tell the status, so colour is never the only sign.

use asyncflow_core::TaskStatus;

/// The colours and the border of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// A class name for formats that have classes.
    pub(crate) class: &'static str,
    pub(crate) fill: &'static str,
    pub(crate) stroke: &'static str,
    /// The width of the border in tenths of a pixel; an integer, so that styles are `Eq`.
    pub(crate) width: u32,
    pub(crate) border: Border,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Border {
    Solid,
    Dashed,
    Dotted,
}

const fn style(
    class: &'static str,
    fill: &'static str,
    stroke: &'static str,
    width: u32,
    border: Border,
) -> Style {
    Style {
        class,
        fill,
        stroke,
        width,
        border,
    }
}

/// The style of a task before a run.
pub(crate) const PLAIN: Style = style("task", "#f3f3f0", "#5b6068", 10, Border::Solid);

/// Every style, so that a format can define a class for each.
pub(crate) const ALL: [Style; 12] = [
    PLAIN,
    style("succeeded", "#dcebf5", "#2f6f9f", 10, Border::Solid),
    style("failed", "#fadccf", "#b93a10", 26, Border::Solid),
    style("panicked", "#efd7e7", "#8b2f6f", 26, Border::Solid),
    style("timedout", "#f8e7bd", "#946400", 26, Border::Solid),
    style("skipped", "#ececea", "#85898f", 12, Border::Dashed),
    style("cancelled", "#ececea", "#5b6068", 12, Border::Dashed),
    style("notselected", "#fbfbfa", "#9a9ea4", 12, Border::Dotted),
    style("given", "#e6f0e2", "#4d7a4b", 10, Border::Solid),
    style("recovered", "#e3efe9", "#946400", 18, Border::Solid),
    style("restored", "#dff0ee", "#2f7a72", 10, Border::Solid),
    style("unfinished", "#ffffff", "#2f6f9f", 18, Border::Dotted),
];

/// The style of a status.
pub(crate) fn of(status: TaskStatus) -> Style {
    ALL[match status {
        TaskStatus::Succeeded => 1,
        TaskStatus::Failed => 2,
        TaskStatus::Panicked => 3,
        TaskStatus::TimedOut => 4,
        TaskStatus::Skipped { .. } => 5,
        TaskStatus::Cancelled => 6,
        TaskStatus::NotSelected => 7,
        TaskStatus::Given => 8,
        TaskStatus::Recovered => 9,
        TaskStatus::Restored => 10,
        // `Unfinished`, and statuses that are added later, until they have a style.
        _ => 11,
    }]
}

/// The order in which statuses matter to a reader. A shape of several tasks has the style of the
/// most severe status among them.
pub(crate) fn severity(status: TaskStatus) -> u32 {
    match status {
        TaskStatus::Panicked => 11,
        TaskStatus::Failed => 10,
        TaskStatus::TimedOut => 9,
        TaskStatus::Unfinished => 8,
        TaskStatus::Cancelled => 7,
        TaskStatus::Skipped { .. } => 6,
        TaskStatus::Recovered => 5,
        TaskStatus::Succeeded => 4,
        TaskStatus::Restored => 3,
        TaskStatus::Given => 2,
        _ => 1,
    }
}
