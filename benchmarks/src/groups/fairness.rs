//! Whether a large run lets the other tasks of its runtime run.

use super::Group;
#[cfg(not(feature = "asyncflow"))]
use super::left_out as measured;

pub(super) const GROUP: Group = Group {
    name: "fairness",
    about: "a 1 ms ticker on the current-thread runtime on which a large flow runs",
    run: measured::report,
};

#[cfg(feature = "asyncflow")]
pub(super) mod measured {
    use std::cell::Cell;
    use std::future::Future;
    use std::io;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use asyncflow::TokioFlow;
    use tokio::task::LocalSet;
    use tokio::time::{MissedTickBehavior, interval};

    use crate::contenders::asyncflow::add_tasks;
    use crate::groups::tasks;
    use crate::job::Nothing;
    use crate::plan::Plan;
    use crate::shape::Shape;
    use crate::suite::Suite;
    use crate::table::Table;

    const TICK: Duration = Duration::from_millis(1);

    /// How many times each flow is executed.
    const RUNS: usize = 9;

    pub(super) fn report(suite: &mut Suite) -> io::Result<()> {
        let size = suite.options.pick(100_000, 1_000_000);
        let table = table(size, &tasks(size));
        suite.report(table);
        Ok(())
    }

    fn table(size: usize, label: &str) -> Table {
        let columns = ["shape", "run/ms", "longest gap/ms, median", "worst"];
        let mut table = Table::new(
            format!("a 1 ms ticker beside {label}, {RUNS} runs"),
            columns.map(str::to_owned),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.expect("a Tokio runtime starts");
        for shape in Shape::FIVE {
            let mut flow = TokioFlow::new();
            add_tasks(&mut flow, &Plan::new(shape, size), &Nothing);
            let runs = || LocalSet::new().block_on(&runtime, beside_ticker(execute(&flow)));
            let row = row(shape.to_string(), (0..RUNS).map(|_| runs()).collect());
            table.rows.push(row);
        }
        let busy = || LocalSet::new().block_on(&runtime, beside_ticker(stay_busy()));
        let row = row("no flow".to_owned(), (0..RUNS).map(|_| busy()).collect());
        table.rows.push(row);
        table.notes.extend([
            "a gap is the time between two ticks, or between a tick and the start or the end of the \
             run; the first run compiles the flow"
                .to_owned(),
            "`no flow`: a task that yields every 0.1 ms instead, which shows what the machine adds"
                .to_owned(),
        ]);
        table
    }

    fn row(name: String, runs: Vec<(Duration, Duration)>) -> Vec<String> {
        let (mut walls, mut gaps): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
        walls.sort_unstable();
        gaps.sort_unstable();
        let millis = |duration: Duration| format!("{:.2}", duration.as_secs_f64() * 1e3);
        vec![
            name,
            millis(walls[RUNS / 2]),
            millis(gaps[RUNS / 2]),
            millis(gaps[RUNS - 1]),
        ]
    }

    async fn execute(flow: &TokioFlow) {
        let result = flow.execute().await;
        result.expect("tasks that do nothing do not fail");
    }

    async fn stay_busy() {
        let start = Instant::now();
        while start.elapsed() < 100 * TICK {
            let turn = Instant::now();
            while turn.elapsed() < TICK / 10 {}
            tokio::task::yield_now().await;
        }
    }

    /// Runs `work` beside a ticker. Returns how long it took, and the longest gap between ticks.
    pub(in crate::groups) async fn beside_ticker(
        work: impl Future<Output = ()>,
    ) -> (Duration, Duration) {
        let start = Instant::now();
        // The last tick, and the longest gap so far.
        let seen = Rc::new(Cell::new((start, Duration::ZERO)));
        let look = |seen: &Cell<(Instant, Duration)>| {
            let (now, (last, longest)) = (Instant::now(), seen.get());
            seen.set((now, longest.max(now - last)));
        };
        let ticker = tokio::task::spawn_local({
            let seen = Rc::clone(&seen);
            async move {
                let mut ticks = interval(TICK);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    look(&seen);
                }
            }
        });
        work.await;
        ticker.abort();
        look(&seen);
        let (end, longest) = seen.get();
        (end - start, longest)
    }
}
