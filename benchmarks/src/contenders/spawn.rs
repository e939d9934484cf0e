//! What one writes by hand: a counter of pending upstreams per task, and one spawn each.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

use super::wiring::Wiring;
use crate::contender::{Engine, Runnable, Unfit};
use crate::job::{AsyncStdClock, Body, Clock, Job, SmolClock, TokioClock};
use crate::plan::{Functions, Permits, Plan};
use crate::runtime::{Entry, enter_async_std_from, enter_smol_from, enter_tokio};

/// On Tokio: spawns every task; plain functions with `spawn_blocking`.
#[derive(Debug)]
pub(super) struct TokioSpawn;

/// On Tokio: goes on with the first downstream that became ready, and spawns only the others.
#[derive(Debug)]
pub(super) struct TokioInline;

/// On async-std: spawns every task.
#[derive(Debug)]
pub(super) struct AsyncStdSpawn;

/// On smol: spawns every task.
#[derive(Debug)]
pub(super) struct SmolSpawn;

/// How a graph is spawned.
pub trait Spawn: Send + Sync {
    type Clock: Clock;
    const CLOCK: Self::Clock;
    const NAME: &'static str;
    /// Whether a task that ended goes on with the first downstream that became ready.
    const INLINE: bool = false;
    fn spawn(future: impl Future<Output = ()> + Send + 'static);
    fn spawn_blocking(function: impl FnOnce() + Send + 'static);
    fn enter(future: impl Future<Output = ()> + Send + 'static);
}

impl Spawn for TokioSpawn {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "tokio-spawn";
    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(future);
    }
    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        tokio::task::spawn_blocking(function);
    }
    fn enter(future: impl Future<Output = ()> + Send + 'static) {
        enter_tokio(future);
    }
}

impl Spawn for TokioInline {
    type Clock = TokioClock;
    const CLOCK: TokioClock = TokioClock;
    const NAME: &'static str = "tokio-inline";
    const INLINE: bool = true;
    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        TokioSpawn::spawn(future);
    }
    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        TokioSpawn::spawn_blocking(function);
    }
    fn enter(future: impl Future<Output = ()> + Send + 'static) {
        enter_tokio(future);
    }
}

impl Spawn for AsyncStdSpawn {
    type Clock = AsyncStdClock;
    const CLOCK: AsyncStdClock = AsyncStdClock;
    const NAME: &'static str = "async-std-spawn";
    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(future);
    }
    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        async_std::task::spawn_blocking(function);
    }
    fn enter(future: impl Future<Output = ()> + Send + 'static) {
        enter_async_std_from(Entry::current(), future);
    }
}

impl Spawn for SmolSpawn {
    type Clock = SmolClock;
    const CLOCK: SmolClock = SmolClock;
    const NAME: &'static str = "smol-spawn";
    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(future).detach();
    }
    fn spawn_blocking(function: impl FnOnce() + Send + 'static) {
        smol::unblock(function).detach();
    }
    fn enter(future: impl Future<Output = ()> + Send + 'static) {
        enter_smol_from(Entry::current(), future);
    }
}

impl<S: Spawn + 'static> Engine for S {
    type Clock = S::Clock;
    const CLOCK: S::Clock = S::CLOCK;
    const NAME: &'static str = S::NAME;
    const REUSABLE: bool = true;

    fn accepts(&self, plan: &Plan) -> Result<(), Unfit> {
        accepts(plan)?;
        if S::INLINE && plan.functions != Functions::Async {
            // On blocking threads there is nothing to continue inline: it would be `tokio-spawn`.
            return Err(Unfit::Unsupported("same as tokio-spawn".to_owned()));
        }
        Ok(())
    }

    fn build<B: Body>(&self, plan: &Plan, body: &B) -> Box<dyn Runnable> {
        Box::new(Graph::<S>::new(plan, body))
    }
}

fn accepts(plan: &Plan) -> Result<(), Unfit> {
    if plan.data {
        return Err(Unfit::Unsupported("no data version".to_owned()));
    }
    if plan.functions != Functions::Async && plan.permits != Permits::None {
        return Err(Unfit::Unsupported(
            "no permits of plain functions".to_owned(),
        ));
    }
    Ok(())
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task's function, its type erased as in any graph of different functions.
enum Function {
    Async(Box<dyn Fn() -> Boxed + Send + Sync>),
    Plain(Box<dyn Fn() + Send + Sync>),
}

struct Graph<S> {
    wiring: Wiring,
    functions: Vec<Function>,
    /// Upstreams that each task still waits for.
    pending: Vec<AtomicU32>,
    /// Tasks that have not ended.
    left: AtomicUsize,
    ended: Notify,
    permits: Option<Semaphore>,
    spawn: PhantomData<S>,
}

impl<S: Spawn + 'static> Graph<S> {
    fn new<B: Body>(plan: &Plan, body: &B) -> Arc<Graph<S>> {
        let wiring = Wiring::of(plan);
        let function = |task| {
            let job = body.job(task);
            if plan.is_plain(task) {
                Function::Plain(Box::new(move || job.clone().call()))
            } else {
                Function::Async(Box::new(move || Box::pin(job.clone().run())))
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
            spawn: PhantomData,
            wiring,
        })
    }

    /// Starts `task` on its own.
    fn start(self: &Arc<Self>, task: usize) {
        let graph = self.clone();
        match &self.functions[task] {
            Function::Async(_) => {
                S::spawn(async move {
                    let mut next = Some(task);
                    while let Some(task) = next {
                        graph.call(task).await;
                        next = graph.settle(task);
                    }
                });
            }
            Function::Plain(_) => {
                S::spawn_blocking(move || {
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

    /// Starts what became ready by the end of `task`, except for the one task that it returns:
    /// the caller goes on with that.
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

impl<S: Spawn + 'static> Runnable for Arc<Graph<S>> {
    fn run(&mut self) {
        for (pending, &upstreams) in self.pending.iter().zip(&self.wiring.upstreams) {
            pending.store(upstreams, Ordering::Relaxed);
        }
        self.left.store(self.wiring.tasks(), Ordering::Relaxed);
        let graph = self.clone();
        S::enter(async move {
            for root in graph.wiring.roots() {
                graph.start(root);
            }
            graph.ended.notified().await;
        });
    }
}
