//! Executes flows of many kinds and draws each in every format, to be looked at before a release.
//! `scripts/pictures.sh` loads the pages in a browser.
//!
//! ```text
//! cargo run -p asyncflow-view --example gallery -- FOLDER
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::view::{DrawFlow, DrawReport};
use asyncflow::{Report, TokioFlow, TokioRuntime};
use tokio::time::sleep;

fn main() -> io::Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .map_or_else(|| "target/gallery".into(), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        draw(&folder, "few", few(), |execute| execute.timed()).await?;
        draw(&folder, "untimed", few(), |execute| execute).await?;
        draw(&folder, "forty", forty(), |execute| execute.timed()).await?;
        draw(&folder, "failing", failing(), |execute| {
            execute.timed().keep_going()
        })
        .await?;
        draw(&folder, "hostile", hostile(), |execute| {
            execute.timed().keep_going()
        })
        .await?;
        draw(&folder, "inside", inside(), |execute| {
            execute.timed().keep_going()
        })
        .await?;
        draw(&folder, "groups", groups(), |execute| execute.timed()).await?;
        draw(&folder, "many", many(), |execute| {
            execute.timed().max_concurrency(48)
        })
        .await?;
        draw(&folder, "wide", wide(), |execute| execute.timed()).await?;
        draw(&folder, "random", random(), |execute| execute.timed()).await?;
        draw(&folder, "nothing", TokioFlow::new(), |execute| {
            execute.timed()
        })
        .await
    })
}

type Execute<'a> = asyncflow::Execute<'a, TokioRuntime>;

/// Executes a flow and writes it in all formats.
async fn draw(
    folder: &Path,
    name: &str,
    flow: TokioFlow,
    configured: impl for<'a> Fn(Execute<'a>) -> Execute<'a>,
) -> io::Result<()> {
    let report: Report = match configured(flow.execute()).await {
        Ok(run) => run.report().clone(),
        Err(error) => report(&error)?,
    };
    let write = |kind: &str, text: String| fs::write(folder.join(format!("{name}.{kind}")), text);
    write("before.dot", flow.to_dot())?;
    write("before.mmd", flow.to_mermaid())?;
    write("dot", report.to_dot())?;
    write("mmd", report.to_mermaid())?;
    write("svg", report.to_svg())?;
    write("html", report.to_html())?;
    write("trace.json", report.to_chrome_trace())
}

/// The report of a run that failed.
fn report(error: &FlowError) -> io::Result<Report> {
    let report = error.report().cloned();
    report.ok_or_else(|| io::Error::other(error.to_string()))
}

/// A function that sleeps.
fn sleeps(millis: u64) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    move || Box::pin(sleep(Duration::from_micros(millis * 1000)))
}

fn few() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let disk = Lock::named("disk");
    let config = flow.add(
        (async || {
            sleep(Duration::from_millis(12)).await;
            8_u32
        })
        .named("read config"),
    );
    let connect = flow.add(sleeps(45).named("connect").after(config));
    let schema = flow.add(
        (|| std::thread::sleep(Duration::from_millis(30)))
            .named("load schema")
            .with_lock(&disk),
    );
    let users = flow.add(sleeps(60).named("fetch users").after(connect));
    let posts = flow.add(sleeps(95).named("fetch posts").after(connect));
    let images = flow.add(
        (async |_: &u32| sleep(Duration::from_millis(40)).await)
            .named("fetch images")
            .inputs(config)
            .with_lock(&disk),
    );
    let check = flow.add(
        (|| std::thread::sleep(Duration::from_millis(25)))
            .named("validate")
            .after((users, schema)),
    );
    let render = flow.add(
        (|| std::thread::sleep(Duration::from_millis(35)))
            .named("render")
            .after((posts, check, images)),
    );
    let write = flow.add(
        (|| std::thread::sleep(Duration::from_millis(28)))
            .named("write pages")
            .after(render)
            .with_lock(&disk),
    );
    flow.add(
        (|| std::thread::sleep(Duration::from_millis(22)))
            .named("write feed")
            .after(render)
            .with_lock(&disk),
    );
    flow.add(sleeps(18).named("notify").after(write));
    flow
}

fn forty() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let files = Semaphore::named("open files", 6);
    let find = flow.add(sleeps(20).named("find"));
    let mut kinds = [Vec::new(), Vec::new(), Vec::new()];
    for (at, folder) in [
        "src", "tests", "docs", "examples", "core", "macros", "tokio", "smol", "bench", "scripts",
        "assets", "site",
    ]
    .iter()
    .enumerate()
    {
        for (kind, what) in ["lines", "contents", "longest"].iter().enumerate() {
            let took = 8 + (at * 7 + kind * 13) as u64 * 11 % 47;
            let work = move || std::thread::sleep(Duration::from_millis(took));
            kinds[kind].push(
                flow.add(
                    work.named(format!("{what} of {folder}"))
                        .after(find)
                        .with_lock(&files),
                ),
            );
        }
    }
    let [lines, contents, longest] = kinds;
    let merged = [
        flow.add(sleeps(14).named("lines").after(lines)),
        flow.add(sleeps(31).named("duplicates").after(contents)),
        flow.add(sleeps(9).named("longest").after(longest)),
    ];
    flow.add(
        (|| std::thread::sleep(Duration::from_millis(16)))
            .named("report")
            .after(merged),
    );
    flow
}

fn failing() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let fine = flow.add(sleeps(20).named("fetch"));
    let fails = flow.add(
        (async || {
            sleep(Duration::from_millis(15)).await;
            Err::<(), _>("no such table")
        })
        .named("query")
        .after(fine),
    );
    let panics = flow.add(
        (async || -> () {
            sleep(Duration::from_millis(22)).await;
            panic!("index out of range")
        })
        .named("parse")
        .after(fine),
    );
    let slow = flow.add(
        sleeps(500)
            .named("crawl")
            .after(fine)
            .timeout(Duration::from_millis(30)),
    );
    flow.add(sleeps(5).named("store").after(fails));
    flow.add(sleeps(5).named("index").after((panics, slow)));
    let flag = flow.add((async || false).named("is weekend"));
    flow.add(sleeps(8).named("weekly digest").run_if(flag));
    let mirror = flow.add(sleeps(34).named("mirror a"));
    let other = flow.add(sleeps(50).named("mirror b"));
    flow.add(sleeps(12).named("first mirror").after_any([mirror, other]));
    flow.add(sleeps(7).named("clean up").after(fails).always());
    flow
}

/// Tasks with elements, runs inside, and notes.
fn inside() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let open = Semaphore::named("connections", 8);
    let pause = flow.value(Duration::from_millis(3));
    let urls = flow.add((|| (0..60).collect::<Vec<u64>>()).named("list urls"));
    let fetch = async |url: &u64, pause: &Duration| {
        sleep(*pause * (1 + *url as u32 * 7 % 5)).await;
        match url % 29 {
            28 => Err("not found"),
            _ => Ok(*url),
        }
    };
    let fetch = each(fetch).inputs((urls, pause)).with_lock(&open);
    let pages = flow.add(fetch.named("fetch").allow_failure());
    let lines = flow.add((|| (0..100_000).collect::<Vec<u64>>()).named("read lines"));
    let parse = async |line: &u64| {
        match line % 5000 {
            0 => sleep(Duration::from_millis(2)).await,
            _ => tokio::task::yield_now().await,
        }
        line + 1
    };
    let parsed = flow.add(each(parse).inputs(lines).named("parse"));
    let site = flow.add(Arc::new(few()).named("site").after(urls));
    let compile = (|cx: &TaskContext| cx.note("up to date")).inputs(context());
    flow.add(compile.named("compile"));
    let step = Arc::new({
        let mut step = TokioFlow::new();
        let think = step.add(sleeps(9).named("think"));
        step.add(sleeps(6).named("act").after(think));
        step
    });
    let step = flow.value(step);
    let agent = async |cx: &TaskContext, step: &Arc<TokioFlow>| -> Result<(), FlowError> {
        for turn in 1..=3 {
            cx.execute(step).await?;
            cx.note(format!("{turn} turns"));
        }
        Ok(())
    };
    let agent = flow.add(agent.inputs((context(), step)).named("agent"));
    flow.add(sleeps(8).named("report").after((parsed, site, agent)));
    flow.add(sleeps(8).named("index").inputs(()).after(pages));
    flow
}

fn hostile() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let mut before = None;
    let long = "x".repeat(1 << 20);
    for name in [
        "<script>alert(1)</script>",
        "</script><img src=x onerror=alert(1)>",
        "\"quoted\" 'single'",
        "back\\slash\\N\\",
        "two\nlines",
        "]]>",
        "&amp; &lt;b&gt;",
        "",
        "end",
        "subgraph",
        "click n0 \"javascript:alert(1)\"",
        "\u{202e}rtl override",
        "nul\0bell\u{7}",
        "שלום עולם",
        "任务 🚀 👩‍👩‍👧",
        "1. list",
        "`code`",
        "**bold** __dunder__",
        "<b>html</b>",
        &long,
        "end",
        "\u{2028}line",
        "--> n1",
        "%%{init: {}}%%",
        "#quot;",
        "\u{10ffff}",
    ] {
        before = Some(flow.add(sleeps(2).named(name).after(before)));
    }
    flow
}

fn groups() -> TokioFlow {
    let stage = |name: &str| sleeps(6 + name.len() as u64).named(name.to_owned());
    TokioFlow::from(series![
        stage("checkout"),
        parallel![
            series![
                stage("cargo fetch"),
                parallel![stage("build"), stage("clippy")],
                stage("test")
            ],
            series![stage("npm install"), stage("bundle")],
            stage("licences"),
        ],
        parallel![stage("docs"), stage("package")],
        stage("publish"),
    ])
}

fn many() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let connections = Semaphore::named("connections", 16);
    let mut random = Random(7);
    let start = flow.add(sleeps(30).named("start"));
    let mut ends = Vec::new();
    for _ in 0..3333 {
        let fetch = flow.add(
            sleeps(1 + random.below(9))
                .named("fetch")
                .after(start)
                .with_lock(&connections),
        );
        let parse = flow.add(sleeps(1 + random.below(5)).named("parse").after(fetch));
        ends.push(flow.add(sleeps(1 + random.below(3)).named("store").after(parse)));
    }
    flow.add(sleeps(60).named("merge").after(ends));
    flow
}

fn wide() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let mut random = Random(3);
    let work: Vec<_> = (0..2000)
        .map(|_| flow.add(sleeps(random.below(120) + 1).named("work")))
        .collect();
    flow.add(sleeps(20).named("sum").after(work));
    flow
}

/// Ten thousand tasks that have no structure.
fn random() -> TokioFlow {
    let mut flow = TokioFlow::new();
    let mut random = Random(11);
    let mut tasks: Vec<Task<()>> = Vec::new();
    for _ in 0..10_000 {
        let name: String = (0..8)
            .map(|_| char::from(b'a' + random.below(26) as u8))
            .collect();
        let mut upstreams = Vec::new();
        for _ in 0..random.below(4) {
            if !tasks.is_empty() {
                upstreams.push(tasks[random.below(tasks.len() as u64) as usize]);
            }
        }
        tasks.push(flow.add((async || ()).named(name).after(upstreams)));
    }
    flow
}

/// A generator that gives the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
