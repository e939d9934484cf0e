//! Random flows against a small single-threaded reference.
//!
//! Each case is a flow of 40 tasks and up, and some executions of it one after the other: see
//! `model/case.rs` for what is in it, `model/reference.rs` for what has to come of it, and
//! `model/check.rs` for what is looked at. A case that fails is shrunk, and printed with its seed.
//!
//! | variable | meaning |
//! |---|---|
//! | `ASYNCFLOW_MODEL_RUNS` | how many cases on each backend, instead of 500 |
//! | `ASYNCFLOW_MODEL_SEED` | the seed of the first one, instead of 0; the others count up |
//!
//! `.ci/run` runs 2,000 of them, and `scripts/model.sh` a million.

pub(crate) mod case;
pub(crate) mod check;
pub(crate) mod flow;
pub(crate) mod plan;
pub(crate) mod reference;
pub(crate) mod round;
pub(crate) mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use asyncflow::Runtime;
use asyncflow_tests::{AsyncStdRuntime, SmolRuntime, TokioRuntime, tokio_with_two_workers};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use case::{Case, cases};
use flow::Built;

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
        let go_on = round::run(&built, round)
            .await
            .map_err(|wrong| format!("round {index}: {wrong}"))?;
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// Runs all cases on one backend, on a thread with a small stack, and fails if one hangs. If they
/// are many, it prints how far it is.
fn run_all(backend: &'static str, run: impl Fn(&Case) -> Result<(), String> + Send + 'static) {
    let runs = number("ASYNCFLOW_MODEL_RUNS", 500);
    let first = number("ASYNCFLOW_MODEL_SEED", 0);
    let watch = Watch::default();
    let watched = watch.clone();
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for seed in first..first + runs {
            run_one(seed, &run, &watched);
            let done = seed + 1 - first;
            if done.is_multiple_of(10_000) {
                eprintln!("{backend}: {done} of {runs}");
            }
        }
    });
    let thread = thread.unwrap();
    while !thread.is_finished() {
        watch.assert_no_hang();
        thread::sleep(Duration::from_millis(20));
    }
    if let Err(payload) = thread.join() {
        std::panic::resume_unwind(payload);
    }
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

/// The case that runs.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Option<Watched>>>);

struct Watched {
    since: Instant,
    seed: u64,
    case: Case,
}

impl Watch {
    fn watch(&self, seed: u64, case: &Case) {
        *self.0.lock().unwrap() = Some(Watched {
            since: Instant::now(),
            seed,
            case: case.clone(),
        });
    }

    /// Panics if a case hangs; the thread that runs it is left behind.
    fn assert_no_hang(&self) {
        if let Some(Watched { since, seed, case }) = &*self.0.lock().unwrap() {
            assert!(since.elapsed() < PATIENCE, "seed {seed} hangs:\n{case:?}");
        }
    }
}

#[test]
fn tokio() {
    let runtime = tokio_with_two_workers();
    run_all("tokio", move |case| {
        runtime.block_on(run::<TokioRuntime>(case))
    });
}

#[test]
fn tokio_with_one_blocking_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap();
    run_all("tokio_with_one_blocking_thread", move |case| {
        runtime.block_on(run::<TokioRuntime>(case))
    });
}

#[test]
fn tokio_current() {
    let runtime = asyncflow_tests::tokio_current();
    run_all("tokio_current", move |case| {
        runtime.block_on(run::<TokioRuntime>(case))
    });
}

#[test]
fn async_std() {
    run_all("async_std", |case| {
        async_std::task::block_on(run::<AsyncStdRuntime>(case))
    });
}

#[test]
fn smol() {
    run_all("smol", |case| smol::block_on(run::<SmolRuntime>(case)));
}
