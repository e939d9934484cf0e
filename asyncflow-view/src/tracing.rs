//! Spans for a run, its tasks and their attempts, with the crate `tracing`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use ::tracing::field::Empty;
use ::tracing::{Span, debug, error, info, info_span, warn};
use asyncflow_core::{ElementRef, InnerRun, Observer, Permits, Structure, TaskRef, TaskStatus};

use crate::lock::lock;
use crate::text::{LONG, clean};

/// An observer that creates spans: one for the run, within it one for each task, and within those
/// one for each attempt.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
/// use asyncflow::view::tracing::Tracer;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// flow.add((|| ()).named("fetch"));
/// flow.execute().observe(Tracer::new()).await?;
/// # Ok(())
/// # }
/// ```
///
/// A tracer is for one run.
///
/// # Spans
///
/// | span | begins | ends | fields |
/// |---|---|---|---|
/// | `run` | when the run starts | when the run ends | `tasks`, `failed` |
/// | `task` | when the task is ready | when the task ends | `name`, `status`, `error` |
/// | `attempt` | when the function is called | when it returned or failed | `attempt`, `error` |
///
/// So the time that a task waits for permits is in its `task` span, but in no `attempt` span. A
/// task that is not started has a `task` span that ends at once, with its `status`. A task that is
/// not selected has no span. The tasks of a run inside of a task, such as a nested flow, have spans within
/// the `attempt` span of that task. The elements of an `each` are in the `attempt` span of their task.
///
/// The `run` span is a child of the span that was current when the tracer was created. In
/// `flow.execute().observe(Tracer::new())` that is the span of the caller. The `attempt` span is
/// entered while a thread runs code of the task, so everything that the task logs is inside of it,
/// on any thread.
///
/// # Events
///
/// | level | event |
/// |---|---|
/// | `DEBUG` | a task waits for permits or for a slot |
/// | `INFO` | a task [noted](asyncflow_core::TaskContext::note) something |
/// | `WARN` | an attempt of a task with retries or a fallback failed, or one at an `element` of it |
/// | `ERROR` | a task failed |
///
/// `WARN` and `ERROR` events name their task, so that they can be understood when a filter drops
/// the spans, whose level is `INFO`. The target of all spans and events is `asyncflow`.
///
/// # Subscriber
///
/// A run uses the threads of the runtime, so the subscriber must be the global one, or be set on
/// each of these threads.
pub struct Tracer {
    parent: Span,
    /// Whether spans get the fields that the layer of `tracing-opentelemetry` reads.
    opentelemetry: bool,
    /// Set when the run starts.
    run: OnceLock<Run>,
    /// The runs inside of tasks, by their numbers.
    inner: Mutex<HashMap<u64, Arc<Run>>>,
}

/// The spans of a run.
struct Run {
    flow: Structure,
    /// Replaced by `Span::none()` when the run ends. So the span closes even if the user keeps a
    /// reference to the tracer.
    span: Mutex<Span>,
    /// The number of failed tasks, for the field of the span.
    failed: AtomicUsize,
    /// By the number of the node. An entry is `None` before its task is ready and after it has
    /// ended.
    tasks: Box<[Mutex<Option<Box<Spans>>>]>,
}

/// The spans of one task.
struct Spans {
    /// `Span::none()` after the end of the task, if an attempt is still inside its function.
    task: Span,
    /// There can be several: a plain function that timed out runs on, and the next attempt starts.
    attempts: Vec<Attempt>,
    /// The error of the last attempt, for the event that the task failed.
    error: Option<String>,
}

struct Attempt {
    number: u32,
    span: Span,
    /// Whether a thread runs code of the attempt.
    inside: bool,
    /// Whether it has ended, as far as the run is concerned.
    ended: bool,
}

impl Tracer {
    /// Creates a tracer whose `run` span is a child of the current span.
    pub fn new() -> Self {
        Self::within(Span::current())
    }

    /// Creates a tracer whose `run` span is a child of `parent`, a span of the crate `tracing` 0.1.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::tracing::Tracer;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// let request = tracing::info_span!("request");
    /// flow.execute().observe(Tracer::within(request)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn within(parent: Span) -> Self {
        Self {
            parent,
            opentelemetry: false,
            run: OnceLock::new(),
            inner: Mutex::default(),
        }
    }

    /// Adds the fields that the layer of `tracing-opentelemetry` reads: `otel.name`, so that a span
    /// has the name of its task, and `otel.status_code`.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::tracing::Tracer;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// flow.add(|| ());
    /// flow.execute().observe(Tracer::new().for_opentelemetry()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_opentelemetry(mut self) -> Self {
        self.opentelemetry = true;
        self
    }

    /// Calls `change` with the spans of a task, which are locked meanwhile.
    fn with<T>(&self, task: TaskRef<'_>, change: impl FnOnce(&Run, &mut Option<Box<Spans>>) -> T) {
        let inner = task
            .inside()
            .map(|run| lock(&self.inner).get(&run.number()).cloned());
        let run = match &inner {
            None => self.run.get(),
            Some(inner) => inner.as_deref(),
        };
        if let Some((run, spans)) = run.and_then(|run| Some((run, run.tasks.get(task.number())?))) {
            change(run, &mut lock(spans));
        }
    }

    /// The spans of a task, which are created if there are none yet.
    fn open<'s>(
        &self,
        run: &Run,
        task: TaskRef<'_>,
        spans: &'s mut Option<Box<Spans>>,
    ) -> &'s mut Spans {
        spans.get_or_insert_with(|| {
            let name = clean(task.name(), LONG);
            let parent = lock(&run.span).id();
            let span = info_span!(
                target: "asyncflow",
                parent: parent,
                "task",
                name = &*name,
                status = Empty,
                error = Empty,
                otel.name = Empty,
                otel.status_code = Empty,
            );
            if self.opentelemetry {
                span.record("otel.name", &*name);
            }
            Box::new(Spans {
                task: span,
                attempts: Vec::new(),
                error: None,
            })
        })
    }
}

impl Run {
    fn new(flow: &Structure, span: Span) -> Self {
        Self {
            flow: flow.clone(),
            span: Mutex::new(span),
            failed: AtomicUsize::new(0),
            tasks: (0..flow.len()).map(|_| Mutex::new(None)).collect(),
        }
    }
}

impl Spans {
    fn attempt(&mut self, number: u32) -> Option<&mut Attempt> {
        let mut attempts = self.attempts.iter_mut();
        attempts.find(|attempt| attempt.number == number)
    }

    /// The span that the function of the task is in now, or that of the task.
    fn innermost(&self) -> &Span {
        self.attempts
            .last()
            .map_or(&self.task, |attempt| &attempt.span)
    }

    /// Closes the spans of attempts that have ended and run no more code.
    fn close_ended(&mut self) {
        self.attempts
            .retain(|attempt| attempt.inside || !attempt.ended);
    }
}

impl Default for Tracer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

impl Observer for Tracer {
    fn run_started(&self, flow: &Structure) {
        let tasks = flow.nodes().filter(|node| node.kind().is_task()).count();
        let span =
            info_span!(target: "asyncflow", parent: &self.parent, "run", tasks, failed = Empty);
        // Fails if the tracer was used for a run before. Then it keeps tracing the first run only.
        let _ = self.run.set(Run::new(flow, span));
    }

    // The spans of its tasks are children of that of the attempt that it is inside of.
    fn inner_run_started(&self, run: &InnerRun, flow: &Structure) {
        let mut parent = Span::none();
        self.with(run.task(), |outer, spans| {
            let spans = self.open(outer, run.task(), spans);
            let attempt = spans.attempts.last().map(|attempt| &attempt.span);
            parent = attempt.unwrap_or(&spans.task).clone();
        });
        let inner = Arc::new(Run::new(flow, parent));
        lock(&self.inner).insert(run.number(), inner);
    }

    fn inner_run_ended(&self, run: &InnerRun) {
        let inner = lock(&self.inner).remove(&run.number());
        drop(inner);
    }

    fn task_ready(&self, task: TaskRef<'_>) {
        self.with(task, |run, spans| {
            self.open(run, task, spans);
        });
    }

    fn task_waiting(&self, task: TaskRef<'_>, permits: &Permits) {
        self.with(task, |run, spans| {
            let span = &self.open(run, task, spans).task;
            debug!(target: "asyncflow", parent: span, ?permits, "waiting for permits");
        });
    }

    fn task_queued(&self, task: TaskRef<'_>) {
        self.with(task, |run, spans| {
            let span = &self.open(run, task, spans).task;
            debug!(target: "asyncflow", parent: span, "waiting for a slot");
        });
    }

    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {
        self.with(task, |run, spans| {
            let spans = self.open(run, task, spans);
            let span = info_span!(
                target: "asyncflow",
                parent: &spans.task,
                "attempt",
                attempt,
                error = Empty,
                otel.status_code = Empty,
            );
            spans.attempts.push(Attempt {
                number: attempt,
                span,
                inside: false,
                ended: false,
            });
        });
    }

    fn task_entered(&self, task: TaskRef<'_>, attempt: u32) {
        self.with(task, |_, spans| {
            let spans = spans.as_mut()?;
            let attempt = spans.attempt(attempt)?;
            attempt.inside = true;
            // Without a guard, which is `!Send` and would have to be kept until `task_left`.
            let span = &attempt.span;
            span.with_subscriber(|(id, subscriber)| subscriber.enter(id))
        });
    }

    fn task_left(&self, task: TaskRef<'_>, attempt: u32) {
        self.with(task, |_, spans| {
            let open = spans.as_mut()?;
            let attempt = open.attempt(attempt)?;
            attempt.inside = false;
            let span = &attempt.span;
            span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
            open.close_ended();
            // The task has ended before; only a function that had timed out was still running.
            if open.attempts.is_empty() && open.task.is_none() {
                *spans = None;
            }
            Some(())
        });
    }

    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {
        let why = why.to_string();
        self.with(task, |run, spans| {
            let spans = self.open(run, task, spans);
            if let Some(attempt) = spans.attempt(attempt) {
                attempt.ended = true;
                attempt.span.record("error", &*why);
                if self.opentelemetry {
                    attempt.span.record("otel.status_code", "ERROR");
                }
                let node = run.flow.node(task.number());
                // Of any other task, its end tells.
                if node.retries() || node.has_fallback() {
                    let number = attempt.number;
                    warn!(
                        target: "asyncflow",
                        parent: &attempt.span,
                        task = &*clean(task.name(), LONG),
                        attempt = number,
                        error = &*why,
                        "attempt failed"
                    );
                }
            }
            spans.close_ended();
            spans.error = Some(why);
        });
    }

    fn element_failed(&self, element: ElementRef<'_>, attempt: u32, why: &dyn fmt::Display) {
        let why = why.to_string();
        self.with(element.task(), |run, spans| {
            let spans = self.open(run, element.task(), spans);
            warn!(
                target: "asyncflow",
                parent: spans.innermost(),
                element = &*clean(&element.to_string(), LONG),
                attempt,
                error = &*why,
                "attempt failed"
            );
        });
    }

    fn task_noted(&self, task: TaskRef<'_>, note: &str) {
        self.with(task, |run, spans| {
            let spans = self.open(run, task, spans);
            let note = &*clean(note, LONG);
            info!(target: "asyncflow", parent: spans.innermost(), note, "noted");
        });
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        if status == TaskStatus::NotSelected {
            return;
        }
        self.with(task, |run, entry| {
            let spans = self.open(run, task, entry);
            let word = status.to_string();
            spans.task.record("status", &*word);
            if status.is_failure() {
                run.failed.fetch_add(1, Ordering::Relaxed);
                let why = spans.error.take().unwrap_or_default();
                spans.task.record("error", &*why);
                if self.opentelemetry {
                    spans.task.record("otel.status_code", "ERROR");
                }
                error!(
                    target: "asyncflow",
                    parent: &spans.task,
                    task = &*clean(task.name(), LONG),
                    status = &*word,
                    error = &*why,
                    "task failed"
                );
            }
            for attempt in &mut spans.attempts {
                attempt.ended = true;
            }
            spans.close_ended();
            match spans.attempts.is_empty() {
                true => *entry = None,
                false => spans.task = Span::none(),
            }
        });
    }

    fn run_ended(&self) {
        if let Some(run) = self.run.get() {
            let span = std::mem::replace(&mut *lock(&run.span), Span::none());
            span.record("failed", run.failed.load(Ordering::Relaxed));
        }
    }
}
