//! What starts, and what is skipped: the table on the front page of the docs, row by row.

use std::future::pending;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Execute, Runtime};
use asyncflow_tests::{Gate, again, eventually, on_every_backend, opens, passes, skipped, turns};

/// How an upstream ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Up {
    Succeeds,
    Recovers,
    IsGiven,
    Fails,
    MayFail,
    Panics,
    TimesOut,
    IsSkipped,
}

use Up::{Fails, IsGiven, IsSkipped, MayFail, Panics, Recovers, Succeeds, TimesOut};

const SUCCESSES: [Up; 3] = [Succeeds, Recovers, IsGiven];
const OTHERS: [Up; 5] = [Fails, MayFail, Panics, TimesOut, IsSkipped];

/// A flow with a task of each column, behind some upstreams.
struct Row<R: Runtime> {
    flow: Flow<R>,
    upstreams: Vec<Task<u32>>,
    given: Vec<Task<u32>>,
    after: Task<()>,
    after_any: Task<()>,
    always: Task<()>,
    /// The first upstream that has no output, and because of which task it has none.
    because: Option<TaskId>,
}

impl<R: Runtime + Default> Row<R> {
    fn new(ups: &[Up]) -> Self {
        let mut flow = Flow::<R>::new();
        let no = flow.add(|| false);
        let (mut given, mut because) = (Vec::new(), None);
        let upstreams: Vec<Task<u32>> = ups
            .iter()
            .map(|up| {
                let fails = || Err::<u32, _>("no");
                let task = match up {
                    Succeeds => flow.add(|| 1),
                    Recovers => flow.add(fails.fallback(|_| 2)),
                    IsGiven => flow.input::<u32>("given"),
                    Fails => flow.add(fails),
                    MayFail => flow.add(fails.allow_failure()),
                    Panics => flow.add(|| -> u32 { panic!("no") }),
                    TimesOut => flow
                        .add((async || pending::<u32>().await).timeout(Duration::from_millis(1))),
                    IsSkipped => flow.add((|| 3).run_if(no)),
                };
                match up {
                    IsGiven => given.push(task),
                    IsSkipped => because = because.min(Some(no.id())).or(Some(no.id())),
                    up if OTHERS.contains(up) => because = because.or(Some(task.id())),
                    _ => {}
                }
                task
            })
            .collect();
        let after = flow.add((|| ()).after(&upstreams[..]));
        let after_any = flow.add((|| ()).after_any(&upstreams[..]));
        let always = flow.add((|| ()).after(&upstreams[..]).always());
        Self {
            flow,
            upstreams,
            given,
            after,
            after_any,
            always,
            because,
        }
    }

    fn execute(&self) -> Execute<'_, R> {
        let execute = self.flow.execute().keep_going();
        self.given
            .iter()
            .fold(execute, |execute, task| execute.given(*task, 4))
    }

    /// The statuses of the three columns.
    async fn statuses(&self) -> [TaskStatus; 3] {
        let result = self.execute().await;
        let report = match &result {
            Ok(run) => run.report(),
            Err(error) => error.report().unwrap(),
        };
        [self.after, self.after_any, self.always].map(|task| report.status(task))
    }
}

const STARTS: TaskStatus = TaskStatus::Succeeded;

on_every_backend! {
    async fn all_have_succeeded<R>() {
        for first in SUCCESSES {
            for second in SUCCESSES {
                let row = Row::<R>::new(&[first, second]);
                assert_eq!(row.statuses().await, [STARTS; 3], "{first:?}, {second:?}");
            }
        }
    }

    // However they ended.
    async fn optional_inputs_have_ended<R>() {
        for up in SUCCESSES.into_iter().chain(OTHERS) {
            let mut row = Row::<R>::new(&[up]);
            let optional = |value: Option<&u32>| value.is_some();
            let optional = row.flow.add(optional.inputs(row.upstreams[0].optional()));
            let result = row.execute().await;
            let outputs = match &result {
                Ok(run) => run,
                Err(error) => error.outputs().unwrap(),
            };
            assert_eq!(outputs[optional], SUCCESSES.contains(&up), "{up:?}");
        }
    }

    async fn some_have_succeeded<R>() {
        for success in SUCCESSES {
            for other in OTHERS {
                for ups in [[success, other], [other, success]] {
                    let row = Row::<R>::new(&ups);
                    let expected = [skipped(row.because.unwrap()), STARTS, STARTS];
                    assert_eq!(row.statuses().await, expected, "{ups:?}");
                }
            }
        }
    }

    // The task that comes after any starts while another upstream still runs.
    async fn the_first_success_is_enough<R>() {
        let (mut flow, started) = (Flow::<R>::new(), Gate::new());
        let first = flow.add(async || ());
        let slow = flow.add(passes(&started));
        flow.add(opens(&started).after_any([first, slow]));
        flow.execute().await.unwrap();
    }

    async fn none_has_succeeded<R>() {
        for first in OTHERS {
            for second in OTHERS {
                let row = Row::<R>::new(&[first, second]);
                let because = skipped(row.because.unwrap());
                assert_eq!(row.statuses().await, [because, because, STARTS], "{first:?}, {second:?}");
            }
        }
    }

    // Whatever became of the upstreams, if the condition can be decided.
    async fn a_condition_does_not_hold<R>() {
        for up in SUCCESSES {
            for condition in 0..3 {
                let mut row = Row::<R>::new(&[up]);
                let decides = row.flow.add(move || condition != 0);
                macro_rules! conditional {
                    ($task:expr) => {{
                        let task = $task.after(row.upstreams[0]);
                        let task = match condition {
                            0 => task.run_if(decides),
                            1 => task.run_unless(decides),
                            _ => task.run_when(decides, |flag| !flag),
                        };
                        row.flow.add(task)
                    }};
                }
                let tasks = [
                    conditional!((|| ())),
                    conditional!((|| ()).after_any(row.upstreams[0])),
                    conditional!((|| ()).always()),
                ];
                let run = row.execute().await.unwrap();
                for task in tasks {
                    assert_eq!(run.report().status(task), skipped(decides), "{up:?}, {condition}");
                }
            }
        }
    }

    async fn a_condition_panics<R>() {
        let mut row = Row::<R>::new(&[Succeeds]);
        let up = row.upstreams[0];
        let tasks = [
            row.flow.add((|| ()).run_when(up, |_| panic!("no"))),
            row.flow.add((|| ()).after_any(up).run_when(up, |_| panic!("no"))),
            row.flow.add((|| ()).run_when(up, |_| panic!("no")).always()),
        ];
        let error = row.execute().await.unwrap_err();
        for task in tasks {
            assert_eq!(error.report().unwrap().status(task), TaskStatus::Panicked);
        }
    }

    // After a failure, by a cancel, a handle, a deadline.
    async fn the_run_is_stopping<R>() {
        for how in 0..4 {
            let (mut flow, started, stopped) = (Flow::<R>::new(), Gate::new(), Gate::new());
            let fails = flow.add({
                let (started, stopped) = (started.clone(), stopped.clone());
                again!((started, stopped) {
                    started.pass().await;
                    match how {
                        0 => Err("no"),
                        _ => { stopped.pass().await; Ok(()) }
                    }
                })
            });
            let hangs = flow.add({
                let started = started.clone();
                again!((started) { started.open(); pending::<()>().await })
            });
            let after = flow.add((|| ()).after(hangs));
            let after_any = flow.add((|| ()).after_any([hangs]));
            let always = flow.add((|| ()).after(hangs).always());
            let depends = flow.add((|| ()).after([fails, hangs]));
            let handle = StopHandle::new();
            let execute = flow.execute().stop_with(&handle);
            let result = match how {
                3 => execute.deadline(Duration::from_millis(5)).await,
                _ => {
                    let running = execute.start();
                    started.pass().await;
                    turns(5).await;
                    match how {
                        1 => running.cancel().await,
                        2 => { handle.stop(); running.await }
                        _ => running.await,
                    }
                }
            };
            let error = result.unwrap_err();
            let report = error.report().unwrap();
            let statuses = [after, after_any, always].map(|task| report.status(task));
            assert_eq!(statuses, [TaskStatus::Cancelled, TaskStatus::Cancelled, STARTS], "{how}");
            let expected = if how == 0 { skipped(fails) } else { TaskStatus::Cancelled };
            assert_eq!(report.status(depends), expected);
        }
    }

    async fn the_future_was_dropped<R>() {
        let (mut flow, started, dropped) = (Flow::<R>::new(), Gate::new(), Gate::new());
        let (tell, drops) = (started.clone(), dropped.clone());
        let hangs = flow.add(again!((tell, drops) {
            let _opens = drops.opener();
            tell.open();
            pending::<()>().await
        }));
        let ran = Gate::new();
        flow.add(opens(&ran).after(hangs));
        flow.add(opens(&ran).after_any([hangs]));
        flow.add(opens(&ran).after(hangs).always());
        let running = flow.start();
        started.pass().await;
        drop(running);
        eventually::<R>("the drop", || dropped.is_open()).await;
        turns(20).await;
        assert!(!ran.is_open());
    }
}
