//! Processes that are killed in the middle of a run with a journal, and what is run again then.
//!
//! `ASYNCFLOW_KILLS` and `ASYNCFLOW_ELEMENTS` say how often and of how many elements;
//! `scripts/killed.sh` sets them for the long form.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, thread};

use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::{AsyncStdRuntime, ElementRef, Observer, Runtime, SmolRuntime, TokioRuntime};
use asyncflow_tests::{Numbers, on_async_std, on_smol, on_tokio, on_tokio_current};

/// Set in a process that is to be killed: what is durable in its flow, the backend, the number of
/// elements and the folder.
const VICTIM: &str = "ASYNCFLOW_VICTIM";

/// How many elements run at the same time.
const AT_ONCE: usize = 8;

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Where each call of a function adds a line.
#[derive(Clone)]
struct Called(Arc<File>);

impl Called {
    fn call(&self, element: usize) -> String {
        // One call of the system, so that lines are whole.
        (&*self.0)
            .write_all(format!("{element}\n").as_bytes())
            .unwrap();
        format!("result {element}")
    }
}

/// Adds a durable task for each element. Half of them are plain functions.
fn tasks<R: Runtime>(flow: &mut Flow<R>, called: Called, elements: usize) -> Task<Vec<String>> {
    let elements: Vec<Task<String>> = (0..elements)
        .map(|element| {
            let called = called.clone();
            let call = move || called.call(element);
            let name = format!("element {element}");
            match element % 2 {
                0 => flow.add(durable(call).named(name)),
                _ => flow.add(durable(move || std::future::ready(call())).named(name)),
            }
        })
        .collect();
    let all = |all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>();
    flow.add(all.inputs(elements))
}

/// Adds two tasks with durable elements. One has a plain function.
fn lists<R: Runtime>(flow: &mut Flow<R>, called: Called, elements: usize) -> Task<Vec<String>> {
    let called = flow.value(called);
    let first = flow.value((0..elements / 2).collect::<Vec<_>>());
    let second = flow.value((elements / 2..elements).collect::<Vec<_>>());
    let plain = |element: &usize, called: &Called| called.call(*element);
    let plain = flow.add(each(durable(plain)).inputs((first, called)).named("plain"));
    let awaits = async |element: &usize, called: &Called| called.call(*element);
    let awaits = flow.add(
        each(durable(awaits))
            .inputs((second, called))
            .named("async"),
    );
    let all = |plain: &Vec<String>, awaits: &Vec<String>| [&**plain, awaits].concat();
    flow.add(all.inputs((plain, awaits)))
}

/// Counts what is restored.
#[derive(Default)]
struct Restored(AtomicUsize);

impl Observer for Restored {
    fn element_ended(&self, _: ElementRef<'_>, status: TaskStatus) {
        let restored = status == TaskStatus::Restored;
        self.0.fetch_add(restored.into(), Ordering::Relaxed);
    }
}

/// Executes a flow of durable tasks or elements. The end of the run makes the file `done` with the
/// results.
async fn execute<R: Runtime + Default>(what: &str, folder: &Path, elements: usize) {
    let journal = FileJournal::open(folder.join("runs.db")).unwrap();
    let mut append = OpenOptions::new();
    let called = append.append(true).create(true).open(folder.join("called"));
    let called = Called(Arc::new(called.unwrap()));
    let mut flow = Flow::<R>::new();
    let all = match what {
        "tasks" => tasks(&mut flow, called, elements),
        _ => lists(&mut flow, called, elements),
    };
    let in_lists = Arc::new(Restored::default());
    let run = flow
        .execute()
        .journal(&journal, "run")
        .max_concurrency(AT_ONCE)
        .observe(in_lists.clone())
        .await
        .unwrap();
    let restored = match what {
        "tasks" => run.report().count(|status| status == TaskStatus::Restored),
        _ => in_lists.0.load(Ordering::Relaxed),
    };
    let done = format!("{restored}\n{}", run[all].join("\n"));
    // Renamed, so that it is whole.
    fs::write(folder.join("doing"), done).unwrap();
    fs::rename(folder.join("doing"), folder.join("done")).unwrap();
}

/// What the killed processes do; in other processes nothing.
#[test]
fn victim() {
    let Ok(job) = env::var(VICTIM) else { return };
    let mut job = job.splitn(4, ' ');
    let mut next = || job.next().unwrap().to_owned();
    let (what, backend, elements, folder) = (next(), next(), next().parse().unwrap(), next());
    let folder = std::path::PathBuf::from(folder);
    macro_rules! execute {
        ($on:ident, $runtime:ty) => {
            $on(move || async move { execute::<$runtime>(&what, &folder, elements).await })
        };
    }
    match &*backend {
        "tokio" => execute!(on_tokio, TokioRuntime),
        "tokio_current" => execute!(on_tokio_current, TokioRuntime),
        "async_std" => execute!(on_async_std, AsyncStdRuntime),
        _ => execute!(on_smol, SmolRuntime),
    }
}

fn start(what: &str, backend: &str, folder: &Path, elements: usize) -> Child {
    let path = concat!(module_path!(), "::victim");
    let (_, test) = path.split_once("::").unwrap();
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(
            VICTIM,
            format!("{what} {backend} {elements} {}", folder.display()),
        )
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

fn called(folder: &Path) -> usize {
    fs::read_to_string(folder.join("called")).map_or(0, |text| text.lines().count())
}

/// Kills a process of the backend so many times at random, and lets the next one end.
fn killed(what: &str, backend: &str) {
    let (kills, elements) = (
        number("ASYNCFLOW_KILLS", 8),
        number("ASYNCFLOW_ELEMENTS", 400),
    );
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut numbers = Numbers::new(backend.len() as u64);
    let mut killed = 0;
    for kill in 0..kills {
        let mut victim = start(what, backend, folder, elements);
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
    let last = start(what, backend, folder, elements).wait().unwrap();
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
    println!("{what}, {backend}: {calls} calls for {elements} elements, {killed} kills");
}

macro_rules! at_random {
    ($($backend:ident)*) => {
        mod tasks_at_random {
            $(#[test] fn $backend() { super::killed("tasks", stringify!($backend)); })*
        }

        mod elements_at_random {
            $(#[test] fn $backend() { super::killed("elements", stringify!($backend)); })*
        }
    };
}

at_random!(tokio tokio_current async_std smol);
