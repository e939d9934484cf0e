//! An agent that works in a loop until it is stopped: each step asks a model what to do next, and does it.
//!
//! ```text
//!               ╭─ a run for each step ─────────╮
//!   notebook ─▶ │ history ─▶ think ─▶ use tool  │ ─▶ clean up
//!               ╰───────────────────────────────╯
//! ```
//!
//! ```text
//! cargo run --example agent --features tokio
//! ```
//!
//! The task `agent` executes the flow of a step through its context, so each step is stopped with it. The
//! model takes ten questions a second, from all steps together. Ctrl-c stops the run: the step that goes on is
//! dropped, and `clean up` still removes the notebook. Without a terminal it stops itself.

#[path = "backend/mod.rs"]
mod backend;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::report::BoxError;
use backend::{AppFlow, block_on, sleep};

/// How many questions the model takes, of all runs of the program.
static MODEL: RateLimit = RateLimit::per_second(10).named("model");

/// What the agent has found out: a guess, and whether the number is greater.
type History = Vec<(u64, bool)>;

/// The flow of a step, with its input and its output.
struct Step {
    flow: AppFlow,
    history: Task<History>,
    tool: Task<Answer>,
}

#[derive(Debug, Output)]
enum Answer {
    Greater(u64),
    Less(u64),
    Found(u64),
}

impl Step {
    fn new() -> Self {
        let mut flow = AppFlow::new();
        let history = flow.input::<History>("history");

        // Stands for a request to a model.
        #[task(flow, lock = MODEL, timeout = Duration::from_secs(30))]
        async fn think(history: &History) -> u64 {
            sleep(Duration::from_millis(50)).await;
            let (mut low, mut high) = (0, 1000);
            for (guess, greater) in history {
                match greater {
                    true => low = guess + 1,
                    false => high = *guess,
                }
            }
            u64::midpoint(low, high)
        }

        // Stands for what a model asks for: a search, a program, a file.
        #[task(flow)]
        fn tool(think: &u64) -> Answer {
            match think.cmp(&617) {
                std::cmp::Ordering::Less => Answer::Greater(*think),
                std::cmp::Ordering::Greater => Answer::Less(*think),
                std::cmp::Ordering::Equal => Answer::Found(*think),
            }
        }

        Self {
            flow,
            history,
            tool,
        }
    }
}

/// Works step by step, and starts again when it is done.
async fn agent(cx: &TaskContext, step: &Step, notebook: &PathBuf) -> Result<(), BoxError> {
    let mut notebook = fs::File::create(notebook)?;
    let mut history = History::new();
    for steps in 1.. {
        let execute = cx.execute(&step.flow).given(step.history, history.clone());
        let answer = execute.await?.take(step.tool).expect("the step succeeded");
        writeln!(notebook, "{steps}: {answer:?}")?;
        cx.note(format!("{steps} steps"));
        match answer {
            Answer::Greater(guess) => history.push((guess, true)),
            Answer::Less(guess) => history.push((guess, false)),
            Answer::Found(number) => {
                println!("found {number}");
                history.clear();
            }
        }
    }
    Ok(())
}

async fn run(stop: &StopHandle) -> Result<(), FlowError> {
    let mut flow = AppFlow::new();
    let step = flow.value(Step::new());
    let name = format!("asyncflow-agent-{}", std::process::id());
    let notebook = flow.value(std::env::temp_dir().join(name));
    let agent = flow.add(agent.inputs((context(), step, notebook)));
    let clean_up = |notebook: &PathBuf| -> io::Result<()> {
        println!("removes {}", notebook.display());
        fs::remove_file(notebook)
    };
    flow.add(
        clean_up
            .inputs(notebook)
            .after(agent)
            .always()
            .named("clean up"),
    );

    let outcome = flow.execute().stop_with(stop).await;
    if let Err(error) = &outcome {
        let report = error.report().expect("it was started");
        println!("{report}");
    }
    outcome.map(drop)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stop = StopHandle::new();
    let handle = stop.clone();
    ctrlc::set_handler(move || handle.stop())?;
    if !io::stdin().is_terminal() {
        let handle = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            handle.stop();
        });
    }
    match block_on(run(&stop)) {
        // It was asked to stop.
        Err(error) if error.is_cancelled() => Ok(()),
        outcome => Ok(outcome?),
    }
}
