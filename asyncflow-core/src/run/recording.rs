//! Recording: how a run uses its [recorder](crate::record).
//!
//! Tasks that are recorded are [supervised](super::supervise), so other tasks know nothing of this.
//! Before its first attempt, such a task is restored if there is a record of it; then it takes no
//! permits. After an attempt has succeeded, the output is recorded before the task is settled. This is
//! not interrupted when the run stops: what has succeeded is recorded.
//!
//! Each element of a task that is many has a record of its own. All records of a task are looked up
//! before its first element starts, so that what is restored waits for nothing that another element
//! holds.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::graph::body::Elements;
use crate::node_index::NodeIndex;
use crate::output::BoxError;
use crate::record::{Key, Recorder, push_element, push_segment};
use crate::sort::sort_by_number;
use crate::task::failure::Cause;
use crate::task::outputs::Producer;
use crate::unwind;

use super::execution::Execution;

/// How many records of elements are looked up at a time: enough for a recorder to take many requests
/// together, and few enough to poll all of them when one is woken.
const LOOKUPS: usize = 64;

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

    fn path_of(&self, task: &str, element: Option<usize>) -> String {
        let mut path = self.path.clone();
        push_segment(&mut path, task);
        if let Some(index) = element {
            push_element(&mut path, index);
        }
        path
    }
}

impl Execution {
    /// The recording of a run that belongs to a task of this one.
    pub(crate) fn recording_inside(&self, task: NodeIndex) -> Option<Box<Recording>> {
        let recording = self.recording.as_ref()?;
        Some(Box::new(Recording {
            recorder: Arc::clone(&recording.recorder),
            path: recording.path_of(self.graph().name(task), None),
        }))
    }

    /// Whether the output of a task, or that of each of its elements, is recorded in this run.
    pub(super) fn records(&self, task: NodeIndex) -> bool {
        self.recording.is_some() && self.version(task).is_some()
    }

    fn version(&self, task: NodeIndex) -> Option<u32> {
        self.node(task).body().and_then(|body| body.recorded())
    }

    /// The recorder, and the key of an output that is recorded.
    fn record_of(&self, (task, element): Producer) -> Option<(&dyn Recorder, Key)> {
        let recording = self.recording.as_ref()?;
        let version = self.version(task)?;
        let path = recording.path_of(self.graph().name(task), element);
        Some((&*recording.recorder, Key::new(path, version)))
    }

    /// What identifies the run, and the path of a task or an element in it; `None` if the run has no
    /// recorder.
    pub(crate) async fn identity(
        &self,
        (task, element): Producer,
    ) -> Option<Result<(String, String), BoxError>> {
        let recording = self.recording.as_ref()?;
        let identity = recording.recorder.identity().await;
        Some(identity.map(|run| (run, recording.path_of(self.graph().name(task), element))))
    }

    /// Stores the output of an earlier execution, if there is one.
    pub(super) async fn restore(&self, task: NodeIndex) -> Result<bool, Cause> {
        let body = self.node(task).body();
        let restore =
            |record: &[u8]| body.map_or(Ok(()), |body| body.restore(self.outputs(), task, record));
        self.restore_with((task, None), restore).await
    }

    /// Stores the outputs of elements that an earlier execution has recorded. `None` if the task stops
    /// before all records are looked up.
    pub(super) async fn restore_elements(
        &self,
        task: NodeIndex,
        elements: &dyn Elements,
    ) -> Option<RestoredElements> {
        let mut found = RestoredElements::default();
        let mut rest = 0..elements.count();
        let mut lookups = Vec::new();
        let look_up = |index| {
            Box::pin(async move {
                let restore = |record: &[u8]| elements.restore(index, record);
                (index, self.restore_with((task, Some(index)), restore).await)
            })
        };
        poll_fn(|cx| {
            if self.stops_task(task) {
                return Poll::Ready(None);
            }
            let free = LOOKUPS - lookups.len();
            lookups.extend(rest.by_ref().take(free).map(look_up));
            let before = lookups.len();
            lookups.retain_mut(|lookup| match lookup.as_mut().poll(cx) {
                Poll::Ready((index, restored)) => {
                    found.add(index, restored);
                    false
                }
                Poll::Pending => true,
            });
            if rest.is_empty() && lookups.is_empty() {
                return Poll::Ready(Some(()));
            }
            if lookups.len() < before {
                // The next ones are looked up after others had a turn.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await?;
        for indices in [&mut found.restored, &mut found.missing] {
            sort_by_number(indices, |index| *index as u64);
        }
        Some(found)
    }

    async fn restore_with(
        &self,
        producer: Producer,
        restore: impl Fn(&[u8]) -> Result<(), BoxError>,
    ) -> Result<bool, Cause> {
        let Some((recorder, key)) = self.record_of(producer) else {
            return Ok(false);
        };
        let restored = async {
            match recorder.load(&key).await? {
                Some(record) => match restore(&record) {
                    Ok(()) => Ok(true),
                    Err(error) => Err(recorder.unreadable(&key, error)),
                },
                None => Ok(false),
            }
        };
        caught(restored).await
    }

    /// Records the output of an attempt that has succeeded.
    pub(super) async fn record(&self, producer: Producer) -> Result<(), Cause> {
        let record = self.storage.outputs.take_record(producer);
        match (self.record_of(producer), record) {
            (Some((recorder, key)), Some(record)) => {
                caught(async { recorder.store(&key, record).await }).await
            }
            _ => Ok(()),
        }
    }
}

/// What was found of the elements of a task.
#[derive(Default)]
pub(super) struct RestoredElements {
    /// In the order of the list.
    pub(super) restored: Vec<usize>,
    /// Those without a record, which are to run, in the order of the list.
    pub(super) missing: Vec<usize>,
    /// Those whose record cannot be used.
    pub(super) failures: Vec<(usize, Cause)>,
}

impl RestoredElements {
    fn add(&mut self, index: usize, restored: Result<bool, Cause>) {
        match restored {
            Ok(true) => self.restored.push(index),
            Ok(false) => self.missing.push(index),
            Err(cause) => self.failures.push((index, cause)),
        }
    }

    /// Whether there are elements, and each was restored.
    pub(super) fn is_all(&self) -> bool {
        !self.restored.is_empty() && self.missing.is_empty() && self.failures.is_empty()
    }
}

/// Polls what runs code of a recorder or a codec, whose panic fails the task or the element.
async fn caught<T>(future: impl Future<Output = Result<T, BoxError>>) -> Result<T, Cause> {
    let mut future = pin!(future);
    poll_fn(|cx| match unwind::catch(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map_err(Cause::Error),
        Err(payload) => Poll::Ready(Err(Cause::panic(payload))),
    })
    .await
}
