//! The graphs of dagx's own comparison benchmarks. All pass data along, and end in a number that
//! is checked.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::contender::Engine;
use crate::runtime::{Entry, Runtime};

/// One graph of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Five tasks in a row, each with a different function.
    Chain5,
    /// A hundred tasks in a row.
    Chain100,
    /// One task, and a hundred after it.
    FanOut,
    /// Ten thousand tasks without dependencies.
    Independent,
    /// One task, two after it, one after those.
    Diamond,
    /// Extracts and transforms three lists, then merges, validates and sums them.
    Etl,
}

impl Item {
    /// All of them.
    pub const ALL: [Item; 6] = [
        Item::Chain5,
        Item::Chain100,
        Item::FanOut,
        Item::Independent,
        Item::Diamond,
        Item::Etl,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Item::Chain5 => "chain 5",
            Item::Chain100 => "chain 100",
            Item::FanOut => "1 to 100",
            Item::Independent => "10k independent",
            Item::Diamond => "diamond",
            Item::Etl => "ETL",
        }
    }

    /// What the last task returns.
    pub fn expected(self) -> i32 {
        match self {
            Item::Chain5 => ((1 + 1) * 2 - 1) * 3,
            Item::Chain100 => (1..100).sum(),
            Item::FanOut => 42 + 99,
            Item::Independent => 9_999 * 2,
            Item::Diamond => 10 * 2 + 10 + 5,
            Item::Etl => (1..=15).map(|x| x * 2).sum(),
        }
    }
}

/// A contender in the set.
pub trait SetContender {
    /// The name in tables.
    fn name(&self) -> &'static str;

    /// Builds, runs and drops the graph `times` times. Returns the last result, and how long all
    /// of them took.
    fn lives(&self, item: Item, times: u32, entry: Entry) -> (i32, Duration);
}

/// An [`Engine`] that takes part in the set.
pub(crate) trait SetEngine: Engine {
    /// Builds, runs and drops the graph. Returns the result of its last task.
    fn life(item: Item) -> impl Future<Output = i32> + Send + 'static;
}

impl<E: SetEngine> SetContender for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn lives(&self, item: Item, times: u32, entry: Entry) -> (i32, Duration) {
        let lives = async move {
            let start = Instant::now();
            let mut value = 0;
            for _ in 0..times {
                value = E::life(item).await;
            }
            (value, start.elapsed())
        };
        E::Runtime::enter_from(entry, lives)
    }
}
