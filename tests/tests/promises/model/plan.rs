//! Plans: a case with every reference resolved, as a list of tasks in the order of declaration.

use super::case::{Block, CAPACITIES, Case, Fate, Round, Shape, Work};

/// Every task of a case.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tasks: Vec<Planned>,
    /// For each block the numbers of its first task and of the one after its last.
    pub(crate) blocks: Vec<(usize, usize)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) block: usize,
    pub(crate) fate: Fate,
    pub(crate) fails: u32,
    pub(crate) retries: u32,
    pub(crate) fallback: bool,
    pub(crate) allowed: bool,
    pub(crate) plain: bool,
    pub(crate) always: bool,
    pub(crate) flag: Option<bool>,
    /// All of these have to succeed, or to end.
    pub(crate) after: Vec<usize>,
    /// One of each list; a list is of groups of tasks, which succeed together.
    pub(crate) any: Vec<Vec<Vec<usize>>>,
    pub(crate) inputs: Vec<usize>,
    /// In the order of the tasks.
    pub(crate) conditions: Vec<(usize, Test)>,
    /// Permits of each lock that it holds.
    pub(crate) permits: Vec<(usize, usize)>,
}

/// What the output of a task has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    If,
    Unless,
    When,
}

impl Case {
    pub(crate) fn plan(&self) -> Plan {
        let observed = self.rounds.iter().all(|round| round.observed);
        let mut plan = Plan {
            tasks: Vec::new(),
            blocks: Vec::new(),
        };
        for (index, block) in self.blocks.iter().enumerate() {
            plan.add(self, index, block, observed);
        }
        plan
    }
}

impl Plan {
    fn add(&mut self, case: &Case, index: usize, block: &Block, observed: bool) {
        let first = self.tasks.len();
        let single = block.shape == Shape::Single;
        let values =
            |distance: &usize| self.back(case, index, *distance, |block| block.flag.is_none());
        let mut inputs: Vec<usize> = block.inputs.iter().filter_map(values).collect();
        if block.always {
            inputs.truncate(2);
        }
        if !single {
            inputs.clear();
        }
        let flag = |distance: usize| {
            let flags = (0..index).rev().filter(|other| {
                case.blocks[*other].shape == Shape::Single && case.blocks[*other].flag.is_some()
            });
            flags.map(|other| self.blocks[other].0).nth(distance)
        };
        let ends = |distance: &usize| {
            let block = index.checked_sub(*distance)?;
            Some(self.ends(case, block))
        };
        let condition = block.condition.and_then(|(distance, wanted)| {
            let test = if wanted { Test::If } else { Test::Unless };
            Some((flag(distance)?, test))
        });
        let when = block.when.and_then(|distance| values(&distance));
        let when = when.map(|task| (task, Test::When));
        let mut conditions: Vec<(usize, Test)> = condition.into_iter().chain(when).collect();
        conditions.sort_by_key(|(task, _)| *task);
        let any = |list: &Vec<usize>| list.iter().filter_map(ends).collect::<Vec<_>>();
        let task = Planned {
            block: index,
            fate: match block.fate {
                // A plain function is told by an observer that it was timed out.
                Fate::Hang if block.plain && !observed => Fate::Err,
                Fate::PanicAtOnce if block.plain => Fate::Panic,
                fate => fate,
            },
            fails: match block.fate {
                Fate::Ok => 0,
                // Its limit is so tight that only what is ready at once is sure to be in time.
                Fate::Hang if block.plain || block.work != Work::None => u32::MAX,
                _ => block.fails,
            },
            retries: match (block.retries, block.patience) {
                (Some(retries), Some(patience)) => retries.min(patience - 1),
                (retries, _) => retries.unwrap_or(0),
            },
            fallback: block.fallback,
            allowed: block.allowed,
            plain: block.plain,
            always: block.always,
            flag: block.flag.filter(|_| single),
            after: block.after.iter().filter_map(ends).flatten().collect(),
            any: block
                .any
                .iter()
                .map(any)
                .filter(|list| !list.is_empty())
                .collect(),
            inputs,
            conditions,
            permits: merged(&block.permits),
        };
        let count = match block.shape {
            Shape::Single => 1,
            Shape::Parallel(count) | Shape::Series(count) => count,
        };
        for member in 0..count {
            let mut task = task.clone();
            if let (Shape::Series(_), 1..) = (block.shape, member) {
                task.after = vec![first + member - 1];
            }
            self.tasks.push(task);
        }
        self.blocks.push((first, first + count));
    }

    /// The task of a block that is one task, so far back, and of the right kind.
    fn back(
        &self,
        case: &Case,
        index: usize,
        distance: usize,
        right: impl Fn(&Block) -> bool,
    ) -> Option<usize> {
        let block = index.checked_sub(distance)?;
        let single = case.blocks[block].shape == Shape::Single && right(&case.blocks[block]);
        single.then(|| self.blocks[block].0)
    }

    /// The tasks that one has to wait for to be after a block.
    pub(crate) fn ends(&self, case: &Case, block: usize) -> Vec<usize> {
        let (first, end) = self.blocks[block];
        match case.blocks[block].shape {
            Shape::Series(_) => vec![end - 1],
            Shape::Single | Shape::Parallel(_) => (first..end).collect(),
        }
    }

    /// The blocks that an execution is for, if not all.
    pub(crate) fn targets(&self, round: &Round) -> Option<Vec<usize>> {
        let only = round.only.as_ref()?;
        Some(
            only.iter()
                .map(|index| self.blocks.len() - 1 - index % self.blocks.len())
                .collect(),
        )
    }

    /// The tasks that are given, each once.
    pub(crate) fn given(&self, case: &Case, round: &Round) -> Vec<usize> {
        let blocks = round.given.iter().map(|index| index % self.blocks.len());
        let single = blocks.filter(|block| case.blocks[*block].shape == Shape::Single);
        let mut given: Vec<usize> = single.map(|block| self.blocks[block].0).collect();
        given.sort_unstable();
        given.dedup();
        given
    }
}

impl Planned {
    /// Everything that it waits for.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = usize> + '_ {
        let any = self.any.iter().flatten().flatten();
        let all = self
            .after
            .iter()
            .chain(&self.inputs)
            .chain(self.conditions.iter().map(|(task, _)| task))
            .chain(any);
        all.copied()
    }

    /// Of these all have to succeed. The inputs of clean-up are optional, so it only waits for them.
    pub(crate) fn needs(&self) -> impl Iterator<Item = usize> + '_ {
        let inputs = if self.always {
            &[]
        } else {
            self.inputs.as_slice()
        };
        self.after
            .iter()
            .chain(inputs)
            .chain(self.conditions.iter().map(|(task, _)| task))
            .copied()
    }
}

/// Several requests for one lock are one for the larger number.
fn merged(permits: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (lock, count) in permits {
        let count = (*count).min(CAPACITIES[*lock]);
        match merged.iter_mut().find(|(other, _)| other == lock) {
            Some((_, held)) => *held = count.max(*held),
            None => merged.push((*lock, count)),
        }
    }
    merged
}
