//! Rounds: one execution of a flow, and what it came to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use asyncflow::{Execute, FlowError, FlowErrorKind, Run, Runtime, StopHandle};
use asyncflow_tests::{eventually, poll_times, yield_now};

use super::case::{Ending, FAR, Round};
use super::check;
use super::flow::{Built, Handle};
use super::reference::{Reference, Status, given_flag, given_value};
use super::world::{Watcher, What};

/// Runs one round; whether the flow can be executed again after it.
pub(crate) async fn run<R: Runtime + Default>(
    built: &Built<'_, R>,
    round: &Round,
) -> Result<bool, String> {
    let (world, plan) = (&built.world, &built.world.plan);
    let reference = Reference::new(built.case, plan, round);
    world.begin_round(round);

    let beside = built.beside();
    let beside = round.beside.then(|| beside.start());
    let execute = configure(built, round);
    let result = match round.ending {
        Ending::Await => Some(execute.await),
        Ending::Start => Some(execute.start().await),
        Ending::CancelAfter(turns) => {
            let running = execute.start();
            for _ in 0..turns {
                yield_now().await;
            }
            Some(running.cancel().await)
        }
        Ending::StopAfter(turns) => {
            let handle = StopHandle::new();
            if turns == 0 {
                handle.stop();
            }
            let running = execute.stop_with(&handle).start();
            for _ in 0..turns {
                yield_now().await;
            }
            handle.stop();
            Some(running.await)
        }
        Ending::DropAfter(polls) => poll_times(Box::pin(execute).as_mut(), polls).await,
        Ending::DropRunningAfter(turns) => {
            let running = execute.start();
            for turn in 0..turns {
                yield_now().await;
                if turn % 8 == 0 {
                    let _ = running.report();
                }
            }
            drop(running);
            None
        }
    };

    let ended = result.is_some();
    if let Some(result) = &result {
        if world.guards.live() > 0 {
            return Err(format!(
                "{} tasks outlive the execution",
                world.guards.live()
            ));
        }
        result_of(built, round, &reference, result)?;
    } else {
        world.note_stop();
        world.release();
        if round.observed {
            eventually::<R>("the end of the run", || {
                world.run_ended.load(Ordering::SeqCst)
            })
            .await;
            if world.guards.live() > 0 {
                return Err(format!("{} tasks outlive the run", world.guards.live()));
            }
        }
    }
    // What had begun to start when a run was dropped may still do so.
    let mut events = Vec::new();
    eventually::<R>("all tasks to stop", || {
        events = world.events();
        let starts = events.iter().filter(|event| event.what == What::Start);
        2 * starts.count() == events.len()
    })
    .await;
    check::events(&reference, plan, &events)?;
    check::order(built.case, round, &reference, plan, &events)?;
    if let Some(stop) = world.stop() {
        check::after_stop(plan, &events, stop)?;
    }
    if let Some(beside) = beside {
        let run = beside.await;
        run.map_err(|error| format!("the flow beside it: {error}"))?;
    }
    // Every permit is back.
    built
        .probe()
        .execute()
        .await
        .map_err(|error| error.to_string())?;
    match world.wrong().first() {
        Some(wrong) => Err(wrong.clone()),
        // Where no observer was told of the end of a dropped run, something of it may still be on its
        // way, and would be taken for a part of the next.
        None => Ok(ended || round.observed),
    }
}

fn configure<'f, R: Runtime + Default>(built: &'f Built<'_, R>, round: &Round) -> Execute<'f, R> {
    let plan = &built.world.plan;
    let mut execute = built.flow.execute();
    if round.keep_going {
        execute = execute.keep_going();
    }
    if let Some(limit) = round.max_concurrency {
        execute = execute.max_concurrency(limit);
    }
    if let Some(targets) = plan.targets(round) {
        let targets = targets.iter().map(|block| built.handles[*block].upstream());
        execute = execute.only(targets.collect::<Vec<_>>());
    }
    for task in plan.given(built.case, round) {
        execute = match built.handles[plan.tasks[task].block] {
            Handle::Number(handle) => execute.given(handle, given_value(task)),
            Handle::Flag(handle) => execute.given(handle, given_flag(task)),
            Handle::Group(_) => unreachable!("groups are not given"),
        };
    }
    if round.keep_outputs {
        execute = execute.keep_outputs();
    }
    if let Some(micros) = round.deadline {
        execute = execute.deadline(Duration::from_micros(micros));
    }
    if round.observed {
        execute = execute.observe(Watcher(Arc::clone(&built.world)));
    }
    if round.timed {
        execute = execute.timed();
    }
    execute
}

fn result_of<R: Runtime + Default>(
    built: &Built<'_, R>,
    round: &Round,
    reference: &Reference<'_>,
    result: &Result<Run, FlowError>,
) -> Result<(), String> {
    let run = match result {
        Ok(run) => run,
        Err(error) => error.outputs().ok_or_else(|| format!("refused: {error}"))?,
    };
    let cancelled = matches!(round.ending, Ending::CancelAfter(_) | Ending::StopAfter(_));
    let limited = round.deadline.is_some_and(|deadline| deadline < FAR);
    let stopped = cancelled || limited;
    let statuses = check::report(round, &built.world, reference, run.report(), stopped)?;

    // The failures are those that were reported, in the order of declaration.
    let failed: Vec<usize> = (0..statuses.len())
        .filter(|task| statuses[*task].is_failure() && !built.world.plan.tasks[*task].allowed)
        .collect();
    let cut_short = statuses.contains(&Status::Cancelled);
    if result.is_ok() != (failed.is_empty() && !cut_short) {
        return Err(format!("a success: {}, but {statuses:?}", result.is_ok()));
    }
    if let Err(error) = result {
        let told: Vec<String> = error
            .failures()
            .map(|failure| failure.name().to_owned())
            .collect();
        let expected: Vec<String> = failed.iter().map(|task| format!("t{task}")).collect();
        if told != expected {
            return Err(format!("failures {told:?}, not {expected:?}"));
        }
        let kind = error.kind();
        let right = match kind {
            FlowErrorKind::Failed => !failed.is_empty(),
            FlowErrorKind::Cancelled => cancelled && failed.is_empty(),
            FlowErrorKind::TimedOut => limited && failed.is_empty(),
            _ => false,
        };
        if !right {
            return Err(format!("{kind:?}, with {failed:?}"));
        }
    }

    // Outputs are what they have to be, where they are kept.
    let targets = built.world.plan.targets(round);
    for (block, handle) in built.handles.iter().enumerate() {
        let task = built.world.plan.blocks[block].0;
        let kept = round.keep_outputs
            || targets
                .as_ref()
                .is_none_or(|targets| targets.contains(&block));
        let expected = kept && statuses[task].is_success();
        let right = match handle {
            Handle::Number(handle) => {
                let value = expected.then(|| reference.value(task, &statuses));
                run.get(*handle).copied() == value
            }
            Handle::Flag(handle) => {
                let flag = reference.flag(task, statuses[task]).filter(|_| expected);
                run.get(*handle).copied() == flag
            }
            Handle::Group(_) => true,
        };
        if !right {
            return Err(format!("the output of task {task} is wrong"));
        }
    }
    Ok(())
}
