//! Flows for the tests of pictures: with names that mean something to a format, and in which
//! everything happens. What is drawn does not depend on the backend, so they run on
//! [`ThreadRuntime`].

use asyncflow::prelude::*;
use asyncflow::{Execute, Report};
use asyncflow_tests::{ThreadRuntime, block_on};
use proptest::prelude::*;

pub(crate) type ThreadFlow = Flow<ThreadRuntime>;

/// Names that mean something to one format or another.
pub(crate) const HOSTILE: &[&str] = &[
    "",
    " ",
    "end",
    "subgraph",
    "click n0 \"javascript:alert(1)\"",
    "graph",
    "style n0 fill:#f00",
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "<!--",
    "]]>",
    "<![CDATA[",
    "&amp;&lt;&#60;",
    "#quot;#35;",
    "\"",
    "'",
    "\\",
    "\\\"",
    "\\N\\G\\l",
    "\"]; n99 [label=\"",
    "\"):::failed",
    "<<b>html</b>>",
    "a\nb",
    "a\r\nn1 --> n2",
    "\u{2028}",
    "\0\u{1}\u{1b}[31m",
    "\u{202e}txt.exe",
    "\u{2066}\u{2069}",
    "`code`",
    "1. list",
    "- list",
    "**bold** __dunder__",
    "%%{init: {}}%%",
    "--> n1",
    "שלום",
    "任务 🚀",
    "\u{ffff}\u{fffe}\u{10ffff}",
    "{{}}|[]()",
    "a#2",
    "x;y",
];

/// One of those, or anything at all.
pub(crate) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE).prop_map(str::to_owned),
        any::<String>(),
        prop::collection::vec(any::<char>(), 0..80).prop_map(String::from_iter),
        "[<>&\"'\\\\#;\\[\\](){}|`\n -]{0,12}",
    ]
}

/// Names, and for each the distances back to what it depends on.
pub(crate) fn named() -> impl Strategy<Value = Vec<(String, Vec<usize>)>> {
    let upstreams = prop::collection::vec(1..5_usize, 0..3);
    prop::collection::vec((name(), upstreams), 1..20)
}

/// A flow of tasks with these names, and how many dependencies it has.
pub(crate) fn flow(named: &[(String, Vec<usize>)]) -> (ThreadFlow, usize) {
    let mut flow = ThreadFlow::new();
    let mut tasks: Vec<Task<()>> = Vec::new();
    let mut dependencies = 0;
    for (number, (name, back)) in named.iter().enumerate() {
        let mut upstreams: Vec<usize> = back
            .iter()
            .filter_map(|back| number.checked_sub(*back))
            .collect();
        upstreams.sort_unstable();
        upstreams.dedup();
        dependencies += upstreams.len();
        let upstreams: Vec<Task<()>> = upstreams
            .into_iter()
            .map(|upstream| tasks[upstream])
            .collect();
        tasks.push(flow.add((async || ()).named(name.clone()).after(upstreams)));
    }
    (flow, dependencies)
}

/// Every hostile name in one chain, and one of a mebibyte.
pub(crate) fn hostile() -> (ThreadFlow, usize) {
    let mut named: Vec<(String, Vec<usize>)> = HOSTILE
        .iter()
        .map(|name| (name.to_string(), vec![1]))
        .collect();
    named.push(("\"<x>\\".repeat(1 << 18), vec![1]));
    flow(&named)
}

pub(crate) fn timed(flow: &ThreadFlow) -> Report {
    report(flow.execute().timed().keep_going())
}

/// Of a run, however it ended.
pub(crate) fn report(execute: Execute<'_, ThreadRuntime>) -> Report {
    match block_on(execute) {
        Ok(run) => run.report().clone(),
        Err(error) => error.report().expect("it was started").clone(),
    }
}

/// A flow in which everything happens.
pub(crate) fn eventful() -> ThreadFlow {
    let mut flow = ThreadFlow::new();
    let disk = Lock::named("disk <&\">");
    let input = flow.add((async || 3_u32).named("number"));
    let fails = flow.add((async || Err::<(), _>("no")).named("fails"));
    let panics = flow.add((async || -> () { std::panic::panic_any(()) }).named("panics"));
    flow.add(
        (async |_: &u32| ())
            .named("receives")
            .inputs(input)
            .with_lock(&disk),
    );
    flow.add((|| ()).named("plain").after(input).with_lock(&disk));
    flow.add((async || ()).named("skipped").after((fails, panics)));
    flow.add((async || ()).named("cleans up").after(fails).always());
    let flag = flow.add((async || false).named("flag"));
    flow.add((async || ()).named("unwanted").run_if(flag));
    flow.add((async || ()).named("first").after_any([input]));
    flow
}
