//! A flow as a task of another.
//!
//! The inner run holds a guard of the outer one, so the outer run does not end before all of the
//! inner run has, blocking functions included. When the outer run stops, the inner one is stopped in
//! the same way, and so does its own clean-up. A time limit is the deadline of the inner run, which stops it
//! in this way, too.
//!
//! # What it holds
//!
//! A task waits for permits only while all that it holds comes before them in the one order of all
//! locks, and for a slot under `max_concurrency` after that. So no two tasks wait for each other. A
//! nested flow would break this in two ways:
//!
//! * What is held for the whole flow is held while its tasks wait for their permits, in whatever
//!   order. Two such flows could wait for each other, or one for itself. So a flow that runs under a
//!   lock must not take permits itself, at any depth; the flow is refused otherwise.
//! * A slot that is held for the whole flow may be needed by a task that holds what the flow's tasks
//!   wait for. So the flow takes no slot. Its tasks take slots of the outer run, each for itself.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::Duration;

use crate::declare::configure::{Configured, TaskExt};
use crate::declare::function::TaskFn;
use crate::declare::item::into_task;
use crate::deep_drop::deep_drop;
use crate::execute::Execute;
use crate::flow::Flow;
use crate::graph::Declared;
use crate::graph::body::{AnyAttempt, AnyBody, AsyncBody, Body, Facts, InputUse, Job, NotStored};
use crate::graph::storage::RunStorage;
use crate::handle::TaskId;
use crate::node_index::NodeIndex;
use crate::outcome::error::{FlowError, FlowErrorKind};
use crate::outcome::run::Run;
use crate::run::execution::Execution;
use crate::run::guard::RunGuard;
use crate::run::validate::Owner;
use crate::runtime::Runtime;
use crate::sealed::Sealed;
use crate::task::column::ColumnType;
use crate::task::end::End;
use crate::task::failure::{Cause, TimedOut};

/// Marks flows that are added to a flow.
#[derive(Debug)]
pub struct Nested;

into_task!(Arc<Flow<R>>, R: Runtime);
into_task!(Flow<R>, R: Runtime);

#[diagnostic::do_not_recommend]
impl<R: Runtime> TaskFn<(), Nested> for Arc<Flow<R>> {
    type Value = Run;
    type Single = Run;

    fn into_body(self, (): ()) -> Body {
        // Compiled here, from the inside out, so that deeply nested flows are not compiled
        // recursively. It grows no more, since the task has a share in it. The execution reports
        // mistakes.
        if let Ok(graph) = self.declared.compile() {
            graph.lock_user();
        }
        Body::Async(Box::new(NestedTask(Some(self))))
    }
}

impl<R: Runtime> TaskExt<Nested> for Arc<Flow<R>> {
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

#[diagnostic::do_not_recommend]
impl<R: Runtime> TaskFn<(), Nested> for Flow<R> {
    type Value = Run;
    type Single = Run;

    fn into_body(self, (): ()) -> Body {
        Arc::new(self).into_body(())
    }
}

impl<R: Runtime> TaskExt<Nested> for Flow<R> {
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

struct NestedTask<R: Runtime>(
    /// Present until it is dropped.
    Option<Arc<Flow<R>>>,
);

impl<R: Runtime> NestedTask<R> {
    fn flow(&self) -> &Arc<Flow<R>> {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<R: Runtime> Drop for NestedTask<R> {
    fn drop(&mut self) {
        // It may contain flows in turn, and so on.
        if let Some(flow) = self.0.take().and_then(Arc::into_inner) {
            deep_drop(flow);
        }
    }
}

impl<R: Runtime> AnyBody for NestedTask<R> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_body(&self) -> &dyn AnyBody {
        self
    }

    fn function_name(&self) -> &'static str {
        "flow"
    }

    fn visit_inputs(&self, _visit: &mut dyn FnMut(TaskId, InputUse)) {}

    fn claim(&self) -> Option<&AtomicBool> {
        None
    }

    fn facts(&self) -> Facts {
        Facts {
            column: ColumnType::of::<Run>(),
            nested: true,
            ..Facts::default()
        }
    }

    fn nested(&self) -> Option<&Declared> {
        Some(&self.flow().declared)
    }
}

impl<R: Runtime> AsyncBody for NestedTask<R> {
    fn start(
        &self,
        storage: Arc<RunStorage>,
        node: NodeIndex,
        _attempt: Option<&AnyAttempt>,
    ) -> Job {
        let flow = Arc::clone(self.flow());
        Box::pin(async move {
            let outer: Arc<Execution> = storage.run();
            let config = outer.node(node).config.as_ref();
            let limit = config.and_then(|config| config.timeout);
            let end = match execute(&flow, &outer, node, limit).await {
                None => End::Cancelled,
                Some(Ok(inner)) => {
                    storage.outputs().set(node, inner);
                    End::Succeeded
                }
                Some(Err(error)) if error.is_cancelled() && outer.stops_task(node) => {
                    End::Cancelled
                }
                Some(Err(error)) if error.kind() == FlowErrorKind::TimedOut => {
                    End::Failed(Cause::Timeout(TimedOut(limit.unwrap_or_default())))
                }
                Some(Err(error)) => End::Failed(Cause::Error(Box::new(error))),
            };
            (storage, NotStored::unless_succeeded(end))
        })
    }
}

/// Executes a nested flow. `None` if the outer run stopped before it had started.
async fn execute<R: Runtime>(
    flow: &Flow<R>,
    outer: &Arc<Execution>,
    node: NodeIndex,
    limit: Option<Duration>,
) -> Option<Result<Run, FlowError>> {
    if outer.stops_task(node) {
        return None;
    }
    let owner = Owner::Task(RunGuard::of(outer), node);
    let mut execute = flow.execute().within(owner);
    if let Some(limit) = limit {
        execute = execute.deadline(limit);
    }
    until_end(execute, outer, node).await
}

/// Waits for the end of an inner run, which is stopped when the outer one is. `None` if the inner
/// run had not started by then.
async fn until_end<R: Runtime>(
    inner: Execute<'_, R>,
    outer: &Execution,
    node: NodeIndex,
) -> Option<Result<Run, FlowError>> {
    let mut inner = pin!(inner);
    poll_fn(|cx| {
        // A stop of the outer run wakes this task.
        if outer.stops_task(node) && !inner.stop(outer.mode()) {
            return Poll::Ready(None);
        }
        inner.as_mut().poll(cx).map(Some)
    })
    .await
}
