//! Jobs on a real engine, some of whose parts are killed. `scripts/restate.sh` runs this, with
//! `ASYNCFLOW_RESTATE_SERVER` set to the engine's program. All addresses are of this machine.
//!
//! Workers and flows that are killed are processes of this program, started with `ASYNCFLOW_ROLE`.

mod server;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, thread};

use asyncflow::durable::{FileJournal, JournalExt, durable};
use asyncflow::prelude::*;
use asyncflow::restate::{Cluster, Job, RemoteError, RemoteErrorKind, Worker};
use asyncflow::{
    AsyncStdRuntime, ElementRef, Observer, Runtime, SmolRuntime, TaskRef, TokioRuntime,
};
use server::{Engine, Process, port, until};

const DOUBLE: Job<u64, u64> = Job::new("double", 1);
const FAILS: Job<u64, u64> = Job::new("fails", 1);
const LARGE: Job<u64, Vec<u64>> = Job::new("large", 1);
const HANGS: Job<u64, u64> = Job::new("hangs", 1);
const OTHER: Job<u64, u64> = Job::new("double", 2);
const UNKNOWN: Job<Vec<u64>, u64> = Job::new("unknown", 1);

const ROLE: &str = "ASYNCFLOW_ROLE";

/// How many jobs a worker does at the same time.
const AT_ONCE: usize = 4;

/// How long a job of a worker may take.
const LIMIT: Duration = Duration::from_secs(4);

// Processes.

impl Engine {
    /// A registered worker.
    fn worker(&self) -> WorkerProcess {
        let worker = WorkerProcess::start(port(), self.folder.path());
        self.register(worker.port);
        worker
    }

    fn cluster(&self) -> Cluster {
        Cluster::connect(self.url()).unwrap()
    }
}

struct WorkerProcess {
    port: u16,
    process: Process,
}

impl WorkerProcess {
    fn start(port: u16, folder: &Path) -> Self {
        Self::with_limit(LIMIT, port, folder)
    }

    fn with_limit(limit: Duration, port: u16, folder: &Path) -> Self {
        let process = role(&format!("worker {port} {}", limit.as_secs()), folder);
        until("the worker", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { port, process }
    }
}

/// Starts a process of this program.
fn role(role: &str, folder: &Path) -> Process {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "role_of_this_process", "--nocapture"])
        .env(ROLE, format!("{role} {}", folder.display()))
        .stdout(Stdio::null());
    Process::start(&mut command)
}

/// What the processes of a test do; in the test program itself nothing.
#[test]
fn role_of_this_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let words: Vec<&str> = role.splitn(4, ' ').collect();
    match &*words {
        ["worker", port, limit, folder] => {
            let limit = Duration::from_secs(limit.parse().unwrap());
            work(port.parse().unwrap(), limit, folder.into());
        }
        ["flow", port, elements, folder] => {
            let elements = elements.parse().unwrap();
            let url = format!("http://127.0.0.1:{port}");
            smol::block_on(flow::<SmolRuntime>(&url, elements, folder.as_ref()));
        }
        _ => panic!("no role {role:?}"),
    }
}

/// Adds a line to a file of a test.
fn note(folder: &Path, file: &str, line: impl std::fmt::Display) {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join(file));
    // In one call of the system, so that lines are whole.
    file.unwrap()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

fn lines(path: impl AsRef<Path>) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Does jobs. Each start adds a line to the file `started`.
fn work(port: u16, limit: Duration, folder: PathBuf) {
    let double = {
        let folder = folder.clone();
        move |number: &u64| {
            note(&folder, "started", number);
            // Long enough for something to happen meanwhile.
            thread::sleep(Duration::from_millis(20));
            number * 2
        }
    };
    let hangs = {
        let folder = folder.clone();
        move |seconds: u64| {
            struct Dropped(PathBuf);
            impl Drop for Dropped {
                fn drop(&mut self) {
                    note(&self.0, "dropped", "");
                }
            }
            note(&folder, "hanging", seconds);
            let dropped = Dropped(folder.clone());
            async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                drop(dropped);
                seconds
            }
        }
    };
    let fails = {
        let folder = folder.clone();
        move |number: &u64| {
            note(&folder, "failing", number);
            match number {
                0 => Err(String::from("no luck")),
                1 => panic!("out of cheese"),
                number => Ok(*number),
            }
        }
    };
    let worker = Worker::new()
        .job(DOUBLE, double)
        .job(FAILS, fails)
        .job(LARGE, async |length: u64| vec![u64::MAX; length as usize])
        .job(HANGS, hangs)
        .concurrency(AT_ONCE)
        .limit(limit);
    smol::block_on(worker.listen(("127.0.0.1", port))).unwrap();
}

/// Adds a line to the file `received` for each job whose result is there.
struct Received(PathBuf);

impl Observer for Received {
    fn task_ended(&self, task: TaskRef<'_>, _: TaskStatus) {
        if task.name().starts_with("double ") {
            note(&self.0, "received", task.name());
        }
    }

    fn element_ended(&self, element: ElementRef<'_>, _: TaskStatus) {
        note(&self.0, "received", element);
    }
}

/// Doubles numbers, with a journal: half of them by a task each, the others by one for a list. The file
/// `done` has the results.
async fn flow<R: Runtime + Default>(url: &str, elements: u64, folder: &Path) {
    let cluster = Cluster::connect(url).unwrap();
    let journal = FileJournal::open(folder.join("runs.db")).unwrap();
    let mut flow = Flow::<R>::new();
    let doubled: Vec<Task<u64>> = (0..elements / 2)
        .map(|number| {
            let given = flow.add(move || number);
            flow.add(
                cluster
                    .remote(DOUBLE)
                    .inputs(given)
                    .named(format!("double {number}")),
            )
        })
        .collect();
    let list = flow.add(move || (elements / 2..elements).collect::<Vec<u64>>());
    let in_list = flow.add(each(cluster.remote(DOUBLE)).inputs(list).named("double"));
    let all = |single: Vec<&u64>, in_list: &Vec<u64>| {
        let all = single.into_iter().chain(in_list);
        all.map(u64::to_string).collect::<Vec<_>>()
    };
    let all = flow.add(all.inputs((doubled, in_list)));
    let execute = flow.execute().journal(&journal, "run");
    let run = execute.observe(Received(folder.to_owned())).await.unwrap();
    fs::write(folder.join("doing"), run[all].join("\n")).unwrap();
    fs::rename(folder.join("doing"), folder.join("done")).unwrap();
}

fn is_doubled(folder: &Path, elements: u64) {
    let done = fs::read_to_string(folder.join("done")).unwrap();
    let expected: Vec<_> = (0..elements)
        .map(|number| (number * 2).to_string())
        .collect();
    assert_eq!(done.lines().collect::<Vec<_>>(), expected);
}

/// The error of the only task that failed.
fn remote_error(error: &FlowError) -> &RemoteError {
    let failure = error.failures().next().unwrap();
    failure.error().downcast_ref().unwrap()
}

async fn double<R: Runtime + Default>(cluster: &Cluster) {
    let mut flow = Flow::<R>::new();
    let number = flow.add(|| 21_u64);
    let doubled = flow.add(cluster.remote(DOUBLE).inputs(number));
    let run = flow.execute().await.unwrap();
    assert_eq!(run[doubled], 42);
}

/// Forwards connections to a port, which can be changed, and cuts them when told.
struct Proxy {
    port: u16,
    state: Arc<Mutex<(u16, Vec<TcpStream>)>>,
}

impl Proxy {
    fn start(to: u16) -> Self {
        let port = port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let state = Arc::new(Mutex::new((to, Vec::new())));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for from in listener.incoming() {
                let from = from.unwrap();
                let mut state = shared.lock().unwrap();
                let Ok(to) = TcpStream::connect(("127.0.0.1", state.0)) else {
                    continue;
                };
                for (one, other) in [(&from, &to), (&to, &from)] {
                    let (mut one, mut other) =
                        (one.try_clone().unwrap(), other.try_clone().unwrap());
                    state.1.push(one.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut one, &mut other);
                        let _ = other.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, state }
    }

    /// Cuts all connections, and forwards the next ones to this port.
    fn cut(&self, to: u16) {
        let mut state = self.state.lock().unwrap();
        state.0 = to;
        for stream in state.1.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

// Tests.

#[test]
fn results_on_every_backend() {
    let engine = Engine::start();
    let _worker = engine.worker();
    let cluster = engine.cluster();
    smol::block_on(double::<SmolRuntime>(&cluster));
    async_std::task::block_on(double::<AsyncStdRuntime>(&cluster));
    let tokio = tokio::runtime::Runtime::new().unwrap();
    tokio.block_on(double::<TokioRuntime>(&cluster));
    drop(tokio);
    smol::block_on(double::<SmolRuntime>(&cluster));
}

#[test]
fn errors_name_the_job_and_say_what_to_do() {
    let engine = Engine::start();
    let mut worker = engine.worker();
    let cluster = engine.cluster().patience(Duration::from_secs(2));
    let ends = |job: Job<u64, u64>, input: u64| {
        let mut flow = Flow::<SmolRuntime>::new();
        let input = flow.add(move || input);
        let task = flow.add(cluster.remote(job).inputs(input).named("task"));
        smol::block_on(flow.execute()).map(|run| run[task])
    };
    let error = ends(FAILS, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task `task` failed: job `fails` (version 1) failed: no luck"
    );
    let error = ends(FAILS, 1).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("failed: panicked: out of cheese"),
        "{error}"
    );
    assert_eq!(ends(FAILS, 2).unwrap(), 2, "the worker goes on");

    let error = ends(OTHER, 1).unwrap_err();
    assert_eq!(remote_error(&error).kind(), RemoteErrorKind::UnknownJob);
    assert!(
        error
            .to_string()
            .contains("offers job `double` (version 2)"),
        "{error}"
    );

    let mut flow = Flow::<SmolRuntime>::new();
    let list = flow.add(|| vec![u64::MAX; 5_000_000]);
    flow.add(cluster.remote(UNKNOWN).inputs(list));
    let error = smol::block_on(flow.execute()).unwrap_err();
    assert_eq!(remote_error(&error).kind(), RemoteErrorKind::TooLarge);
    assert!(error.to_string().contains("pass a reference"), "{error}");

    let mut flow = Flow::<SmolRuntime>::new();
    let length = flow.add(|| 5_000_000_u64);
    let large = flow.add(cluster.remote(LARGE).inputs(length));
    let error = smol::block_on(flow.execute()).unwrap_err();
    assert!(
        error.to_string().contains("the output has 45000"),
        "{error}"
    );
    // As large as it may be.
    let run = smol::block_on(flow.execute().given(length, 3_600_000)).unwrap();
    assert_eq!(run[large].len(), 3_600_000);
    drop(worker.process);

    let mut engine = engine;
    engine.kill();
    let error = ends(DOUBLE, 1).unwrap_err();
    assert_eq!(remote_error(&error).kind(), RemoteErrorKind::Unreachable);
    assert!(error.to_string().contains("for 2.0s"), "{error}");
    // It is there again within the patience of another call.
    let cluster = engine.cluster();
    let call = thread::spawn(move || smol::block_on(double::<SmolRuntime>(&cluster)));
    engine.run();
    worker = WorkerProcess::start(worker.port, engine.folder.path());
    call.join().unwrap();
    drop(worker);
}

/// Doubles numbers in this process while something happens, and returns how often jobs started.
fn while_doubling(engine: &mut Engine, url: &str, happens: impl FnOnce(&mut Engine)) -> usize {
    const ELEMENTS: u64 = 200;
    let (url, folder) = (url.to_owned(), engine.folder.path().to_owned());
    let flow = thread::spawn({
        let folder = folder.clone();
        move || smol::block_on(flow::<SmolRuntime>(&url, ELEMENTS, &folder))
    });
    until("the first jobs", || lines(folder.join("started")) > 20);
    happens(engine);
    flow.join().unwrap();
    is_doubled(&folder, ELEMENTS);
    lines(folder.join("started")) - ELEMENTS as usize
}

#[test]
fn a_worker_that_is_killed() {
    let mut engine = Engine::start();
    let mut worker = engine.worker();
    let url = engine.url();
    let mut under_way = 0;
    let again = while_doubling(&mut engine, &url, |engine| {
        let received = lines(engine.path("received"));
        worker.process.kill();
        under_way = lines(engine.path("started")) - received;
        worker = WorkerProcess::start(worker.port, engine.folder.path());
    });
    assert!(
        again <= under_way,
        "{again} jobs were started again, of {under_way}"
    );
}

#[test]
fn an_engine_that_is_killed() {
    let mut engine = Engine::start();
    let _worker = engine.worker();
    let url = engine.url();
    while_doubling(&mut engine, &url, |engine| {
        engine.kill();
        engine.run();
    });
}

#[test]
fn a_connection_that_is_cut() {
    let mut engine = Engine::start();
    let _worker = engine.worker();
    let proxy = Proxy::start(engine.ports[0]);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let again = while_doubling(&mut engine, &url, |engine| {
        for _ in 0..5 {
            let before = lines(engine.path("started"));
            proxy.cut(engine.ports[0]);
            until("the next job", || lines(engine.path("started")) > before);
        }
    });
    assert_eq!(again, 0, "jobs were started again");
}

#[test]
fn a_worker_that_is_frozen() {
    let mut engine = Engine::start();
    let frozen = WorkerProcess::start(port(), engine.folder.path());
    let proxy = Proxy::start(frozen.port);
    engine.register(proxy.port);
    let url = engine.url();
    while_doubling(&mut engine, &url, |engine| {
        frozen.process.signal("STOP");
        let other = WorkerProcess::start(port(), engine.folder.path());
        // As a balancer does that finds it unhealthy. What is under way stays where it is.
        proxy.state.lock().unwrap().0 = other.port;
        std::mem::forget(other);
    });
    frozen.process.signal("CONT");
}

#[test]
fn a_thousand_jobs_while_flow_worker_and_engine_are_killed() {
    const ELEMENTS: u64 = 1000;
    let mut engine = Engine::start();
    let mut worker = engine.worker();
    let folder = engine.folder.path().to_owned();
    let flow = format!("flow {} {ELEMENTS}", engine.ports[0]);
    let mut first = role(&flow, &folder);
    until("the first jobs", || lines(folder.join("started")) > 100);
    first.kill();
    let mut second = role(&flow, &folder);
    until("more jobs", || lines(folder.join("started")) > 300);
    worker.process.kill();
    worker = WorkerProcess::start(worker.port, &folder);
    until("more jobs", || lines(folder.join("started")) > 600);
    engine.kill();
    engine.run();
    assert!(second.0.wait().unwrap().success());
    is_doubled(&folder, ELEMENTS);
    let again = lines(folder.join("started")) - ELEMENTS as usize;
    assert!(again < 100, "{again} jobs were started again");
    drop(worker);
}

#[test]
fn a_job_longer_than_the_limits_of_the_engine() {
    let engine = Engine::with(&[
        ("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "500ms"),
        ("RESTATE_WORKER__INVOKER__ABORT_TIMEOUT", "500ms"),
    ]);
    let takes = env::var("ASYNCFLOW_JOB_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let hour = Duration::from_secs(3600);
    let worker = WorkerProcess::with_limit(hour, port(), engine.folder.path());
    engine.register(worker.port);
    let mut flow = Flow::<SmolRuntime>::new();
    let seconds = flow.add(move || takes);
    let hangs = flow.add(engine.cluster().remote(HANGS).inputs(seconds));
    let run = smol::block_on(flow.execute()).unwrap();
    assert_eq!(run[hangs], takes);
    assert_eq!(lines(engine.path("hanging")), 1);
}

#[test]
fn a_run_that_is_dropped_cancels_its_jobs() {
    let engine = Engine::start();
    // Its limit does not end the job.
    let hour = Duration::from_secs(3600);
    let worker = WorkerProcess::with_limit(hour, port(), engine.folder.path());
    engine.register(worker.port);
    let cluster = engine.cluster();
    let mut flow = Flow::<SmolRuntime>::new();
    let seconds = flow.add(|| 3600_u64);
    flow.add(cluster.remote(HANGS).inputs(seconds));
    for (number, cancelled) in [(1, false), (2, true)] {
        let running = flow.execute().start();
        until("the job", || lines(engine.path("hanging")) == number);
        match cancelled {
            true => assert!(smol::block_on(running.cancel()).unwrap_err().is_cancelled()),
            false => drop(running),
        }
        until("the end of the job", || {
            lines(engine.path("dropped")) == number
        });
    }
    // There is room for others.
    smol::block_on(double::<SmolRuntime>(&cluster));
}

#[test]
fn elements_have_keys_of_their_own() {
    let engine = Engine::start();
    let _worker = engine.worker();
    let journal = FileJournal::open(engine.path("runs.db")).unwrap();
    let cluster = engine.cluster();
    let mut flow = Flow::<SmolRuntime>::new();
    let list = flow.input::<Vec<u64>>("list");
    let found = flow.add(each(cluster.remote(DOUBLE)).inputs(list).named("found"));
    let restored = flow.add(
        each(durable(cluster.remote(DOUBLE)))
            .inputs(list)
            .named("restored"),
    );
    let execute = |numbers: &[u64], id: &str| {
        let execute = flow.execute().given(list, numbers.to_vec());
        let run = smol::block_on(execute.journal(&journal, id)).unwrap();
        let report = run.report();
        let status = report.status(restored);
        (
            run[found].clone(),
            run[restored].clone(),
            status,
            lines(engine.path("started")),
        )
    };
    use TaskStatus::{Restored, Succeeded};
    // The same input is another call for another element, and for another task.
    let doubled = vec![14, 14, 14];
    assert_eq!(
        execute(&[7, 7, 7], "run"),
        (doubled.clone(), doubled.clone(), Succeeded, 6)
    );
    // The engine knows these calls, and the journal those.
    assert_eq!(
        execute(&[7, 7, 7], "run"),
        (doubled.clone(), doubled.clone(), Restored, 6)
    );
    // Another input never finds an old result at the engine. The journal goes by the index.
    assert_eq!(
        execute(&[7, 8, 7], "run"),
        (vec![14, 16, 14], doubled, Restored, 7)
    );
    assert_eq!(
        execute(&[7], "another run"),
        (vec![14], vec![14], Succeeded, 9)
    );
}

#[test]
fn a_failure_is_the_flows_to_retry() {
    let engine = Engine::start();
    let _worker = engine.worker();
    let journal = FileJournal::open(engine.path("runs.db")).unwrap();
    let cluster = engine.cluster();
    let mut flow = Flow::<SmolRuntime>::new();
    let number = flow.input::<u64>("number");
    let task = cluster.remote(FAILS).inputs(number).named("task");
    let task = flow.add(task.retry([Duration::ZERO; 2].into_iter()));
    let execute = |number_: u64| {
        let execute = flow
            .execute()
            .given(number, number_)
            .journal(&journal, "run");
        smol::block_on(execute)
    };
    for execution in 1..=2 {
        let error = execute(0).unwrap_err();
        assert_eq!(error.report().unwrap().task(task).attempts(), 3);
        // Also a failure that the engine has kept is called again.
        assert_eq!(lines(engine.path("failing")), 3 * execution);
    }
    // Another input never finds the result of this one.
    assert_eq!(execute(7).unwrap()[task], 7);
    assert_eq!(execute(8).unwrap()[task], 8);
}
