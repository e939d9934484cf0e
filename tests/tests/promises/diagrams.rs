//! Diagrams: well-formed whatever the names, and few shapes whatever the flow.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use super::pictures::{ThreadFlow, eventful, flow, hostile, named, report, timed};
use asyncflow::prelude::*;
use asyncflow::view::{DrawFlow, DrawReport};
use asyncflow::{Parallel, Series};
use asyncflow_tests::Numbers;
use proptest::prelude::*;

/// What a reader of its own finds in a diagram.
#[derive(Debug, Default, PartialEq)]
struct Read {
    /// The lines of each label.
    nodes: BTreeMap<String, Vec<String>>,
    edges: usize,
}

impl Read {
    fn named(&self) -> usize {
        self.nodes
            .values()
            .filter(|label| !label.is_empty())
            .count()
    }
}

/// Reads DOT, as far as it is written here: token by token, so that a string that ended too early
/// would be seen as what follows it.
fn read_dot(text: &str) -> Read {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let mut string = String::new();
                loop {
                    match chars.next().expect("the string ends") {
                        '"' => break,
                        '\\' => match chars.next().expect("something follows the backslash") {
                            'n' => string.push('\n'),
                            c @ ('"' | '\\') => string.push(c),
                            other => panic!("an escape of its own meaning: {other}"),
                        },
                        c if c.is_control() => panic!("a bare control character"),
                        c => string.push(c),
                    }
                }
                let decoded = string
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&");
                tokens.push(("string", decoded));
            }
            c if c.is_whitespace() => {}
            c if c.is_ascii_alphanumeric() || "_.->".contains(c) => {
                let mut word = String::from(c);
                while let Some(c) =
                    chars.next_if(|c| c.is_ascii_alphanumeric() || "_.->".contains(*c))
                {
                    word.push(c);
                }
                tokens.push(("word", word));
            }
            '{' | '}' | '[' | ']' | '=' | ',' | ';' => tokens.push(("sign", c.into())),
            other => panic!("outside of a string: {other:?}"),
        }
    }
    let mut read = Read::default();
    let is_id = |word: &str| {
        word.strip_prefix('n')
            .is_some_and(|n| n.parse::<usize>().is_ok())
    };
    let mut depth = 0;
    for (at, (kind, word)) in tokens.iter().enumerate() {
        match (*kind, word.as_str()) {
            ("sign", "{") => depth += 1,
            ("sign", "}") => depth -= 1,
            ("word", "->") => read.edges += 1,
            ("word", id) if is_id(id) && tokens[at + 1].1 == "[" && tokens[at - 1].1 != "->" => {
                let until = tokens[at..]
                    .iter()
                    .position(|token| *token == ("sign", "]".into()))
                    .unwrap();
                let attributes = &tokens[at..at + until];
                let label = attributes
                    .iter()
                    .position(|token| *token == ("word", "label".into()));
                let label = label.map_or(String::new(), |label| attributes[label + 2].1.clone());
                let lines = label
                    .split('\n')
                    .filter(|line| !line.is_empty())
                    .map(str::to_owned);
                let again = read.nodes.insert(id.to_owned(), lines.collect());
                assert!(again.is_none(), "{id} is there twice");
            }
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    read
}

/// Reads Mermaid, as far as it is written here: line by line, and refuses what it does not know.
fn read_mermaid(text: &str) -> Read {
    let mut read = Read::default();
    let mut open = 0;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let id = line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap();
        let rest = &line[id.len()..];
        let is_id = id
            .strip_prefix('n')
            .is_some_and(|n| n.parse::<usize>().is_ok());
        match id {
            _ if number == 0 => assert!(["flowchart TD", "flowchart LR"].contains(&line)),
            "subgraph" => open += 1,
            "end" if rest.is_empty() => open -= 1,
            "classDef" | "class" | "legend" => {}
            _ if is_id
                && ["-->", "-.->"]
                    .iter()
                    .any(|arrow| rest.trim().starts_with(arrow)) =>
            {
                read.edges += 1
            }
            _ if is_id => {
                let (_, label) = rest.split_once('"').expect("a label");
                let (label, end) = label.split_once('"').expect("the label ends");
                assert!(
                    !end.contains('"') && !label.contains(['`', '[', ']', '{', '}', '\\', '|']),
                    "{line}"
                );
                let lines = label
                    .split("<br/>")
                    .map(str::trim)
                    .filter(|line| !line.is_empty());
                let lines: Vec<String> = lines.map(decode).collect();
                let lines = if rest.starts_with("((\"any\"") {
                    Vec::new()
                } else {
                    lines
                };
                assert!(read.nodes.insert(id.to_owned(), lines).is_none());
            }
            other => panic!("a line that is none of ours: {other} {rest}"),
        }
    }
    assert_eq!(open, 0);
    read
}

/// `#60;` and the like.
fn decode(label: &str) -> String {
    assert!(!label.contains(['<', '>']), "markup: {label}");
    let mut parts = label.split('#');
    let mut decoded = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once(';').expect("an entity ends");
        decoded.push(char::from_u32(code.parse().unwrap()).unwrap());
        decoded.push_str(rest);
    }
    decoded
}

/// Draws DOT, or says that it cannot because Graphviz is not there.
fn draw(dot: &str) -> Option<String> {
    let started = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("NOTICE: `dot` is not installed, so Graphviz was not asked about this diagram");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let written = dot.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(written.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    Some(String::from_utf8(output.stdout).expect("what it draws is UTF-8"))
}

/// How many nodes and edges a picture of Graphviz's has.
fn drawn(svg: &str) -> (usize, usize) {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    let svg = roxmltree::Document::parse_with_options(svg, options).expect("it is XML");
    let count = |class| {
        svg.descendants()
            .filter(|node| node.attribute("class") == Some(class))
            .count()
    };
    assert_eq!(
        svg.descendants()
            .filter(|node| node.has_tag_name("script"))
            .count(),
        0
    );
    (count("node"), count("edge"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn names_are_only_names(named in named()) {
        let (flow, dependencies) = flow(&named);
        let report = timed(&flow);
        for dot in [flow.to_dot(), DrawReport::to_dot(&report)] {
            let read = read_dot(&dot);
            prop_assert_eq!((read.nodes.len(), read.edges), (named.len(), dependencies));
        }
        for mermaid in [flow.to_mermaid(), DrawReport::to_mermaid(&report)] {
            let read = read_mermaid(&mermaid);
            prop_assert_eq!((read.nodes.len(), read.edges), (named.len(), dependencies));
        }
    }

    #[test]
    fn plain_names_stay_as_they_are(names in prop::collection::hash_set("[a-z<>&\"\\\\#;`]{1,30}", 1..12)) {
        let named: Vec<_> = names.iter().map(|name| (name.clone(), Vec::new())).collect();
        let (flow, _) = flow(&named);
        for read in [read_dot(&flow.to_dot()), read_mermaid(&flow.to_mermaid())] {
            for (number, name) in names.iter().enumerate() {
                prop_assert_eq!(&read.nodes[&format!("n{number}")][0], name);
            }
        }
    }
}

#[test]
fn graphviz_draws_hostile_names() {
    let (flow, dependencies) = hostile();
    let tasks = flow.len();
    for dot in [flow.to_dot(), DrawReport::to_dot(&timed(&flow))] {
        assert!(dot.len() < 100_000, "long names are shortened");
        if let Some(svg) = draw(&dot) {
            assert_eq!(drawn(&svg), (tasks, dependencies));
        }
    }
}

proptest! {
    // Each case starts a process.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn graphviz_draws_any_names(named in named()) {
        let (flow, dependencies) = flow(&named);
        if let Some(svg) = draw(&flow.to_dot()) {
            prop_assert_eq!(drawn(&svg), (named.len(), dependencies));
        }
    }
}

#[test]
fn kinds_and_statuses_are_told_apart() {
    let flow = eventful();
    let dot = DrawReport::to_dot(&timed(&flow));
    let read = read_dot(&dot);
    let says = |name: &str, what: &str| {
        let label = read
            .nodes
            .values()
            .find(|label| label.first().is_some_and(|first| first == name));
        let label = label
            .unwrap_or_else(|| panic!("{name} is drawn"))
            .join("\n");
        assert!(label.contains(what), "{label} says {what}");
    };
    says("fails", "failed");
    says("panics", "panicked");
    says("skipped", "skipped");
    says("unwanted", "skipped");
    says("cleans up", "always runs");
    says("receives", "holds lock disk <&\">");
    says("number", "succeeded · ");
    assert!(
        dot.contains("label=\"if\"")
            && dot.contains("style=dashed")
            && dot.contains("shape=circle")
    );
    assert!(DrawReport::to_mermaid(&timed(&flow)).contains("classDef panicked"));
    draw(&dot);
}

#[test]
fn values_inputs_and_functions_for_elements_are_told_apart() {
    let mut flow = ThreadFlow::new();
    let input = flow.input::<u32>("number");
    let value = flow.value(vec![1_u32, 2]);
    let awaits = async |n: &u32, m: &u32| n + m;
    flow.add(each(awaits).inputs((value, input)).named("awaits"));
    let plain = |n: &u32, cx: &TaskContext| cx.note(format!("saw {n}"));
    flow.add(
        each(plain)
            .inputs((value, context()))
            .named("plain")
            .with_lock(Lock::new()),
    );
    let dot = flow.to_dot();
    let mermaid = flow.to_mermaid();
    for (name, shape, brackets, says) in [
        ("number", "parallelogram", ["[/", "/]"], ""),
        ("Vec", "cylinder", ["[(", ")]"], ""),
        ("awaits", "hexagon", ["{{", "}}"], "for each element, async"),
        ("plain", "hexagon", ["{{", "}}"], "for each element, plain"),
    ] {
        let label = format!("label=\"{name}");
        let line = dot.lines().find(|line| line.contains(&label)).unwrap();
        assert!(
            line.contains(&format!("shape={shape},")) && line.contains(says),
            "{line}"
        );
        let label = format!("{}\"{name}", brackets[0]);
        let line = mermaid.lines().find(|line| line.contains(&label)).unwrap();
        assert!(line.contains(&format!("\"{}", brackets[1])), "{line}");
    }
    assert!(dot.contains("slanted: input · cylinder: value"), "{dot}");
    let run = report(flow.execute().given(input, 1));
    let noted = DrawReport::to_dot(&run);
    assert!(noted.contains("saw 2"), "{noted}");
    assert_eq!(
        read_dot(&noted),
        read_mermaid(&DrawReport::to_mermaid(&run))
    );
    draw(&noted);
}

/// What must hold of a diagram of a large flow: it is readable, and no task is lost.
fn assert_folds(flow: &ThreadFlow, tasks: usize) -> Read {
    let dot = flow.to_dot();
    let mermaid = flow.to_mermaid();
    let read = read_dot(&dot);
    assert!(
        read.nodes.len() <= 120 && read.edges <= 300,
        "{} shapes, {} lines",
        read.nodes.len(),
        read.edges
    );
    assert_eq!(read, read_mermaid(&mermaid));
    // Mermaid refuses longer texts.
    assert!(mermaid.len() < 50_000, "{}", mermaid.len());
    assert!(dot.contains("folded into"));
    let shown: usize = read
        .nodes
        .values()
        .filter(|label| !label.is_empty())
        .map(|label| number(&label[0]))
        .sum();
    assert_eq!(shown, tasks);
    draw(&dot);
    read
}

/// How many tasks the first line of a label stands for.
fn number(title: &str) -> usize {
    let title = title.replace('\u{202f}', "");
    let number = title.rsplit_once('×').map(|(_, number)| number);
    let number = number.or_else(|| title.strip_suffix(" tasks"));
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[test]
fn many_alike_fold_into_one() {
    let mut flow = ThreadFlow::new();
    let start = flow.add((async || ()).named("start"));
    let work: Vec<_> = (0..9998)
        .map(|_| flow.add((async || ()).named("work").after(start)))
        .collect();
    flow.add((async || ()).named("end").after(work));
    let read = assert_folds(&flow, 10_000);
    assert_eq!(read.nodes.len(), 3);
    assert!(read.nodes.values().any(|label| label[0] == "work ×9998"));
}

#[test]
fn chains_side_by_side_fold_into_one_chain() {
    let mut flow = ThreadFlow::new();
    for number in 0..3000 {
        let fetch = flow.add((async || ()).named(format!("fetch {number}")));
        let parse = flow.add((async || ()).named(format!("parse {number}")).after(fetch));
        flow.add((async || ()).named(format!("store {number}")).after(parse));
    }
    assert_eq!(assert_folds(&flow, 9000).nodes.len(), 3);
}

#[test]
fn a_long_chain_folds_into_pieces() {
    let mut flow = ThreadFlow::new();
    let mut before: Option<Task<()>> = None;
    for number in 0..10_000 {
        before = Some(flow.add((async || ()).named(format!("step {number}")).after(before)));
    }
    let read = assert_folds(&flow, 10_000);
    assert!((2..=40).contains(&read.nodes.len()));
}

#[test]
fn layers_fold() {
    let layer = |layer: usize| {
        let task = || (async || ()).named(format!("in layer {layer}"));
        (0..100).fold(Parallel::new(), |group, _| group.with(task()))
    };
    let flow = ThreadFlow::from((0..100).map(layer).collect::<Series>());
    assert_folds(&flow, 10_000);
}

#[test]
fn what_has_no_symmetry_folds_too() {
    let mut numbers = Numbers::new(11);
    for most in [2, 4, 40] {
        let mut flow = ThreadFlow::new();
        let mut tasks: Vec<Task<()>> = Vec::new();
        for _ in 0..10_000 {
            let name: String = (0..8)
                .map(|_| char::from(b'a' + numbers.below(26) as u8))
                .collect();
            let upstreams = (0..numbers.below(most))
                .filter_map(|_| tasks.get(numbers.below(tasks.len().max(1))).copied())
                .collect::<Vec<_>>();
            tasks.push(flow.add((async || ()).named(name).after(upstreams)));
        }
        assert_folds(&flow, 10_000);
    }
}

#[test]
fn a_dense_flow_leaves_out_what_others_imply() {
    let mut flow = ThreadFlow::new();
    let mut tasks: Vec<Task<()>> = Vec::new();
    for number in 0..100 {
        tasks.push(
            flow.add(
                (async || ())
                    .named(format!("t{number}"))
                    .after(tasks.clone()),
            ),
        );
    }
    let dot = flow.to_dot();
    let read = read_dot(&dot);
    assert_eq!((read.named(), read.edges), (100, 99));
    assert!(dot.contains("4851 dependencies that others imply are not drawn"));
}

#[test]
fn groups_are_frames_and_deep_ones_are_left_out() {
    let task = |name: &str| (async || ()).named(name.to_owned());
    let flow = ThreadFlow::from(series![
        task("a"),
        parallel![
            series![task("b"), parallel![task("c"), task("d")], task("e")],
            task("f")
        ],
        task("g"),
    ]);
    let dot = flow.to_dot();
    assert_eq!(dot.matches("subgraph cluster_").count(), 3);
    assert_eq!(flow.to_mermaid().matches("subgraph g").count(), 3);
    assert_eq!(read_dot(&dot).named(), 7);
    let svg = draw(&dot);
    assert!(svg.is_none_or(|svg| svg.matches("class=\"cluster\"").count() == 3));

    // One task beside each of a hundred thousand groups in each other.
    let mut nested = Series::new();
    for depth in 0..100_000 {
        nested = match depth % 1000 {
            0 => series![nested, task("beside")],
            _ => series![nested],
        };
    }
    let flow = ThreadFlow::from(nested);
    let dot = flow.to_dot();
    assert!(
        dot.matches("subgraph cluster_").count() <= 4,
        "at most four frames around each other"
    );
    assert_eq!(read_dot(&dot).named(), 100);
}

#[test]
fn folding_takes_the_time_of_its_size() {
    // A grid, which no fold but the last one folds. Quadratic work would not end.
    let mut flow = ThreadFlow::new();
    let mut rows: Vec<Task<()>> = Vec::new();
    for number in 0..60_000_usize {
        let upstreams = [number.checked_sub(1), number.checked_sub(447)];
        let upstreams: Vec<_> = upstreams
            .into_iter()
            .flatten()
            .map(|upstream| rows[upstream])
            .collect();
        rows.push(flow.add((async || ()).after(upstreams)));
    }
    assert_folds(&flow, 60_000);
}

#[test]
fn the_colours_of_a_folded_shape_are_those_of_the_worst_in_it() {
    let mut flow = ThreadFlow::new();
    for number in 0..500 {
        let work = move || async move {
            match number {
                77 => Err("no"),
                _ => Ok(()),
            }
        };
        flow.add(work.named("work"));
    }
    let dot = DrawReport::to_dot(&timed(&flow));
    assert!(dot.contains("1 failed, 499 succeeded"), "{dot}");
    let failed = DrawReport::to_mermaid(&timed(&flow));
    assert!(failed.contains(":::failed"));
}

#[test]
fn an_empty_flow_is_an_empty_diagram() {
    let flow = ThreadFlow::new();
    assert_eq!(read_dot(&flow.to_dot()), Read::default());
    assert_eq!(read_mermaid(&flow.to_mermaid()), Read::default());
    draw(&flow.to_dot());
}
