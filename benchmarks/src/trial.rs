//! Checks that a contender has to pass before it is timed. They run in a child process, so that a
//! crash, a stack overflow or a hang excludes the contender and does not end the benchmark.

use std::collections::HashMap;
use std::env;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::{Contender, Unfit};
use crate::contenders;
#[cfg(feature = "asyncflow")]
use crate::groups::small;
use crate::plan::Plan;

/// The first argument of a child process; see [`answer`].
pub const CHILD: &str = "--child";

/// The size of the first check; small enough for contenders whose cost is cubic.
const SMALL: usize = 500;
/// The smallest size from which times are extrapolated.
const FORECAST_FROM: usize = 250;
/// The largest size at which the check is repeated at full size.
const FULL_CHECK: usize = 200_000;
/// A forecast needs a life that takes at least the limit divided by this. Shorter ones depend too
/// much on other load on the machine.
const SIGNIFICANT_PART: u32 = 20;

/// The results of all checks so far.
#[derive(Debug)]
pub struct Trials {
    verdicts: HashMap<(&'static str, Plan), Result<(), Unfit>>,
    /// A contender that would take much longer than this to build and run the graph is not timed.
    limit: Duration,
}

impl Trials {
    /// No results yet.
    pub fn new(limit: Duration) -> Trials {
        Trials {
            verdicts: HashMap::new(),
            limit,
        }
    }

    /// Checks that `contender` is correct on `plan`, and fast enough to be measured.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verdict(&mut self, contender: &dyn Contender, plan: &Plan) -> Result<(), Unfit> {
        contender.accepts(plan)?;
        let limit = self.limit;
        let key = (contender.name(), *plan);
        let verdict = self.verdicts.entry(key);
        verdict
            .or_insert_with(|| ask(contender, plan, limit))
            .clone()
    }
}

fn ask(contender: &dyn Contender, plan: &Plan, limit: Duration) -> Result<(), Unfit> {
    let limit_millis = limit.as_millis().to_string();
    let patience = limit * 4 + Duration::from_secs(20);
    let answer = child(
        &["check", contender.name(), &plan.to_string(), &limit_millis],
        patience,
    );
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(match answer.strip_prefix("slow: ") {
            Some(why) => Unfit::TooSlow(why.to_owned()),
            None => Unfit::Broken(answer),
        }),
        Err(why) => Err(Unfit::Broken(why)),
    }
}

/// The peak memory, in bytes, of a process in which `contender` builds and runs `plan` once.
///
/// # Errors
/// What happened to the process.
pub fn peak_memory(contender: &dyn Contender, plan: &Plan) -> Result<u64, String> {
    let arguments = ["peak", contender.name(), &plan.to_string()];
    let answer = child(&arguments, Duration::from_secs(60))?;
    answer.parse().map_err(|_| answer)
}

/// The allocations of a process with these arguments after [`CHILD`]. Valgrind counts them, so that counting
/// slows down nothing that is timed.
///
/// # Errors
/// Why they were not counted.
pub fn allocations(arguments: &[&str]) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=memcheck",
            "--leak-check=no",
            "--undef-value-errors=no",
        ])
        .arg(program)
        .arg(CHILD)
        .args(arguments)
        .output()
        .map_err(|error| format!("allocations: valgrind could not be run ({error})"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let number = log
        .lines()
        .find_map(|line| line.split_once("total heap usage:"))
        .and_then(|(_, rest)| {
            rest.split_whitespace()
                .next()?
                .replace(',', "")
                .parse()
                .ok()
        });
    match number {
        Some(number) if output.status.success() && output.stdout == b"ok\n" => Ok(number),
        _ => Err(format!("allocations: valgrind failed on {arguments:?}")),
    }
}

/// Runs this program as a child process, and returns the line that it prints.
fn child(arguments: &[&str], patience: Duration) -> Result<String, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .arg(CHILD)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no end within {} s", patience.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut answer);
    }
    if status.success() {
        return Ok(answer.trim().to_owned());
    }
    let mut errors = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut errors);
    }
    let first = errors.lines().find(|line| !line.trim().is_empty());
    Err(format!("{status}: {}", first.unwrap_or("no message")))
}

/// In a child process, carries out the arguments after [`CHILD`] and returns the line to print.
pub fn answer(arguments: &[String]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    #[cfg(feature = "asyncflow")]
    if let ["small", case, contender, turns] = arguments[..] {
        return match small::take_turns(case, contender, turns) {
            Some(()) => "ok".to_owned(),
            None => format!("there is no such case or contender: {arguments:?}"),
        };
    }
    let (name, plan) = match arguments[..] {
        [_, name, plan, ..] => (name, Plan::parse(plan)),
        _ => return "a child needs a command, a contender and a plan".to_owned(),
    };
    let contenders = contenders::all();
    let contender = contenders.iter().find(|contender| contender.name() == name);
    let (Some(contender), Some(plan)) = (contender, plan) else {
        return format!("there is no such contender or plan: {arguments:?}");
    };
    match arguments[..] {
        ["check", _, _, limit] => {
            let limit = Duration::from_millis(limit.parse().unwrap_or(1000));
            match examine(contender.as_ref(), &plan, limit) {
                Ok(()) => "ok".to_owned(),
                Err(why) => why,
            }
        }
        ["peak", ..] => {
            contender.life(&plan);
            contender.peak_memory().to_string()
        }
        _ => format!("unknown command: {arguments:?}"),
    }
}

fn examine(contender: &dyn Contender, plan: &Plan, limit: Duration) -> Result<(), String> {
    contender.check(&plan.resized(plan.tasks.min(SMALL)))?;
    forecast(contender, plan, limit)?;
    if plan.tasks > SMALL && plan.tasks <= FULL_CHECK {
        contender.check(plan)?;
    }
    Ok(())
}

/// Doubles the size until it is clear whether the full size stays within twice the `limit`.
fn forecast(contender: &dyn Contender, plan: &Plan, limit: Duration) -> Result<(), String> {
    let significant = limit / SIGNIFICANT_PART;
    let mut last: Option<(usize, Duration)> = None;
    let mut size = FORECAST_FROM;
    // The first execution also starts the runtime.
    contender.life(&plan.resized(size.min(plan.tasks)));
    while size < plan.tasks {
        let time = quickest_life(contender, &plan.resized(size), significant);
        if let Some((last_size, last_time)) = last.filter(|_| time > significant) {
            let growth = (time.as_secs_f64() / last_time.as_secs_f64()).log2();
            let factor = (plan.tasks as f64 / size as f64).powf(growth.clamp(1.0, 3.0));
            let expected = time.as_secs_f64() * factor;
            // A forecast may well be wrong by a factor of two.
            if expected > 2.0 * limit.as_secs_f64() {
                return Err(format!(
                    "slow: {last_size} tasks took {:.0} ms to build and run, {size} took {:.0} ms",
                    last_time.as_secs_f64() * 1e3,
                    time.as_secs_f64() * 1e3,
                ));
            }
        }
        last = Some((size, time));
        size *= 2;
    }
    Ok(())
}

/// The shortest of three lives, because a single one may be interrupted for longer than it lasts.
/// A life that takes at least `long_enough` is not repeated.
fn quickest_life(contender: &dyn Contender, plan: &Plan, long_enough: Duration) -> Duration {
    let mut quickest = contender.life(plan);
    for _ in 0..2 {
        if quickest < long_enough {
            quickest = quickest.min(contender.life(plan));
        }
    }
    quickest
}
