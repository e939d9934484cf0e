//! Timelines: well-formed and inert whatever the names, and true to the report.

use std::collections::HashMap;
use std::time::Duration;

use super::pictures::{ThreadFlow, eventful, flow, hostile, named, report, timed};
use asyncflow::Report;
use asyncflow::prelude::*;
use asyncflow::view::DrawReport;
use asyncflow_tests::{Meeting, ThreadRuntime, attempts_after, block_on, by_clock};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

fn parse(text: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    roxmltree::Document::parse_with_options(text, options).expect("it is well-formed XML")
}

/// The page's data, once it was seen that nothing in it can act.
fn read_page(html: &str) -> Value {
    assert!(html.starts_with("<!DOCTYPE html>"));
    let page = parse(html);
    let all = |tag: &'static str| {
        page.descendants()
            .filter(move |node| node.tag_name().name() == tag)
    };
    // As an HTML parser sees it, which ends a script wherever it is closed.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    assert_eq!(html.matches("<style").count(), 1);
    for tag in [
        "img", "iframe", "object", "embed", "link", "a", "base", "form",
    ] {
        assert_eq!(all(tag).count(), 0, "<{tag}>");
    }
    for node in page.descendants() {
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(
                !name.starts_with("on") && !["src", "href", "style"].contains(&name),
                "{name}"
            );
        }
    }
    let policy =
        all("meta").find(|meta| meta.attribute("http-equiv") == Some("Content-Security-Policy"));
    let policy = policy
        .expect("it has a policy")
        .attribute("content")
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe")
    );
    let data = all("script")
        .find(|script| script.attribute("id") == Some("data"))
        .unwrap();
    serde_json::from_str(data.text().unwrap()).expect("the data is JSON")
}

fn names(data: &Value) -> Vec<&str> {
    data["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task[0].as_str().unwrap())
        .collect()
}

/// Says what is wrong with a trace.
fn schema() -> Validator {
    let schema = include_str!("../../../asyncflow-view/schema/chrome-trace.schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

/// The events of a trace that fits the schema.
fn read_trace(trace: &str) -> Vec<Value> {
    let trace: Value = serde_json::from_str(trace).expect("it is JSON");
    let schema = schema();
    let mistakes = schema
        .iter_errors(&trace)
        .map(|mistake| mistake.to_string());
    assert_eq!(mistakes.collect::<Vec<_>>(), [""; 0]);
    trace["traceEvents"].as_array().unwrap().clone()
}

#[test]
fn the_schema_refuses_other_traces() {
    let schema = schema();
    let trace = timed(&eventful()).to_chrome_trace();
    for (from, to) in [
        ("\"ph\":\"X\"", "\"ph\":\"Y\""),
        ("\"pid\":1", "\"pid\":0"),
        ("\"ts\":", "\"when\":"),
        ("\"displayTimeUnit\":\"ms\"", "\"displayTimeUnit\":7"),
        ("\"kind\":\"async\"", "\"kind\":\"async\",\"more\":1"),
    ] {
        assert!(trace.contains(from));
        let broken = serde_json::from_str(&trace.replace(from, to)).unwrap();
        assert!(!schema.is_valid(&broken), "{from} became {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn names_are_only_names(named in named()) {
        let (flow, _) = flow(&named);
        let report = timed(&flow);
        let data = read_page(&report.to_html());
        prop_assert_eq!(names(&data).len(), named.len());

        let svg = report.to_svg();
        let svg = parse(&svg);
        let labels = svg.descendants().filter(|node| matches!(node.attribute("class"), Some("name" | "on")));
        prop_assert_eq!(labels.count(), named.len());
        prop_assert!(!svg.descendants().any(|node| node.has_tag_name("script") || node.has_tag_name("image")));

        let events = read_trace(&report.to_chrome_trace());
        let ran = events.iter().filter(|event| event["ph"] == "X" && event["cat"] != "wait");
        prop_assert_eq!(ran.count(), named.len());
    }

    #[test]
    fn plain_names_stay_as_they_are(names in prop::collection::hash_set("[a-z<>&\"'\\\\#;`]{1,30}", 1..12)) {
        let named: Vec<_> = names.iter().map(|name| (name.clone(), Vec::new())).collect();
        let report = timed(&flow(&named).0);
        let expected: Vec<&str> = names.iter().map(String::as_str).collect();
        let html = report.to_html();
        let data = read_page(&html);
        prop_assert_eq!(self::names(&data), expected.clone());
        let page = parse(&html);
        let rows = page.descendants().filter(|node| node.attribute("scope") == Some("row"));
        prop_assert_eq!(rows.map(|row| row.text().unwrap()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_worst_names_of_all() {
    let (flow, _) = hostile();
    for report in [timed(&flow), report(flow.execute())] {
        let html = report.to_html();
        assert!(html.len() < 200_000, "long names are bounded");
        assert_eq!(names(&read_page(&html)).len(), flow.len());
        parse(&report.to_svg());
        read_trace(&report.to_chrome_trace());
    }
}

#[test]
fn a_run_that_was_not_timed_says_so() {
    let report = report(eventful().execute().keep_going());
    let html = report.to_html();
    assert!(html.contains("This run was not timed"));
    assert_eq!(read_page(&html)["timed"], false);
    assert!(!html.contains("<canvas") && html.contains("panicked"));
    assert!(report.to_svg().contains("Not timed"));
    assert_eq!(read_trace(&report.to_chrome_trace()), Vec::<Value>::new());
}

#[test]
fn the_page_tells_what_the_report_does() {
    let flow = eventful();
    let report = timed(&flow);
    let data = read_page(&report.to_html());
    let tasks = data["tasks"].as_array().unwrap();
    let path: Vec<_> = report
        .critical_path()
        .unwrap()
        .tasks()
        .iter()
        .map(|task| task.name())
        .collect();
    let structure = report.structure();
    for (task, told) in report.tasks().zip(tasks) {
        let nanos = |moment: Option<std::time::Duration>| {
            moment.map_or(-1, |moment| moment.as_nanos() as i64)
        };
        let times = task.times().unwrap();
        assert_eq!(told[0], task.name());
        let status = told[2].as_u64().unwrap() as usize;
        assert_eq!(data["statuses"][status][0], task.status().to_string());
        assert_eq!(told[3], task.attempts());
        assert_eq!(
            [&told[4], &told[6], &told[7]].map(|told| told.as_i64().unwrap()),
            [times.ready, times.started, times.ended].map(nanos)
        );
        assert_eq!(told[9], i32::from(path.contains(&task.name())));
        let has_upstreams = structure.task(task.id()).upstreams().len() > 0;
        assert_eq!(
            !told[11].as_array().unwrap().is_empty(),
            has_upstreams,
            "{}",
            task.name()
        );
    }
    assert_eq!(data["wall"], report.wall().unwrap().as_nanos() as u64);
    let skipped = tasks.iter().find(|task| task[0] == "skipped").unwrap();
    assert_eq!(tasks[skipped[13].as_u64().unwrap() as usize][0], "fails");
}

#[test]
fn lanes_of_a_trace_do_not_overlap_and_arrows_have_two_ends() {
    let mut flow = ThreadFlow::new();
    let seats = Semaphore::named("seats", 2);
    let first =
        flow.add((|| std::thread::sleep(std::time::Duration::from_millis(2))).named("first"));
    for _ in 0..6 {
        let work = || std::thread::sleep(std::time::Duration::from_millis(2));
        flow.add(work.named("work").after(first).with_lock(&seats));
    }
    let events = read_trace(&timed(&flow).to_chrome_trace());
    let mut lanes: HashMap<(u64, u64), Vec<(f64, f64)>> = HashMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let lane = (
            event["pid"].as_u64().unwrap(),
            event["tid"].as_u64().unwrap(),
        );
        let (from, long) = (
            event["ts"].as_f64().unwrap(),
            event["dur"].as_f64().unwrap(),
        );
        lanes.entry(lane).or_default().push((from, from + long));
    }
    for spans in lanes.values_mut() {
        spans.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(
            spans.windows(2).all(|two| two[0].1 <= two[1].0 + 1e-6),
            "{spans:?}"
        );
    }
    // With two seats for six, at least four have waited as long as another ran.
    let long = |event: &&Value| event["cat"] == "wait" && event["dur"].as_f64().unwrap() > 1000.0;
    assert!(events.iter().filter(long).count() >= 4);
    assert!(
        events
            .iter()
            .any(|event| event["args"]["waited for permits"].is_string())
    );
    let ends = |phase: &str| {
        let mut ids: Vec<_> = events
            .iter()
            .filter(|event| event["ph"] == phase)
            .map(|event| event["id"].as_u64())
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ends("s").len(), 6);
    assert_eq!(ends("s"), ends("f"));
}

#[test]
fn ten_thousand_tasks_are_bounded() {
    let mut flow = ThreadFlow::new();
    let mut layer: Vec<Task<()>> = Vec::new();
    for _ in 0..100 {
        layer = (0..100)
            .map(|_| flow.add((async || ()).named("work").after(layer.clone())))
            .collect();
    }
    let report = timed(&flow);
    let html = report.to_html();
    assert_eq!(read_page(&html)["tasks"].as_array().unwrap().len(), 10_000);
    assert!(html.len() < 3_000_000, "{}", html.len());
    let svg = report.to_svg();
    parse(&svg);
    assert!(svg.len() < 100_000, "{}", svg.len());
    let trace = report.to_chrome_trace();
    let arrows = read_trace(&trace)
        .iter()
        .filter(|event| event["ph"] == "s")
        .count();
    assert_eq!(arrows, 20_000, "of nearly a million dependencies");
    assert!(trace.contains("only some dependencies are arrows"));
}

/// The labels of an image.
fn labels(svg: &str) -> Vec<String> {
    let svg = parse(svg);
    let labels = svg.descendants();
    let labels = labels.filter(|node| matches!(node.attribute("class"), Some("name" | "on")));
    let mut labels: Vec<String> = labels.map(|node| node.text().unwrap().into()).collect();
    labels.sort_unstable();
    labels
}

#[test]
fn elements_are_one_row_of_a_bounded_size() {
    let mut flow = ThreadFlow::new();
    let lines = flow.value((0..100_000).collect::<Vec<u64>>());
    let parse = async |line: &u64| match line {
        70_000 => Err("no line"),
        _ => Ok(()),
    };
    flow.add(each(parse).inputs(lines).named("parse"));
    let report = timed(&flow);
    let html = report.to_html();
    let data = read_page(&html);
    assert_eq!(data["tasks"].as_array().unwrap().len(), 2);
    let inside = &data["inside"][0];
    assert_eq!((&inside[0], &inside[2]), (&1.into(), &100_000.into()));
    let counts = serde_json::json!([["succeeded", 99_999], ["failed", 1]]);
    assert_eq!(inside[3], counts);
    assert_eq!(inside[4].as_array().unwrap().len(), 200);
    let parts = inside[5].as_array().unwrap();
    assert_eq!(parts.len(), 100);
    let failed = parts.iter().find(|part| part[0] == "parse[70000]");
    let status = failed.expect("a failure is always shown")[1]
        .as_u64()
        .unwrap();
    assert_eq!(data["statuses"][status as usize][0], "failed");
    assert!(html.len() < 60_000, "{}", html.len());
    let svg = report.to_svg();
    let labels = labels(&svg);
    let label = "parse — failed · 100\u{202f}000 elements, ";
    assert!(
        labels.len() == 2 && labels[1].starts_with(label),
        "{labels:?}"
    );
    assert!(svg.len() < 10_000, "{}", svg.len());
    let trace = report.to_chrome_trace();
    let events = read_trace(&trace);
    let count = |phase| {
        let inside = events.iter().filter(|event| event["pid"] == 3);
        inside.filter(|event| event["ph"] == phase).count()
    };
    assert_eq!((count("X"), count("C")), (100, 201));
    assert!(trace.len() < 100_000, "{}", trace.len());
}

#[test]
fn a_file_with_many_rows_that_unfold_is_bounded() {
    let mut flow = ThreadFlow::new();
    let list = flow.value((0..20).collect::<Vec<u64>>());
    for _ in 0..5_000 {
        flow.add(each(async |_: &u64| ()).inputs(list).named("many"));
    }
    let report = timed(&flow);
    let html = report.to_html();
    let data = read_page(&html);
    let inside = data["inside"].as_array().unwrap();
    let count = |at: usize| -> usize {
        inside
            .iter()
            .map(|of_it| of_it[at].as_array().unwrap().len())
            .sum()
    };
    assert_eq!((inside.len(), count(4), count(5)), (5_000, 20_000, 0));
    assert!(html.len() < 3_000_000, "{}", html.len());
    assert!(report.to_svg().len() < 100_000);
    read_trace(&report.to_chrome_trace());
}

#[test]
fn a_row_says_how_many_ran_at_once() {
    let mut flow = ThreadFlow::new();
    let meeting = flow.value(Meeting::of(3));
    let list = flow.value(vec![1_u8, 2, 3]);
    let meets = async |_: &u8, meeting: &Meeting| meeting.meet().await;
    flow.add(each(meets).inputs((list, meeting)).named("meet"));
    let apart = each(async |_: &u8| ()).inputs(list).with_lock(Lock::new());
    flow.add(apart.named("apart"));
    let one = flow.value(vec![1_u8]);
    flow.add(each(async |_: &u8| ()).inputs(one).named("alone"));
    let none = flow.value(Vec::<u8>::new());
    flow.add(each(async |_: &u8| ()).inputs(none).named("none"));
    let svg = timed(&flow).to_svg();
    let labels = labels(&svg);
    for label in [
        "alone · 1 element",
        "apart · 3 elements, one at a time",
        "meet · 3 elements, up to 3 at once",
        "none",
    ] {
        assert!(
            labels.iter().any(|other| other == label),
            "{label} in {labels:?}"
        );
    }
}

#[test]
fn tasks_of_runs_inside_have_rows_if_there_is_room() {
    for (tasks, rows) in [(2, 4), (39, 2)] {
        let mut inner = ThreadFlow::new();
        for task in 0..tasks {
            inner.add((async || ()).named(format!("<{task}>")));
        }
        let mut flow = ThreadFlow::new();
        flow.add((async || ()).named("before"));
        flow.add(std::sync::Arc::new(inner).named("outer"));
        let report = timed(&flow);
        let labels = labels(&report.to_svg());
        assert_eq!(labels.len(), rows, "{labels:?}");
        assert!(
            labels[1].starts_with(&format!("outer · {tasks} tasks inside, ")),
            "{labels:?}"
        );
        assert_eq!(
            labels.iter().any(|label| label == "outer › <1>"),
            tasks == 2
        );
        let data = read_page(&report.to_html());
        let parts = data["inside"][0][5].as_array().unwrap();
        assert_eq!(parts.len(), tasks);
        assert!(parts.iter().any(|part| part[0] == "outer › <1>"));
        let events = read_trace(&report.to_chrome_trace());
        assert!(events.iter().any(|event| event["ph"] == "X"
            && event["pid"] == 3
            && event["name"] == "outer › <1>"));
    }
}

#[test]
fn notes_are_in_every_timeline() {
    let mut flow = ThreadFlow::new();
    let build = (|cx: &TaskContext| cx.note("</script>\nup to date")).inputs(context());
    flow.add(build.named("build"));
    let report = timed(&flow);
    let note = "</script>\u{fffd}up to date";
    assert_eq!(labels(&report.to_svg()), [format!("build · {note}")]);
    let html = report.to_html();
    assert_eq!(read_page(&html)["notes"], serde_json::json!([[0, note]]));
    let page = parse(&html);
    let remark = page
        .descendants()
        .find(|node| node.attribute("class") == Some("remark"));
    assert_eq!(
        remark.unwrap().text(),
        Some(note),
        "in the table without a script"
    );
    let events = read_trace(&report.to_chrome_trace());
    assert!(events.iter().any(|event| event["args"]["note"] == note));
}

/// Attempts of one second each, with two pauses of four seconds between them.
fn paused() -> Report {
    let second = Duration::from_secs(1);
    let (mut flow, clock) = by_clock::<ThreadRuntime>();
    let passes = clock.clone();
    let attempts = move |cx: &TaskContext| {
        passes.advance(second);
        std::future::ready(match cx.attempt() {
            3 => Ok(()),
            _ => Err("no luck"),
        })
    };
    let policy = attempts_after(4 * second, 2);
    flow.add(attempts.inputs(context()).retry(policy).named("fetch"));
    let (run, ()) = block_on(async {
        futures::join!(flow.execute().timed(), async {
            for _ in 0..2 {
                clock.until_asleep(1).await;
                clock.advance(4 * second);
            }
        })
    });
    run.unwrap().report().clone()
}

#[test]
fn pauses_between_attempts_are_drawn_as_waiting() {
    let report = paused();
    let svg = report.to_svg();
    let page = parse(&svg);
    // The legend has one of each, of another size.
    let wide = |class: &'static str| {
        let drawn = page.descendants();
        let drawn = drawn.filter(move |node| node.attribute("class") == Some(class));
        let wide = drawn.filter_map(|node| node.attribute("width")?.parse::<f64>().ok());
        wide.filter(|wide| *wide > 25.0).collect::<Vec<_>>()
    };
    let (runs, waits) = (wide("run"), wide("wait"));
    assert_eq!((runs.len(), waits.len()), (3, 2), "{svg}");
    let near = |a: f64, b: f64| (a - b).abs() < 2.5;
    assert!(runs.iter().all(|run| near(*run, runs[0])), "{runs:?}");
    assert!(
        waits.iter().all(|wait| near(*wait, 4.0 * runs[0])),
        "{runs:?}, {waits:?}"
    );
    assert!(svg.contains("3 attempts, 8.00 s between them"), "{svg}");

    let nanos = |seconds: u64| seconds * 1_000_000_000;
    let html = report.to_html();
    let pauses = serde_json::json!([[0, [[nanos(1), nanos(5)], [nanos(6), nanos(10)]]]]);
    assert_eq!(read_page(&html)["pauses"], pauses);

    let events = read_trace(&report.to_chrome_trace());
    let slices = |category: &str| {
        let slices = events.iter().filter(|event| event["ph"] == "X");
        let slices = slices.filter(|event| event["cat"].as_str().unwrap().starts_with(category));
        let seconds = |value: &Value| (value.as_f64().unwrap() / 1e6) as u64;
        let slices = slices.map(|slice| (seconds(&slice["ts"]), seconds(&slice["dur"])));
        slices.collect::<Vec<_>>()
    };
    assert_eq!(slices("succeeded"), [(0, 1), (5, 1), (10, 1)]);
    assert_eq!(slices("wait"), [(1, 4), (6, 4)]);
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let report = timed(&ThreadFlow::new());
    read_page(&report.to_html());
    parse(&report.to_svg());
    read_trace(&report.to_chrome_trace());
}
