//! The report: the critical path, the table, the form that is written with serde.

use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{CriticalPath, Observer, Report, Runtime, Semaphore, TokioFlow};
use asyncflow_tests::{
    Gate, Job, again, at_once, attempts_after, by_clock, ended, on_every_backend, passes, pause,
    tokio_current, watched, yield_now,
};
use serde_json::Value;

fn names<'a>(path: &CriticalPath<'a>) -> Vec<&'a str> {
    path.tasks().iter().map(|task| task.name()).collect()
}

/// How long a task sleeps whose time is looked at.
const SLEEP: Duration = Duration::from_millis(20);

/// A task that waits, without depending on anything, and then sleeps.
fn passes_and_sleeps<R: Runtime + Default>(gate: &Gate) -> impl Fn() -> Job + Send + Sync + use<R> {
    let gate = gate.clone();
    move || {
        let gate = gate.clone();
        Box::pin(async move {
            gate.pass().await;
            pause::<R>(SLEEP).await;
        })
    }
}

on_every_backend! {
    async fn the_critical_path_follows_what_was_waited_for<R>() {
        let (mut flow, (others, watch)) = (Flow::<R>::new(), ended(["short", "aside"]));
        let root = flow.add((async || ()).named("root"));
        let long = flow.add(passes_and_sleeps::<R>(&others).after(root).named("long"));
        let short = flow.add((async || ()).after(root).named("short"));
        let last = flow.add((async || ()).after([long, short]).named("last"));
        flow.add((async || ()).after(last).named("end"));
        flow.add((async || ()).named("aside"));
        let run = flow.execute().timed().observe(watch).await.unwrap();
        let path = run.report().critical_path().unwrap();
        assert_eq!(names(&path), ["root", "long", "last", "end"]);
        assert!(path.ran() >= SLEEP);
        assert!(path.ran() + path.waited() <= run.report().wall().unwrap());
        let text = path.to_string();
        assert!(text.starts_with("critical path: 4 tasks, ran "), "{text}");
        assert_eq!(text.lines().count(), 5);
    }

    async fn the_critical_path_goes_through_gates<R>() {
        let ((b_and_c, first), (d_and_f, second)) = (ended(["b", "c"]), ended(["d", "f"]));
        let mut flow = Flow::<R>::new();
        let quick = |name| (async || ()).named(name);
        flow.add(series![
            parallel![passes_and_sleeps::<R>(&b_and_c).named("a"), quick("b"), quick("c")],
            parallel![quick("d"), passes_and_sleeps::<R>(&d_and_f).named("e"), quick("f")],
        ]);
        let run = flow.execute().timed().observe(first).observe(second).await.unwrap();
        assert_eq!(names(&run.report().critical_path().unwrap()), ["a", "e"]);

        let ((quick_ended, first), (slow_ended, second)) = (ended(["quick"]), ended(["slow"]));
        let mut flow = Flow::<R>::new();
        let slow = flow.add(passes_and_sleeps::<R>(&quick_ended).named("slow"));
        let quick = flow.add(quick("quick"));
        flow.add(passes_and_sleeps::<R>(&slow_ended).after_any([slow, quick]).named("first come"));
        let run = flow.execute().timed().observe(first).observe(second).await.unwrap();
        assert_eq!(names(&run.report().critical_path().unwrap()), ["quick", "first come"]);
    }

    async fn the_critical_path_shows_waiting_for_permits<R>() {
        let (mut flow, one) = (Flow::<R>::new(), Semaphore::new(1));
        let sleeper = |millis| move || async move { pause::<R>(Duration::from_millis(millis)).await };
        let root = flow.add(sleeper(1).named("root"));
        for name in ["first", "second"] {
            flow.add(sleeper(40).after(root).with_lock(&one).named(name));
        }
        let run = flow.execute().timed().await.unwrap();
        let path = run.report().critical_path().unwrap();
        assert_eq!(path.tasks().len(), 2);
        assert_eq!(names(&path)[0], "root");
        assert!(path.waited() >= Duration::from_millis(35), "{path}");
        assert!(path.to_string().contains(", waited "), "{path}");
    }

    async fn the_critical_path_of_what_did_not_run<R>() {
        let mut flow = Flow::<R>::new();
        let run = flow.execute().timed().await.unwrap();
        assert!(run.report().critical_path().unwrap().tasks().is_empty());
        let fails = flow.add((|| Err::<(), _>("no")).named("fails"));
        let skipped = flow.add((|| ()).after(fails).named("skipped"));
        flow.add((|| ()).after(skipped).always().named("cleanup"));
        let error = flow.execute().timed().await.unwrap_err();
        let path = error.report().unwrap().critical_path().unwrap();
        assert_eq!(names(&path), ["fails", "cleanup"], "what is skipped takes no time");
        assert!(path.to_string().contains(", failed"), "{path}");
        let error = flow.execute().await.unwrap_err();
        assert!(error.report().unwrap().critical_path().is_none(), "it was not timed");
    }

    async fn the_table_of_a_timed_run<R>() {
        let (mut flow, one) = (Flow::<R>::new(), Semaphore::new(1));
        let sleeper = |millis| move || async move { pause::<R>(Duration::from_millis(millis)).await };
        let root = flow.add(sleeper(20).named("root"));
        let a = flow.add(sleeper(60).after(root).with_lock(&one).named("a"));
        let b = flow.add(sleeper(60).after(root).with_lock(&one).named("b"));
        let fails = flow.add((|| Err::<(), _>("no")).after([a, b]).retry(at_once(2)).named("fails"));
        flow.add((|| ()).after(fails).named("behind"));
        let error = flow.execute().keep_going().timed().await.unwrap_err();
        let table = error.report().unwrap().to_string();
        assert_fits(&table);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("5 tasks in "), "{table}");
        assert!(lines[0].ends_with("s: 3 succeeded, 1 failed, 1 skipped"), "{table}");
        assert!(lines[1].starts_with("* root    succeeded "), "{table}");
        assert!(lines[4].starts_with("* fails   failed 3×"), "{table}");
        assert_eq!(lines[5], "  behind  skipped    because of `fails`");
        // One of the two waited for the other; both may have waited for a turn on the processor.
        let report = error.report().unwrap();
        let started = |task: TaskId| report.tasks().find(|seen| seen.id() == task).unwrap().times().unwrap().started;
        let (first, second) = match started(a.id()) < started(b.id()) {
            true => (lines[2], lines[3]),
            false => (lines[3], lines[2]),
        };
        let waited = |line: &str| line.matches('░').count();
        assert!(waited(first) < waited(second), "{table}");
        assert!(second.trim_end().ends_with('█'), "{table}");
        let place = |line: &str| line.chars().position(|c| c == '█').unwrap();
        assert!(place(lines[1]) <= place(first), "{table}");
        assert!(place(first) < place(second), "{table}");
        assert!(lines.last().unwrap().starts_with("* on the critical path"), "{table}");
    }

    // By a clock. Attempts of one second, the pauses are longer.
    async fn pauses_between_attempts_are_no_running_time<R>() {
        let second = Duration::from_secs(1);
        let (mut flow, clock) = by_clock::<R>();
        let passes = clock.clone();
        let attempts = move |cx: &TaskContext| {
            passes.advance(second);
            std::future::ready(match cx.attempt() { 3 => Ok(()), _ => Err("no luck") })
        };
        let task = attempts.inputs(context()).retry(attempts_after(4 * second, 2)).named("fetch");
        let task = flow.add(task);
        let seconds = |report: &Report| -> Vec<_> {
            let pauses = report.task(task).pauses();
            pauses.map(|pause| (pause.start.as_secs(), pause.end.as_secs())).collect()
        };
        let mut running = flow.execute().timed().start();
        clock.until_asleep(1).await;
        clock.advance(3 * second);
        assert_eq!(seconds(&running.report().unwrap()), [(1, 4)], "it lasts");
        clock.advance(second);
        clock.until_asleep(1).await;
        clock.advance(4 * second);
        let run = (&mut running).await.unwrap();
        let report = run.report();
        assert_eq!(seconds(report), [(1, 5), (6, 10)]);
        assert_eq!(report.task(task).ran(), Some(11 * second));
        let bar = "██░░░░░░░░░██░░░░░░░░░██";
        let table = report.to_string();
        let row = format!("\n* fetch  succeeded 3×     11.0s  {bar}\n");
        assert!(table.contains(&row), "{table}");
        assert!(table.ends_with("░ waiting, also between attempts   █ running"), "{table}");
        assert_fits(&table);
        let json: Value = serde_json::to_value(report).unwrap();
        let nanos = |seconds: u64| seconds * 1_000_000_000;
        let pauses = serde_json::json!([[nanos(1), nanos(5)], [nanos(6), nanos(10)]]);
        assert_eq!(json["tasks"][0]["times"]["pauses_ns"], pauses);
        // Stopped in the pause.
        let running = flow.execute().timed().start();
        clock.until_asleep(1).await;
        clock.advance(2 * second);
        let error = running.cancel().await.unwrap_err();
        assert_eq!(seconds(error.report().unwrap()), [(1, 3)]);
        let run = futures::join!(flow.execute(), async {
            for _ in 0..2 {
                clock.until_asleep(1).await;
                clock.advance(4 * second);
            }
        }).0.unwrap();
        assert_eq!(run.report().task(task).pauses().count(), 0, "it was not timed");
    }

    // A pause of four seconds, and then six more for the lock, which another task has meanwhile.
    async fn waiting_again_for_permits_is_no_running_time<R>() {
        let second = Duration::from_secs(1);
        let (mut flow, clock) = by_clock::<R>();
        let (disk, go, has_it) = (Lock::new(), Gate::new(), Gate::new());
        let first = Gate::new();
        let (passes_time, opens_it) = (clock.clone(), first.clone());
        let attempts = move |cx: &TaskContext| {
            passes_time.advance(second);
            opens_it.open();
            std::future::ready(match cx.attempt() { 2 => Ok(()), _ => Err("no luck") })
        };
        let task = attempts.inputs(context()).retry(attempts_after(4 * second, 1)).with_lock(&disk);
        let task = flow.add(task);
        let begun = flow.add(passes(&first));
        let (has, until) = (has_it.clone(), go.clone());
        let other = again!((has, until) { has.open(); until.pass().await });
        flow.add(other.after(begun).with_lock(&disk));
        let (run, ()) = futures::join!(flow.execute().timed(), async {
            has_it.pass().await;
            clock.until_asleep(1).await;
            clock.advance(4 * second);
            for _ in 0..8 {
                yield_now().await;
            }
            clock.advance(6 * second);
            go.open();
        });
        let run = run.unwrap();
        let pauses: Vec<_> = run.report().task(task).pauses().collect();
        assert_eq!(pauses, [second..11 * second]);
    }

    async fn the_table_of_a_large_run<R>() {
        let mut flow = Flow::<R>::new();
        for index in 0..10_000 {
            let bad = index % 100 == 50;
            let task = move || match bad { true => Err("no"), false => Ok(()) };
            flow.add((move || std::future::ready(task())).named(format!("task {index}")));
        }
        let error = flow.execute().keep_going().timed().await.unwrap_err();
        let report = error.report().unwrap();
        let table = report.to_string();
        assert_fits(&table);
        assert!(table.starts_with("10000 tasks in "), "{table}");
        assert!(table.contains("9900 succeeded, 100 failed"), "{table}");
        let (rows, gaps): (Vec<&str>, Vec<&str>) =
            table.lines().filter(|line| line.starts_with(['*', ' '])).partition(|line| line.contains("task "));
        assert_eq!(rows.len(), 60, "{table}");
        let failed = rows.iter().filter(|row| row.contains("failed")).count();
        assert!(failed >= 20, "{table}");
        let more: usize = gaps.iter().filter_map(|gap| gap.trim().strip_prefix("… ")).map(|gap| {
            gap.strip_suffix(" more").unwrap().parse::<usize>().unwrap()
        }).sum();
        assert_eq!(more + rows.len(), 10_000, "{table}");
        assert_eq!(format!("{report:#}").lines().count(), 10_002, "all of it");
    }

    async fn hostile_names_do_not_break_the_table<R>() {
        let mut flow = Flow::<R>::new();
        for name in hostile() {
            let fails = flow.add((|| Err::<(), _>("no")).named(&name));
            flow.add((async || ()).after(fails).named(&name));
            flow.add((async || ()).named(&name));
        }
        for timed in [false, true] {
            let execute = flow.execute().keep_going();
            let execute = if timed { execute.timed() } else { execute };
            let error = execute.await.unwrap_err();
            let report = error.report().unwrap();
            let table = report.to_string();
            assert_fits(&table);
            assert_eq!(table.lines().count(), 1 + flow.len() + usize::from(timed), "{table}");
            if timed {
                assert_fits(&report.critical_path().unwrap().to_string());
            }
        }
    }

    async fn the_form_for_serde<R>() {
        let schema: Value = serde_json::from_str(include_str!("../../../asyncflow-core/schema/report.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let mut flow = Flow::<R>::new();
        let mut fails = Vec::new();
        for name in hostile() {
            fails.push(flow.add((|| Err::<(), _>("no")).named(&name)));
        }
        let given = flow.add((|| 1).named("given"));
        let root = flow.add((async || ()).after(given).named("root"));
        let group = flow.add(series![parallel![async || (), || (), || ()], parallel![|| (), || ()]].after(root));
        let any = flow.add((|| ()).after_any([fails[0], root]).named("any"));
        let skipped = flow.add((|| ()).after(fails[1]).named("skipped"));
        let left_out = flow.add(|| ());
        let recovered = flow.add((|| Err::<u8, _>("no\tluck")).fallback(|_| 1).named("recovered"));
        let allowed = flow.add((|| -> () { panic!("oh") }).allow_failure().named("allowed"));
        for timed in [false, true] {
            let targets = (group, any, skipped, fails.clone(), recovered, allowed);
            let execute = flow.execute().keep_going().given(given, 2).only(targets);
            let execute = if timed { execute.timed() } else { execute };
            let error = execute.await.unwrap_err();
            let report = error.report().unwrap();
            let text = serde_json::to_string(report).unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            let mistakes: Vec<String> = schema.iter_errors(&json).map(|error| error.to_string()).collect();
            assert_eq!(mistakes, [""; 0]);
            assert_eq!(json["version"], 2);
            assert_eq!(json["wall_ns"].is_u64(), timed);
            assert_eq!(json["critical_path"].is_array(), timed);
            let tasks = json["tasks"].as_array().unwrap();
            assert_eq!(tasks.len(), flow.len());
            for (task, json) in report.tasks().zip(tasks) {
                assert_eq!(json["name"], task.name());
                assert_eq!(json["status"], task.status().to_string());
                assert_eq!(json["times"].is_object(), timed);
                let place = report.structure().task(task.id()).number();
                assert_eq!(json["number"], place);
                let upstreams: Vec<usize> = report.structure().node(place).upstreams().collect();
                assert_eq!(json["upstreams"], Value::from(upstreams));
            }
            let at = |task: TaskId| {
                let number = report.structure().task(task).number();
                tasks.iter().find(|task| task["number"] == number).unwrap()
            };
            assert_eq!(at(skipped.into())["because"], at(fails[1].into())["number"]);
            assert_eq!(at(left_out.into())["status"], "not selected");
            let recovered = at(recovered.into());
            assert_eq!((&recovered["status"], &recovered["failure"]), (&"recovered".into(), &"no\tluck".into()));
            let allowed = at(allowed.into());
            assert_eq!((&allowed["status"], &allowed["failure"]), (&"panicked".into(), &"oh".into()));
            assert_eq!((&allowed["allowed"], &recovered["allowed"]), (&true.into(), &false.into()));
            let gates = json["gates"].as_array().unwrap();
            assert!(gates.iter().any(|gate| gate["opens"] == "any of"));
            assert!(gates.iter().any(|gate| gate["opens"] == "all of"));
            // The schema is one that can be broken.
            let mut broken = json.clone();
            broken["tasks"][0]["status"] = "happy".into();
            assert!(!schema.is_valid(&broken));
        }
    }
}

/// Names that break tables and terminals.
fn hostile() -> Vec<String> {
    let names = [
        "quotes \" ' `",
        "a\nb",
        "a\r\u{1b}[2J",
        "<script>alert(1)</script>",
        "\u{202e}gnp.exe",
        "\u{2066}\u{200b}",
        "\u{2028}line",
        "",
        "日本語の名前がとても長いのでこわれるかもしれません",
        "😀😀😀",
        "\0",
        "a very long name that does not fit into any of the columns of a table at all",
    ];
    let mut names: Vec<String> = names.map(String::from).to_vec();
    names.push("x\n".repeat(1 << 19));
    names
}

/// Asserts that a terminal of 80 columns shows it as it is.
#[track_caller]
fn assert_fits(text: &str) {
    for line in text.lines() {
        let wide = |c: &char| {
            ('\u{1100}'..='\u{ffff}').contains(c) && *c > '\u{2e80}' && *c != '\u{fffd}'
                || *c > '\u{1f000}'
        };
        let columns = line.chars().count() + line.chars().filter(wide).count();
        assert!(columns <= 80, "{columns} columns: {line}\n{text}");
        let inert = |c: char| !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c);
        assert!(line.chars().all(inert), "{line:?}");
    }
}

const HOUR: Duration = Duration::from_secs(3600);

struct Nothing;

impl Observer for Nothing {}

on_every_backend! {
    async fn times_come_from_the_clock_of_the_runtime<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let turn = |hours| {
            let clock = clock.clone();
            move || clock.advance(hours * HOUR)
        };
        let plain = flow.add(turn(2));
        let later = turn(1);
        let later = flow.add((move || std::future::ready(later())).after(plain));
        let run = flow.execute().timed().await.unwrap();
        let report = run.report();
        assert_eq!(report.task(plain).ran(), Some(2 * HOUR));
        assert_eq!(report.task(later).ran(), Some(HOUR));
        assert_eq!(report.task(later).times().unwrap().ready, Some(2 * HOUR));
        assert_eq!(report.wall(), Some(3 * HOUR));
    }

    async fn a_run_that_is_not_timed_reads_no_clock<R>() {
        let (mut flow, clock) = by_clock::<R>();
        let lock = Lock::new();
        flow.add(series![|| (), async || (), parallel![|| (), || ()]]);
        flow.add((|| ()).with_lock(&lock).retry(at_once(1)));
        flow.execute().await.unwrap();
        flow.execute().observe(Nothing).await.unwrap();
        assert_eq!(clock.readings(), 0);
        flow.execute().timed().await.unwrap();
        assert!(clock.readings() > 0);
    }
}

#[test]
fn an_hour_on_a_paused_clock_of_tokio() {
    watched(|| {
        tokio_current().block_on(async {
            tokio::time::pause();
            let mut flow = TokioFlow::new();
            let short = flow.add(async || tokio::time::sleep(HOUR).await);
            let long = flow.add((async || tokio::time::sleep(2 * HOUR).await).after(short));
            let run = flow.execute().timed().await.unwrap();
            let report = run.report();
            // Tokio's timers go by milliseconds.
            let is = |measured: Option<Duration>, hours| {
                let over = measured.unwrap().checked_sub(hours * HOUR).unwrap();
                assert!(over < Duration::from_millis(10), "{measured:?}");
            };
            is(report.task(short).ran(), 1);
            is(report.task(long).ran(), 2);
            is(report.task(long).times().unwrap().ready, 1);
            is(report.wall(), 3);
        });
    });
}

/// Names, and how many columns of a terminal they take.
const NAMES: [(&str, usize); 10] = [
    ("plain", 5),
    ("cafe\u{301}", 4),
    ("o\u{308}\u{304}l", 2),
    ("日本語", 6),
    ("ｱﾊﾟｰﾄ", 5),
    ("\u{1112}\u{1161}\u{11ab}", 2),
    ("👍", 2),
    ("👍🏽", 2),
    ("🇫🇷", 2),
    ("❤\u{fe0f}", 2),
];

on_every_backend! {
    async fn rows_line_up_whatever_the_names_are_made_of<R>() {
        let mut flow = Flow::<R>::new();
        for (name, _) in NAMES {
            flow.add((async || ()).named(name));
        }
        let run = flow.execute().await.unwrap();
        let table = run.report().to_string();
        let rows: Vec<&str> = table.lines().skip(1).collect();
        let expected = NAMES.map(|(name, columns)| {
            format!("  {name}{}  succeeded", " ".repeat(6 - columns))
        });
        assert_eq!(rows, expected);
        // In a chart, the mark of the path comes before, and the times after.
        let mut flow = Flow::<R>::new();
        for (name, _) in NAMES {
            flow.add((async || ()).named(name));
        }
        let run = flow.execute().timed().await.unwrap();
        let table = run.report().to_string();
        for (row, (name, columns)) in table.lines().skip(1).zip(NAMES) {
            let after = &row[row.find(name).unwrap() + name.len()..];
            let start = format!("{}  succeeded  ", " ".repeat(6 - columns));
            assert!(after.starts_with(&start), "{table}");
        }
    }

    async fn the_critical_path_lines_up<R>() {
        let mut flow = Flow::<R>::new();
        let mut before = None;
        for (name, _) in NAMES {
            before = Some(match before {
                None => flow.add((async || ()).named(name)),
                Some(before) => flow.add((async || ()).after(before).named(name)),
            });
        }
        let run = flow.execute().timed().await.unwrap();
        let path = run.report().critical_path().unwrap().to_string();
        for (row, (name, columns)) in path.lines().skip(1).zip(NAMES) {
            let start = format!("  {name}{}  ran ", " ".repeat(6 - columns));
            assert!(row.starts_with(&start), "{path}");
        }
    }

    async fn a_report_leads_to_the_failures<R>() {
        let mut flow = Flow::<R>::new();
        let fails = flow.add((|| Err::<(), _>("no luck")).named("fails"));
        let panics = flow.add((|| -> () { panic!("boom") }).named("panics"));
        let limit = Duration::from_millis(1);
        let slow = flow.add((async || std::future::pending::<()>().await).timeout(limit).named("slow"));
        let succeeds = flow.add(|| ());
        let skipped = flow.add((|| ()).after(fails));
        let error = flow.execute().keep_going().await.unwrap_err();
        let report = error.report().unwrap().clone();
        for (task, failure) in [fails, panics, slow].into_iter().zip(error.failures()) {
            assert_eq!(failure.task(), task.into());
            assert_eq!(failure.status(), report.status(task));
            assert!(std::ptr::eq(report.task(task).failure().unwrap(), failure), "{failure}");
        }
        assert_eq!(error.failures().count(), 3);
        for task in [succeeds, skipped] {
            assert!(report.task(task).failure().is_none());
        }
        // What the error was made of stays with the outputs, and with every copy of the report.
        let outputs = error.into_outputs().unwrap();
        assert_eq!(outputs.report().task(fails).failure().unwrap().to_string(), "task `fails` failed: no luck");
        drop(outputs);
        assert_eq!(report.task(panics).failure().unwrap().panic().unwrap().message(), "boom");
    }
}
