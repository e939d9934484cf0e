//! Finds mistakes in a graph before anything starts. A handle of another flow is
//! found earlier, by [`Declared::check`](super::Declared::check).

use std::sync::Arc;

use crate::lock::Rate;
use crate::node_index::NodeIndex;

use super::body::{Body, InputUse};
use super::refusal::Refusal;
use super::{Graph, Node};

/// Checks the configuration of a task.
pub(super) fn task(graph: &Graph, index: NodeIndex) -> Result<(), Refusal> {
    let node = graph.node(index);
    let Some(config) = &node.config else {
        return Ok(());
    };
    let task = || graph.name(index).to_owned();
    for permits in &config.permits {
        let (wanted, capacity) = (permits.count, permits.shared.permits());
        if wanted > capacity {
            return Err(Refusal::TooManyPermits {
                task: task(),
                wanted,
                capacity,
            });
        }
        if wanted == 0 {
            return Err(Refusal::NoPermits { task: task() });
        }
    }
    for permits in &config.rates {
        if permits.to_rate().is_some_and(Rate::is_zero) {
            return Err(Refusal::ZeroRate {
                task: task(),
                limit: permits.to_string(),
            });
        }
    }
    if config.retry_when.is_some() && config.retry.is_none() {
        return Err(Refusal::RetryWhenWithoutRetry { task: task() });
    }
    if config.retry.is_some() && graph.once.binary_search(&index).is_ok() {
        return Err(Refusal::OnceWithRetry { task: task() });
    }
    if let (true, Some(body)) = (config.always, node.body()) {
        let mut needed = None;
        body.visit_inputs(&mut |input, how| {
            let value = matches!(graph.node(input.index).body, Body::Value(_));
            if how != InputUse::Optional && !value {
                needed = needed.or(Some(input.index));
            }
        });
        if let Some(input) = needed {
            return Err(Refusal::AlwaysNeedsOptional {
                task: task(),
                input: graph.name(input).to_owned(),
            });
        }
    }
    Ok(())
}

/// Checks that no function that can be called only once is to be called for each element of a list.
pub(super) fn once(graph: &Graph) -> Result<(), Refusal> {
    let is_each = |index: &&NodeIndex| matches!(graph.node(**index).body, Body::Each(_));
    match graph.once.iter().find(is_each) {
        Some(task) => Err(Refusal::OnceForEach {
            task: graph.name(*task).to_owned(),
        }),
        None => Ok(()),
    }
}

/// Checks the flows that are tasks. If a flow holds permits, its tasks must not take any: they could
/// wait for the permits that their flow holds, or for a task that waits for those.
pub(super) fn nested(graph: &Graph) -> Result<(), Refusal> {
    for index in &graph.nested {
        let node = graph.node(*index);
        let Some(inner) = node.nested() else { continue };
        let inner = inner.compile()?;
        if let (true, Some(once)) = (node.retries(), first_once(inner)) {
            return Err(Refusal::OnceInRetriedFlow {
                task: graph.name(*index).to_owned(),
                once,
            });
        }
        if let (Some(held), Some(user)) = (node.permits().first(), inner.lock_user()) {
            let (taker, needed) = inner.permits_of(user);
            return Err(Refusal::NestedPermits {
                task: graph.name(*index).to_owned(),
                held: held.to_string(),
                taker,
                needed,
            });
        }
    }
    Ok(())
}

/// The name of the first task that can run only once, in a flow or in the flows in it.
fn first_once(graph: &Arc<Graph>) -> Option<String> {
    let mut graphs = vec![Arc::clone(graph)];
    while let Some(graph) = graphs.pop() {
        if let Some(once) = graph.once.first() {
            return Some(graph.name(*once).to_owned());
        }
        let inner = graph.nested.iter().rev();
        let inner = inner.filter_map(|index| graph.node(*index).nested()?.compile().ok());
        graphs.extend(inner.map(Arc::clone));
    }
    None
}

impl Graph {
    /// The name of a task that takes permits, and its first permits. If the task is a flow without
    /// permits, those of the first task in it that takes some.
    pub(crate) fn permits_of(self: &Arc<Self>, user: NodeIndex) -> (String, String) {
        let (mut graph, mut user) = (Arc::clone(self), user);
        loop {
            let node = graph.node(user);
            if let Some(permits) = node.permits().first() {
                return (graph.name(user).to_owned(), permits.to_string());
            }
            let inner = node.nested().and_then(|inner| inner.compile().ok());
            let inner =
                Arc::clone(inner.expect("the task is a flow in which a task takes permits"));
            user = inner.lock_user().expect("a task of the flow takes permits");
            graph = inner;
        }
    }
}

/// Checks that an output that is taken by value has only one consumer, which has no retry policy
/// and no fallback.
pub(super) fn moved(graph: &Graph) -> Result<(), Refusal> {
    let moves = &graph.layout.moved;
    if moves.is_empty() {
        return Ok(());
    }
    let name = |index: NodeIndex| graph.name(index).to_owned();
    for (output, by) in moves {
        if let Body::Value(_) = graph.node(*output).body {
            return Err(Refusal::MovedValue {
                value: name(*output),
                by: name(*by),
            });
        }
        if graph.node(*by).retries() {
            return Err(Refusal::MovedIntoRetry {
                output: name(*output),
                by: name(*by),
            });
        }
        if graph.node(*by).has_fallback() {
            return Err(Refusal::MovedIntoFallback {
                output: name(*output),
                by: name(*by),
            });
        }
    }
    // The last task so far that uses each output. One task may use the same output twice.
    let mut seen: Vec<Option<NodeIndex>> = vec![None; graph.len()];
    for (index, node) in graph.tasks() {
        let mut refusal = None;
        node.visit_inputs(&mut |input, _| {
            let output = input.index;
            let Some(by) = graph.layout.mover(output) else {
                return;
            };
            if seen[output.get()].replace(index).is_some() && refusal.is_none() {
                let other = graph
                    .tasks()
                    .find(|(other, node)| *other != by && uses(node, output))
                    .map_or(by, |(other, _)| other);
                refusal = Some(Refusal::MovedTwice {
                    output: name(output),
                    by: name(by),
                    also: name(other),
                });
            }
        });
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
    }
    Ok(())
}

fn uses(node: &Node, output: NodeIndex) -> bool {
    let mut found = false;
    node.visit_inputs(&mut |input, _| found |= input.index == output);
    found
}
