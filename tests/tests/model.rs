//! Random flows against a small single-threaded reference.
//!
//! Each case is a flow of 40 tasks and up, and some executions of it one after the other: see
//! `model/case.rs` for what is in it, `model/reference.rs` for what has to come of it, and
//! `model/check.rs` for what is looked at. A case that fails is shrunk, and printed with its seed.
//!
//! | variable | meaning |
//! |---|---|
//! | `ASYNCFLOW_MODEL_RUNS` | how many cases on each backend, instead of 2,000 |
//! | `ASYNCFLOW_MODEL_SEED` | the seed of the first one, instead of 0; the others count up |
//!
//! `scripts/model.sh` runs a million.

mod model {
    pub(crate) mod case;
    pub(crate) mod check;
    pub(crate) mod flow;
    pub(crate) mod plan;
    pub(crate) mod reference;
    pub(crate) mod round;
    pub(crate) mod world;
}

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use asyncflow::Runtime;
use asyncflow_tests::{AsyncStdRuntime, SmolRuntime, TokioRuntime};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use model::case::{Case, cases};
use model::flow::Built;

/// How long one case may take before it counts as one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often each simpler form of a failing case is run, since what fails may depend on timing.
const REPEATS: usize = 20;

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(number) => number
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
        Err(_) => otherwise,
    }
}

/// Runs one case; says what was wrong.
async fn run<R: Runtime + Default>(case: &Case) -> Result<(), String> {
    let built = Built::<R>::new(case);
    for (index, round) in case.rounds.iter().enumerate() {
        let go_on = model::round::run(&built, round)
            .await
            .map_err(|wrong| format!("round {index}: {wrong}"))?;
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// Runs all cases on one backend; tells now and then how far it is, if they are many.
fn run_all(backend: &str, run: impl Fn(&Case) -> Result<(), String>) {
    let runs = number("ASYNCFLOW_MODEL_RUNS", 2000);
    let first = number("ASYNCFLOW_MODEL_SEED", 0);
    let watch = Watch::default();
    watch.start();
    for seed in first..first + runs {
        run_one(seed, &run, &watch);
        let done = seed + 1 - first;
        if done.is_multiple_of(10_000) {
            eprintln!("{backend}: {done} of {runs}");
        }
    }
    watch.stop();
}

fn run_one(seed: u64, run: impl Fn(&Case) -> Result<(), String>, watch: &Watch) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 3000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = cases().new_tree(&mut runner).unwrap();
    let failed = Cell::new(false);
    let result = runner.run_one(tree, |case| {
        let repeats = if failed.get() { REPEATS } else { 1 };
        for _ in 0..repeats {
            watch.watch(seed, &case);
            let Err(wrong) = attempt(&case, &run) else {
                continue;
            };
            if !failed.replace(true) {
                eprintln!("seed {seed} fails: {wrong}\nshrinking it ...");
            }
            return Err(TestCaseError::fail(wrong));
        }
        Ok(())
    });
    if let Err(TestError::Fail(wrong, case)) = result {
        let (case, wrong) = reduce(case, wrong.to_string(), |case| {
            (0..REPEATS).find_map(|_| attempt(case, &run).err())
        });
        panic!(
            "{wrong}\nthe smallest case of seed {seed} that fails:\n{case:?}\
             to run it again: ASYNCFLOW_MODEL_SEED={seed} ASYNCFLOW_MODEL_RUNS=1"
        );
    }
}

/// Runs a case; says what was wrong.
fn attempt(case: &Case, run: impl Fn(&Case) -> Result<(), String>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| run(case))) {
        Ok(result) => result,
        Err(payload) => Err(match payload.downcast::<String>() {
            Ok(message) => format!("panicked: {message}"),
            Err(_) => "panicked".to_owned(),
        }),
    }
}

/// Takes out every block that the failure does not need, which shrinking leaves in.
fn reduce(
    mut case: Case,
    mut wrong: String,
    fails: impl Fn(&Case) -> Option<String>,
) -> (Case, String) {
    for index in (0..case.blocks.len()).rev() {
        if case.blocks.len() == 1 {
            break;
        }
        let smaller = case.without(index);
        if let Some(still) = fails(&smaller) {
            (case, wrong) = (smaller, still);
        }
    }
    (case, wrong)
}

/// Ends the process, with the case, if one hangs: there is no other way out of it.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Option<Watched>>>);

struct Watched {
    since: Instant,
    seed: u64,
    case: Case,
}

impl Watch {
    fn start(&self) {
        let watched = Arc::downgrade(&self.0);
        thread::spawn(move || {
            while let Some(watched) = watched.upgrade() {
                if let Some(Watched { since, seed, case }) = &*watched.lock().unwrap()
                    && since.elapsed() > PATIENCE
                {
                    eprintln!("seed {seed} hangs:\n{case:?}");
                    std::process::exit(101);
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
    }

    fn watch(&self, seed: u64, case: &Case) {
        *self.0.lock().unwrap() = Some(Watched {
            since: Instant::now(),
            seed,
            case: case.clone(),
        });
    }

    fn stop(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// On a thread of its own, with a small stack.
fn on_thread(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(test)
        .unwrap();
    if let Err(payload) = thread.join() {
        std::panic::resume_unwind(payload);
    }
}

fn blocking<F: Future>(runtime: &tokio::runtime::Runtime, future: F) -> F::Output {
    runtime.block_on(future)
}

#[test]
fn tokio() {
    on_thread(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_time().build().unwrap();
        run_all("tokio", |case| {
            blocking(&runtime, run::<TokioRuntime>(case))
        });
    });
}

#[test]
fn tokio_current() {
    on_thread(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder
            .max_blocking_threads(1)
            .enable_time()
            .build()
            .unwrap();
        run_all("tokio_current", |case| {
            blocking(&runtime, run::<TokioRuntime>(case))
        });
    });
}

#[test]
fn async_std() {
    on_thread(|| {
        run_all("async_std", |case| {
            async_std::task::block_on(run::<AsyncStdRuntime>(case))
        })
    });
}

#[test]
fn smol() {
    on_thread(|| run_all("smol", |case| smol::block_on(run::<SmolRuntime>(case))));
}
