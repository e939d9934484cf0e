//! Processes that are killed in the middle of a run with a journal, and what is run again then.
//!
//! `ASYNCFLOW_KILLS` and `ASYNCFLOW_ELEMENTS` say how often and of how many elements;
//! `scripts/killed.sh` sets them for the long form.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::{AsyncStdRuntime, Runtime, SmolRuntime, TokioRuntime};
use asyncflow_tests::{Numbers, on_async_std, on_smol, on_tokio, on_tokio_current};

/// Set in a process that is to be killed: the backend, the folder and the number of elements.
const VICTIM: &str = "ASYNCFLOW_VICTIM";

/// How many elements run at the same time.
const AT_ONCE: usize = 8;

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Executes a flow of durable elements. Each call of a function adds a line to the file `called`, and
/// the end of the run makes the file `done` with the results.
async fn execute<R: Runtime + Default>(folder: &Path, elements: usize) {
    let journal = FileJournal::open(folder.join("runs.db")).unwrap();
    let mut append = OpenOptions::new();
    let called = append.append(true).create(true).open(folder.join("called"));
    let called = Arc::new(called.unwrap());
    let mut flow = Flow::<R>::new();
    let elements: Vec<Task<String>> = (0..elements)
        .map(|element| {
            let called = called.clone();
            let call = move || {
                // One call of the system, so that lines are whole.
                (&*called)
                    .write_all(format!("{element}\n").as_bytes())
                    .unwrap();
                format!("result {element}")
            };
            match element % 2 {
                0 => flow.add(durable(call).named(format!("element {element}"))),
                _ => {
                    let call = move || std::future::ready(call());
                    flow.add(durable(call).named(format!("element {element}")))
                }
            }
        })
        .collect();
    let all = flow
        .add((|all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>()).inputs(elements));
    let run = flow
        .execute()
        .journal(&journal, "run")
        .max_concurrency(AT_ONCE)
        .await
        .unwrap();
    let restored = run.report().count(|status| status == TaskStatus::Restored);
    let done = format!("{restored}\n{}", run[all].join("\n"));
    // Renamed, so that it is whole.
    fs::write(folder.join("doing"), done).unwrap();
    fs::rename(folder.join("doing"), folder.join("done")).unwrap();
}

/// What the killed processes do; in other processes nothing.
#[test]
fn victim() {
    let Ok(job) = env::var(VICTIM) else { return };
    let mut job = job.splitn(3, ' ');
    let mut next = || job.next().unwrap().to_owned();
    let (backend, elements, folder) = (next(), next().parse().unwrap(), next());
    let folder = std::path::PathBuf::from(folder);
    match &*backend {
        "tokio" => {
            on_tokio(move || async move { execute::<TokioRuntime>(&folder, elements).await })
        }
        "tokio_current" => {
            on_tokio_current(
                move || async move { execute::<TokioRuntime>(&folder, elements).await },
            );
        }
        "async_std" => {
            on_async_std(
                move || async move { execute::<AsyncStdRuntime>(&folder, elements).await },
            );
        }
        _ => on_smol(move || async move { execute::<SmolRuntime>(&folder, elements).await }),
    }
}

fn start(backend: &str, folder: &Path, elements: usize) -> Child {
    let path = concat!(module_path!(), "::victim");
    let (_, test) = path.split_once("::").unwrap();
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(VICTIM, format!("{backend} {elements} {}", folder.display()))
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

fn called(folder: &Path) -> usize {
    fs::read_to_string(folder.join("called")).map_or(0, |text| text.lines().count())
}

/// Kills a process of the backend so many times at random, and lets the next one end.
fn killed(backend: &str) {
    let (kills, elements) = (
        number("ASYNCFLOW_KILLS", 8),
        number("ASYNCFLOW_ELEMENTS", 400),
    );
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut numbers = Numbers::new(backend.len() as u64);
    let mut killed = 0;
    for kill in 0..kills {
        let mut victim = start(backend, folder, elements);
        // Somewhere in this share of what is left.
        let left = elements.saturating_sub(called(folder));
        let until = called(folder) + numbers.below(left / (kills - kill) + 1);
        while called(folder) < until && victim.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(200));
        }
        // Also before the file is open, and in the middle of a write.
        thread::sleep(Duration::from_micros(numbers.below(3000) as u64));
        victim.kill().unwrap();
        killed += usize::from(!victim.wait().unwrap().success());
        assert_eq!(fs::read_to_string(folder.join("stderr")).unwrap(), "");
    }
    let before = called(folder);
    let last = start(backend, folder, elements).wait().unwrap();
    let stderr = fs::read_to_string(folder.join("stderr")).unwrap();
    assert!(last.success(), "{stderr}");
    let done = fs::read_to_string(folder.join("done")).unwrap();
    let (restored, results) = done.split_once('\n').unwrap();
    let expected: Vec<_> = (0..elements)
        .map(|element| format!("result {element}"))
        .collect();
    assert_eq!(results.lines().collect::<Vec<_>>(), expected);
    let restored: usize = restored.parse().unwrap();
    let calls = called(folder);
    assert_eq!(
        calls - before,
        elements - restored,
        "what is restored is not called"
    );
    assert!(calls >= elements);
    assert!(
        calls - elements <= killed * AT_ONCE,
        "{calls} calls for {elements} elements after {killed} kills"
    );
    println!("{backend}: {calls} calls for {elements} elements, {killed} kills");
}

#[test]
fn at_random_tokio() {
    killed("tokio");
}

#[test]
fn at_random_tokio_current() {
    killed("tokio_current");
}

#[test]
fn at_random_async_std() {
    killed("async_std");
}

#[test]
fn at_random_smol() {
    killed("smol");
}
