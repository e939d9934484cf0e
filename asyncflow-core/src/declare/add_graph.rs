//! A graph from data: tasks that name their upstreams by keys, in any order.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::hash::Hash;

/// Why [`Flow::add_graph`](crate::Flow::add_graph) added nothing.
///
/// ```
/// use asyncflow::prelude::*;
/// use asyncflow::{GraphError, TokioFlow};
///
/// let mut flow = TokioFlow::new();
/// let tasks = [("test", vec!["build"]), ("build", vec!["test"])];
/// let error = flow.add_graph(tasks, |flow, _, upstreams| flow.add((|| ()).after(upstreams)));
/// let error = error.unwrap_err();
/// assert_eq!(error, GraphError::Cycle(vec!["test", "build"]));
/// assert_eq!(
///     error.to_string(),
///     "tasks wait for each other: test → build → test; take out one of these dependencies"
/// );
/// assert!(flow.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError<K> {
    /// Tasks depend on each other in a circle: each is an upstream of the next, and the last of the first.
    /// It begins with the one that comes first in the data.
    Cycle(Vec<K>),
    /// A task names an upstream that is not among the tasks.
    Unknown {
        /// The task that names it.
        task: K,
        /// The key that no task has.
        upstream: K,
    },
    /// Two tasks have this key.
    Duplicate(K),
}

impl<K: fmt::Display> fmt::Display for GraphError<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(keys) => {
                f.write_str("tasks wait for each other: ")?;
                for key in keys {
                    write!(f, "{key} → ")?;
                }
                if let Some(first) = keys.first() {
                    write!(f, "{first}")?;
                }
                f.write_str("; take out one of these dependencies")
            }
            Self::Unknown { task, upstream } => write!(
                f,
                "task `{task}` depends on `{upstream}`, which is not among the tasks: add it or correct \
                 its name"
            ),
            Self::Duplicate(key) => write!(
                f,
                "two tasks have the key `{key}`: give each a key of its own"
            ),
        }
    }
}

impl<K: fmt::Debug + fmt::Display> Error for GraphError<K> {}

/// A task, and the places of its upstreams in the list of all tasks.
pub(crate) struct Keyed<K> {
    pub(crate) key: K,
    pub(crate) upstreams: Vec<usize>,
}

/// Tasks, and an order of their places in which each comes after its upstreams.
pub(crate) struct Sorted<K> {
    pub(crate) tasks: Vec<Keyed<K>>,
    pub(crate) order: Vec<usize>,
}

/// Finds the upstreams of every task, and an order that is otherwise that of the data.
pub(crate) fn sort<K, Keys>(
    tasks: impl IntoIterator<Item = (K, Keys)>,
) -> Result<Sorted<K>, GraphError<K>>
where
    K: Clone + Eq + Hash,
    Keys: IntoIterator<Item = K>,
{
    let (mut keys, mut places) = (Vec::new(), HashMap::new());
    for (place, (key, upstreams)) in tasks.into_iter().enumerate() {
        if places.insert(key.clone(), place).is_some() {
            return Err(GraphError::Duplicate(key));
        }
        keys.push((key, upstreams));
    }
    let mut tasks = Vec::with_capacity(keys.len());
    for (key, upstreams) in keys {
        let found = upstreams.into_iter().map(|upstream| {
            let place = places.get(&upstream).copied();
            place.ok_or_else(|| GraphError::Unknown {
                task: key.clone(),
                upstream,
            })
        });
        let upstreams = found.collect::<Result<_, _>>()?;
        tasks.push(Keyed { key, upstreams });
    }
    match order(&tasks) {
        Ok(order) => Ok(Sorted { tasks, order }),
        Err(cycle) => {
            let keys = cycle.into_iter().map(|place| tasks[place].key.clone());
            Err(GraphError::Cycle(keys.collect()))
        }
    }
}

/// How far the search has come with a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    NotSeen,
    /// Its upstreams are being searched: it is on the path.
    OnPath,
    Done,
}

/// Searches depth first, without recursion, since a chain may be long. Returns the places of a cycle if
/// there is one.
fn order<K>(tasks: &[Keyed<K>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut order = Vec::with_capacity(tasks.len());
    let mut states = vec![Search::NotSeen; tasks.len()];
    // Each task on the path, and which of its upstreams is next. Each needs the one after it.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for root in 0..tasks.len() {
        if states[root] == Search::NotSeen {
            states[root] = Search::OnPath;
            path.push((root, 0));
        }
        while let Some((task, next)) = path.last_mut() {
            let Some(upstream) = tasks[*task].upstreams.get(*next).copied() else {
                states[*task] = Search::Done;
                order.push(*task);
                path.pop();
                continue;
            };
            *next += 1;
            match states[upstream] {
                Search::Done => {}
                Search::NotSeen => {
                    states[upstream] = Search::OnPath;
                    path.push((upstream, 0));
                }
                Search::OnPath => return Err(cycle(&path, upstream)),
            }
        }
    }
    Ok(order)
}

/// The cycle that a path closes with one of its tasks. Begins with the smallest place.
fn cycle(path: &[(usize, usize)], closes: usize) -> Vec<usize> {
    let circle = path.iter().map(|(task, _)| *task).rev();
    let mut circle: Vec<usize> = circle.take_while(|task| *task != closes).collect();
    circle.push(closes);
    let first = circle.iter().enumerate().min_by_key(|(_, task)| **task);
    let first = first.map_or(0, |(position, _)| position);
    circle.rotate_left(first);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(
        tasks: &[(&'static str, &[&'static str])],
    ) -> Result<String, GraphError<&'static str>> {
        let tasks = tasks
            .iter()
            .map(|(key, upstreams)| (*key, upstreams.to_vec()));
        let Sorted { tasks, order } = sort(tasks)?;
        Ok(order.into_iter().map(|place| tasks[place].key).collect())
    }

    #[test]
    fn upstreams_come_first() {
        assert_eq!(sorted(&[]).unwrap(), "");
        assert_eq!(
            sorted(&[("c", &["a", "b"]), ("b", &["a"]), ("a", &[])]).unwrap(),
            "abc"
        );
        // In the order of the data, if that is one.
        assert_eq!(
            sorted(&[("b", &[]), ("a", &["b", "b"]), ("c", &["a"])]).unwrap(),
            "bac"
        );
    }

    #[test]
    fn cycles_are_whole() {
        let cycle = |tasks: &[_]| match sorted(tasks).unwrap_err() {
            GraphError::Cycle(keys) => keys.concat(),
            other => panic!("{other}"),
        };
        assert_eq!(cycle(&[("a", &["a"])]), "a");
        assert_eq!(cycle(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]), "acb");
        // What leads to it, and what comes from it, is no part of it.
        let tasks: &[(_, &[_])] = &[
            ("d", &["c", "b"]),
            ("x", &[]),
            ("c", &["x", "b"]),
            ("b", &["c"]),
        ];
        assert_eq!(cycle(tasks), "cb");
    }

    #[test]
    fn long_chains_and_cycles_need_no_stack() {
        let count = 300_000;
        let chain = |from: u32| (from..count).rev().map(|n| (n, (n > 0).then(|| n - 1)));
        let order = sort(chain(0)).unwrap().order;
        assert!(order.into_iter().eq((0..count as usize).rev()));
        let closed = chain(1).chain([(0, Some(count - 1))]);
        assert!(
            matches!(sort(closed), Err(GraphError::Cycle(keys)) if keys.len() == count as usize)
        );
    }
}
