//! Cases: random flows, and how they are executed. All of it is plain data, so that it can be
//! shrunk and printed.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// How many permits the locks and semaphores of a case have; the first two are locks.
pub(crate) const CAPACITIES: [usize; 6] = [1, 1, 1, 2, 3, 4];

/// How many permits of the semaphore itself each of these is: those of the last one are more than 32
/// bits can count.
pub(crate) const UNITS: [usize; 6] = [1, 1, 1, 1, 1, usize::MAX / 4];

/// A deadline in microseconds that is never reached.
pub(crate) const FAR: u64 = 300_000_000;

/// A flow, and executions of it one after the other.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) blocks: Vec<Block>,
    pub(crate) rounds: Vec<Round>,
}

/// One thing that is added to the flow.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) shape: Shape,
    pub(crate) plain: bool,
    /// The output of a task that is a condition.
    pub(crate) flag: Option<bool>,
    pub(crate) work: Work,
    pub(crate) fate: Fate,
    /// How many attempts fail, unless `fate` is `Ok`.
    pub(crate) fails: u32,
    /// How many attempts there may be after the first.
    pub(crate) retries: Option<u32>,
    /// After how many failures `retry_when` says no.
    pub(crate) patience: Option<u32>,
    pub(crate) fallback: bool,
    pub(crate) allowed: bool,
    pub(crate) priority: i32,
    /// A limit that is never reached.
    pub(crate) limited: bool,
    pub(crate) always: bool,
    /// Blocks before this one, counted backwards from it; those that do not exist are left out.
    pub(crate) after: Vec<usize>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) any: Vec<Vec<usize>>,
    /// A flag, counted backwards among the flags, and whether it has to be `true`.
    pub(crate) condition: Option<(usize, bool)>,
    /// A block whose number decides.
    pub(crate) when: Option<usize>,
    /// Which of [`CAPACITIES`], and how many permits of it at most.
    pub(crate) permits: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Single,
    Parallel(usize),
    Series(usize),
}

/// What a function does before it comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    None,
    /// Yields so many times.
    Yield(u32),
    /// Sleeps so many microseconds.
    Sleep(u64),
    /// Executes a flow by hand, with another one inside.
    Execute,
}

/// How the attempts end that do not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Ok,
    Err,
    Panic,
    /// While the future is created; in a plain function the same as `Panic`.
    PanicAtOnce,
    /// Not before it is timed out.
    Hang,
}

/// One execution.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) keep_going: bool,
    pub(crate) max_concurrency: Option<usize>,
    /// Blocks, counted from the end.
    pub(crate) only: Option<Vec<usize>>,
    pub(crate) keep_outputs: bool,
    /// In microseconds.
    pub(crate) deadline: Option<u64>,
    pub(crate) given: Vec<usize>,
    pub(crate) observed: bool,
    pub(crate) timed: bool,
    /// Another flow that needs the same permits is executed meanwhile.
    pub(crate) beside: bool,
    /// Some tasks, and all pauses, last until the run is cancelled or dropped.
    pub(crate) stuck: bool,
    pub(crate) ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Await,
    /// `start`, and await that.
    Start,
    /// `start`, and cancel after so many turns.
    CancelAfter(u32),
    /// `start`, and stop with a handle after so many turns; before the start if they are none.
    StopAfter(u32),
    /// Polled so many times, and dropped.
    DropAfter(usize),
    /// `start`, and drop after so many turns.
    DropRunningAfter(u32),
}

impl Case {
    /// The same without one block, and without what refers to it.
    pub(crate) fn without(&self, removed: usize) -> Self {
        let mut case = self.clone();
        case.blocks.remove(removed);
        for (index, block) in case.blocks.iter_mut().enumerate().skip(removed) {
            // Its place was one further back.
            let index = index + 1;
            let closer = |distances: &mut Vec<usize>| {
                distances.retain(|distance| index.checked_sub(*distance) != Some(removed));
                for distance in distances {
                    *distance -=
                        usize::from(index.checked_sub(*distance).is_some_and(|to| to < removed));
                }
            };
            closer(&mut block.after);
            closer(&mut block.inputs);
            block.any.iter_mut().for_each(closer);
            let mut when: Vec<usize> = block.when.into_iter().collect();
            closer(&mut when);
            block.when = when.pop();
        }
        case
    }
}

/// A line for each block and round, with what is out of the ordinary.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        for ((first, end), block) in plan.blocks.iter().zip(&self.blocks) {
            let tasks = &plan.tasks[*first];
            write!(f, "t{first}")?;
            if end - first > 1 {
                write!(f, " to t{} {:?}", end - 1, block.shape)?;
            }
            write!(f, ": {}", if tasks.plain { "plain" } else { "async" })?;
            if let Some(flag) = tasks.flag {
                write!(f, ", condition {flag}")?;
            }
            if block.work != Work::None {
                write!(f, ", {:?}", block.work)?;
            }
            if tasks.fails > 0 {
                write!(f, ", {:?} {} times", tasks.fate, tasks.fails)?;
            }
            if let Some(retries) = block.retries {
                write!(f, ", {retries} retries")?;
            }
            if let (Some(patience), Some(_)) = (block.patience, block.retries) {
                write!(f, " while fewer than {patience} fail")?;
            }
            if block.priority != 0 {
                write!(f, ", priority {}", block.priority)?;
            }
            for (what, holds) in [
                ("limited", block.limited),
                ("fallback", block.fallback),
                ("may fail", block.allowed),
                ("always", tasks.always),
            ] {
                if holds {
                    write!(f, ", {what}")?;
                }
            }
            for (what, list) in [("after", &tasks.after), ("inputs", &tasks.inputs)] {
                if !list.is_empty() {
                    write!(f, ", {what} {list:?}")?;
                }
            }
            for list in &tasks.any {
                write!(f, ", after any {list:?}")?;
            }
            for (task, test) in &tasks.conditions {
                write!(f, ", {test:?} t{task}")?;
            }
            if !tasks.permits.is_empty() {
                write!(f, ", permits {:?}", tasks.permits)?;
            }
            writeln!(f)?;
        }
        for (index, round) in self.rounds.iter().enumerate() {
            write!(f, "round {index}: {:?}", round.ending)?;
            if let Some(limit) = round.max_concurrency {
                write!(f, ", at most {limit}")?;
            }
            if let Some(micros) = round.deadline {
                write!(f, ", deadline of {micros} µs")?;
            }
            if let Some(targets) = plan.targets(round) {
                let targets: Vec<usize> =
                    targets.iter().map(|block| plan.blocks[*block].0).collect();
                write!(f, ", only {targets:?}")?;
            }
            let given = plan.given(self, round);
            if !given.is_empty() {
                write!(f, ", given {given:?}")?;
            }
            for (what, holds) in [
                ("keep going", round.keep_going),
                ("keep outputs", round.keep_outputs),
                ("observed", round.observed),
                ("timed", round.timed),
                ("beside another", round.beside),
                ("stuck", round.stuck),
            ] {
                if holds {
                    write!(f, ", {what}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The cases of the model test.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    (vec(block(), 40..70), vec(round(), 1..4)).prop_map(|(blocks, rounds)| Case { blocks, rounds })
}

fn block() -> impl Strategy<Value = Block> {
    let function = (
        shape(),
        any::<bool>(),
        option::weighted(0.15, any::<bool>()),
        work(),
    );
    let fate = (
        fate(),
        1_u32..5,
        option::weighted(0.3, 0_u32..4),
        prop::bool::weighted(0.15),
    );
    let survival = (
        option::weighted(0.3, 1_u32..4),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.2),
        select(vec![0, 0, 0, 0, 1, -1, 7]),
    );
    let upstreams = (
        prop::bool::weighted(0.15),
        vec(1_usize..12, 0..4),
        vec(1_usize..20, 0..3),
        prop_oneof![6 => Just(vec![]), 1 => vec(vec(1_usize..12, 1..4), 1..3)],
        option::weighted(0.15, (0_usize..4, any::<bool>())),
        option::weighted(0.08, 1_usize..12),
    );
    let permits = prop_oneof![
        2 => Just(vec![]),
        1 => vec((0..CAPACITIES.len(), 1_usize..4), 1..4),
    ];
    let parts = (function, fate, survival, upstreams, permits);
    parts.prop_map(|(function, fate, survival, upstreams, permits)| {
        let (shape, plain, flag, work) = function;
        let (fate, fails, retries, limited) = fate;
        let (patience, fallback, allowed, priority) = survival;
        let (always, after, inputs, any, condition, when) = upstreams;
        Block {
            shape,
            plain,
            flag,
            work,
            fate,
            fails,
            retries,
            patience,
            fallback,
            allowed,
            priority,
            limited,
            always,
            after,
            inputs,
            any,
            condition,
            when,
            permits,
        }
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        12 => Just(Shape::Single),
        1 => (2_usize..5).prop_map(Shape::Parallel),
        1 => (2_usize..4).prop_map(Shape::Series),
    ]
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        5 => Just(Work::None),
        4 => (1_u32..4).prop_map(Work::Yield),
        1 => select(vec![50_u64, 100, 200, 500, 2000]).prop_map(Work::Sleep),
        1 => Just(Work::Execute),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        40 => Just(Fate::Ok),
        3 => Just(Fate::Err),
        2 => Just(Fate::Panic),
        1 => Just(Fate::PanicAtOnce),
        1 => Just(Fate::Hang),
    ]
}

fn round() -> impl Strategy<Value = Round> {
    let ending = prop_oneof![
        4 => Just(Ending::Await),
        1 => Just(Ending::Start),
        1 => (0_u32..30).prop_map(Ending::CancelAfter),
        1 => (0_u32..30).prop_map(Ending::StopAfter),
        2 => (1_usize..25).prop_map(Ending::DropAfter),
        1 => (0_u32..30).prop_map(Ending::DropRunningAfter),
    ];
    let what = (
        option::weighted(0.2, vec(0_usize..40, 1..4)),
        prop_oneof![4 => Just(vec![]), 1 => vec(0_usize..40, 1..4)],
        prop::bool::weighted(0.2),
        option::weighted(0.15, select(vec![0, 50, 200, 1000, FAR])),
    );
    let how = (
        prop::bool::weighted(0.6),
        option::weighted(0.3, 1_usize..5),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.5),
        prop::bool::weighted(0.3),
    );
    (how, what, ending).prop_map(
        |((keep_going, max_concurrency, observed, timed, stuck, beside), what, ending)| {
            let (only, given, keep_outputs, deadline) = what;
            // Any other would have no end.
            let ends = match ending {
                Ending::CancelAfter(_) | Ending::StopAfter(_) | Ending::DropRunningAfter(_) => true,
                _ => deadline.is_some_and(|deadline| deadline < FAR),
            };
            Round {
                keep_going,
                max_concurrency,
                only,
                keep_outputs,
                deadline,
                given,
                observed,
                timed,
                beside,
                stuck: stuck && ends,
                ending,
            }
        },
    )
}
