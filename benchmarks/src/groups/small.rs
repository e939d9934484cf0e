//! Small flows, as a request handler executes them: built once, executed each time.

use super::Group;
#[cfg(not(feature = "asyncflow"))]
use super::left_out as measured;
#[cfg(feature = "asyncflow")]
pub(crate) use measured::take_turns;

pub(super) const GROUP: Group = Group {
    name: "small",
    about: "flows of one to eight tasks, executed again and again, beside what is written by hand, and dagx",
    run: measured::report,
};

#[cfg(feature = "asyncflow")]
mod measured {
    use std::future::Future;
    use std::hint::black_box;
    use std::io;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use asyncflow::prelude::*;
    use asyncflow::{AsyncStdRuntime, SmolRuntime, TokioRuntime};
    use dagx::{DagRunner, TaskHandle, task_fn};
    use futures::stream::{FuturesUnordered, StreamExt};
    use futures_concurrency::future::Join;
    // Pending once, and woken at once.
    use smol::future::yield_now;
    use tokio::task::{JoinSet, spawn_blocking};
    use tokio::time::timeout;

    use crate::bars::{BarGroup, Bars};
    use crate::runtime::{AsyncStd, Runtime, Smol, Tokio};
    use crate::statistics::{Figure, Samples};
    use crate::suite::Suite;
    use crate::table::Table;
    use crate::trial;

    /// A limit that is not reached.
    const LONG: Duration = Duration::from_secs(60);

    /// How many executions are one sample.
    const EXECUTIONS: u32 = 200;

    /// A flow, and its input if it has one.
    struct Small<R: asyncflow::Runtime> {
        flow: Flow<R>,
        input: Option<Task<u64>>,
    }

    /// The flows that are measured.
    #[derive(Clone, Copy)]
    enum Case {
        One,
        Ready,
        Waits,
        Semaphore,
        TimeLimit,
        Plain,
    }

    const CASES: [(Case, &str); 6] = [
        (Case::One, "1 task that does nothing"),
        (
            Case::Ready,
            "4 tasks that are ready: one input, two of it, one of both",
        ),
        (Case::Waits, "4 tasks, three of which wait once"),
        (
            Case::Semaphore,
            "8 tasks that wait once, on a semaphore of 2",
        ),
        (Case::TimeLimit, "4 tasks with a time limit, that wait once"),
        (Case::Plain, "3 plain functions"),
    ];

    fn small<R: asyncflow::Runtime + Default>(case: Case) -> Small<R> {
        let mut flow = Flow::<R>::new();
        let mut input = None;
        match case {
            Case::One => drop(flow.add(async || ())),
            Case::Ready => {
                let id = flow.input::<u64>("id");
                let a = flow.add((async |id: &u64| id + 1).inputs(id));
                let b = flow.add((async |id: &u64| id + 2).inputs(id));
                flow.add((async |a: &u64, b: &u64| a + b).inputs((a, b)));
                input = Some(id);
            }
            Case::Waits => {
                let [a, b, c] = [1, 2, 3].map(|number| flow.add(move || wait(number)));
                flow.add((async |a: &u64, b: &u64, c: &u64| a + b + c).inputs((a, b, c)));
            }
            Case::Semaphore => {
                let permits = Semaphore::new(2);
                for _ in 0..8 {
                    flow.add(yield_now.with_lock(&permits));
                }
            }
            Case::TimeLimit => {
                for _ in 0..4 {
                    flow.add(yield_now.timeout(LONG));
                }
            }
            Case::Plain => {
                for _ in 0..3 {
                    flow.add(|| ());
                }
            }
        }
        Small { flow, input }
    }

    /// Executes something so many times, and returns how long that took.
    type Turn = Box<dyn Fn() -> Duration>;

    fn asyncflow<B: Runtime, R: asyncflow::Runtime + Default>(case: Case) -> Turn {
        let small = Arc::new(small::<R>(case));
        Box::new(move || {
            let small = Arc::clone(&small);
            B::enter(async move {
                let start = Instant::now();
                for number in 0..EXECUTIONS {
                    let mut execute = small.flow.execute();
                    if let Some(input) = small.input {
                        execute = execute.given(input, u64::from(number));
                    }
                    let run = execute.await.expect("nothing of it fails");
                    black_box(run);
                }
                start.elapsed()
            })
        })
    }

    /// Written by hand, on Tokio.
    fn by_hand<F: Future<Output = ()> + Send + 'static>(
        function: impl Fn() -> F + Clone + Send + 'static,
    ) -> Turn {
        Box::new(move || {
            let function = function.clone();
            Tokio::enter(async move {
                let start = Instant::now();
                for _ in 0..EXECUTIONS {
                    function().await;
                }
                start.elapsed()
            })
        })
    }

    /// Waits once.
    async fn wait(number: u64) -> u64 {
        yield_now().await;
        number
    }

    async fn join_all(mut set: JoinSet<u64>) {
        let mut sum = 0;
        while let Some(number) = set.join_next().await {
            sum += number.expect("it does not panic");
        }
        black_box(sum);
    }

    async fn next_all(mut all: FuturesUnordered<impl Future<Output = u64>>) {
        let mut sum = 0;
        while let Some(number) = all.next().await {
            sum += number;
        }
        black_box(sum);
    }

    /// Runs the graph, and asserts the output of its `last` task.
    async fn run_dag(dag: DagRunner, last: TaskHandle<u64>, output: u64) {
        let spawn = |future| {
            tokio::spawn(future);
        };
        dag.run(spawn).await.expect("nothing of it fails");
        assert_eq!(dag.get(last).ok(), Some(output));
    }

    /// What one would write in place of the flow.
    fn others(case: Case) -> Vec<(&'static str, Turn)> {
        match case {
            Case::One => vec![(
                "dagx",
                by_hand(|| {
                    let dag = DagRunner::new();
                    let last = dag.add_task(task_fn(|_: ()| async { 1 })).into();
                    run_dag(dag, last, 1)
                }),
            )],
            Case::Ready => vec![
                (
                    "join!",
                    by_hand(|| async {
                        let id = black_box(5_u64);
                        let (a, b) = futures::join!(async { id + 1 }, async { id + 2 });
                        black_box(async { a + b }.await);
                    }),
                ),
                (
                    "futures-concurrency",
                    by_hand(|| async {
                        let id = black_box(5_u64);
                        let (a, b) = (async { id + 1 }, async { id + 2 }).join().await;
                        black_box(async { a + b }.await);
                    }),
                ),
                (
                    "futures-unordered",
                    by_hand(|| async {
                        let id = black_box(5_u64);
                        let adds = [1, 2].map(|number| async move { id + number });
                        next_all(adds.into_iter().collect()).await;
                    }),
                ),
                (
                    "dagx",
                    by_hand(|| {
                        let dag = DagRunner::new();
                        let id = black_box(5_u64);
                        let id: TaskHandle<u64> =
                            dag.add_task(task_fn(move |_: ()| async move { id })).into();
                        let [a, b] = [1, 2].map(|number| {
                            dag.add_task(task_fn(move |id: u64| async move { id + number }))
                                .depends_on(id)
                        });
                        let last = dag
                            .add_task(task_fn(|(a, b): (u64, u64)| async move { a + b }))
                            .depends_on((&a, &b));
                        run_dag(dag, last, 13)
                    }),
                ),
                (
                    "tokio-joinset",
                    by_hand(|| async {
                        let mut set = JoinSet::new();
                        for number in [1, 2] {
                            set.spawn(async move { number });
                        }
                        join_all(set).await;
                    }),
                ),
            ],
            Case::Waits => vec![
                (
                    "join!",
                    by_hand(|| async {
                        let (a, b, c) = futures::join!(wait(1), wait(2), wait(3));
                        black_box(a + b + c);
                    }),
                ),
                (
                    "futures-concurrency",
                    by_hand(|| async {
                        let (a, b, c) = (wait(1), wait(2), wait(3)).join().await;
                        black_box(a + b + c);
                    }),
                ),
                (
                    "futures-unordered",
                    by_hand(|| next_all([1, 2, 3].map(wait).into_iter().collect())),
                ),
                (
                    "dagx",
                    by_hand(|| {
                        let dag = DagRunner::new();
                        let [a, b, c] = [1, 2, 3].map(|number| -> TaskHandle<u64> {
                            dag.add_task(task_fn(move |_: ()| wait(number))).into()
                        });
                        let last = dag
                            .add_task(task_fn(
                                |(a, b, c): (u64, u64, u64)| async move { a + b + c },
                            ))
                            .depends_on((&a, &b, &c));
                        run_dag(dag, last, 6)
                    }),
                ),
                (
                    "tokio-joinset",
                    by_hand(|| async {
                        let mut set = JoinSet::new();
                        for number in [1, 2, 3] {
                            set.spawn(wait(number));
                        }
                        join_all(set).await;
                    }),
                ),
            ],
            Case::Semaphore => {
                let permits = Arc::new(tokio::sync::Semaphore::new(2));
                let function = move || {
                    let permits = Arc::clone(&permits);
                    async move {
                        let mut set = JoinSet::new();
                        for number in 0..8 {
                            let permits = Arc::clone(&permits);
                            set.spawn(async move {
                                let _permit = permits.acquire().await;
                                yield_now().await;
                                number
                            });
                        }
                        join_all(set).await;
                    }
                };
                vec![("tokio-joinset", by_hand(function))]
            }
            Case::TimeLimit => vec![(
                "tokio-joinset",
                by_hand(|| async {
                    let mut set = JoinSet::new();
                    for number in 0..4 {
                        set.spawn(async move {
                            let waited = timeout(LONG, yield_now()).await;
                            waited.expect("it is in time");
                            number
                        });
                    }
                    join_all(set).await;
                }),
            )],
            Case::Plain => vec![(
                "spawn_blocking",
                by_hand(|| async {
                    for call in [(); 3].map(|()| spawn_blocking(|| ())) {
                        call.await.expect("it does not panic");
                    }
                }),
            )],
        }
    }

    /// This library on each backend, and what one would write in its place.
    fn contenders(case: Case) -> Vec<(&'static str, Turn)> {
        let mut all = vec![
            ("asyncflow-tokio", asyncflow::<Tokio, TokioRuntime>(case)),
            (
                "asyncflow-async-std",
                asyncflow::<AsyncStd, AsyncStdRuntime>(case),
            ),
            ("asyncflow-smol", asyncflow::<Smol, SmolRuntime>(case)),
        ];
        all.extend(others(case));
        all
    }

    /// In a child process, lets a contender take this many turns of the case with this number.
    pub(crate) fn take_turns(case: &str, contender: &str, turns: &str) -> Option<()> {
        let (case, _) = CASES.get(case.parse::<usize>().ok()?)?;
        let (_, turn) = contenders(*case)
            .into_iter()
            .find(|(name, _)| *name == contender)?;
        for _ in 0..turns.parse().ok()? {
            turn();
        }
        Some(())
    }

    /// The allocations of an execution: what a second turn adds, because the first one also starts the
    /// runtime and compiles the flow.
    fn allocations(suite: &Suite, case: usize, contender: &str) -> Result<f64, String> {
        if suite.options.quick {
            return Err("allocations: not counted with `--quick`".to_owned());
        }
        let case = case.to_string();
        let of = |turns: &str| trial::allocations(&["small", &case, contender, turns]);
        let (one, two) = (of("1")?, of("2")?);
        Ok((two as f64 - one as f64) / f64::from(EXECUTIONS))
    }

    pub(super) fn report(suite: &mut Suite) -> io::Result<()> {
        let mut groups = Vec::new();
        let rounds = suite.options.rounds.unwrap_or(suite.options.pick(5, 60));
        let columns = [
            "contender",
            "µs, median (minimum)",
            "ratio of minima to asyncflow-tokio",
            "allocations",
        ];
        for (number, (case, title)) in CASES.into_iter().enumerate() {
            let mut lanes: Vec<(&str, Turn, Samples)> = contenders(case)
                .into_iter()
                .filter(|(name, _)| suite.options.wants(name))
                .map(|(name, turn)| (name, turn, Samples::default()))
                .collect();
            for round in 0..=rounds {
                for (_, turn, samples) in &mut lanes {
                    let time = turn() / EXECUTIONS;
                    // The first one warms up.
                    if round > 0 {
                        samples.push(time);
                    }
                }
            }
            let mut table = Table::new(title, columns.map(str::to_owned));
            let figures = lanes
                .iter()
                .map(|(name, _, samples)| (*name, samples.figure()));
            let figures: Vec<_> = figures.collect();
            let ours = figures
                .first()
                .and_then(|(_, figure)| figure.map(|figure| figure.minimum));
            for (name, figure) in &figures {
                let (Some(figure), Some(ours)) = (*figure, ours) else {
                    continue;
                };
                let allocations = allocations(suite, number, name);
                table.rows.push(vec![
                    (*name).to_owned(),
                    format!("{:.2} ({:.2})", figure.median * 1e6, figure.minimum * 1e6),
                    format!("{:.2}", figure.minimum / ours),
                    match &allocations {
                        Ok(count) => format!("{count:.1}"),
                        Err(_) => "–".to_owned(),
                    },
                ]);
                // The same for all if `valgrind` is missing.
                table.notes.extend(allocations.err());
                table.notes.dedup();
            }
            suite.report(table);
            groups.push(group(title, &figures));
        }
        let chart = Bars {
            title: "What a request costs".to_owned(),
            subtitle: "a flow that is built once and executed each time, 2 workers, minima"
                .to_owned(),
            unit: "µs".to_owned(),
            groups,
        };
        suite.write_chart("request.svg", &chart.to_svg())
    }

    /// What is compared in one case. The other backends cost nearly the same, and the chart has no room.
    fn group(title: &str, figures: &[(&str, Option<Figure>)]) -> BarGroup {
        let bars = figures.iter().filter_map(|(name, figure)| {
            let other_backend = matches!(*name, "asyncflow-async-std" | "asyncflow-smol");
            let figure = figure.filter(|_| !other_backend)?;
            Some(((*name).to_owned(), figure.minimum * 1e6))
        });
        BarGroup {
            title: title.to_owned(),
            bars: bars.collect(),
        }
    }
}
