//! Timing. In every round each contender has a turn, so that other load on the machine affects all
//! of them alike. Each round begins with a different contender.
//!
//! A turn begins with a run that is not timed. Without it, a contender would pay for cold caches and
//! for its threads that have gone to sleep, and contenders that share a runtime would pay less than
//! the others. Then up to five samples are taken.

use std::fmt;
use std::time::{Duration, Instant};

use crate::contender::{Contender, Prepared, Unfit};
use crate::plan::Plan;
use crate::statistics::{Figure, Samples};
use crate::trial::Trials;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running a graph that was built before.
    Run,
    /// Building, running and dropping it.
    Life,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Run => "run only",
            Mode::Life => "build, run and drop",
        })
    }
}

/// How much effort is spent on a case.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The number of rounds, after one that only warms up.
    pub rounds: usize,
    /// A contender that has spent this much time on a case sits out its remaining rounds.
    pub budget: Duration,
}

/// The number of rounds that every contender takes part in, however slow it is.
const LEAST_ROUNDS: usize = 3;
/// A shorter run is repeated, and the mean of the repetitions is one sample. Otherwise the clock and
/// entering the runtime would be most of what is measured.
const SHORTEST_SAMPLE: Duration = Duration::from_micros(300);
/// The most repetitions in one sample.
const MOST_REPETITIONS: u32 = 100;
/// A turn takes no more samples once it has lasted this long.
const TURN: Duration = Duration::from_millis(5);
/// The most samples in a turn.
const MOST_SAMPLES: usize = 5;

/// The result of one contender in one case.
pub type Outcome = Result<Figure, Unfit>;

/// Measures all contenders on `plan`.
pub fn measure(
    contenders: &[Box<dyn Contender>],
    trials: &mut Trials,
    plan: &Plan,
    mode: Mode,
    effort: Effort,
) -> Vec<Outcome> {
    let mut lanes: Vec<Result<Lane<'_>, Unfit>> = contenders
        .iter()
        .map(|contender| {
            trials.verdict(contender.as_ref(), plan)?;
            Ok(Lane::new(contender.as_ref(), plan, mode))
        })
        .collect();
    let mut running: Vec<&mut Lane<'_>> = lanes.iter_mut().flatten().collect();
    for lane in &mut running {
        lane.warm_up();
    }
    for round in 0..effort.rounds {
        for lane in &mut running {
            if round < LEAST_ROUNDS || lane.spent < effort.budget {
                lane.turn();
            }
        }
        if !running.is_empty() {
            running.rotate_left(1);
        }
    }
    lanes
        .into_iter()
        .map(|lane| {
            let figure = lane?.samples.figure();
            Ok(figure.expect("every lane has at least one sample"))
        })
        .collect()
}

/// One contender in one case.
struct Lane<'a> {
    contender: &'a dyn Contender,
    plan: &'a Plan,
    /// `None` if whole lives are measured.
    prepared: Option<Box<dyn Prepared + 'a>>,
    repetitions: u32,
    samples: Samples,
    /// The time of all turns, including what is not timed.
    spent: Duration,
}

impl<'a> Lane<'a> {
    fn new(contender: &'a dyn Contender, plan: &'a Plan, mode: Mode) -> Lane<'a> {
        Lane {
            contender,
            plan,
            prepared: (mode == Mode::Run).then(|| contender.prepare(plan)),
            repetitions: 1,
            samples: Samples::default(),
            spent: Duration::ZERO,
        }
    }

    fn once(&mut self) -> Duration {
        match &mut self.prepared {
            Some(prepared) => prepared.run(),
            None => self.contender.life(self.plan),
        }
    }

    fn warm_up(&mut self) {
        self.once();
        let time = self.once().max(Duration::from_nanos(1));
        let repetitions = SHORTEST_SAMPLE.as_nanos().div_ceil(time.as_nanos());
        let repetitions = u32::try_from(repetitions).unwrap_or(MOST_REPETITIONS);
        self.repetitions = repetitions.clamp(1, MOST_REPETITIONS);
    }

    fn turn(&mut self) {
        let start = Instant::now();
        self.once();
        for _ in 0..MOST_SAMPLES {
            let total: Duration = (0..self.repetitions).map(|_| self.once()).sum();
            self.samples.push(total / self.repetitions);
            if start.elapsed() > TURN {
                break;
            }
        }
        self.spent += start.elapsed();
    }
}
