//! Recording: how a run uses its [recorder](crate::record).
//!
//! Tasks that are recorded are [supervised](super::supervise), so other tasks know nothing of this.
//! Before its first attempt, such a task is restored if there is a record of it; then it takes no
//! permits. After an attempt has succeeded, the output is recorded before the task is settled. This is
//! not interrupted when the run stops: what has succeeded is recorded.

use std::fmt;
use std::sync::Arc;

use crate::node_index::NodeIndex;
use crate::output::BoxError;
use crate::record::{Key, Recorder, push_segment};

use super::execution::Execution;

/// The recorder of a run, and of the runs inside of it.
#[derive(Clone)]
pub(crate) struct Recording {
    recorder: Arc<dyn Recorder>,
    /// The path of the task that this run belongs to; empty if it belongs to none.
    path: String,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Recording {
    pub(crate) fn new(recorder: Box<dyn Recorder>) -> Self {
        Self {
            recorder: Arc::from(recorder),
            path: String::new(),
        }
    }

    fn path_of(&self, task: &str) -> String {
        let mut path = self.path.clone();
        push_segment(&mut path, task);
        path
    }
}

impl Execution {
    /// The recording of a run that belongs to a task of this one.
    pub(crate) fn recording_inside(&self, task: NodeIndex) -> Option<Recording> {
        let recording = self.recording.as_ref()?;
        Some(Recording {
            recorder: Arc::clone(&recording.recorder),
            path: recording.path_of(self.graph().name(task)),
        })
    }

    /// Whether the output of a task is recorded in this run.
    pub(super) fn records(&self, task: NodeIndex) -> bool {
        self.recording.is_some() && self.version(task).is_some()
    }

    fn version(&self, task: NodeIndex) -> Option<u32> {
        self.node(task).body().and_then(|body| body.recorded())
    }

    /// The recorder, and the key of a task whose output is recorded.
    fn record_of(&self, task: NodeIndex) -> Option<(&dyn Recorder, Key)> {
        let recording = self.recording.as_ref()?;
        let version = self.version(task)?;
        let path = recording.path_of(self.graph().name(task));
        Some((&*recording.recorder, Key::new(path, version)))
    }

    /// What identifies the run, and the path of a task in it; `None` if the run has no recorder.
    pub(crate) async fn identity(
        &self,
        task: NodeIndex,
    ) -> Option<Result<(String, String), BoxError>> {
        let recording = self.recording.as_ref()?;
        let identity = recording.recorder.identity().await;
        Some(identity.map(|run| (run, recording.path_of(self.graph().name(task)))))
    }

    /// Stores the output of an earlier execution, if there is one.
    pub(super) async fn restore(&self, task: NodeIndex) -> Result<bool, BoxError> {
        let Some((recorder, key)) = self.record_of(task) else {
            return Ok(false);
        };
        let (Some(record), Some(body)) = (recorder.load(&key).await?, self.node(task).body())
        else {
            return Ok(false);
        };
        match body.restore(self.outputs(), task, &record) {
            Ok(()) => Ok(true),
            Err(error) => Err(recorder.unreadable(&key, error)),
        }
    }

    /// Records the output of an attempt that has succeeded.
    pub(super) async fn record(&self, task: NodeIndex) -> Result<(), BoxError> {
        let record = self.storage.outputs.take_record(task);
        match (self.record_of(task), record) {
            (Some((recorder, key)), Some(record)) => recorder.store(&key, record).await,
            _ => Ok(()),
        }
    }
}
