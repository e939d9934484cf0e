//! fn_graph: a stream of functions whose upstreams have ended, run by `for_each_concurrent`.

use std::sync::Arc;

use ::fn_graph::{DataAccessDyn, FnGraphBuilder, TypeIds};

use crate::contender::{Engine, Runnable};
use crate::job::{Body, Job, TokioClock};
use crate::plan::Plan;
use crate::runtime;

/// The contender.
#[derive(Debug)]
pub(super) struct FnGraph;

impl Engine for FnGraph {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "fn_graph";
    const REUSABLE: bool = true;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let mut builder = FnGraphBuilder::new();
        let mut ids = Vec::with_capacity(plan.tasks);
        let mut upstreams = Vec::new();
        for task in 0..plan.tasks {
            ids.push(builder.add_fn(Function(body.job(task))));
            plan.upstreams(task, &mut upstreams);
            for &upstream in &upstreams {
                let added = builder.add_logic_edge(ids[upstream], ids[task]);
                added.expect("the shapes have no cycles");
            }
        }
        Box::new(Built(Arc::new(builder.build())))
    }
}

/// A function that borrows nothing that fn_graph has to know of.
struct Function<J>(J);

impl<J> DataAccessDyn for Function<J> {
    fn borrows(&self) -> TypeIds {
        TypeIds::new()
    }

    fn borrow_muts(&self) -> TypeIds {
        TypeIds::new()
    }
}

struct Built<J>(Arc<::fn_graph::FnGraph<Function<J>>>);

impl<J: Job> Runnable for Built<J> {
    fn run(&mut self) {
        let execution = self
            .0
            .for_each_concurrent(None, |function| function.0.clone().run());
        runtime::tokio().block_on(execution);
    }
}
