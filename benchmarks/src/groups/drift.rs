//! Whether time and memory stay what they are when flows are executed for long.

use super::Group;
#[cfg(not(feature = "asyncflow"))]
use super::left_out as measured;

pub(super) const GROUP: Group = Group {
    name: "drift",
    about: "time and memory of flows that are executed for long: in a loop, a thousand at a time, and large",
    run: measured::report,
};

#[cfg(feature = "asyncflow")]
mod measured {
    use std::io;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use asyncflow::TokioFlow;
    use asyncflow::prelude::*;
    use tokio::task::{JoinSet, yield_now};

    use crate::contenders::asyncflow::add_tasks;
    use crate::groups::fairness::measured::beside_ticker;
    use crate::groups::tasks;
    use crate::job::Nothing;
    use crate::memory;
    use crate::plan::Plan;
    use crate::runtime::Tokio;
    use crate::shape::Shape;
    use crate::suite::Suite;
    use crate::table::Table;

    /// How many rows a table has: each is a tenth of the executions.
    const SLICES: usize = 10;

    pub(super) fn report(suite: &mut Suite) -> io::Result<()> {
        let executions = suite.options.pick(1_000, 100_000);
        let title = format!("a flow of four tasks, executed {executions} times in a loop");
        suite.report(sliced(title, "µs an execution", || {
            in_a_loop(executions / SLICES)
        }));

        let rounds = suite.options.pick(10, 200);
        let title = format!("1,000 flows of ten tasks at a time, {rounds} times each");
        suite.report(sliced(title, "µs a flow", || a_thousand(rounds / SLICES)));

        let size = suite.options.pick(100_000, 1_000_000);
        let title = format!("{} in layers beside a 1 ms ticker", tasks(size));
        let flow = layers(size);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.expect("a Tokio runtime starts");
        let mut gaps = Vec::new();
        let mut table = sliced(title, "ns a task", || {
            let local = tokio::task::LocalSet::new();
            let run = async { drop(flow.execute().await.expect("nothing of it fails")) };
            let (took, gap) = local.block_on(&runtime, beside_ticker(run));
            gaps.push(gap);
            took * 1000 / u32::try_from(size).expect("there are not so many")
        });
        table.columns.push("longest gap/ms".to_owned());
        for (row, gap) in table.rows.iter_mut().zip(gaps) {
            row.push(format!("{:.2}", gap.as_secs_f64() * 1e3));
        }
        suite.report(table);
        Ok(())
    }

    /// A row for each tenth: how long an execution took, and the memory of the process after it.
    fn sliced(title: String, unit: &str, mut slice: impl FnMut() -> Duration) -> Table {
        // Fills what is allocated once.
        slice();
        let columns = ["tenth", unit, "resident memory/MB"];
        let mut table = Table::new(title, columns.map(str::to_owned));
        for number in 1..=SLICES {
            let each = slice().as_secs_f64() * 1e6;
            let resident = memory::resident() as f64 / 1e6;
            let cells = [
                number.to_string(),
                format!("{each:.2}"),
                format!("{resident:.1}"),
            ];
            table.rows.push(cells.into());
        }
        table
    }

    /// Executes one flow so many times. Returns the mean.
    fn in_a_loop(executions: usize) -> Duration {
        let mut flow = TokioFlow::new();
        let id = flow.input::<u64>("id");
        let [a, b] = [1, 2].map(|number| {
            let add = move |id: &u64| std::future::ready(id + number);
            flow.add(add.inputs(id))
        });
        let sum = flow.add((async |a: &u64, b: &u64| a + b).inputs((a, b)));
        Tokio::block_on(async {
            let start = Instant::now();
            for number in 0..executions as u64 {
                let run = flow.execute().given(id, number).await;
                assert_eq!(run.expect("nothing of it fails")[sum], 2 * number + 3);
            }
            start.elapsed() / u32::try_from(executions).expect("there are not so many")
        })
    }

    /// A thousand tasks of the runtime, each of which executes a flow of its own so many times. Returns the mean
    /// of a flow.
    fn a_thousand(times: usize) -> Duration {
        const FLOWS: usize = 1_000;
        Tokio::block_on(async {
            let start = Instant::now();
            let mut set = JoinSet::new();
            for _ in 0..FLOWS {
                let flow = Arc::new(ten());
                set.spawn(async move {
                    for _ in 0..times {
                        flow.execute().await.expect("nothing of it fails");
                    }
                });
            }
            while let Some(done) = set.join_next().await {
                done.expect("it does not panic");
            }
            start.elapsed() / u32::try_from(FLOWS * times).expect("there are not so many")
        })
    }

    /// Ten tasks that wait once, in two layers.
    fn ten() -> TokioFlow {
        let mut flow = TokioFlow::new();
        let first = [(); 5].map(|()| flow.add(yield_now));
        for _ in 0..5 {
            flow.add(yield_now.after(first));
        }
        flow
    }

    fn layers(size: usize) -> TokioFlow {
        let mut flow = TokioFlow::new();
        add_tasks(&mut flow, &Plan::new(Shape::Layers, size), &Nothing);
        flow
    }
}
