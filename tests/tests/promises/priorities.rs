//! Among ready tasks, those of a higher priority start first.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Observer, Permits, Runtime, TaskRef, TokioRuntime};
use asyncflow_tests::{
    Gate, Log, Numbers, again, hold, on_every_backend, on_smol_current, on_tokio_current, turns,
};

/// A time limit that is not reached.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Async,
    Waits,
    Plain,
    Limited,
    PlainLimited,
    Locked,
}

const KINDS: [Kind; 6] = [
    Kind::Async,
    Kind::Waits,
    Kind::Plain,
    Kind::Limited,
    Kind::PlainLimited,
    Kind::Locked,
];

/// A random graph, whose tasks have different priorities. All others depend on the first one.
struct Graph {
    upstreams: Vec<Vec<usize>>,
    priorities: Vec<i32>,
}

impl Graph {
    fn random(seed: u64, len: usize) -> Self {
        let mut numbers = Numbers::new(seed);
        let upstreams = (0..len).map(|task| {
            let first = (task > 0).then_some(0);
            let others =
                (0..numbers.below(3)).filter_map(|_| task.checked_sub(1 + numbers.below(len)));
            first.into_iter().chain(others).collect()
        });
        let upstreams = upstreams.collect();
        let mut priorities: Vec<i32> = (0..len as i32).map(|n| n - len as i32 / 2).collect();
        for place in (1..len).rev() {
            priorities.swap(place, numbers.below(place + 1));
        }
        Self {
            upstreams,
            priorities,
        }
    }

    /// The order in which the tasks start, one after the other.
    fn order(&self) -> Vec<usize> {
        let (mut order, mut done) = (Vec::new(), BTreeSet::new());
        while order.len() < self.upstreams.len() {
            let is_ready = |task: &usize| {
                !done.contains(task) && self.upstreams[*task].iter().all(|up| done.contains(up))
            };
            let ready = (0..self.upstreams.len()).filter(is_ready);
            let next = ready.max_by_key(|task| self.priorities[*task]).unwrap();
            done.insert(next);
            order.push(next);
        }
        order
    }

    /// Adds the tasks, which note that they start.
    fn add<R: Runtime>(
        &self,
        flow: &mut Flow<R>,
        kind: impl Fn(usize) -> Kind,
        started: &Arc<Mutex<Vec<usize>>>,
    ) {
        let lock = Lock::new();
        let mut tasks: Vec<Task<()>> = Vec::new();
        for (number, upstreams) in self.upstreams.iter().enumerate() {
            let after: Vec<Task<()>> = upstreams.iter().map(|task| tasks[*task]).collect();
            let started = Arc::clone(started);
            let note = move || started.lock().unwrap().push(number);
            let starts = note.clone();
            macro_rules! add {
                ($function:expr) => {
                    flow.add($function.after(after).priority(self.priorities[number]))
                };
            }
            let waits = again!((note) {
                note();
                turns(2).await;
            });
            tasks.push(match kind(number) {
                Kind::Async => add!(move || ready(starts())),
                Kind::Waits => add!(waits),
                Kind::Plain => add!(starts),
                Kind::Limited => add!(waits.timeout(LONG)),
                Kind::PlainLimited => add!(starts.timeout(LONG)),
                Kind::Locked => add!(waits.with_lock(&lock)),
            });
        }
    }
}

/// Executes random graphs of tasks of these kinds, small and large.
async fn start_in_order<R: Runtime>(runtime: R, kinds: &[Kind], limit: Option<usize>) {
    for seed in 0..12 {
        let graph = Graph::random(seed, [6, 40, 150][seed as usize % 3]);
        let (mut flow, started) = (Flow::on(runtime.clone()), Arc::default());
        graph.add(
            &mut flow,
            |task| kinds[(task * 7 + seed as usize) % kinds.len()],
            &started,
        );
        for _ in 0..2 {
            match limit {
                Some(limit) => flow.execute().max_concurrency(limit).await.unwrap(),
                None => flow.execute().await.unwrap(),
            };
            let started = std::mem::take(&mut *started.lock().unwrap());
            assert_eq!(started, graph.order(), "seed {seed}, {kinds:?}");
        }
    }
}

on_every_backend! {
    // With one slot the order is known, whatever the tasks are.
    async fn with_one_slot<R>() {
        start_in_order(R::default(), &KINDS, Some(1)).await;
        start_in_order(R::default(), &[Kind::Locked], Some(1)).await;
    }

    // What has no function keeps no task waiting.
    async fn inputs_and_values_come_first<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        flow.add(log.note("low"));
        flow.add(log.note("none").priority(1));
        let (input, value) = (flow.input::<i32>("input"), flow.value(7));
        let note = log.note("high");
        let high = move |_: &i32, _: &i32| note();
        flow.add(high.inputs((input, value)).priority(2));
        flow.execute().given(input, 7).max_concurrency(1).await.unwrap();
        assert_eq!(log.events(), ["high", "none", "low"]);
    }

    // A lock that comes free goes to the highest priority of those that wait for it.
    async fn waiting_for_a_lock<R>() {
        let (lock, go) = (Lock::new(), Gate::new());
        let holder = hold::<R>(&lock, &go).await;
        let (mut flow, started): (_, Arc<Mutex<Vec<i32>>>) = (Flow::<R>::new(), Arc::default());
        let priorities = [3, -2, 9, 0, 7, -8, 1, i32::MAX, i32::MIN];
        for priority in priorities {
            let started = started.clone();
            let note = move || ready(started.lock().unwrap().push(priority));
            flow.add(note.with_lock(&lock).priority(priority));
        }
        let waiting = Waiting(Arc::default());
        let run = flow.execute().observe(waiting.clone()).start();
        while waiting.0.load(Ordering::SeqCst) < priorities.len() {
            turns(1).await;
        }
        // The last one has told it, and queues.
        turns(20).await;
        go.open();
        holder.await.unwrap();
        run.await.unwrap();
        let mut expected = priorities;
        expected.sort_by(|a, b| b.cmp(a));
        assert_eq!(*started.lock().unwrap(), expected);
    }
}

/// Counts the tasks that wait for permits.
#[derive(Clone)]
struct Waiting(Arc<AtomicUsize>);

impl Observer for Waiting {
    fn task_waiting(&self, _: TaskRef<'_>, _: &Permits) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Without a limit the order is known on one thread, for tasks of one kind.
mod on_one_thread {
    use super::*;

    #[test]
    fn tokio_current() {
        on_tokio_current(async || {
            for kind in [Kind::Async, Kind::Plain] {
                start_in_order(TokioRuntime::default(), &[kind], None).await;
            }
        });
    }

    #[test]
    fn smol() {
        on_smol_current(async |runtime| start_in_order(runtime, &[Kind::Async], None).await);
    }
}
