//! A flow as a task of another.
//!
//! The inner run holds a share in the outer one, so the outer run does not end before all of the
//! inner has, blocking functions included. When the outer run stops, the inner one is stopped in
//! the same way, and so gets to do its own clean-up.
//!
//! # What it holds
//!
//! A task waits for permits only while all that it holds comes before them in the one order of all
//! locks, and for a slot under `max_concurrency` after that; so no tasks wait for each other. A
//! flow in a flow would break this in two ways:
//!
//! * What is held for the whole flow is held while the tasks in it wait for their permits, in
//!   whatever order. Two such flows could wait for each other, or one for itself. So a flow that
//!   is run under a lock may not take permits itself, at any depth; [`crate::validate`] refuses it.
//! * A slot that is held for the whole flow is wanted by others that hold what its tasks wait for.
//!   So the flow holds none; its tasks take slots of the outer run, each for itself.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;

use crate::column::ColumnType;
use crate::execute::{Execute, Running};
use crate::flat::drop_flat;
use crate::flow::Flow;
use crate::graph::Declared;
use crate::handle::{Task, TaskId};
use crate::outcome::run::Run;
use crate::run::agent::Agent;
use crate::run::end::End;
use crate::run::execution::{Execution, Mode};
use crate::runtime::Runtime;

use super::configure::Request;
use super::function::{AnyBody, AsyncBody, Body, Facts, Job};
use super::inputs::InputUse;
use super::item::{Declaration, Element, Item, Member};

/// Marks flows that are added to a flow.
#[derive(Debug)]
pub struct Nested;

impl<R: Runtime> Item<Nested> for Arc<Flow<R>> {
    type Handle = Task<Run>;

    fn into_member(self) -> Member {
        // Before it is looked at from outside: flows nested deeply are not compiled recursively. It
        // grows no more, since the task has a share in it. Mistakes are reported by the execution.
        if let Ok(graph) = self.declared.compile() {
            graph.taker();
        }
        Member(Element::Task(Declaration {
            body: Body::Async(Box::new(NestedTask(Some(self)))),
            request: Request::default(),
        }))
    }

    fn handle(id: TaskId) -> Task<Run> {
        Task::new(id)
    }
}

struct NestedTask<R: Runtime>(
    /// Always there, until it is dropped.
    Option<Arc<Flow<R>>>,
);

impl<R: Runtime> NestedTask<R> {
    fn flow(&self) -> &Arc<Flow<R>> {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<R: Runtime> Drop for NestedTask<R> {
    fn drop(&mut self) {
        // With flows in it, and so on.
        if let Some(flow) = self.0.take().and_then(Arc::into_inner) {
            drop_flat(flow);
        }
    }
}

/// Of how many runs inside of each other the innermost gets a place of its own on the runtime. The
/// others are polled by the run that they are inside of, which is quicker, but takes stack.
const SPAWNED: u32 = 16;

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
    fn start(&self, run: Arc<Execution>, index: u32) -> Job {
        let flow = Arc::clone(self.flow());
        Box::pin(async move {
            if run.stops_task(index) {
                return (run, Some(Box::new(End::Cancelled)));
            }
            let execute = flow.execute().within(Agent::of(&run));
            let result = match (run.depth + 1) % SPAWNED {
                0 => outcome(execute.start(), Running::stop, &run, index).await,
                _ => outcome(execute, Execute::stop, &run, index).await,
            };
            let end = match result {
                None => Some(Box::new(End::Cancelled)),
                Some(Ok(inner)) => {
                    run.ledger().store(index, inner);
                    None
                }
                Some(Err(error)) if error.is_cancelled() && run.stops_task(index) => {
                    Some(Box::new(End::Cancelled))
                }
                Some(Err(error)) => Some(Box::new(End::Failed(Box::new(error)))),
            };
            (run, end)
        })
    }
}

/// Waits for the end of an inner run, which is stopped when the outer one is; nothing if it had not
/// started by then, as while a large flow is made ready.
async fn outcome<F>(
    inner: F,
    stop: impl Fn(&F, Mode) -> bool,
    run: &Execution,
    index: u32,
) -> Option<F::Output>
where
    F: Future,
{
    let mut inner = pin!(inner);
    poll_fn(|cx| {
        // Whoever stops the outer run wakes this task.
        if run.stops_task(index) && !stop(&inner, run.mode()) {
            return Poll::Ready(None);
        }
        inner.as_mut().poll(cx).map(Some)
    })
    .await
}
