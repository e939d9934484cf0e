//! oneTBB's flow graph (C++), in a child process that answers each line with a line.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::contender::{Contender, Prepared, Unfit};
use crate::plan::{Functions, Permits, Plan, Work};
use crate::runtime::WORKERS;
use crate::shape::Shape;

/// The environment variable with the path of the compiled program.
pub const PROGRAM_VARIABLE: &str = "ASYNCFLOW_BENCHMARKS_ONETBB";

const SOURCE: &str = include_str!("../../cpp/flow_graph.cpp");

/// Compiles the C++ program to `program`.
///
/// # Errors
/// What is missing: a C++ compiler, or oneTBB's headers and library.
pub fn compile(program: &Path) -> Result<(), String> {
    let mut compiler = Command::new("g++")
        .args(["-std=c++17", "-O3", "-DNDEBUG", "-x", "c++", "-", "-o"])
        .arg(program)
        .arg("-ltbb")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("g++ does not start ({error}); install g++ and libtbb-dev"))?;
    if let Some(mut stdin) = compiler.stdin.take() {
        // A compiler that fails early closes the pipe; its exit status is checked below.
        let _ = stdin.write_all(SOURCE.as_bytes());
    }
    let output = compiler
        .wait_with_output()
        .map_err(|error| format!("g++ did not end: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = errors.lines().find(|line| line.contains("error"));
    Err(format!(
        "g++ cannot compile it: {}; install libtbb-dev",
        first.unwrap_or("no reason given")
    ))
}

/// The contender, on two threads. In oneTBB, the thread that waits for the graph is one of them.
#[derive(Debug)]
pub(super) struct OneTbb {
    program: PathBuf,
    /// Started by the first command.
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(program: &Path) -> io::Result<Process> {
        let mut child = Command::new(program)
            .arg(WORKERS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        Ok(Process {
            commands: child.stdin.take().ok_or_else(missing)?,
            answers: BufReader::new(child.stdout.take().ok_or_else(missing)?),
            child,
        })
    }

    fn ask(&mut self, command: &str) -> io::Result<String> {
        writeln!(self.commands, "{command}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            let why = format!("oneTBB's process ended at the command `{command}`");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process has no state that outlives it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl OneTbb {
    /// The contender, if its program was compiled.
    pub(super) fn compiled() -> Option<OneTbb> {
        Some(OneTbb {
            program: env::var_os(PROGRAM_VARIABLE)?.into(),
            process: Mutex::new(None),
        })
    }

    fn ask(&self, command: &str) -> String {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_none() {
            let started = Process::start(&self.program);
            *process = Some(started.expect("the compiled program starts"));
        }
        let answer = process.as_mut().expect("it was just started").ask(command);
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    fn time(&self, command: &str) -> Duration {
        let answer = self.ask(command);
        let nanos = answer.parse().ok().map(Duration::from_nanos);
        nanos.unwrap_or_else(|| panic!("oneTBB's process answered `{answer}` to `{command}`"))
    }
}

fn arguments(plan: &Plan) -> String {
    let rounds = match plan.work {
        Work::Spin(rounds) => rounds,
        _ => 0,
    };
    format!("{} {} {rounds}", plan.shape, plan.tasks)
}

impl Contender for OneTbb {
    fn name(&self) -> &'static str {
        "onetbb"
    }

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        let refuse = |what: &str| Err(Unfit::Unsupported(what.to_owned()));
        match plan {
            Plan { data: true, .. } => refuse("no data version"),
            Plan {
                permits: Permits::Lock | Permits::Semaphore(_),
                ..
            } => refuse("no permits"),
            Plan {
                functions: Functions::Mixed,
                ..
            } => refuse("no async functions"),
            Plan {
                work: Work::Sleep(_) | Work::SkewedSleep(_) | Work::Yield(_),
                ..
            } => refuse("its tasks cannot wait"),
            // Its tasks are plain functions on worker threads, so it is compared with both kinds.
            _ => Ok(()),
        }
    }

    fn prepare(&self, plan: &Plan) -> Box<dyn Prepared + '_> {
        self.time(&format!("build {}", arguments(plan)));
        Box::new(Kept(self))
    }

    fn life(&self, plan: &Plan) -> Duration {
        self.time(&format!("life {}", arguments(plan)))
    }

    fn check(&self, plan: &Plan) -> Result<(), String> {
        for shape in Shape::ALL {
            let theirs = self.ask(&format!("checksum {shape} 321"));
            if theirs != shape.checksum(321).to_string() {
                return Err(format!("its `{shape}` is a different graph"));
            }
        }
        match self.ask(&format!("check {} {}", plan.shape, plan.tasks)) {
            answer if answer == "ok" => Ok(()),
            answer => Err(answer),
        }
    }

    fn peak_memory(&self) -> u64 {
        self.ask("peak").parse().unwrap_or(0)
    }
}

/// The graph that the process keeps; it keeps one at a time.
struct Kept<'a>(&'a OneTbb);

impl Prepared for Kept<'_> {
    fn run(&mut self) -> Duration {
        self.0.time("run")
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.ask("drop");
    }
}
