//! Checks: what was seen of an execution against the reference.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use asyncflow::Report;

use super::case::{Case, Fate, Round};
use super::plan::{Plan, Test};
use super::reference::{Reference, Status};
use super::world::{Event, Seen, Told, What, World};

type Checked = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err(format!($($message)*));
        }
    };
}

/// What the functions of one task did, with the places in the log.
#[derive(Default, Debug)]
struct Trace {
    /// Of each attempt.
    starts: Vec<usize>,
    ends: Vec<Option<(usize, What)>>,
}

impl Trace {
    fn success(&self) -> Option<usize> {
        match self.ends.last() {
            Some(Some((place, What::Succeeded))) => Some(*place),
            _ => None,
        }
    }
}

fn traces(plan: &Plan, events: &[Event]) -> Result<Vec<Trace>, String> {
    let mut traces: Vec<Trace> = plan.tasks.iter().map(|_| Trace::default()).collect();
    for (place, event) in events.iter().enumerate() {
        let trace = &mut traces[event.task];
        match event.what {
            What::Start => {
                trace.starts.push(place);
                trace.ends.push(None);
                ensure!(
                    trace.starts.len() == event.attempt as usize,
                    "attempt {} of task {} after {}",
                    event.attempt,
                    event.task,
                    trace.starts.len() - 1
                );
            }
            what => {
                let end = &mut trace.ends[event.attempt as usize - 1];
                ensure!(end.is_none(), "two ends of {event:?}");
                *end = Some((place, what));
            }
        }
    }
    Ok(traces)
}

/// What has to hold of the events of any execution, however it ended.
pub(crate) fn events(reference: &Reference<'_>, plan: &Plan, events: &[Event]) -> Checked {
    let traces = traces(plan, events)?;
    for (task, trace) in traces.iter().enumerate() {
        let Some(start) = trace.starts.first().copied() else {
            continue;
        };
        let planned = &plan.tasks[task];
        ensure!(
            reference.selected[task],
            "task {task} ran, which was not selected"
        );
        ensure!(!reference.given[task], "task {task} ran, which was given");
        attempts(planned.retries, task, trace)?;

        let done = |upstream: usize| {
            let trace = &traces[upstream];
            let succeeded = trace.success().is_some_and(|place| place < start);
            let recovered = || {
                let (status, attempts) = plan.tasks[upstream].outcome();
                let last = trace.ends.get(attempts as usize - 1).copied().flatten();
                let over = last.is_some_and(|(place, what)| place < start || what == What::Late);
                // A plain function may be timed out before its thread has come to it.
                let hangs = plan.tasks[upstream].fate == Fate::Hang && plan.tasks[upstream].plain;
                status == Status::Recovered && (over || hangs)
            };
            reference.given[upstream] || succeeded || recovered()
        };
        // It may also have ended before it was started.
        let ended = |upstream: usize| {
            traces[upstream].ends.iter().all(|end| match end {
                // It was timed out, with its thread still on its way into the function, or in it.
                Some((_, What::Late)) => true,
                Some((place, _)) => *place < start,
                None => false,
            })
        };
        for upstream in planned.needs() {
            let ready = if planned.always {
                ended(upstream)
            } else {
                done(upstream)
            };
            ensure!(ready, "task {task} started before {upstream} was done");
        }
        for list in &planned.any {
            let one = list
                .iter()
                .any(|group| group.iter().all(|upstream| done(*upstream)));
            let all = list.iter().flatten().all(|upstream| ended(*upstream));
            ensure!(
                one || planned.always && all,
                "task {task} started before any of {list:?}"
            );
        }
        for (flag, test) in &planned.conditions {
            let status = match reference.given[*flag] {
                true => Status::Given,
                false => plan.tasks[*flag].outcome().0,
            };
            ensure!(
                done(*flag),
                "task {task} started without its condition {flag}"
            );
            let wanted = match test {
                Test::If => true,
                Test::Unless => false,
                // What the number was depends on more than the events.
                Test::When => continue,
            };
            ensure!(
                reference.flag(*flag, status) == Some(wanted),
                "task {task} started against its condition {flag}"
            );
        }
    }
    Ok(())
}

/// With one slot, what the same end made ready starts by priority, then in the order of declaration.
pub(crate) fn order(
    case: &Case,
    round: &Round,
    reference: &Reference<'_>,
    plan: &Plan,
    events: &[Event],
) -> Checked {
    if round.max_concurrency != Some(1) {
        return Ok(());
    }
    let traces = traces(plan, events)?;
    // What made a task ready, if that is known: the end of its last upstream, or the start of the run.
    let ready = |task: usize| {
        let planned = &plan.tasks[task];
        let free = planned.permits.is_empty() && case.blocks[planned.block].retries.is_none();
        let simple =
            free && !planned.always && planned.any.is_empty() && planned.conditions.is_empty();
        if !simple || !reference.selected[task] || reference.given[task] {
            return None;
        }
        // When a task is given that would have a function, is known to the run alone.
        let ends: Option<Vec<usize>> = planned
            .needs()
            .map(|upstream| traces[upstream].success())
            .collect();
        Some(ends?.into_iter().max())
    };
    let mut before: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for task in 0..plan.tasks.len() {
        if let Some(moment) = ready(task) {
            before.entry(moment).or_default().push(task);
        }
    }
    for mut tasks in before.into_values() {
        tasks.sort_by_key(|task| Reverse(case.blocks[plan.tasks[*task].block].priority));
        let starts = tasks
            .iter()
            .map(|task| traces[*task].starts.first().unwrap_or(&usize::MAX));
        ensure!(
            starts.is_sorted(),
            "of {tasks:?}, which were ready at once, a later one started first"
        );
    }
    Ok(())
}

/// Nothing starts that becomes ready only after the run was dropped, when the log was so long.
pub(crate) fn after_stop(plan: &Plan, events: &[Event], stop: usize) -> Checked {
    let traces = traces(plan, events)?;
    for (task, trace) in traces.iter().enumerate() {
        let late = trace.starts.iter().position(|start| *start >= stop);
        let Some(late) = late else { continue };
        let ended_late = |end: &Option<(usize, What)>| {
            end.is_some_and(|(place, what)| place >= stop && what != What::Late)
        };
        if late > 0 {
            ensure!(
                !ended_late(&trace.ends[late - 1]),
                "task {task} was attempted again after the run was dropped"
            );
            continue;
        }
        for upstream in plan.tasks[task].needs() {
            ensure!(
                !traces[upstream].ends.iter().any(ended_late),
                "task {task} became ready after the run was dropped, and started"
            );
        }
    }
    Ok(())
}

/// Attempts come one after the other, and only after a failure.
fn attempts(retries: u32, task: usize, trace: &Trace) -> Checked {
    ensure!(
        trace.starts.len() <= retries as usize + 1,
        "task {task} ran {} times",
        trace.starts.len()
    );
    for (attempt, end) in trace.ends.iter().enumerate() {
        let Some((place, what)) = end else {
            return Err(format!("attempt {attempt} of task {task} has not ended"));
        };
        if let Some(next) = trace.starts.get(attempt + 1) {
            ensure!(
                *what != What::Succeeded,
                "task {task} ran again after a success"
            );
            ensure!(
                *what == What::Late || place < next,
                "attempts of task {task} overlap"
            );
        }
    }
    Ok(())
}

/// What has to hold of a report; `cancelled` if a call may have stopped the run.
pub(crate) fn report(
    round: &Round,
    world: &World,
    reference: &Reference<'_>,
    report: &Report,
    cancelled: bool,
) -> Result<Vec<Status>, String> {
    let tasks: Vec<_> = report.tasks().collect();
    let plan = &world.plan;
    ensure!(
        tasks.len() == plan.tasks.len(),
        "{} tasks are reported",
        tasks.len()
    );
    let number = |id| {
        tasks
            .iter()
            .position(|task| task.id() == id)
            .expect("it is reported")
    };
    let mut statuses = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        ensure!(
            task.name() == format!("t{index}"),
            "task {index} is called {}",
            task.name()
        );
        let status = Status::of(task.status(), number);
        statuses.push(status.ok_or_else(|| format!("task {index} is {}", task.status()))?);
    }

    let regular = reference.statuses();
    let mut both = regular.iter().zip(&plan.tasks);
    let failures = both.any(|(status, planned)| status.is_failure() && !planned.allowed);
    let stoppable = cancelled || (failures && !round.keep_going);
    let traces = traces(plan, &world.events())?;
    for (index, status) in statuses.iter().enumerate() {
        if !stoppable {
            ensure!(
                *status == regular[index],
                "task {index} {status:?}, expected {:?}",
                regular[index]
            );
        }
        let allowed = reference.allowed(index, &statuses);
        ensure!(
            *status == allowed.regular
                || stoppable && allowed.cancellable && *status == Status::Cancelled,
            "task {index} {status:?} where only {allowed:?} goes with the others: {statuses:?}"
        );
        // What it did is what is reported of it.
        let starts = traces[index].starts.len();
        let attempts = tasks[index].attempts() as usize;
        match status {
            Status::Succeeded
            | Status::Recovered
            | Status::Failed
            | Status::Panicked
            | Status::TimedOut => {
                let (_, expected) = plan.tasks[index].outcome();
                ensure!(
                    starts == expected as usize,
                    "task {index} {status:?} after {starts} attempts"
                );
                ensure!(
                    attempts == starts,
                    "{attempts} attempts of task {index} reported, not {starts}"
                );
            }
            Status::Cancelled => {
                ensure!(
                    attempts == starts,
                    "{attempts} attempts of task {index} reported, not {starts}"
                );
            }
            _ => ensure!(
                starts == 0 && attempts == 0,
                "task {index} {status:?} was started"
            ),
        }
        if *status == Status::Succeeded {
            ensure!(
                traces[index].success().is_some(),
                "task {index} did not succeed"
            );
        }
        if *status == Status::TimedOut {
            ensure!(
                plan.tasks[index].fate == Fate::Hang,
                "task {index} timed out"
            );
        }
        times(round, index, *status, tasks[index].times())?;
    }
    if round.observed {
        observed(&statuses, &tasks, &world.seen())?;
        if !round.keep_going {
            after_failure(plan, &world.seen())?;
        }
    }
    Ok(statuses)
}

fn times(round: &Round, index: usize, status: Status, times: Option<asyncflow::Times>) -> Checked {
    ensure!(times.is_some() == round.timed, "times of task {index}");
    let Some(times) = times else { return Ok(()) };
    let order = [times.ready, times.started, times.ended];
    let known: Vec<_> = order.iter().flatten().collect();
    ensure!(known.is_sorted(), "times of task {index} are {times:?}");
    let ran = matches!(
        status,
        Status::Succeeded
            | Status::Recovered
            | Status::Failed
            | Status::Panicked
            | Status::TimedOut
    );
    if ran {
        ensure!(
            known.len() == 3 && times.permitted.is_some(),
            "times of task {index} are {times:?}"
        );
        ensure!(
            times.ready <= times.permitted,
            "times of task {index} are {times:?}"
        );
        ensure!(
            times.permitted <= times.ended,
            "times of task {index} are {times:?}"
        );
    }
    Ok(())
}

/// Nothing but clean-up starts that becomes ready after a failure.
fn after_failure(plan: &Plan, seen: &[Seen]) -> Checked {
    let mut failed = false;
    let mut too_late = vec![false; plan.tasks.len()];
    for Seen { task, told } in seen {
        match told {
            Told::Ready | Told::AttemptFailed(_) => too_late[*task] = failed,
            Told::Started(_) => ensure!(
                !too_late[*task] || plan.tasks[*task].always,
                "task {task} started after a failure"
            ),
            Told::Ended(status) => failed |= status.is_failure() && !plan.tasks[*task].allowed,
            Told::Waiting => {}
        }
    }
    Ok(())
}

/// An observer is told of each task in order, and what it is told is what is reported.
fn observed(statuses: &[Status], tasks: &[asyncflow::TaskReport<'_>], seen: &[Seen]) -> Checked {
    let mut told: Vec<Vec<Told>> = vec![vec![]; tasks.len()];
    for seen in seen {
        told[seen.task].push(seen.told);
    }
    for (index, told) in told.iter().enumerate() {
        let (mut started, mut failed, mut ready, mut ended) = (0, 0, 0, 0);
        for what in told {
            ensure!(
                ended == 0,
                "task {index} was heard of after its end: {told:?}"
            );
            match what {
                Told::Ready => ready += 1,
                Told::Waiting => ensure!(ready == 1, "task {index}: {told:?}"),
                Told::Started(attempt) => {
                    started += 1;
                    ensure!(ready == 1, "task {index}: {told:?}");
                    ensure!(
                        *attempt == started && failed + 1 == started,
                        "task {index}: {told:?}"
                    );
                }
                Told::AttemptFailed(attempt) => {
                    failed += 1;
                    ensure!(
                        *attempt == failed && failed == started,
                        "task {index}: {told:?}"
                    );
                }
                Told::Ended(status) => {
                    ended += 1;
                    let reported = tasks[index].status();
                    ensure!(
                        *status == reported,
                        "task {index} {reported} was told to be {status}"
                    );
                }
            }
            ensure!(
                ready <= 1,
                "task {index} was told to be ready twice: {told:?}"
            );
        }
        if !matches!(statuses[index], Status::NotSelected | Status::Cancelled) {
            ensure!(
                ended == 1,
                "nobody was told of the end of task {index}, {:?}",
                statuses[index]
            );
        }
    }
    Ok(())
}
