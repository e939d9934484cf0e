//! From a case to a flow.

use std::sync::Arc;
use std::time::Duration;

use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;
use asyncflow::{Configured, Inputs, Lockable, Member, Permits, Runtime, Upstreams};

use super::case::{Block, CAPACITIES, Case, Fate, Shape};
use super::plan::Planned;
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

impl Upstreams for Handle {
    fn visit(&self, visit: &mut dyn FnMut(TaskId)) {
        match self {
            Self::Number(task) => Upstreams::visit(task, visit),
            Self::Flag(task) => Upstreams::visit(task, visit),
            Self::Group(group) => Upstreams::visit(group, visit),
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
                _ => Shared::Semaphore(Semaphore::new(*capacity)),
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
    fn upstreams(&self, index: usize) -> Vec<Handle> {
        let after = self.case.blocks[index].after.iter();
        after
            .filter_map(|distance| Some(self.handles[index.checked_sub(*distance)?]))
            .collect()
    }

    fn member(&self, index: usize, block: &Block, task: usize) -> Member {
        let world = Arc::clone(&self.world);
        if block.plain {
            let function = move || world.plain::<u64>(task, &[]).map(drop);
            return Member::new(self.configure(index, task, function.inputs(())));
        }
        let function = move || {
            let future = world.start(task).run::<R, u64>(vec![]);
            async move { future.await.map(drop) }
        };
        Member::new(self.configure(index, task, function.inputs(())))
    }

    fn add_task<T: Value>(&mut self, index: usize, task: usize) -> Task<T> {
        let planned = &self.world.plan.tasks[task];
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
                        let function = move |$($parameter: $type),*| world.plain::<T>(task, &$values);
                        let configured = self.configure(index, task, function.inputs($inputs));
                        self.flow.add(configured.after(self.upstreams(index)))
                    }
                    false => {
                        let function = move |$($parameter: $type),*| {
                            world.start(task).run::<R, T>($values.to_vec())
                        };
                        let configured = self.configure(index, task, function.inputs($inputs));
                        self.flow.add(configured.after(self.upstreams(index)))
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
            let list = list
                .iter()
                .filter_map(|distance| Some(self.handles[index.checked_sub(*distance)?]));
            configured = configured.after_any(list.collect::<Vec<_>>());
        }
        if let Some(flag) = planned.condition {
            let Handle::Flag(flag) = self.handles[self.world.plan.tasks[flag].block] else {
                unreachable!("it is a condition");
            };
            configured = configured.run_if(flag);
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
            let pause = Duration::from_micros(50);
            configured = configured.retry(
                ConstantBuilder::default()
                    .with_delay(pause)
                    .with_max_times(times as usize),
            );
        }
        match planned.always {
            true => configured.always(),
            false => configured,
        }
    }

    fn permits(&self, lock: usize, count: usize) -> Permits {
        match &self.locks[lock] {
            Shared::Lock(lock) => lock.to_permits(),
            Shared::Semaphore(semaphore) => semaphore.permits(count.min(CAPACITIES[lock])),
        }
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
