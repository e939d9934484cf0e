//! A server under load: many requests in flight, each of which executes one shared flow.

use super::Group;
#[cfg(not(feature = "asyncflow"))]
use super::left_out as measured;

pub(super) const GROUP: Group = Group {
    name: "server",
    about: "10,000 requests in flight, each a flow of four tasks, three of which sleep 5 to 11 ms",
    run: measured::report,
};

#[cfg(feature = "asyncflow")]
mod measured {
    use std::fs;
    use std::future::Future;
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use asyncflow::TokioFlow;
    use asyncflow::prelude::*;
    use futures::stream::{FuturesUnordered, StreamExt};
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use crate::memory;
    use crate::runtime::Tokio;
    use crate::statistics::Samples;
    use crate::suite::Suite;
    use crate::table::Table;

    type Request = Arc<dyn Fn(u64) -> Pin<Box<dyn Future<Output = u64> + Send>> + Send + Sync>;

    async fn query(request: u64, number: u64) -> u64 {
        sleep(Duration::from_millis(
            5 + (request.wrapping_mul(7) + number * 3) % 7,
        ))
        .await;
        request + number
    }

    fn contenders() -> Vec<(&'static str, Request)> {
        let mut flow = TokioFlow::new();
        let id = flow.input::<u64>("id");
        let queries = [1, 2, 3].map(|number| {
            let query = move |id: &u64| query(*id, number);
            flow.add(query.inputs(id))
        });
        let all = flow.add(
            (|all: Vec<&u64>| std::future::ready(all.into_iter().sum::<u64>()))
                .inputs(queries.to_vec()),
        );
        let flow = Arc::new(flow);
        let asyncflow: Request = Arc::new(move |request| {
            let flow = Arc::clone(&flow);
            Box::pin(async move {
                let run = flow.execute().given(id, request).await;
                run.expect("nothing of it fails")[all]
            })
        });
        let spawn: Request = Arc::new(|request| {
            Box::pin(async move {
                let mut sum = 0;
                for handle in [1, 2, 3].map(|number| tokio::spawn(query(request, number))) {
                    sum += handle.await.expect("it does not panic");
                }
                sum
            })
        });
        let unordered: Request = Arc::new(|request| {
            Box::pin(async move {
                let queries = [1, 2, 3].map(|number| query(request, number));
                let mut queries: FuturesUnordered<_> = queries.into_iter().collect();
                let mut sum = 0;
                while let Some(number) = queries.next().await {
                    sum += number;
                }
                sum
            })
        });
        let join: Request = Arc::new(|request| {
            Box::pin(async move {
                let (a, b, c) =
                    futures::join!(query(request, 1), query(request, 2), query(request, 3));
                a + b + c
            })
        });
        vec![
            ("asyncflow-tokio", asyncflow),
            ("tokio-spawn", spawn),
            ("futures-unordered", unordered),
            ("join!", join),
        ]
    }

    /// Serves `total` requests, of which so many are in flight.
    async fn serve(request: Request, total: u64, in_flight: u64) {
        let (mut set, mut next, mut sum) = (JoinSet::new(), 0, 0_u64);
        while next < in_flight {
            set.spawn(request(next));
            next += 1;
        }
        while let Some(answer) = set.join_next().await {
            sum = sum.wrapping_add(answer.expect("it does not panic"));
            if next < total {
                set.spawn(request(next));
                next += 1;
            }
        }
        let right: u64 = (0..total).map(|request| 3 * request + 6).sum();
        assert_eq!(sum, right);
    }

    /// The time that all threads of this process have spent on a core.
    fn processor_time() -> Duration {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        // A hundredth of a second each.
        Duration::from_millis(10 * ticks)
    }

    pub(super) fn report(suite: &mut Suite) -> io::Result<()> {
        let in_flight = suite.options.pick(1_000, 10_000) as u64;
        let total = 20 * in_flight;
        let rounds = suite.options.rounds.unwrap_or(suite.options.pick(1, 3));
        let mut lanes: Vec<(&str, Request, Samples, u64)> = contenders()
            .into_iter()
            .filter(|(name, _)| suite.options.wants(name))
            .map(|(name, request)| (name, request, Samples::default(), 0))
            .collect();
        for _ in 0..rounds {
            for (_, request, samples, most) in &mut lanes {
                // Forgets the peak so far, where the system has it.
                let _ = fs::write("/proc/self/clear_refs", "5");
                let before = memory::peak();
                let (start, busy) = (Instant::now(), processor_time());
                Tokio::block_on(serve(Arc::clone(request), total, in_flight));
                let busy = (processor_time() - busy).min(2 * start.elapsed());
                samples.push(busy / u32::try_from(total).expect("there are not so many"));
                *most = memory::peak().saturating_sub(before).max(*most);
            }
        }
        let columns = [
            "contender",
            "processor time/µs a request, median (minimum)",
            "growth of the peak/MB",
        ];
        let title = format!("{in_flight} requests in flight, {total} in all, {rounds} rounds");
        let mut table = Table::new(title, columns.map(str::to_owned));
        for (name, _, samples, most) in &lanes {
            let Some(figure) = samples.figure() else {
                continue;
            };
            let (median, minimum) = (figure.median * 1e6, figure.minimum * 1e6);
            let most = *most as f64 / 1e6;
            let cells = [format!("{median:.1} ({minimum:.1})"), format!("{most:.1}")];
            table
                .rows
                .push([name.to_string()].into_iter().chain(cells).collect());
        }
        table.notes.push(
            "the growth of VmHWM, without what an earlier turn has left to the allocator: for the memory \
             of one contender, run it alone with `--contender`"
                .to_owned(),
        );
        suite.report(table);
        Ok(())
    }
}
