//! What is measured: the [`Contender`] trait, and [`Engine`], by which most contenders come by it.

use std::fmt;
use std::time::{Duration, Instant};

use crate::job::{Body, Clock, Nothing, Record, Sleep, Spin, Yield};
use crate::plan::{Functions, Permits, Plan, Work};
use crate::recorder::Recorder;

/// Why a contender takes no part in something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has no way to express the plan, or nobody wrote it down.
    Unsupported(String),
    /// It would take too long.
    TooSlow(String),
    /// It failed its check: wrong results, a crash, a hang.
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
    /// Its name in tables and on the command line.
    fn name(&self) -> &'static str;

    /// Whether it can express `plan`.
    ///
    /// # Errors
    /// [`Unfit::Unsupported`] if not.
    fn accepts(&self, plan: &Plan) -> Result<(), Unfit>;

    /// Builds the graph of an accepted plan, to be run any number of times.
    fn prepare(&self, plan: &Plan) -> Box<dyn Prepared + '_>;

    /// How long it takes to build, run and drop the graph of an accepted plan.
    fn life(&self, plan: &Plan) -> Duration;

    /// Runs an accepted plan with tasks that record what they see.
    ///
    /// # Errors
    /// Says what was wrong.
    fn check(&self, plan: &Plan) -> Result<(), String>;

    /// The most memory that the executing process has ever had, in bytes.
    fn peak_memory(&self) -> u64 {
        crate::memory::peak()
    }
}

/// A graph that was built.
pub trait Prepared {
    /// Runs it, and says how long that took. Where the contender's graphs can be run only once,
    /// it is rebuilt outside of the time measured.
    fn run(&mut self) -> Duration;
}

/// A contender that runs in this process.
pub trait Engine: Sync {
    /// How its tasks sleep and yield.
    type Clock: Clock;
    /// The value of that.
    const CLOCK: Self::Clock;
    /// Its name.
    const NAME: &'static str;
    /// Whether a graph can be run more than once.
    const REUSABLE: bool;

    /// Whether it can express `plan`. Unless it says more, it takes async functions that hold no
    /// permits and pass no data, with any number of upstreams.
    ///
    /// # Errors
    /// [`Unfit::Unsupported`] if not.
    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        only_async(plan)
    }

    /// Whether it claims to run tasks in order; where not, it is not checked.
    fn is_engine(&self) -> bool {
        true
    }

    /// Builds the graph.
    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable>;

    /// Builds the chain that passes a `usize` along, whose last value is checked by its `run`.
    /// Only called when `accepts` took a plan with data.
    fn build_data(&self, _plan: &Plan) -> Box<dyn Runnable> {
        unreachable!("{} did not accept a plan with data", Self::NAME)
    }
}

/// A graph that an [`Engine`] built.
pub trait Runnable {
    /// Runs it.
    fn run(&mut self);

    /// Runs it, and says how long that took.
    fn run_timed(&mut self) -> Duration {
        let start = Instant::now();
        self.run();
        start.elapsed()
    }
}

/// Refuses everything but async functions that hold no permits and pass no data.
///
/// # Errors
/// [`Unfit::Unsupported`], which says what it refuses.
pub fn only_async(plan: &Plan) -> Result<(), Unfit> {
    let refuse = |what: &str| Err(Unfit::Unsupported(what.to_owned()));
    if plan.functions != Functions::Async {
        return refuse("no plain functions on blocking threads");
    }
    if plan.permits != Permits::None {
        return refuse("no permits");
    }
    if plan.data {
        return refuse("no data version");
    }
    Ok(())
}

/// Refuses graphs in which a task has more than `limit` upstreams.
///
/// # Errors
/// [`Unfit::Unsupported`], which names the limit.
pub fn at_most_upstreams(plan: &Plan, limit: usize) -> Result<(), Unfit> {
    if plan.shape.widest_join(plan.tasks) > limit {
        let why = format!("a task has at most {limit} upstreams");
        return Err(Unfit::Unsupported(why));
    }
    Ok(())
}

fn build<E: Engine>(engine: &E, plan: &Plan) -> Box<dyn Runnable> {
    if plan.data {
        return engine.build_data(plan);
    }
    let sleep = |millis, skewed| Sleep {
        length: Duration::from_millis(millis),
        skewed,
        clock: E::CLOCK,
    };
    match plan.work {
        Work::Nothing => engine.build(plan, &Nothing),
        Work::Spin(rounds) => engine.build(plan, &Spin(rounds)),
        Work::Sleep(millis) => engine.build(plan, &sleep(millis, None)),
        Work::SkewedSleep(millis) => engine.build(plan, &sleep(millis, Some(*plan))),
        Work::Yield(times) => engine.build(plan, &Yield(times, E::CLOCK)),
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
            // The last value tells that every task ran, in order; `run` panics if it is wrong.
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
    /// `None` where every run needs a new graph.
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
