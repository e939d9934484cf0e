//! What one writes by hand: an atomic counter of pending upstreams for each task, and one spawn
//! each.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

use super::wiring::{self, Wiring};
use crate::contender::{Engine, Runnable, Unfit};
use crate::job::{Body, Job};
use crate::plan::{Functions, Permits, Plan};
use crate::runtime::{AsyncStd, Runtime, Smol, Tokio};

/// On which runtime a graph is spawned, and how.
pub(super) trait Style: Send + Sync + 'static {
    type Runtime: Runtime;
    const NAME: &'static str;
    /// Whether a task that has ended continues with the first downstream that became ready, and
    /// spawns only the others.
    const INLINE: bool = false;
}

/// On Tokio.
#[derive(Debug)]
pub(super) struct TokioSpawn;

impl Style for TokioSpawn {
    type Runtime = Tokio;
    const NAME: &'static str = "tokio-spawn";
}

/// On Tokio, continuing inline.
#[derive(Debug)]
pub(super) struct TokioInline;

impl Style for TokioInline {
    type Runtime = Tokio;
    const NAME: &'static str = "tokio-inline";
    const INLINE: bool = true;
}

/// On async-std.
#[derive(Debug)]
pub(super) struct AsyncStdSpawn;

impl Style for AsyncStdSpawn {
    type Runtime = AsyncStd;
    const NAME: &'static str = "async-std-spawn";
}

/// On smol.
#[derive(Debug)]
pub(super) struct SmolSpawn;

impl Style for SmolSpawn {
    type Runtime = Smol;
    const NAME: &'static str = "smol-spawn";
}

/// The contender.
#[derive(Debug)]
pub(super) struct Spawn<S>(pub(super) S);

impl<S: Style> Engine for Spawn<S> {
    type Runtime = S::Runtime;
    const NAME: &'static str = S::NAME;
    const REUSABLE: bool = true;

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        let refuse = |what: &str| Err(Unfit::Unsupported(what.to_owned()));
        if plan.data {
            return refuse("no data version");
        }
        if plan.functions != Functions::Async {
            if plan.permits != Permits::None {
                return refuse("no permits of plain functions");
            }
            // On blocking threads there is nothing to continue inline.
            if S::INLINE {
                return refuse("same as tokio-spawn");
            }
        }
        Ok(())
    }

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        Box::new(Graph::<S>::new(plan, body))
    }
}

enum Function {
    Async(wiring::Function),
    Plain(Box<dyn Fn() + Send + Sync>),
}

struct Graph<S> {
    wiring: Wiring,
    functions: Vec<Function>,
    /// How many upstreams of each task have not ended.
    pending: Vec<AtomicU32>,
    /// How many tasks have not ended.
    left: AtomicUsize,
    ended: Notify,
    permits: Option<Semaphore>,
    style: PhantomData<S>,
}

impl<S: Style> Graph<S> {
    fn new<B: Body>(plan: &Plan, body: &B) -> Arc<Graph<S>> {
        let wiring = Wiring::of(plan);
        let function = |task| {
            if plan.is_plain(task) {
                let job = body.job(task);
                Function::Plain(Box::new(move || job.clone().call()))
            } else {
                Function::Async(wiring::function(body, task))
            }
        };
        Arc::new(Graph {
            functions: (0..plan.tasks).map(function).collect(),
            pending: wiring
                .upstreams
                .iter()
                .copied()
                .map(AtomicU32::new)
                .collect(),
            left: AtomicUsize::new(plan.tasks),
            ended: Notify::new(),
            permits: match plan.permits {
                Permits::None => None,
                Permits::Lock => Some(Semaphore::new(1)),
                Permits::Semaphore(permits) => Some(Semaphore::new(permits)),
            },
            style: PhantomData,
            wiring,
        })
    }

    /// Spawns `task`.
    fn start(self: &Arc<Self>, task: usize) {
        let graph = self.clone();
        match &self.functions[task] {
            Function::Async(_) => {
                S::Runtime::spawn(async move {
                    let mut next = Some(task);
                    while let Some(task) = next {
                        graph.call(task).await;
                        next = graph.settle(task);
                    }
                });
            }
            Function::Plain(_) => {
                S::Runtime::spawn_blocking(move || {
                    if let Function::Plain(function) = &graph.functions[task] {
                        function();
                    }
                    graph.settle(task);
                });
            }
        }
    }

    async fn call(&self, task: usize) {
        if let Function::Async(function) = &self.functions[task] {
            let _permit = match &self.permits {
                Some(permits) => permits.acquire().await.ok(),
                None => None,
            };
            function().await;
        }
    }

    /// Starts the tasks that became ready because `task` ended, except for the one that it returns:
    /// the caller continues with that.
    fn settle(self: &Arc<Self>, task: usize) -> Option<usize> {
        let mut next = None;
        for &downstream in self.wiring.downstreams(task) {
            let downstream = downstream as usize;
            if self.pending[downstream].fetch_sub(1, Ordering::AcqRel) == 1 {
                if S::INLINE && next.is_none() {
                    next = Some(downstream);
                } else {
                    self.start(downstream);
                }
            }
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.notify_one();
        }
        next
    }
}

impl<S: Style> Runnable for Arc<Graph<S>> {
    fn run(&mut self) {
        for (pending, &upstreams) in self.pending.iter().zip(&self.wiring.upstreams) {
            pending.store(upstreams, Ordering::Relaxed);
        }
        self.left.store(self.wiring.tasks(), Ordering::Relaxed);
        let graph = self.clone();
        S::Runtime::enter(async move {
            for root in graph.wiring.roots() {
                graph.start(root);
            }
            graph.ended.notified().await;
        });
    }
}
