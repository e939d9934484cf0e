//! The report for serde. `schema/report.schema.json` describes the format.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::graph::structure::{Node, NodeKind};
use crate::node_index::NodeIndex;
use crate::task::status::TaskStatus;

use super::report::{Report, TaskReport};
use super::times;

/// Incremented when a field changes its meaning or is removed. Not when a field is added, so readers
/// must ignore fields that they do not know.
const VERSION: u32 = 2;

/// Needs the feature `serde`. As JSON, the report has this form, which
/// `schema/report.schema.json` describes:
///
/// ```json
/// {
///   "version": 2,
///   "wall_ns": 1500000,
///   "tasks": [
///     { "number": 0, "name": "fetch", "status": "succeeded", "because": null, "attempts": 1,
///       "failure": null, "allowed": false, "upstreams": [], "note": null,
///       "times": { "ready_ns": 0, "permitted_ns": 10, "started_ns": 10, "ended_ns": 900000,
///                  "pauses_ns": [] } },
///     { "number": 1, "name": "parse", "status": "skipped", "because": 0, "attempts": 0,
///       "failure": null, "allowed": false, "upstreams": [0], "note": null, "times": null }
///   ],
///   "gates": [],
///   "critical_path": [0]
/// }
/// ```
///
/// `number`, `because`, `upstreams` and `critical_path` are the numbers of [nodes](crate::Structure).
/// A status is the text that its `Display` writes. `failure` is the text of the last failed attempt,
/// also of a task that recovered. `allowed` says whether the failure of the task lets the run go on. Times are nanoseconds since the start of the run.
/// `pauses_ns` has the begin and the end of each [pause](TaskReport::pauses) between attempts.
/// `wall_ns`, `times` and `critical_path` are `null` if the run was not timed.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let structure = self.structure();
        let tasks: Vec<TaskReport<'_>> = self.tasks().collect();
        let gates = structure.nodes().filter(|node| !node.kind().is_task());
        let gates: Vec<Gate<'_>> = gates.map(Gate).collect();
        let path = self.critical_path();
        let path = path.map(|path| path.tasks().iter().map(number).collect::<Vec<_>>());
        let mut report = serializer.serialize_struct("Report", 5)?;
        report.serialize_field("version", &VERSION)?;
        report.serialize_field("wall_ns", &self.wall().map(nanos))?;
        report.serialize_field("tasks", &tasks)?;
        report.serialize_field("gates", &gates)?;
        report.serialize_field("critical_path", &path)?;
        report.end()
    }
}

/// Needs the feature `serde`. The format is that of the `tasks` of a [`Report`].
impl Serialize for TaskReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let because = match self.status() {
            TaskStatus::Skipped { because } => Some(because.index.get()),
            _ => None,
        };
        let mut task = serializer.serialize_struct("TaskReport", 10)?;
        task.serialize_field("number", &number(self))?;
        task.serialize_field("name", self.name())?;
        task.serialize_field("status", &self.status().to_string())?;
        task.serialize_field("because", &because)?;
        task.serialize_field("attempts", &self.attempts())?;
        let failure = self.failure().map(|failure| failure.cause().to_string());
        task.serialize_field("failure", &failure)?;
        task.serialize_field("allowed", &self.allows_failure())?;
        let upstreams: Vec<usize> = self.upstreams().map(NodeIndex::get).collect();
        task.serialize_field("upstreams", &upstreams)?;
        task.serialize_field("note", &self.note())?;
        let pauses = self
            .pauses()
            .map(|pause| [nanos(pause.start), nanos(pause.end)]);
        let pauses: Vec<[u64; 2]> = pauses.collect();
        task.serialize_field("times", &self.times().map(|times| Times(times, &pauses)))?;
        task.end()
    }
}

struct Times<'a>(times::Times, &'a [[u64; 2]]);

impl Serialize for Times<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let times::Times {
            ready,
            permitted,
            started,
            ended,
        } = self.0;
        let mut times = serializer.serialize_struct("Times", 5)?;
        times.serialize_field("ready_ns", &ready.map(nanos))?;
        times.serialize_field("permitted_ns", &permitted.map(nanos))?;
        times.serialize_field("started_ns", &started.map(nanos))?;
        times.serialize_field("ended_ns", &ended.map(nanos))?;
        times.serialize_field("pauses_ns", self.1)?;
        times.end()
    }
}

struct Gate<'a>(Node<'a>);

impl Serialize for Gate<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let opens = match self.0.kind() {
            NodeKind::AnyOf => "any of",
            _ => "all of",
        };
        let upstreams: Vec<usize> = self.0.upstreams().collect();
        let mut gate = serializer.serialize_struct("Gate", 3)?;
        gate.serialize_field("number", &self.0.number())?;
        gate.serialize_field("opens", opens)?;
        gate.serialize_field("upstreams", &upstreams)?;
        gate.end()
    }
}

fn number(task: &TaskReport<'_>) -> usize {
    task.id().index.get()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
