//! The reference: what has to come of a case, computed one task after the other.

use asyncflow::TaskStatus;

use super::case::{Case, Fate, Round};
use super::plan::{Plan, Planned, Test};

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Succeeded,
    Recovered,
    Failed,
    Panicked,
    TimedOut,
    /// Because of the task of this number.
    Skipped(usize),
    Cancelled,
    NotSelected,
    Given,
}

impl Status {
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::Recovered | Self::Given)
    }

    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Panicked | Self::TimedOut)
    }

    /// A reported status; `number` gives the number of a task.
    pub(crate) fn of(
        status: TaskStatus,
        number: impl Fn(asyncflow::TaskId) -> usize,
    ) -> Option<Self> {
        Some(match status {
            TaskStatus::Succeeded => Self::Succeeded,
            TaskStatus::Recovered => Self::Recovered,
            TaskStatus::Failed => Self::Failed,
            TaskStatus::Panicked => Self::Panicked,
            TaskStatus::TimedOut => Self::TimedOut,
            TaskStatus::Skipped { because } => Self::Skipped(number(because)),
            TaskStatus::Cancelled => Self::Cancelled,
            TaskStatus::NotSelected => Self::NotSelected,
            TaskStatus::Given => Self::Given,
            _ => return None,
        })
    }
}

/// Why a task is not started. In this order: of several, the smallest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Task(usize),
    Cancelled,
}

impl Cause {
    fn of(task: usize, status: Status) -> Option<Self> {
        match status {
            Status::Succeeded | Status::Recovered | Status::Given | Status::NotSelected => None,
            Status::Failed | Status::Panicked | Status::TimedOut => Some(Self::Task(task)),
            Status::Skipped(because) => Some(Self::Task(because)),
            Status::Cancelled => Some(Self::Cancelled),
        }
    }

    fn status(self) -> Status {
        match self {
            Self::Task(task) => Status::Skipped(task),
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// One execution of a plan.
pub(crate) struct Reference<'a> {
    plan: &'a Plan,
    pub(crate) selected: Vec<bool>,
    pub(crate) given: Vec<bool>,
    /// Whether it is for some targets.
    partial: bool,
}

/// What a task may come to, given what came of those before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// If nothing stops the run.
    pub(crate) regular: Status,
    /// Whether it may also be cancelled.
    pub(crate) cancellable: bool,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(case: &Case, plan: &'a Plan, round: &Round) -> Self {
        let mut given = vec![false; plan.tasks.len()];
        for task in plan.given(case, round) {
            given[task] = true;
        }
        let mut selected = vec![true; plan.tasks.len()];
        if let Some(targets) = plan.targets(round) {
            selected.fill(false);
            for block in targets {
                for task in plan.ends(case, block) {
                    selected[task] = true;
                }
            }
            select(plan, &given, &mut selected);
        }
        Self {
            plan,
            selected,
            given,
            partial: round.only.is_some(),
        }
    }

    /// The statuses of an execution that nothing stops.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        let mut statuses = Vec::with_capacity(self.plan.tasks.len());
        for task in 0..self.plan.tasks.len() {
            statuses.push(self.allowed(task, &statuses).regular);
        }
        statuses
    }

    /// What a task may come to, if those before it came to `statuses`.
    pub(crate) fn allowed(&self, task: usize, statuses: &[Status]) -> Allowed {
        if !self.selected[task] {
            return only(Status::NotSelected);
        }
        let planned = &self.plan.tasks[task];
        let cause = self.cause(task, statuses);
        if let (Some(cause), false) = (cause, planned.always) {
            return only(cause.status());
        }
        let cancellable = !planned.always;
        for (task, test) in &planned.conditions {
            if !self.selected[*task] {
                continue;
            }
            match self.holds(*task, *test, statuses) {
                Some(true) => {}
                Some(false) => {
                    return Allowed {
                        regular: Status::Skipped(*task),
                        cancellable,
                    };
                }
                None => return only(cause.expect("its task has none").status()),
            }
        }
        Allowed {
            regular: match self.given[task] {
                true => Status::Given,
                false => planned.outcome().0,
            },
            cancellable,
        }
    }

    fn cause(&self, task: usize, statuses: &[Status]) -> Option<Cause> {
        let planned = &self.plan.tasks[task];
        let of = |task: &usize| match self.selected[*task] {
            true => Cause::of(*task, statuses[*task]),
            false => None,
        };
        let all = planned.needs().filter_map(|task| of(&task));
        let any = self.lists(task).iter().filter_map(|list| {
            let runs = |group: &&Vec<usize>| group.iter().any(|task| self.selected[*task]);
            let groups = list.iter().filter(runs);
            let groups = groups.map(|group| group.iter().filter_map(&of).min());
            // If one of them is no cause, the gate is open.
            groups.collect::<Option<Vec<_>>>()?.into_iter().min()
        });
        all.chain(any).min()
    }

    /// The lists of which a task waits for one each.
    pub(crate) fn lists(&self, task: usize) -> &[Vec<Vec<usize>>] {
        match self.partial && self.given[task] {
            // Nothing is selected for the sake of a task that is given.
            true => &[],
            false => &self.plan.tasks[task].any,
        }
    }

    /// Whether a condition holds; `None` if there is no output to decide by.
    fn holds(&self, task: usize, test: Test, statuses: &[Status]) -> Option<bool> {
        let status = statuses[task];
        match test {
            Test::If => self.flag(task, status),
            Test::Unless => self.flag(task, status).map(|flag| !flag),
            Test::When => status
                .is_success()
                .then(|| when(self.value(task, statuses))),
        }
    }

    pub(crate) fn flag(&self, flag: usize, status: Status) -> Option<bool> {
        match status {
            Status::Recovered => Some(fallback_flag(flag)),
            Status::Given => Some(given_flag(flag)),
            Status::Succeeded => self.plan.tasks[flag].flag,
            _ => None,
        }
    }

    /// The output of a task that succeeded.
    pub(crate) fn value(&self, task: usize, statuses: &[Status]) -> u64 {
        match statuses[task] {
            Status::Given => return given_value(task),
            Status::Recovered => return fallback_value(task),
            _ => {}
        }
        let inputs = self.plan.tasks[task].inputs.iter();
        let inputs = inputs.map(|input| {
            let success = self.selected[*input] && statuses[*input].is_success();
            success.then(|| self.value(*input, statuses))
        });
        output(task, &inputs.collect::<Vec<_>>())
    }
}

/// Selects what the selected tasks need, and the clean-up of all of it, until nothing changes.
fn select(plan: &Plan, given: &[bool], selected: &mut [bool]) {
    let mut needed = selected.to_vec();
    loop {
        let before = (selected.to_vec(), needed.clone());
        // Upstreams have smaller numbers.
        for task in (0..plan.tasks.len()).rev() {
            if needed[task] && !given[task] {
                for upstream in plan.tasks[task].upstreams() {
                    needed[upstream] = true;
                }
            }
            selected[task] |= needed[task];
        }
        for (task, planned) in plan.tasks.iter().enumerate() {
            if planned.always && planned.upstreams().any(|upstream| selected[upstream]) {
                selected[task] = true;
                for (condition, _) in planned.conditions.iter().filter(|_| !given[task]) {
                    needed[*condition] = true;
                }
            }
        }
        if before == (selected.to_vec(), needed.clone()) {
            return;
        }
    }
}

fn only(regular: Status) -> Allowed {
    Allowed {
        regular,
        cancellable: false,
    }
}

impl Planned {
    /// What it comes to once it is started, and after how many attempts.
    pub(crate) fn outcome(&self) -> (Status, u32) {
        let failure = match self.fate {
            Fate::Err => Status::Failed,
            Fate::Panic | Fate::PanicAtOnce => Status::Panicked,
            Fate::Hang => Status::TimedOut,
            Fate::Ok => return (Status::Succeeded, 1),
        };
        match (self.fails <= self.retries, self.fallback) {
            (true, _) => (Status::Succeeded, self.fails + 1),
            (false, true) => (Status::Recovered, self.retries + 1),
            (false, false) => (failure, self.retries + 1),
        }
    }
}

/// What a function makes of its inputs.
pub(crate) fn output(task: usize, inputs: &[Option<u64>]) -> u64 {
    let mut output = task as u64;
    for input in inputs {
        output = output.rotate_left(7).wrapping_mul(31) ^ input.unwrap_or(u64::MAX);
    }
    output
}

/// Whether a number lets a task run that asks for it.
pub(crate) fn when(value: u64) -> bool {
    !value.is_multiple_of(3)
}

pub(crate) fn fallback_value(task: usize) -> u64 {
    2_000_000 + task as u64
}

pub(crate) fn fallback_flag(task: usize) -> bool {
    task.is_multiple_of(3)
}

pub(crate) fn given_value(task: usize) -> u64 {
    1_000_000 + task as u64
}

pub(crate) fn given_flag(task: usize) -> bool {
    task.is_multiple_of(2)
}
