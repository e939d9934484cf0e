//! when2task: runs topological levels one after the other, each as one `join_all`.

use ::when2task::{ExecutionMode, Task, TaskExecutorBuilder, TaskId};

use crate::contender::{Engine, Runnable, from_fn};
use crate::job::{Body, Job};
use crate::plan::Plan;
use crate::runtime::Tokio;

/// The contender, with the mode of its README, which polls all tasks within one future. The other mode
/// spawns each task, and costs more.
#[derive(Debug)]
pub(super) struct When2task;

impl Engine for When2task {
    type Runtime = Tokio;
    const NAME: &'static str = "when2task";
    const REUSABLE: bool = false;

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        let builder = TaskExecutorBuilder::new(ExecutionMode::true_async());
        let mut ids: Vec<TaskId> = Vec::with_capacity(plan.tasks);
        let mut upstreams = Vec::new();
        for task in 0..plan.tasks {
            plan.upstreams(task, &mut upstreams);
            let job = body.job(task);
            let future = async move {
                job.run().await;
                Ok::<(), ()>(())
            };
            let task = Task::new(future, upstreams.iter().map(|&upstream| ids[upstream]));
            ids.push(*task.id());
            builder.insert(task);
        }
        let mut executor = Some(builder.build().expect("the shapes have no cycles"));
        let tasks = plan.tasks;
        from_fn(move || {
            let executor = executor.take().expect("an executor is run once");
            // Its future is not `Send`, so a worker cannot run it: it always runs in `block_on`.
            let result = Tokio::block_on(executor.execute()).expect("no task panics");
            assert_eq!(result.successful_tasks, tasks);
        })
    }
}
