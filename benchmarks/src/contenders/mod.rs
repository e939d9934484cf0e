//! Everything that is measured.

mod async_dag;
#[cfg(feature = "asyncflow")]
mod asyncflow;
mod dagrs;
mod dagx;
mod fn_graph;
mod futures_unordered;
mod ideal;
mod onetbb;
mod spawn;
mod taski;
mod tokio_joinset;
mod wiring;

pub use onetbb::{PROGRAM_VARIABLE, compile};

use crate::contender::Contender;

/// The contender that the others are compared with: asyncflow on Tokio, or the hand-written graph
/// while asyncflow is switched off.
pub fn baseline() -> &'static str {
    if cfg!(feature = "asyncflow") {
        "asyncflow-tokio"
    } else {
        "tokio-spawn"
    }
}

/// All contenders. oneTBB is among them when its program was compiled.
pub fn all() -> Vec<Box<dyn Contender>> {
    let mut all: Vec<Box<dyn Contender>> = vec![
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::OnTokio),
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::OnAsyncStd),
        #[cfg(feature = "asyncflow")]
        Box::new(asyncflow::OnSmol),
        Box::new(ideal::Ideal),
        Box::new(spawn::TokioSpawn),
        Box::new(spawn::TokioInline),
        Box::new(tokio_joinset::TokioJoinSet),
        Box::new(spawn::AsyncStdSpawn),
        Box::new(spawn::SmolSpawn),
        Box::new(futures_unordered::OneFuturesUnordered),
        Box::new(dagx::Dagx),
        Box::new(dagrs::Dagrs),
        Box::new(async_dag::AsyncDag),
        Box::new(taski::Taski),
        Box::new(fn_graph::FnGraph),
    ];
    if let Some(onetbb) = onetbb::OneTbb::compiled() {
        all.push(Box::new(onetbb));
    }
    all
}
