//! How a status looks in a diagram.
//!
//! The fills are light and the text on them is dark, so they stand on a light page and on a dark
//! one. Blue, vermilion, purple and ochre are told apart by people who do not see red and green;
//! the width and the dashes of the border say it again, and the text says it in words.

use asyncflow_core::TaskStatus;

/// The colours and the border of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tone {
    /// A word that is a valid class name.
    pub(crate) class: &'static str,
    pub(crate) fill: &'static str,
    pub(crate) stroke: &'static str,
    /// In tenths of a pixel.
    pub(crate) width: u32,
    pub(crate) border: Border,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Border {
    Solid,
    Dashed,
    Dotted,
}

const fn tone(
    class: &'static str,
    fill: &'static str,
    stroke: &'static str,
    width: u32,
    border: Border,
) -> Tone {
    Tone {
        class,
        fill,
        stroke,
        width,
        border,
    }
}

/// Before a run.
pub(crate) const PLAIN: Tone = tone("task", "#f3f3f0", "#5b6068", 10, Border::Solid);

/// Every tone there is, for the legend of classes.
pub(crate) const ALL: [Tone; 10] = [
    PLAIN,
    tone("succeeded", "#dcebf5", "#2f6f9f", 10, Border::Solid),
    tone("failed", "#fadccf", "#b93a10", 26, Border::Solid),
    tone("panicked", "#efd7e7", "#8b2f6f", 26, Border::Solid),
    tone("timedout", "#f8e7bd", "#946400", 26, Border::Solid),
    tone("skipped", "#ececea", "#85898f", 12, Border::Dashed),
    tone("cancelled", "#ececea", "#5b6068", 12, Border::Dashed),
    tone("notselected", "#fbfbfa", "#9a9ea4", 12, Border::Dotted),
    tone("given", "#e6f0e2", "#4d7a4b", 10, Border::Solid),
    tone("unfinished", "#ffffff", "#2f6f9f", 18, Border::Dotted),
];

/// The tone of a status.
pub(crate) fn of(status: TaskStatus) -> Tone {
    ALL[match status {
        TaskStatus::Succeeded => 1,
        TaskStatus::Failed => 2,
        TaskStatus::Panicked => 3,
        TaskStatus::TimedOut => 4,
        TaskStatus::Skipped { .. } => 5,
        TaskStatus::Cancelled => 6,
        TaskStatus::NotSelected => 7,
        TaskStatus::Given => 8,
        // And whatever status comes later, until it has a tone.
        _ => 9,
    }]
}

/// Which of several statuses in one shape gives it its tone: the one a reader must not miss.
pub(crate) fn weight(status: TaskStatus) -> u32 {
    match status {
        TaskStatus::Panicked => 9,
        TaskStatus::Failed => 8,
        TaskStatus::TimedOut => 7,
        TaskStatus::Unfinished => 6,
        TaskStatus::Cancelled => 5,
        TaskStatus::Skipped { .. } => 4,
        TaskStatus::Succeeded => 3,
        TaskStatus::Given => 2,
        _ => 1,
    }
}
