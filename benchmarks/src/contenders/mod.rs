//! The contenders: one file each, except for the hand-written graphs that share one.

mod async_dag;
#[cfg(feature = "asyncflow")]
pub(crate) mod asyncflow;
mod dagrs;
mod dagx;
mod fn_graph;
mod futures_unordered;
mod ideal;
mod onetbb;
mod spawn;
mod taski;
mod tokio_joinset;
mod when2task;
mod wiring;

pub use onetbb::{PROGRAM_VARIABLE, compile};

use crate::contender::Contender;
use crate::dagx_set::SetContender;

/// The contender that the others are compared with: asyncflow on Tokio, or a hand-written graph if
/// the feature `asyncflow` is off.
pub fn baseline() -> &'static str {
    if cfg!(feature = "asyncflow") {
        "asyncflow-tokio"
    } else {
        "tokio-spawn"
    }
}

/// All contenders. oneTBB is among them if its program was compiled.
pub fn all() -> Vec<Box<dyn Contender>> {
    let mut all: Vec<Box<dyn Contender>> = vec![
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::ON_TOKIO),
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::ON_ASYNC_STD),
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::ON_SMOL),
        Box::new(ideal::Ideal),
        Box::new(spawn::Spawn(spawn::TokioSpawn)),
        Box::new(spawn::Spawn(spawn::TokioInline)),
        Box::new(tokio_joinset::TokioJoinSet),
        Box::new(spawn::Spawn(spawn::AsyncStdSpawn)),
        Box::new(spawn::Spawn(spawn::SmolSpawn)),
        Box::new(futures_unordered::OneFuturesUnordered),
        Box::new(dagx::Dagx),
        Box::new(dagrs::Dagrs),
        Box::new(async_dag::AsyncDag),
        Box::new(taski::Taski),
        Box::new(fn_graph::FnGraph),
        Box::new(when2task::When2task),
    ];
    if let Some(onetbb) = onetbb::OneTbb::compiled() {
        all.push(Box::new(onetbb));
    }
    all
}

/// The contenders of dagx's own comparison set.
pub fn dagx_set() -> Vec<Box<dyn SetContender>> {
    vec![
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::ON_TOKIO),
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::ON_ASYNC_STD),
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::ON_SMOL),
        Box::new(dagx::Dagx),
        Box::new(dagrs::Dagrs),
    ]
}
