//! Spans for a run, its tasks and their attempts, by way of the crate `tracing`.

use std::fmt;
use std::sync::{Mutex, OnceLock};

use ::tracing::field::Empty;
use ::tracing::{Span, debug, error, info_span, warn};
use asyncflow_core::{Observer, Permits, Structure, TaskRef, TaskStatus};

use crate::lock::lock;
use crate::text::{LONG, clean};

/// An observer that makes spans: one for the run, in it one for each task, in those one for each
/// attempt. It is for one run.
///
/// ```
/// use asyncflow_view::tracing::Tracer;
/// # use asyncflow_core::{Flow, FlowError, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// # flow.add(|| ());
/// # block_on(async {
/// flow.execute().observe(Tracer::new()).await?;
/// # Ok::<(), FlowError>(()) }).unwrap();
/// ```
///
/// | span | from | until | fields |
/// |---|---|---|---|
/// | `run` | the start of the run | its end | `tasks`, `failed` |
/// | `task` | when it is ready | its end | `name`, `status`, `error` |
/// | `attempt` | when its function is called | it returned, or failed | `attempt`, `error` |
///
/// So the time in which a task waits for permits is in its `task` and in no `attempt`. A task that
/// is not started has a `task` of no length, with its `status`; one that is not selected has none.
///
/// The run is a child of the span that was current where the tracer was made, which is the caller's
/// in `flow.execute().observe(Tracer::new())`. While a thread runs code of a task, the span of the
/// attempt is entered there: what the task logs is a child of it, whatever thread it wakes up on.
///
/// There are events, too: that a task waits for permits or for a slot, at the level `DEBUG`; that
/// an attempt failed at a task that is retried, at `WARN`; that a task failed, at `ERROR`. They name
/// the task, for the case that a filter leaves out the spans, which are of the level `INFO`. All
/// have the target `asyncflow`.
///
/// The runs' threads are those of the runtime, so the subscriber has to be the global one, or set
/// on each of them.
pub struct Tracer {
    parent: Span,
    /// Whether spans have the fields that OpenTelemetry layers look for.
    opentelemetry: bool,
    run: OnceLock<Run>,
}

/// What is known once the run has started.
struct Run {
    flow: Structure,
    /// Emptied when the run ends, whoever still holds the observer.
    span: Mutex<Span>,
    /// By the number of the task's node.
    tasks: Box<[Mutex<Option<Box<Spans>>>]>,
}

/// The spans of one task.
struct Spans {
    task: Span,
    /// A plain function that timed out runs on, maybe beside the next attempt.
    attempts: Vec<Attempt>,
    /// Why the last attempt failed.
    error: Option<String>,
}

struct Attempt {
    number: u32,
    span: Span,
    /// Whether a thread is inside of it.
    inside: bool,
    /// Whether it is known how it ended.
    over: bool,
}

impl Tracer {
    /// A tracer for one run, whose span is a child of the one that is current here.
    pub fn new() -> Self {
        Self::within(Span::current())
    }

    /// A tracer for one run, whose span is a child of `parent`.
    pub fn within(parent: Span) -> Self {
        Self {
            parent,
            opentelemetry: false,
            run: OnceLock::new(),
        }
    }

    /// Adds the fields that the layer of `tracing-opentelemetry` reads: `otel.name`, so that spans
    /// are called by the names of their tasks, and `otel.status_code`.
    pub fn for_opentelemetry(mut self) -> Self {
        self.opentelemetry = true;
        self
    }

    fn with<T>(&self, task: TaskRef<'_>, change: impl FnOnce(&Run, &mut Option<Box<Spans>>) -> T) {
        let run = self.run.get();
        if let Some((run, spans)) = run.and_then(|run| Some((run, run.tasks.get(task.number())?))) {
            change(run, &mut lock(spans));
        }
    }

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

impl Spans {
    fn attempt(&mut self, number: u32) -> Option<&mut Attempt> {
        let mut attempts = self.attempts.iter_mut();
        attempts.find(|attempt| attempt.number == number)
    }

    /// Closes the spans of attempts that nothing more will be heard of.
    fn tidy(&mut self) {
        self.attempts
            .retain(|attempt| attempt.inside || !attempt.over);
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
        // Set before if somebody uses a tracer twice, which is for one run.
        let _ = self.run.set(Run {
            flow: flow.clone(),
            span: Mutex::new(span),
            tasks: (0..flow.len()).map(|_| Mutex::new(None)).collect(),
        });
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
                over: false,
            });
        });
    }

    fn task_entered(&self, task: TaskRef<'_>, attempt: u32) {
        self.with(task, |_, spans| {
            let spans = spans.as_mut()?;
            let attempt = spans.attempt(attempt)?;
            attempt.inside = true;
            // Not by a guard, which would have to lie somewhere until the task is left.
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
            open.tidy();
            // It was kept for the sake of a function that had timed out.
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
                attempt.over = true;
                attempt.span.record("error", &*why);
                if self.opentelemetry {
                    attempt.span.record("otel.status_code", "ERROR");
                }
                if run.flow.node(task.number()).retries() {
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
            spans.tidy();
            spans.error = Some(why);
        });
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        if status == TaskStatus::NotSelected {
            return;
        }
        self.with(task, |run, slot| {
            let spans = self.open(run, task, slot);
            let word = status.to_string();
            spans.task.record("status", &*word);
            if status.is_failure() {
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
                attempt.over = true;
            }
            spans.tidy();
            match spans.attempts.is_empty() {
                true => *slot = None,
                false => spans.task = Span::none(),
            }
        });
    }

    fn run_ended(&self) {
        if let Some(run) = self.run.get() {
            drop(std::mem::replace(&mut *lock(&run.span), Span::none()));
        }
    }
}
