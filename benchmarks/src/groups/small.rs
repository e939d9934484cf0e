//! Small flows, as a request handler executes them: built once, executed each time.

use super::Group;
#[cfg(not(feature = "asyncflow"))]
use super::left_out as measured;

pub(super) const GROUP: Group = Group {
    name: "small",
    about: "flows of one to eight tasks, executed again and again, beside what is written by hand",
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
    use futures::stream::{FuturesUnordered, StreamExt};
    // Pending once, and woken at once.
    use smol::future::yield_now;
    use tokio::task::{JoinSet, spawn_blocking};
    use tokio::time::timeout;

    use crate::bars::{BarGroup, Bars};
    use crate::runtime::{AsyncStd, Runtime, Smol, Tokio};
    use crate::statistics::{Figure, Samples};
    use crate::suite::Suite;
    use crate::table::Table;

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
                let waits = [1, 2, 3].map(|number: u64| {
                    flow.add(move || async move {
                        yield_now().await;
                        number
                    })
                });
                let [a, b, c] = waits;
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

    async fn join_all(mut set: JoinSet<u64>) {
        let mut sum = 0;
        while let Some(number) = set.join_next().await {
            sum += number.expect("it does not panic");
        }
        black_box(sum);
    }

    /// What one would write in place of the flow.
    fn others(case: Case) -> Vec<(&'static str, Turn)> {
        match case {
            Case::One => vec![],
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
                    "futures-unordered",
                    by_hand(|| async {
                        let waits = [1, 2, 3_u64].map(|number| async move {
                            yield_now().await;
                            number
                        });
                        let mut all: FuturesUnordered<_> = waits.into_iter().collect();
                        let mut sum = 0;
                        while let Some(number) = all.next().await {
                            sum += number;
                        }
                        black_box(sum);
                    }),
                ),
                (
                    "tokio-joinset",
                    by_hand(|| async {
                        let mut set = JoinSet::new();
                        for number in [1, 2, 3] {
                            set.spawn(async move {
                                yield_now().await;
                                number
                            });
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

    pub(super) fn report(suite: &mut Suite) -> io::Result<()> {
        let mut groups = Vec::new();
        let rounds = suite.options.rounds.unwrap_or(suite.options.pick(5, 60));
        let columns = [
            "contender",
            "µs, median (minimum)",
            "ratio of minima to asyncflow-tokio",
        ];
        for (case, title) in CASES {
            let mut lanes: Vec<(&str, Turn, Samples)> = vec![
                ("asyncflow-tokio", asyncflow::<Tokio, TokioRuntime>(case)),
                (
                    "asyncflow-async-std",
                    asyncflow::<AsyncStd, AsyncStdRuntime>(case),
                ),
                ("asyncflow-smol", asyncflow::<Smol, SmolRuntime>(case)),
            ]
            .into_iter()
            .chain(others(case))
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
                table.rows.push(vec![
                    (*name).to_owned(),
                    format!("{:.2} ({:.2})", figure.median * 1e6, figure.minimum * 1e6),
                    format!("{:.2}", figure.minimum / ours),
                ]);
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
