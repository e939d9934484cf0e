//! The flows that are counted. Their functions do nothing, so that only the library is counted.

use std::task::Poll;
use std::time::Duration;

use asyncflow::TokioFlow;
use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;

/// A flow that is counted.
pub(crate) struct Counted {
    pub(crate) name: &'static str,
    pub(crate) tasks: usize,
    pub(crate) declare: fn(&mut TokioFlow),
    /// A flow whose count must be the same, because the features in which it differs are used by other
    /// tasks.
    pub(crate) same_as: Option<&'static str>,
}

const TASKS: usize = 1000;

/// The number of tasks of a flow whose functions are written one by one.
const METHODS: usize = 16;

/// The number of tasks in a layer, and the offsets of each task's upstreams in the layer before.
const WIDTH: usize = 100;
const UPSTREAMS: [usize; 4] = [0, 1, 7, 31];

pub(crate) const FLOWS: &[Counted] = &[
    Counted {
        name: "chain",
        tasks: TASKS,
        declare: chain,
        same_as: None,
    },
    Counted {
        name: "independent",
        tasks: TASKS,
        declare: independent,
        same_as: None,
    },
    Counted {
        name: "layered",
        tasks: TASKS,
        declare: layered,
        same_as: None,
    },
    Counted {
        name: "chain-of-data",
        tasks: TASKS,
        declare: chain_of_data,
        same_as: None,
    },
    Counted {
        name: "chain-beside-features",
        tasks: TASKS,
        declare: |flow| {
            features(flow);
            chain(flow);
        },
        same_as: Some("chain-beside-tasks"),
    },
    Counted {
        name: "chain-beside-tasks",
        tasks: TASKS,
        declare: |flow| {
            flow.add(nothing);
            flow.add(nothing);
            chain(flow);
        },
        same_as: None,
    },
    Counted {
        name: "chain-as-a-type",
        tasks: METHODS,
        declare: |flow| *flow = Flow::from(ChainFlow::new(Chain { step: 1 })),
        same_as: Some("chain-of-functions"),
    },
    Counted {
        name: "chain-of-functions",
        tasks: METHODS,
        declare: chain_of_functions,
        same_as: None,
    },
    small("one-task", |flow| {
        flow.add(nothing);
    }),
    small("four-ready", |flow| {
        let value = flow.value(5_u64);
        let [a, b] = [1, 2].map(|number| {
            let add = move |value: &u64| std::future::ready(value + number);
            flow.add(add.inputs(value))
        });
        flow.add((async |a: &u64, b: &u64| a + b).inputs((a, b)));
    }),
    small("three-wait", |flow| {
        let waits = [(); 3].map(|()| flow.add(wait_once));
        flow.add(nothing.after(waits));
    }),
    small("semaphore", |flow| {
        let permits = Semaphore::new(2);
        for _ in 0..8 {
            flow.add(wait_once.with_lock(&permits));
        }
    }),
    small("time-limit", |flow| {
        for _ in 0..4 {
            flow.add(wait_once.timeout(Duration::from_secs(60)));
        }
    }),
];

/// A flow that is counted as a whole.
const fn small(name: &'static str, declare: fn(&mut TokioFlow)) -> Counted {
    Counted {
        name,
        tasks: 1,
        declare,
        same_as: None,
    }
}

impl Counted {
    /// How many times it is executed in the two processes.
    pub(crate) fn executions(&self) -> (u32, u32) {
        match self.tasks {
            // What starts and ends the process varies by as much as several of their tasks cost.
            ..TASKS => (20, 220),
            _ => (2, 12),
        }
    }

    /// Whether its tasks are so many that what the process takes beside them does not matter.
    pub(crate) fn is_large(&self) -> bool {
        self.tasks == TASKS
    }

    /// Whether an execution is counted, not a task.
    pub(crate) fn is_small(&self) -> bool {
        self.tasks == 1
    }
}

pub(crate) fn find(name: &str) -> Result<&'static Counted, String> {
    let found = FLOWS.iter().find(|flow| flow.name == name);
    found.ok_or_else(|| format!("there is no flow `{name}`"))
}

pub(crate) fn execute(flow: &Counted, executions: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a Tokio runtime starts");
    let mut declared = TokioFlow::new();
    (flow.declare)(&mut declared);
    for _ in 0..executions {
        let run = runtime.block_on(async { declared.execute().await });
        run.expect("tasks that do nothing do not fail");
    }
}

async fn nothing() {}

/// Pending once, and woken at once.
async fn wait_once() {
    let mut waited = false;
    std::future::poll_fn(|cx| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

fn chain(flow: &mut TokioFlow) {
    let mut last = flow.add(nothing);
    for _ in 1..TASKS {
        last = flow.add(nothing.after(last));
    }
}

fn chain_of_data(flow: &mut TokioFlow) {
    let mut last = flow.add(async || 0_usize);
    for _ in 1..TASKS {
        last = flow.add((async |count: &usize| count + 1).inputs(last));
    }
}

fn independent(flow: &mut TokioFlow) {
    for _ in 0..TASKS {
        flow.add(nothing);
    }
}

fn layered(flow: &mut TokioFlow) {
    let mut before: Vec<Task<()>> = (0..WIDTH).map(|_| flow.add(nothing)).collect();
    for _ in 1..TASKS / WIDTH {
        let layer = (0..WIDTH).map(|place| {
            let upstreams = UPSTREAMS.map(|offset| before[(place + offset) % WIDTH]);
            flow.add(nothing.after(upstreams))
        });
        before = layer.collect();
    }
}

/// Two tasks that use features which the others do not use.
fn features(flow: &mut TokioFlow) {
    let (lock, twice) = (Lock::new(), ConstantBuilder::new().with_max_times(2));
    flow.add(nothing.with_lock(&lock).timeout(Duration::from_secs(60)));
    flow.add(nothing.retry(twice).always());
}

/// The state of a flow as a type.
struct Chain {
    step: usize,
}

/// A chain of methods of `Chain`, and the same flow without the attribute.
macro_rules! chain_of_methods {
    ($first:ident $(($task:ident $upstream:ident))*) => {
        #[flow]
        impl Chain {
            #[task]
            async fn $first(&self) -> usize {
                self.step
            }

            $(
                #[task]
                async fn $task(&self, $upstream: &usize) -> usize {
                    $upstream + self.step
                }
            )*
        }

        fn chain_of_functions(flow: &mut TokioFlow) {
            let state = flow.value(Chain { step: 1 });
            let $first = flow.add(Chain::$first.inputs(state));
            $(let $task = flow.add(Chain::$task.inputs((state, $upstream)));)*
            let _ = [$first $(, $task)*];
        }
    };
}

chain_of_methods! {
    t0
    (t1 t0) (t2 t1) (t3 t2) (t4 t3) (t5 t4)
    (t6 t5) (t7 t6) (t8 t7) (t9 t8) (t10 t9)
    (t11 t10) (t12 t11) (t13 t12) (t14 t13) (t15 t14)
}
