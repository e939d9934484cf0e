//! Spans of runs, tasks and attempts, as a subscriber sees them.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::view::tracing::Tracer;
use asyncflow_tests::{
    Gate, LONG, Numbers, at_once, eventually, on_every_backend_in_child, passes, pause, yield_now,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument, Level, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

type Fields = HashMap<String, String>;

#[derive(Clone, Debug, Default)]
struct Spanned {
    name: &'static str,
    parent: Option<u64>,
    fields: Fields,
    closed: bool,
    /// How often it was entered, less how often it was left.
    inside: i64,
    entered: usize,
}

#[derive(Clone, Debug)]
struct Logged {
    level: Level,
    parent: Option<u64>,
    fields: Fields,
}

/// Everything of all tests in this process; ids are never used again, unlike the registry's.
#[derive(Default)]
struct Book {
    spans: HashMap<u64, Spanned>,
    now: HashMap<u64, u64>,
    events: Vec<Logged>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static BOOK: OnceLock<Arc<Mutex<Book>>> = OnceLock::new();
static PRINTED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Recorder(Arc<Mutex<Book>>);

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut book = self.0.lock().unwrap();
        let parent = context.span(id).and_then(|span| span.parent());
        let parent = parent.map(|parent| book.now[&parent.id().into_u64()]);
        let mut span = Spanned {
            name: attributes.metadata().name(),
            parent,
            ..Spanned::default()
        };
        attributes.record(&mut Collect(&mut span.fields));
        let own = NEXT.fetch_add(1, Ordering::SeqCst);
        book.now.insert(id.into_u64(), own);
        book.spans.insert(own, span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut book = self.0.lock().unwrap();
        values.record(&mut Collect(&mut book.span(id).fields));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut book = self.0.lock().unwrap();
        let parent = context.event_span(event);
        let parent = parent.map(|parent| book.now[&parent.id().into_u64()]);
        let mut fields = Fields::new();
        event.record(&mut Collect(&mut fields));
        let level = *event.metadata().level();
        book.events.push(Logged {
            level,
            parent,
            fields,
        });
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let mut book = self.0.lock().unwrap();
        book.span(id).inside += 1;
        book.span(id).entered += 1;
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.0.lock().unwrap().span(id).inside -= 1;
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let mut book = self.0.lock().unwrap();
        book.span(&id).closed = true;
        book.now.remove(&id.into_u64());
    }
}

impl Book {
    fn span(&mut self, id: &Id) -> &mut Spanned {
        let own = self.now[&id.into_u64()];
        self.spans.get_mut(&own).unwrap()
    }
}

struct Printed;

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        PRINTED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was recorded below one span of a test.
struct Seen {
    spans: HashMap<u64, Spanned>,
    events: Vec<Logged>,
}

/// The span that a test calls flows in; the subscriber is that of the whole process, since the
/// threads of the runtimes are, too.
fn caller() -> (tracing::Span, String) {
    let book = BOOK.get_or_init(|| {
        let book = Arc::new(Mutex::new(Book::default()));
        let print = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(|| Printed);
        let layers = tracing_subscriber::registry()
            .with(Recorder(Arc::clone(&book)))
            .with(print);
        tracing::subscriber::set_global_default(layers).unwrap();
        book
    });
    let _ = book;
    let test = format!("test {}", NEXT.fetch_add(1, Ordering::SeqCst));
    (info_span!("caller", test = &*test), test)
}

impl Seen {
    fn below(test: &str) -> Self {
        let book = BOOK.get().unwrap().lock().unwrap();
        let within = |id: Option<u64>| {
            let mut at = id;
            while let Some(id) = at {
                let span = &book.spans[&id];
                if span.fields.get("test").is_some_and(|other| other == test) {
                    return true;
                }
                at = span.parent;
            }
            false
        };
        let spans = book.spans.iter().filter(|(id, _)| within(Some(**id)));
        let events = book.events.iter().filter(|event| within(event.parent));
        Self {
            spans: spans.map(|(id, span)| (*id, span.clone())).collect(),
            events: events.cloned().collect(),
        }
    }

    fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (u64, &'s Spanned)> {
        let spans = self.spans.iter().map(|(id, span)| (*id, span));
        spans.filter(move |(_, span)| span.name == name)
    }

    fn task(&self, name: &str) -> (u64, &Spanned) {
        let mut tasks = self
            .named("task")
            .filter(|(_, span)| span.fields["name"] == name);
        match (tasks.next(), tasks.next()) {
            (Some(task), None) => task,
            (None, _) => panic!("no span for `{name}`"),
            _ => panic!("two spans for `{name}`"),
        }
    }

    fn attempts(&self, task: u64) -> Vec<(u64, &Spanned)> {
        let attempts = self
            .named("attempt")
            .filter(|(_, span)| span.parent == Some(task));
        let mut attempts: Vec<_> = attempts.collect();
        attempts.sort_by_key(|(id, _)| *id);
        attempts
    }

    /// Asserts what is so in every trace.
    #[track_caller]
    fn assert_well_formed(&self) {
        let [(run, _)] = self.named("run").collect::<Vec<_>>()[..] else {
            panic!("not one span for the run");
        };
        for span in self.spans.values() {
            assert_eq!(span.inside, 0, "{span:?}");
            let parent = span
                .parent
                .map_or("", |parent| self.spans.get(&parent).map_or("", |p| p.name));
            match span.name {
                "run" => assert_eq!(parent, "caller"),
                "task" => assert_eq!(span.parent, Some(run)),
                "attempt" => assert_eq!(parent, "task"),
                _ => continue,
            }
            assert!(span.closed, "{span:?}");
        }
    }
}

struct Unsafe;

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("red \u{1b}[31m\nand a line")
    }
}

impl fmt::Debug for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsafe")
    }
}

impl std::error::Error for Unsafe {}

on_every_backend_in_child! {
    // Spans of what is inside of a task are children of its attempt, and no event is outside of them.
    async fn spans_of_runs_inside<R>() {
        async fn logs() {
            yield_now().await;
            info!("inside");
        }
        async fn executes<R: asyncflow::Runtime>(cx: &TaskContext, inner: &Flow<R>) -> Result<(), FlowError> {
            cx.execute(inner).await.map(drop)
        }
        let inner = || {
            let mut inner = Flow::<R>::new();
            inner.add(logs.named("logs"));
            inner.add((|| info!("inside")).named("plain"));
            inner
        };
        let mut flow = Flow::<R>::new();
        flow.add(Arc::new(inner()));
        let value = flow.value(inner());
        flow.add(executes::<R>.inputs((context(), value)).named("executes"));
        let list = flow.value(vec![(); 3]);
        flow.add(each(async |_: &()| logs().await).inputs(list).named("each"));
        flow.add(each(|_: &()| info!("inside")).inputs(list).named("each plain"));
        let (span, test) = caller();
        flow.execute().observe(Tracer::within(span.clone())).await.unwrap();
        drop(span);
        let seen = Seen::below(&test);
        let inside: Vec<_> = seen.events.iter().filter(|event| event.fields["message"] == "inside").collect();
        assert_eq!(inside.len(), 2 * 2 + 2 * 3);
        for event in inside {
            assert_eq!(seen.spans[&event.parent.unwrap()].name, "attempt");
        }
        for outer in ["flow", "executes"] {
            let (outer, _) = seen.task(outer);
            let [(attempt, _)] = seen.attempts(outer)[..] else { panic!("not one attempt") };
            let tasks = seen.named("task").filter(|(_, span)| span.parent == Some(attempt));
            assert_eq!(tasks.count(), 2);
        }
        assert_eq!(seen.named("run").count(), 1);
        assert!(seen.spans.values().all(|span| span.closed && span.inside == 0));
    }

    async fn events_of_elements_and_notes<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![3_u8, 4]);
        let fetch = async |n: &u8, cx: &TaskContext| {
            cx.note("asks\nnow");
            if *n == 4 && cx.attempt() == 1 { Err("no route") } else { Ok(()) }
        };
        flow.add(each(fetch).inputs((list, context())).retry(at_once(1)).named("fetch"));
        let (span, test) = caller();
        flow.execute().observe(Tracer::within(span.clone())).await.unwrap();
        drop(span);
        let seen = Seen::below(&test);
        seen.assert_well_formed();
        let (task, _) = seen.task("fetch");
        let [(attempt, _)] = seen.attempts(task)[..] else { panic!("not one attempt") };
        let told = |level| {
            let events = seen.events.iter().filter(move |event| event.level == level);
            events.inspect(|event| assert_eq!(event.parent, Some(attempt))).map(|event| &event.fields)
        };
        let failed: Vec<_> = told(Level::WARN).collect();
        assert_eq!(failed.len(), 1);
        for (field, value) in [("element", "fetch[1]"), ("attempt", "1"), ("error", "no route")] {
            assert_eq!(failed[0][field], value);
        }
        let notes: Vec<_> = told(Level::INFO).map(|fields| &*fields["note"]).collect();
        assert_eq!(notes.len(), 3);
        assert!(notes.contains(&"[0]: asks\u{fffd}now"), "{notes:?}");
    }

    async fn spans_of_a_run<R>() {
        let (span, test) = caller();
        async {
            let mut flow = Flow::<R>::new();
            let first = flow.add((async || info!("in first")).named("first"));
            let second = flow.add((|| info!("in second")).after(first).named("second"));
            let calls = AtomicUsize::new(0);
            let flaky = move || {
                info!("in flaky");
                match calls.fetch_add(1, Ordering::SeqCst) {
                    0 | 1 => Err(Unsafe),
                    _ => Ok(()),
                }
            };
            let flaky = flow.add(flaky.after(second).retry(at_once(2)).named("flaky"));
            let flag = flow.add((|| false).after(flaky).named("flag"));
            flow.add((|| ()).run_if(flag).named("skipped"));
            let fails = flow.add((async || Err::<(), _>("no luck")).after(flaky).named("fails"));
            flow.add((|| ()).after(fails).named("behind"));
            flow.execute().keep_going().observe(Tracer::new()).await.unwrap_err();
        }
        .instrument(span)
        .await;
        let seen = Seen::below(&test);
        seen.assert_well_formed();
        assert_eq!(seen.named("task").count(), 7);
        for (name, status, attempts) in [
            ("first", "succeeded", 1),
            ("second", "succeeded", 1),
            ("flaky", "succeeded", 3),
            ("flag", "succeeded", 1),
            ("skipped", "skipped", 0),
            ("fails", "failed", 1),
            ("behind", "skipped", 0),
        ] {
            let (id, task) = seen.task(name);
            assert_eq!(task.fields["status"], status, "{name}");
            let spans = seen.attempts(id);
            assert_eq!(spans.len(), attempts, "{name}");
            for (number, (_, attempt)) in spans.iter().enumerate() {
                assert_eq!(attempt.fields["attempt"], (number + 1).to_string());
                assert!(attempt.entered > 0);
            }
        }
        let (flaky, _) = seen.task("flaky");
        let attempts = seen.attempts(flaky);
        assert!(attempts[0].1.fields["error"].starts_with("red"));
        assert!(!attempts[2].1.fields.contains_key("error"));
        let warnings = seen.events.iter().filter(|event| event.level == Level::WARN);
        assert_eq!(warnings.map(|event| event.parent).collect::<Vec<_>>(), [
            Some(attempts[0].0),
            Some(attempts[1].0),
        ]);
        let errors = seen.events.iter().filter(|event| event.level == Level::ERROR);
        let [error] = errors.collect::<Vec<_>>()[..] else { panic!("one task failed") };
        assert_eq!(error.parent, Some(seen.task("fails").0));
        assert_eq!(error.fields["error"], "no luck");
        assert_eq!(seen.task("fails").1.fields["error"], "no luck");
        // What tasks log themselves.
        for name in ["first", "second", "flaky"] {
            let message = format!("in {name}");
            let own = seen.events.iter().filter(|event| event.fields["message"] == message);
            let parents: Vec<_> = own.map(|event| event.parent.unwrap()).collect();
            let attempts = seen.attempts(seen.task(name).0);
            let attempts: Vec<_> = attempts.iter().map(|(id, _)| *id).collect();
            assert_eq!(parents, attempts);
        }
        let printed = String::from_utf8(PRINTED.lock().unwrap().clone()).unwrap();
        let line = format!("caller{{test=\"{test}\"}}:run{{tasks=7");
        let lines: Vec<&str> = printed.lines().filter(|text| text.contains(&line)).collect();
        assert!(lines.iter().any(|line| line.contains(":task{name=\"first\"}:attempt{attempt=1}:")), "{lines:#?}");
        assert!(!printed.contains('\u{1b}'), "an error's escape codes came through");
    }

    async fn events_of_tasks_that_wait_and_move_between_threads<R>() {
        let (span, test) = caller();
        async {
            let (mut flow, lock) = (Flow::<R>::new(), Lock::new());
            for index in 0..40 {
                let task = move || async move {
                    let mut numbers = Numbers::new(index);
                    for _ in 0..6 {
                        info!(index, "mine");
                        match numbers.below(3) {
                            0 => yield_now().await,
                            1 => pause::<R>(Duration::from_micros(200)).await,
                            _ => async { info!(index, "inner") }.instrument(info_span!("inner")).await,
                        }
                    }
                };
                match index % 4 {
                    0 => flow.add(task.with_lock(&lock).named(index.to_string())),
                    1 => flow.add(task.timeout(LONG).named(index.to_string())),
                    2 => flow.add((move || for _ in 0..6 { info!(index, "mine") }).named(index.to_string())),
                    _ => flow.add(task.named(index.to_string())),
                };
            }
            flow.execute().observe(Tracer::new()).await.unwrap();
        }
        .instrument(span)
        .await;
        let seen = Seen::below(&test);
        seen.assert_well_formed();
        let mut mine = 0;
        for event in &seen.events {
            let Some(index) = event.fields.get("index") else { continue };
            mine += usize::from(event.fields["message"] == "mine");
            let mut at = event.parent.unwrap();
            if event.fields["message"] == "inner" {
                at = seen.spans[&at].parent.unwrap();
            }
            assert_eq!(seen.spans[&at].name, "attempt");
            assert_eq!(seen.spans[&seen.spans[&at].parent.unwrap()].fields["name"], *index);
        }
        assert_eq!(mine, 40 * 6);
    }

    async fn waiting_for_permits_is_in_the_task_and_in_no_attempt<R>() {
        let (span, test) = caller();
        async {
            let (mut flow, lock, gate) = (Flow::<R>::new(), Lock::new(), Gate::new());
            for name in ["one", "other"] {
                flow.add(passes(&gate).with_lock(&lock).named(name));
            }
            let running = flow.execute().observe(Tracer::new()).start();
            // Either may be the first.
            eventually::<R>("one that runs, and one that waits", || {
                let seen = Seen::below(&test);
                let waits = |event: &Logged| event.fields["message"] == "waiting for permits";
                seen.named("attempt").count() > 0 && seen.events.iter().any(waits)
            }).await;
            let seen = Seen::below(&test);
            assert_eq!(seen.named("task").count(), 2);
            assert_eq!(seen.named("attempt").count(), 1, "the other one waits");
            gate.open();
            running.await.unwrap();
        }
        .instrument(span)
        .await;
        let seen = Seen::below(&test);
        seen.assert_well_formed();
        let waits = seen.events.iter().find(|event| event.level == Level::DEBUG).unwrap();
        assert_eq!(seen.spans[&waits.parent.unwrap()].name, "task");
    }

    async fn spans_close_when_the_run_is_dropped<R>() {
        let (span, test) = caller();
        async {
            let mut flow = Flow::<R>::new();
            let slow = flow.add((async || pause::<R>(LONG).await).named("slow"));
            flow.add((|| ()).after(slow).named("behind"));
            let running = flow.execute().observe(Tracer::new()).start();
            eventually::<R>("a start", || Seen::below(&test).named("attempt").count() == 1).await;
            drop(running);
            eventually::<R>("the end", || Seen::below(&test).named("run").all(|(_, run)| run.closed)).await;
        }
        .instrument(span)
        .await;
        let seen = Seen::below(&test);
        seen.assert_well_formed();
        assert_eq!(seen.task("slow").1.fields["status"], "cancelled");
        assert_eq!(seen.task("behind").1.fields["status"], "cancelled");
    }

    async fn hostile_names_are_inert_in_logs<R>() {
        let (span, test) = caller();
        async {
            let mut flow = Flow::<R>::new();
            let mut long = String::new();
            for _ in 0..1 << 17 {
                long.push_str("long \u{1b}\n");
            }
            for name in ["\u{1b}[31mred\n2026 ERROR forged", "\u{202e}gnp", "", "<script>", &long] {
                flow.add((|| info!("called")).named(name));
            }
            flow.execute().observe(Tracer::new().for_opentelemetry()).await.unwrap();
        }
        .instrument(span)
        .await;
        let seen = Seen::below(&test);
        seen.assert_well_formed();
        assert_eq!(seen.named("task").count(), 5);
        for (_, task) in seen.named("task") {
            let name = &task.fields["name"];
            assert_eq!(name, &task.fields["otel.name"]);
            assert!(name.len() < 1000 && !name.chars().any(char::is_control), "{name:?}");
        }
    }
}
