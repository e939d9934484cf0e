//! From a case to a flow.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Configured, Inputs, Member, Permits, Runtime};
use asyncflow_tests::{poll_while_woken, turns};

use super::case::{Block, CAPACITIES, Case, Fate, Shape, UNITS};
use super::plan::{Planned, Test};
use super::reference::when;
use super::world::{Value, World};

/// A limit that a task is meant to exceed.
const TIGHT: Duration = Duration::from_millis(1);
/// A limit that no task exceeds.
const LOOSE: Duration = Duration::from_secs(300);

/// A case as a flow.
pub(crate) struct Built<'a, R: Runtime> {
    pub(crate) case: &'a Case,
    pub(crate) world: Arc<World>,
    pub(crate) flow: Flow<R>,
    pub(crate) handles: Vec<Handle>,
    locks: Vec<Shared>,
}

enum Shared {
    Lock(Lock),
    Semaphore(Semaphore),
}

/// The handle of a block.
#[derive(Clone, Copy)]
pub(crate) enum Handle {
    Number(Task<u64>),
    Flag(Task<bool>),
    Group(Group),
}

/// What `after` takes in place of a [`Handle`].
pub(crate) type Upstream = (Option<Task<u64>>, Option<Task<bool>>, Option<Group>);

impl Handle {
    pub(crate) fn upstream(self) -> Upstream {
        match self {
            Self::Number(task) => (Some(task), None, None),
            Self::Flag(task) => (None, Some(task), None),
            Self::Group(group) => (None, None, Some(group)),
        }
    }
}

impl<'a, R: Runtime + Default> Built<'a, R> {
    pub(crate) fn new(case: &'a Case) -> Self {
        let locks = CAPACITIES
            .iter()
            .enumerate()
            .map(|(index, capacity)| match index {
                0 | 1 => Shared::Lock(Lock::new()),
                _ => Shared::Semaphore(Semaphore::new(*capacity * UNITS[index])),
            });
        let mut built = Self {
            case,
            world: World::new(case),
            flow: Flow::new(),
            handles: Vec::new(),
            locks: locks.collect(),
        };
        for (index, block) in case.blocks.iter().enumerate() {
            let handle = built.add(index, block);
            built.handles.push(handle);
        }
        built
    }

    fn add(&mut self, index: usize, block: &Block) -> Handle {
        let (first, end) = self.world.plan.blocks[index];
        match block.shape {
            Shape::Single if block.flag.is_some() => Handle::Flag(self.add_task(index, first)),
            Shape::Single => Handle::Number(self.add_task(index, first)),
            Shape::Parallel(_) => {
                let members = (first..end).map(|task| self.member(index, block, task));
                let group: Parallel = members.collect();
                let group = group.after(self.upstreams(index));
                Handle::Group(self.flow.add(group))
            }
            Shape::Series(_) => {
                let members = (first..end).map(|task| self.member(index, block, task));
                let group: Series = members.collect();
                let group = group.after(self.upstreams(index));
                Handle::Group(self.flow.add(group))
            }
        }
    }

    /// The handles of the blocks that a block is after.
    fn upstreams(&self, index: usize) -> Vec<Upstream> {
        let after = self.case.blocks[index].after.iter();
        after
            .filter_map(|distance| Some(self.handles[index.checked_sub(*distance)?].upstream()))
            .collect()
    }

    fn member(&self, index: usize, block: &Block, task: usize) -> Member {
        let world = Arc::clone(&self.world);
        if block.plain {
            let function = move || world.plain::<R, u64>(task, &[]).map(drop);
            let configured = self.configure(index, task, function.inputs(()));
            return match block.fallback {
                true => Member::new(configured.fallback(|_| ())),
                false => Member::new(configured),
            };
        }
        let function = move || {
            let future = world.start(task).run::<R, u64>(vec![]);
            async move { future.await.map(drop) }
        };
        let configured = self.configure(index, task, function.inputs(()));
        match block.fallback {
            true => Member::new(configured.fallback(|_| ())),
            false => Member::new(configured),
        }
    }

    fn add_task<T: Value>(&mut self, index: usize, task: usize) -> Task<T> {
        let planned = &self.world.plan.tasks[task];
        let fallback = planned.fallback;
        let inputs: Vec<Task<u64>> = planned
            .inputs
            .iter()
            .map(|input| self.number(*input))
            .collect();
        let world = Arc::clone(&self.world);
        // The types of the parameters have to be written where the closure is.
        macro_rules! add {
            ($inputs:expr, |$($parameter:ident: $type:ty),*| $values:expr) => {
                match planned.plain {
                    true => {
                        let function = move |$($parameter: $type),*| world.plain::<R, T>(task, &$values);
                        let configured = self.configure(index, task, function.inputs($inputs));
                        let configured = configured.after(self.upstreams(index));
                        match fallback {
                            true => self.flow.add(configured.fallback(move |_| T::fallback(task))),
                            false => self.flow.add(configured),
                        }
                    }
                    false => {
                        let function = move |$($parameter: $type),*| {
                            world.start(task).run::<R, T>($values.to_vec())
                        };
                        let configured = self.configure(index, task, function.inputs($inputs));
                        let configured = configured.after(self.upstreams(index));
                        match fallback {
                            true => self.flow.add(configured.fallback(move |_| T::fallback(task))),
                            false => self.flow.add(configured),
                        }
                    }
                }
            };
        }
        match (planned.always, inputs.as_slice()) {
            (true, [a]) => add!(a.optional(), |a: Option<&u64>| [a.copied()]),
            (true, [a, b]) => {
                add!(
                    (a.optional(), b.optional()),
                    |a: Option<&u64>, b: Option<&u64>| [a.copied(), b.copied()]
                )
            }
            _ => add!(inputs, |values: Vec<&u64>| {
                values.iter().map(|value| Some(**value)).collect::<Vec<_>>()
            }),
        }
    }

    fn number(&self, task: usize) -> Task<u64> {
        match self.handles[self.world.plan.tasks[task].block] {
            Handle::Number(task) => task,
            Handle::Flag(_) | Handle::Group(_) => unreachable!("it is the input of another"),
        }
    }

    /// What is asked of a task, apart from its inputs and what it is after.
    fn configure<F, I: Inputs>(
        &self,
        index: usize,
        task: usize,
        mut configured: Configured<F, I>,
    ) -> Configured<F, I> {
        let block = &self.case.blocks[index];
        let planned: &Planned = &self.world.plan.tasks[task];
        configured = configured.named(format!("t{task}"));
        for list in &block.any {
            let list = list.iter().filter_map(|distance| {
                Some(self.handles[index.checked_sub(*distance)?].upstream())
            });
            configured = configured.after_any(list.collect::<Vec<_>>());
        }
        // The last one first: they are in order whatever the order of asking.
        for (flag, test) in planned.conditions.iter().rev() {
            let handle = self.handles[self.world.plan.tasks[*flag].block];
            configured = match (handle, test) {
                (Handle::Flag(flag), Test::If) => configured.run_if(flag),
                (Handle::Flag(flag), Test::Unless) => configured.run_unless(flag),
                (Handle::Number(task), Test::When) => {
                    configured.run_when(task, |value| when(*value))
                }
                _ => unreachable!("it is a condition of this kind"),
            };
        }
        configured = configured.priority(block.priority);
        if block.allowed {
            configured = configured.allow_failure();
        }
        for (lock, count) in &block.permits {
            configured = configured.with_lock(self.permits(*lock, *count));
        }
        if planned.fate == Fate::Hang && planned.fails > 0 {
            configured = configured.timeout(TIGHT);
        } else if block.limited {
            configured = configured.timeout(LOOSE);
        }
        if let Some(times) = block.retries {
            let mut pauses = Pauses {
                world: Arc::clone(&self.world),
                task,
                left: times,
                probe: None,
            };
            // No other task takes this lock, so it is free in every pause.
            if index.is_multiple_of(2) {
                let own = Lock::new();
                let mut probe = Flow::<R>::new();
                probe.add((async || ()).with_lock(&own));
                pauses.probe = Some(Arc::new(probe));
                configured = configured.with_lock(&own);
            }
            configured = configured.retry(pauses);
            if let Some(patience) = block.patience {
                let world = Arc::clone(&self.world);
                configured = configured.retry_when(move |_| world.may_retry(task, patience));
            }
        }
        match planned.always {
            true => configured.always(),
            false => configured,
        }
    }

    fn permits(&self, lock: usize, count: usize) -> Permits {
        match &self.locks[lock] {
            Shared::Lock(lock) => Permits::from(lock),
            Shared::Semaphore(semaphore) => {
                semaphore.permits(count.min(CAPACITIES[lock]) * UNITS[lock])
            }
        }
    }

    /// A flow of tasks that each need all permits of a lock or semaphore.
    pub(crate) fn beside(&self) -> Flow<R> {
        let mut flow = Flow::new();
        for (lock, capacity) in CAPACITIES.iter().enumerate() {
            let (world, other) = (Arc::clone(&self.world), Arc::clone(&self.world));
            let plain = (move || world.hold_all(lock)).with_lock(self.permits(lock, *capacity));
            let waits = move || {
                let world = Arc::clone(&other);
                async move {
                    turns(2).await;
                    world.hold_all(lock)
                }
            };
            let plain = flow.add(plain.priority(lock as i32));
            flow.add(waits.with_lock(self.permits(lock, *capacity)).after(plain));
        }
        flow
    }

    /// A flow whose one task needs every permit of the case.
    pub(crate) fn probe(&self) -> Flow<R> {
        let mut task = (|| ()).inputs(());
        for (lock, capacity) in CAPACITIES.iter().enumerate() {
            task = task.with_lock(self.permits(lock, *capacity));
        }
        let mut flow = Flow::new();
        flow.add(task);
        flow
    }
}

/// The pauses between the attempts of a task.
struct Pauses<R: Runtime> {
    world: Arc<World>,
    task: usize,
    left: u32,
    /// Needs the lock that only this task takes.
    probe: Option<Arc<Flow<R>>>,
}

impl<R: Runtime> Clone for Pauses<R> {
    fn clone(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            task: self.task,
            left: self.left,
            probe: self.probe.clone(),
        }
    }
}

impl<R: Runtime> fmt::Debug for Pauses<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pauses", self.left)
    }
}

impl<R: Runtime> Iterator for Pauses<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let planned = &self.world.plan.tasks[self.task];
        // A plain function that was timed out keeps its permits until it returns.
        let keeps = planned.plain && planned.fate == Fate::Hang;
        if let (Some(probe), false) = (&self.probe, keeps) {
            let polled = poll_while_woken(pin!(probe.execute()));
            if !matches!(polled, Poll::Ready(Ok(_))) {
                let task = self.task;
                self.world
                    .find_wrong(format!("task {task} keeps its permits in a pause"));
            }
        }
        Some(match (self.world.is_stuck(self.task), self.task % 3) {
            (true, _) => Duration::from_secs(300),
            (false, 0) => Duration::ZERO,
            (false, _) => Duration::from_micros(50),
        })
    }
}
