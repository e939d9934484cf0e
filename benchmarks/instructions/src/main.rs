//! Counts the instructions per task with callgrind, and compares them with the counts on record. Of
//! small flows, counts the instructions and the allocations per execution. Of large ones, also counts
//! the bytes of memory per task.
//!
//! ```text
//! cargo run --release -p asyncflow-instructions              # fails if a count has grown by more than 5 %
//! cargo run --release -p asyncflow-instructions -- --update  # puts the counts on record
//! ```
//!
//! Instructions do not depend on the load of the machine. Each flow is executed on Tokio's
//! current-thread runtime under `valgrind --tool=callgrind`, 2 times in one process and 12 times in
//! another (a flow of few tasks 20 and 220 times). The difference, divided by the executions that it
//! has more and by the number of tasks, is the count. It excludes the start of the process and building
//! the flow. It includes the fixed cost of an execution, spread over the tasks.
//!
//! The bytes per task are those that a process has allocated at its peak (`valgrind --tool=dhat`), less
//! those of a process whose flow has one task.

mod flows;
mod record;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use flows::{Counted, FLOWS};
use record::Record;

/// The growth of a count from which on it is an error.
const TOLERANCE: f64 = 0.05;

/// The same for a flow compared with its `same_as`.
const UNUSED: f64 = 0.02;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["execute", flow, executions] => execute(flow, executions),
        [] => compare(),
        ["--update"] => update(),
        _ => Err("unknown arguments: the only option is --update".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs under callgrind.
fn execute(flow: &str, executions: &str) -> Result<(), String> {
    let flow = flows::find(flow)?;
    let executions = executions
        .parse()
        .map_err(|_| "the number of executions is not a number")?;
    flows::execute(flow, executions);
    Ok(())
}

fn update() -> Result<(), String> {
    let counts = count_all()?;
    Record::of(counts).write(&path())
}

fn compare() -> Result<(), String> {
    let record = Record::read(&path())?;
    let counts = count_all()?;
    let mut grown = Vec::new();
    println!(
        "{:<32} {:>10} {:>10} {:>8}",
        "flow", "on record", "now", "change"
    );
    for (name, now) in &counts {
        let Some(before) = record.count(name) else {
            return Err(format!("`{name}` is not on record: run with --update"));
        };
        let change = now / before - 1.0;
        println!(
            "{name:<32} {before:>10.1} {now:>10.1} {:>+7.1}%",
            change * 100.0
        );
        if change > TOLERANCE {
            grown.push(format!("`{name}` by {:.1} %", change * 100.0));
        }
    }
    for flow in FLOWS {
        let Some(plain) = flow.same_as else { continue };
        let of = |name: &str| {
            counts
                .iter()
                .find(|(other, _)| other == name)
                .expect("every flow is counted")
                .1
        };
        let change = of(flow.name) / of(plain) - 1.0;
        println!(
            "{} costs {:+.2} % compared with {plain}",
            flow.name,
            change * 100.0
        );
        if change > UNUSED {
            grown.push(format!(
                "`{}` compared with `{plain}` by {:.1} %",
                flow.name,
                change * 100.0
            ));
        }
    }
    match grown.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "what a task costs has grown: {}; if that is intended, run with --update and explain it in the commit message",
            grown.join(", ")
        )),
    }
}

/// The instructions per task of every flow, the allocations of small ones, the bytes of large ones.
fn count_all() -> Result<Vec<(String, f64)>, String> {
    let mut counts = Vec::new();
    let process = peak(flows::find("one-task")?)?;
    for flow in FLOWS {
        counts.push((flow.name.to_owned(), count(flow, instructions)?));
        if flow.is_small() {
            let name = format!("{}, allocations", flow.name);
            counts.push((name, count(flow, allocations)?));
        }
        if flow.is_large() {
            let bytes = peak(flow)? - process;
            let name = format!("{}, bytes", flow.name);
            counts.push((name, bytes as f64 / flow.tasks as f64));
        }
    }
    Ok(counts)
}

/// What one execution adds to a count, divided by the tasks.
fn count(flow: &Counted, of: fn(&str, u32) -> Result<u64, String>) -> Result<f64, String> {
    let (few, many) = flow.executions();
    let difference = of(flow.name, many)? - of(flow.name, few)?;
    let tasks = f64::from(many - few) * flow.tasks as f64;
    Ok(difference as f64 / tasks)
}

/// The instructions of a process that executes a flow this many times.
fn instructions(flow: &str, executions: u32) -> Result<u64, String> {
    let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    valgrind(&tool, "Collected :", flow, executions)
}

/// The allocations of such a process.
fn allocations(flow: &str, executions: u32) -> Result<u64, String> {
    let tool = ["--tool=memcheck", "--leak-check=no"];
    valgrind(&tool, "total heap usage:", flow, executions)
}

/// The bytes that a process which executes a flow has allocated at its peak.
fn peak(flow: &Counted) -> Result<u64, String> {
    let tool = ["--tool=dhat", "--dhat-out-file=/dev/null"];
    let (executions, _) = flow.executions();
    valgrind(&tool, "At t-gmax:", flow.name, executions)
}

/// The number that a tool of valgrind prints behind `what`.
fn valgrind(tool: &[&str], what: &str, flow: &str, executions: u32) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(tool)
        .arg(program)
        .args(["execute", flow, &executions.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind could not be run ({error}): install Debian's `valgrind`")
        })?;
    let log = String::from_utf8_lossy(&output.stderr);
    let number = log.lines().find_map(|line| line.split_once(what));
    let number = number.and_then(|(_, rest)| rest.split_whitespace().next());
    match number.and_then(|number| number.replace(',', "").parse().ok()) {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("valgrind did not count `{flow}`:\n{log}")),
    }
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/counts.tsv"))
}
