//! What is measured: the [`Contender`] trait, and [`Engine`], which most contenders implement
//! instead.

use std::fmt;
use std::time::{Duration, Instant};

use crate::job::{Body, Nothing, Record, Sleep, Spin, Yield};
use crate::plan::{Functions, Permits, Plan, Work};
use crate::recorder::Recorder;
use crate::runtime::Runtime;

/// Why a contender is not measured on a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot express the plan, or its adapter here does not.
    Unsupported(String),
    /// It would take too long.
    TooSlow(String),
    /// It failed its check: a wrong result, a crash or a hang.
    Broken(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unsupported(why) => write!(f, "left out: {why}"),
            Unfit::TooSlow(why) => write!(f, "too slow: {why}"),
            Unfit::Broken(why) => write!(f, "WRONG: {why}"),
        }
    }
}

/// A way to execute graphs.
pub trait Contender: Sync {
    /// The name in tables and on the command line.
    fn name(&self) -> &'static str;

    /// Whether it can express `plan`.
    ///
    /// # Errors
    /// [`Unfit::Unsupported`] if not.
    fn accepts(&self, plan: &Plan) -> Result<(), Unfit>;

    /// Builds the graph of an accepted plan.
    fn prepare(&self, plan: &Plan) -> Box<dyn Prepared + '_>;

    /// Builds, runs and drops the graph of an accepted plan, and returns how long that took.
    fn life(&self, plan: &Plan) -> Duration;

    /// Runs an accepted plan with tasks that record when they start and end.
    ///
    /// # Errors
    /// A description of what was wrong.
    fn check(&self, plan: &Plan) -> Result<(), String>;

    /// The peak memory of the process that executes the graphs, in bytes.
    fn peak_memory(&self) -> u64 {
        crate::memory::peak()
    }
}

/// A graph that was built, and can be run any number of times.
pub trait Prepared {
    /// Runs the graph, and returns how long that took. If the contender's graphs can be run only
    /// once, the graph is rebuilt first, which is not timed.
    fn run(&mut self) -> Duration;
}

/// A contender that runs in this process.
pub trait Engine: Sync {
    /// The runtime that it runs on, whose timers its tasks use.
    type Runtime: Runtime;
    /// The name in tables and on the command line.
    const NAME: &'static str;
    /// Whether a graph can be run more than once.
    const REUSABLE: bool;
    /// Whether it can pass data along.
    const DATA: bool = false;
    /// The most upstreams that a task can have.
    const MOST_UPSTREAMS: usize = usize::MAX;

    /// Whether it can express `plan`. By default it takes async functions without permits, within
    /// the limits that the constants state.
    ///
    /// # Errors
    /// [`Unfit::Unsupported`] if not.
    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        let refuse = |what: String| Err(Unfit::Unsupported(what));
        if plan.functions != Functions::Async {
            return refuse("no plain functions on blocking threads".to_owned());
        }
        if plan.permits != Permits::None {
            return refuse("no permits".to_owned());
        }
        if plan.data && !Self::DATA {
            return refuse("no data version".to_owned());
        }
        if plan.shape.widest_join(plan.tasks) > Self::MOST_UPSTREAMS {
            let limit = Self::MOST_UPSTREAMS;
            return refuse(format!("a task has at most {limit} upstreams"));
        }
        Ok(())
    }

    /// Whether it runs tasks in order. If not, it is not checked.
    fn is_engine(&self) -> bool {
        true
    }

    /// Builds the graph.
    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable>;

    /// Builds the chain that passes a `usize` along. Its `run` panics if the last value is wrong.
    /// Called only if `accepts` took a plan with data.
    fn build_data(&self, _plan: &Plan) -> Box<dyn Runnable> {
        unreachable!("{} does not accept plans with data", Self::NAME)
    }
}

/// A graph that an [`Engine`] built.
pub trait Runnable {
    /// Runs the graph.
    fn run(&mut self);

    /// Runs the graph, and returns how long that took.
    fn run_timed(&mut self) -> Duration {
        let start = Instant::now();
        self.run();
        start.elapsed()
    }
}

/// A graph that is run by calling `run`.
pub fn from_fn(run: impl FnMut() + 'static) -> Box<dyn Runnable> {
    struct FromFn<F>(F);
    impl<F: FnMut()> Runnable for FromFn<F> {
        fn run(&mut self) {
            (self.0)();
        }
    }
    Box::new(FromFn(run))
}

fn build<E: Engine>(engine: &E, plan: &Plan) -> Box<dyn Runnable> {
    if plan.data {
        return engine.build_data(plan);
    }
    match plan.work {
        Work::Nothing => engine.build(plan, &Nothing),
        Work::Spin(rounds) => engine.build(plan, &Spin(rounds)),
        Work::Sleep(millis) => engine.build(plan, &Sleep::<E::Runtime>::new(millis, None)),
        Work::SkewedSleep(millis) => {
            engine.build(plan, &Sleep::<E::Runtime>::new(millis, Some(*plan)))
        }
        Work::Yield(times) => engine.build(plan, &Yield::<E::Runtime>::new(times)),
    }
}

impl<E: Engine> Contender for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        Engine::accepts(self, plan)
    }

    fn prepare(&self, plan: &Plan) -> Box<dyn Prepared + '_> {
        Box::new(Reusing {
            engine: self,
            plan: *plan,
            built: E::REUSABLE.then(|| build(self, plan)),
        })
    }

    fn life(&self, plan: &Plan) -> Duration {
        let start = Instant::now();
        let mut graph = build(self, plan);
        graph.run();
        drop(graph);
        start.elapsed()
    }

    fn check(&self, plan: &Plan) -> Result<(), String> {
        if !self.is_engine() {
            return Ok(());
        }
        if plan.data {
            // The last value shows that every task ran, in order; `run` panics if it is wrong.
            build(self, plan).run();
            return Ok(());
        }
        let recorder = Recorder::new(*plan);
        let mut graph = self.build(plan, &Record(recorder.clone()));
        graph.run();
        recorder.verdict()
    }
}

struct Reusing<'a, E> {
    engine: &'a E,
    plan: Plan,
    /// `None` if every run needs a new graph.
    built: Option<Box<dyn Runnable>>,
}

impl<E: Engine> Prepared for Reusing<'_, E> {
    fn run(&mut self) -> Duration {
        match &mut self.built {
            Some(graph) => graph.run_timed(),
            None => build(self.engine, &self.plan).run_timed(),
        }
    }
}
