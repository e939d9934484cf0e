//! fn_graph: streams the functions whose upstreams have ended; run by `for_each_concurrent`.

use ::fn_graph::{DataAccessDyn, FnGraphBuilder, TypeIds};

use crate::contender::{Engine, Runnable, from_fn};
use crate::job::{Body, Job};
use crate::plan::Plan;
use crate::runtime::Tokio;

/// The contender.
#[derive(Debug)]
pub(super) struct FnGraph;

impl Engine for FnGraph {
    type Runtime = Tokio;
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
        let graph = builder.build();
        from_fn(move || {
            let start = |function: &Function<B::Job>| function.0.clone().run();
            Tokio::block_on(graph.for_each_concurrent(None, start));
        })
    }
}

/// A function that borrows no data, so that only the edges order it.
struct Function<J>(J);

impl<J> DataAccessDyn for Function<J> {
    fn borrows(&self) -> TypeIds {
        TypeIds::new()
    }

    fn borrow_muts(&self) -> TypeIds {
        TypeIds::new()
    }
}
