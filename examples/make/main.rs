//! A build tool: makes targets from a file, in parallel, unless they are newer than what they are made of.
//!
//! ```text
//! cargo run --example make --features tokio -- [-f FILE] [-j JOBS] [-k] [TARGET]...
//! ```
//!
//! Without a target it makes the first one of the file. `-j` is how many it makes at once, and `-k` makes
//! what it can after a failure. The file `examples/make/Targets` is for trying it: run it twice, give it
//! the targets `clean` or `nothing`, and let two targets depend on each other.

#[path = "../backend/mod.rs"]
mod backend;

use std::collections::HashMap;
use std::fs;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::SystemTime;

use asyncflow::prelude::*;
use backend::{AppFlow, block_on};

/// A target of the file.
#[derive(Default)]
struct Target {
    name: String,
    /// The targets that it is made of.
    upstreams: Vec<String>,
    /// The files that it is made of.
    files: Vec<String>,
    commands: Vec<String>,
}

impl Target {
    /// Runs the commands, one after the other, unless the target is up to date.
    fn make(&self, cx: &TaskContext) -> Result<(), String> {
        if self.is_up_to_date() {
            cx.note("up to date");
            return Ok(());
        }
        for command in &self.commands {
            let status = Command::new("sh").args(["-c", command]).status();
            let status = status.map_err(|error| format!("`sh`: {error}"))?;
            if !status.success() {
                return Err(format!("`{command}`: {status}"));
            }
        }
        Ok(())
    }

    /// Whether the file of the target is newer than all that it is made of.
    fn is_up_to_date(&self) -> bool {
        let made = modified(&self.name);
        let mut made_of = self.files.iter().chain(&self.upstreams);
        made.is_some() && made_of.all(|file| modified(file) <= made)
    }
}

fn modified(file: &str) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// Reads the targets of a file.
fn read(file: &str) -> Result<Vec<Arc<Target>>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut targets: Vec<Target> = Vec::new();
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    for line in lines {
        match (line.strip_prefix([' ', '\t']), line.split_once(':')) {
            (Some(command), _) => {
                let target = targets.last_mut();
                let target = target.ok_or(format!("{file}: a command before the first target"))?;
                target.commands.push(command.trim().to_owned());
            }
            (None, Some((name, made_of))) => targets.push(Target {
                name: name.trim().to_owned(),
                upstreams: made_of.split_whitespace().map(str::to_owned).collect(),
                ..Target::default()
            }),
            (None, None) => return Err(format!("{file}: no target and no command: {line}")),
        }
    }
    // A file that is there and is no target is made of nothing.
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    for target in &mut targets {
        let is_file = |name: &String| !names.contains(name) && modified(name).is_some();
        (target.files, target.upstreams) = target.upstreams.drain(..).partition(is_file);
    }
    Ok(targets.into_iter().map(Arc::new).collect())
}

async fn make(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut file, mut jobs, mut keep_going) = ("examples/make/Targets".to_owned(), 4, false);
    let mut wanted = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-f" => file = arguments.next().ok_or("-f needs a file")?,
            "-j" => jobs = arguments.next().ok_or("-j needs a number")?.parse()?,
            "-k" => keep_going = true,
            _ => wanted.push(argument),
        }
    }
    let targets = read(&file)?;
    if wanted.is_empty() {
        wanted.extend(targets.first().map(|first| first.name.clone()));
    }

    let mut flow = AppFlow::new();
    let graph = targets
        .iter()
        .map(|target| (&*target.name, target.upstreams.iter().map(|name| &**name)));
    let by_name: HashMap<&str, &Arc<Target>> = targets
        .iter()
        .map(|target| (&*target.name, target))
        .collect();
    flow.add_graph(graph, |flow, name, upstreams| {
        let target = Arc::clone(by_name[name]);
        let make = (move |cx: &TaskContext| target.make(cx)).inputs(context());
        flow.add(make.after(upstreams).named(*name))
    })
    .map_err(|error| error.to_string())?;
    let mut selected = Vec::new();
    for name in wanted {
        selected.push(flow.find(&name).ok_or(format!("no target `{name}`"))?);
    }

    let mut execute = flow.execute().only(selected).max_concurrency(jobs);
    if keep_going {
        execute = execute.keep_going();
    }
    let outcome = execute.await;
    if let Some(report) = outcome
        .as_ref()
        .map_or_else(FlowError::report, |run| Some(run.report()))
    {
        println!("{report}");
    }
    Ok(outcome.map(drop)?)
}

fn main() -> ExitCode {
    match block_on(make(std::env::args().skip(1))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make: {error}");
            ExitCode::FAILURE
        }
    }
}
