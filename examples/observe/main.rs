//! Shows all ways to observe a run: the example `census` with a progress bar and a log of spans, and
//! after the run its report, critical path, diagrams and timelines.
//!
//! ```text
//! cargo run --release --example observe --features tokio,progress,tracing -- [FOLDER [OUTPUT]]
//! ```
//!
//! It writes these files to the folder `OUTPUT`, by default `target/observe`:
//!
//! | file | what it shows, and what opens it |
//! |---|---|
//! | `timeline.html` | when each task waited and ran; a browser |
//! | `trace.json` | the same; <https://ui.perfetto.dev> |
//! | `flow.dot`, `flow.mmd` | the flow, coloured by status; Graphviz, Mermaid |
//! | `log.txt` | every span with its time, as `tracing-subscriber` prints it |
//! | `census.md` | the report of the census |
//!
//! Look at the progress bar while it runs, and then at `timeline.html`.

#[path = "../backend/mod.rs"]
mod backend;
#[path = "../census/find.rs"]
mod find;
#[path = "../census/flow.rs"]
mod flow;
#[path = "../census/measure.rs"]
mod measure;
#[path = "../census/report.rs"]
mod report;

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use asyncflow::view::progress::Progress;
use asyncflow::view::tracing::Tracer;
use asyncflow::view::{DrawFlow, DrawReport};
use backend::block_on;
use flow::Arguments;
use tracing::{Instrument, Level, info_span};
use tracing_subscriber::fmt::format::FmtSpan;

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or_else(|| here.to_owned());
    let output = arguments
        .next()
        .unwrap_or_else(|| here.join("target/observe"));

    match block_on(observe(folder, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("observe: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn observe(folder: PathBuf, output: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(output)?;
    // To a file, because the progress bar is on the terminal.
    tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(File::create(output.join("log.txt"))?)
        .init();

    let span = info_span!("observe", folder = %folder.display());
    async {
        let report = output.join("census.md");
        let (flow, summary) = flow::census(Arguments { folder, report });
        // The flow before the run. It is overwritten by the flow with the statuses of the run.
        fs::write(output.join("flow.dot"), flow.to_dot())?;
        let execute = flow.execute().timed();
        let result = execute.observe((Tracer::new(), Progress::new())).await;
        // A run that failed has a report, too.
        let report = match &result {
            Ok(run) => Some(run.report()),
            Err(error) => error.report(),
        };
        if let Some(report) = report {
            fs::write(output.join("flow.dot"), report.to_dot())?;
            fs::write(output.join("flow.mmd"), report.to_mermaid())?;
            fs::write(output.join("trace.json"), report.to_chrome_trace())?;
            fs::write(output.join("timeline.html"), report.to_html())?;
            println!("{report}");
            if let Some(path) = report.critical_path() {
                println!("\n{path}");
            }
        }
        println!("\n{}", result?[summary]);
        println!("see {}", output.join("timeline.html").display());
        Ok(())
    }
    .instrument(span)
    .await
}
