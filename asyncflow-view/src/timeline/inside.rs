//! What ran inside of a task: the elements of an `each`, and the tasks of runs inside.
//!
//! There may be a hundred thousand of them, so a picture shows how many ran at once, in some hundred
//! steps, and only some of them one by one.

use std::cmp::Reverse;

use asyncflow_core::{Part, TaskReport};

use super::model::{Bar, nanos};
use super::{density, lanes};
use crate::text::{self, LONG};

/// The most steps for a task. More cannot be told apart on a screen.
const STEPS: usize = 200;

/// The most parts of a task that are shown one by one, which is about as many as somebody reads.
const SHOWN: usize = 100;

/// The most steps and shown parts of all tasks, which bounds the size of a file.
const ALL_STEPS: usize = 20_000;
const ALL_SHOWN: usize = 4_000;

#[derive(Debug)]
pub(crate) struct Inside {
    /// Whether they are elements. Otherwise they are tasks.
    pub(crate) elements: bool,
    pub(crate) count: usize,
    /// The most that ran at the same time.
    pub(crate) peak: u32,
    /// How many have each status, the most frequent first.
    pub(crate) statuses: Vec<(String, usize)>,
    /// How many ran, on average, in each of equal steps from the start of the task to its end.
    pub(crate) levels: Vec<f64>,
    /// Those that failed and those that ran longest, in the order in which they started.
    pub(crate) shown: Vec<Bar>,
}

impl Inside {
    /// What ran inside of a task, if anything did. `tasks` is how many tasks may have something.
    pub(crate) fn new(task: &TaskReport<'_>, bar: &Bar, wall: u64, tasks: usize) -> Option<Self> {
        let from = bar.started?;
        let to = bar.ended.unwrap_or(wall).max(from);
        let all: Vec<Part<'_>> = task.parts().collect();
        let elements = all.iter().any(|part| part.element().is_some());
        // The runs that elements execute would be counted twice.
        let counted = all
            .iter()
            .filter(|part| part.element().is_some() == elements);
        let span = |part: &Part<'_>| {
            let (started, ended) = (nanos(part.started()), part.ended().map(nanos));
            (started, ended.unwrap_or(to).max(started))
        };
        let spans: Vec<_> = counted.clone().map(span).collect();
        if spans.is_empty() {
            return None;
        }
        let steps = STEPS.min(ALL_STEPS / tasks.max(1));
        Some(Self {
            elements,
            count: spans.len() + task.parts_left_out(),
            peak: lanes::assign(&spans).1,
            statuses: text::statuses(counted.map(Part::status)),
            levels: density::levels(spans.iter().copied(), (from, to), steps),
            shown: shown(&bar.name, all, SHOWN.min(ALL_SHOWN / tasks.max(1))),
        })
    }

    /// A text such as `100 000 elements, up to 8 at once`.
    pub(crate) fn summary(&self) -> String {
        let count = match (self.elements, self.count) {
            (false, count) => format!("{} inside", text::tasks(count)),
            (true, 1) => "1 element".to_owned(),
            (true, count) => format!("{} elements", text::count(count)),
        };
        match (self.count, self.peak) {
            (1, _) => count,
            (_, 1) => format!("{count}, one at a time"),
            (_, peak) => format!("{count}, up to {} at once", text::count(peak as usize)),
        }
    }

    /// The levels as parts of the greatest.
    pub(crate) fn heights(&self) -> impl Iterator<Item = f64> {
        let levels = self.levels.iter();
        let most = levels.clone().copied().fold(f64::MIN_POSITIVE, f64::max);
        levels.map(move |level| level / most)
    }

    /// Whether every part is among those that are shown.
    pub(crate) fn shows_all(&self) -> bool {
        self.shown.len() >= self.count
    }
}

/// The bars of those that failed, and of those that ran longest.
fn shown(task: &str, mut parts: Vec<Part<'_>>, most: usize) -> Vec<Bar> {
    if parts.len() > most {
        parts.sort_by_key(|part| (!part.status().is_failure(), Reverse(part.ran())));
        parts.truncate(most);
    }
    parts.sort_by_key(Part::started);
    let bar = |part: &Part<'_>| {
        let name = match part.element() {
            Some(_) => format!("{task}{}", part.name()),
            None => format!("{task} › {}", part.name()),
        };
        Bar {
            name: text::clean(&name, LONG),
            kind: "part",
            status: part.status(),
            because: None,
            attempts: 1,
            ready: None,
            permitted: None,
            started: Some(nanos(part.started())),
            ended: part.ended().map(nanos),
            pauses: Vec::new(),
            lane: None,
            critical: false,
            holds: Vec::new(),
            upstreams: Vec::new(),
            more_upstreams: false,
            note: None,
            inside: None,
        }
    };
    parts.iter().map(bar).collect()
}
