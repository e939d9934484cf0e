//! Whether a large run leaves room for what else is on its runtime.

use super::Group;
#[cfg(feature = "asyncflow")]
use super::tasks;

pub(super) const GROUP: Group = Group {
    name: "fairness",
    about: "a 1 ms ticker on the current-thread runtime on which a large flow runs",
    run: |session| {
        #[cfg(feature = "asyncflow")]
        {
            let size = if session.options.quick {
                100_000
            } else {
                1_000_000
            };
            let table = measured::table(size, &tasks(size));
            session.report(table);
        }
        #[cfg(not(feature = "asyncflow"))]
        session.say("left out without `--features asyncflow`");
        Ok(())
    },
};

#[cfg(feature = "asyncflow")]
mod measured {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use asyncflow::TokioFlow;
    use asyncflow::prelude::*;
    use tokio::task::LocalSet;
    use tokio::time::{MissedTickBehavior, interval};

    use crate::shape::Shape;
    use crate::table::Table;

    const TICK: Duration = Duration::from_millis(1);

    /// How often each flow is executed.
    const RUNS: usize = 5;

    pub(super) fn table(size: usize, label: &str) -> Table {
        let columns = ["shape", "run/ms", "ticks", "longest gap/ms"];
        let mut table = Table::new(
            format!("a 1 ms ticker beside {label}, worst of {RUNS} runs"),
            columns.map(str::to_owned),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.expect("a Tokio runtime starts");
        for shape in Shape::FIVE {
            let flow = declare(shape, size);
            let runs = (0..RUNS).map(|_| LocalSet::new().block_on(&runtime, run(&flow)));
            let worst = runs.max_by_key(|(_, ticks)| longest(ticks));
            let (wall, ticks) = worst.expect("there are some runs");
            let millis = |duration: Duration| format!("{:.2}", duration.as_secs_f64() * 1e3);
            table.rows.push(vec![
                shape.to_string(),
                millis(wall),
                ticks.len().to_string(),
                millis(longest(&ticks)),
            ]);
        }
        table.notes.push(
            "the gap between two ticks, or between a tick and the start or the end of the run"
                .to_owned(),
        );
        table
    }

    fn declare(shape: Shape, size: usize) -> TokioFlow {
        let mut flow = TokioFlow::new();
        let mut handles: Vec<Task<()>> = Vec::with_capacity(size);
        let mut upstreams = Vec::new();
        for task in 0..size {
            shape.upstreams(task, size, &mut upstreams);
            let after: Vec<Task<()>> = upstreams.iter().map(|&task| handles[task]).collect();
            handles.push(flow.add((async || ()).after(after)));
        }
        flow
    }

    /// How long the run took, and how long each of the gaps between ticks.
    async fn run(flow: &TokioFlow) -> (Duration, Vec<Duration>) {
        let gaps = Rc::new(RefCell::new(Vec::new()));
        let start = Instant::now();
        let last = Rc::new(RefCell::new(start));
        let ticker = tokio::task::spawn_local({
            let (gaps, last) = (Rc::clone(&gaps), Rc::clone(&last));
            async move {
                let mut ticks = interval(TICK);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    let now = Instant::now();
                    gaps.borrow_mut().push(now - last.replace(now));
                }
            }
        });
        flow.execute()
            .await
            .expect("tasks that do nothing do not fail");
        let end = Instant::now();
        ticker.abort();
        gaps.borrow_mut().push(end - *last.borrow());
        (end - start, gaps.take())
    }

    fn longest(gaps: &[Duration]) -> Duration {
        gaps.iter().copied().max().unwrap_or_default()
    }
}
