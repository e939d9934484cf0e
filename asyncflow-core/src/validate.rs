//! Mistakes in a graph that are found before anything starts.

use std::sync::Arc;

use crate::declare::inputs::InputUse;
use crate::graph::Graph;
use crate::outcome::refusal::Refusal;

/// Finds what would make every execution of a task impossible.
pub(crate) fn task(graph: &Graph, index: u32) -> Result<(), Refusal> {
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
    if config.retry.is_some() && graph.once.binary_search(&index).is_ok() {
        return Err(Refusal::OnceWithRetry { task: task() });
    }
    if let (true, Some(body)) = (config.always, node.body()) {
        let mut needed = None;
        body.visit_inputs(&mut |input, how| {
            if how != InputUse::Optional {
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

/// A flow in the flow has no mistakes of its own, and takes no permits if it is run under some: it
/// could wait for what is held on its account, or for who waits for that.
pub(crate) fn nested(graph: &Graph) -> Result<(), Refusal> {
    for index in &graph.nested {
        let node = graph.node(*index);
        let Some(inner) = node.nested() else { continue };
        let inner = inner.compile()?;
        if let (Some(held), Some(taker)) = (node.permits().first(), inner.taker()) {
            let (taker, needed) = taking(inner, taker);
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

/// The name of a task that takes permits, and what it takes; of the first one in the flow that it
/// is, if it takes none itself.
fn taking(graph: &Arc<Graph>, taker: u32) -> (String, String) {
    let (mut graph, mut taker) = (Arc::clone(graph), taker);
    loop {
        let node = graph.node(taker);
        if let Some(permits) = node.permits().first() {
            return (graph.name(taker).to_owned(), permits.to_string());
        }
        let inner = node.nested().and_then(|inner| inner.compile().ok());
        let inner = Arc::clone(inner.expect("it takes permits in a flow that it is"));
        taker = inner.taker().expect("a task of it takes permits");
        graph = inner;
    }
}

/// An output that is taken by value has one consumer, which is not attempted twice.
pub(crate) fn moved(graph: &Graph) -> Result<(), Refusal> {
    if graph.moved.is_empty() {
        return Ok(());
    }
    let name = |index: u32| graph.name(index).to_owned();
    for (output, by) in &graph.moved {
        let config = graph.node(*by).config.as_ref();
        if config.is_some_and(|config| config.retry.is_some()) {
            return Err(Refusal::MovedIntoRetry {
                output: name(*output),
                by: name(*by),
            });
        }
    }
    // How often each task uses each output; a consumer may be listed twice by itself.
    let mut seen: Vec<Option<u32>> = vec![None; graph.len()];
    for (index, node) in graph.tasks() {
        let mut refusal = None;
        node.visit_inputs(&mut |input, _| {
            let taken = graph
                .moved
                .binary_search_by_key(&input.index, |(output, _)| *output);
            let Ok(place) = taken else { return };
            if seen[input.index as usize].replace(index).is_some() && refusal.is_none() {
                let (output, by) = graph.moved[place];
                let other = graph
                    .tasks()
                    .find(|(other, node)| *other != by && uses(node, input.index))
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

fn uses(node: &crate::graph::Node, output: u32) -> bool {
    let mut found = false;
    node.visit_inputs(&mut |input, _| found |= input.index == output);
    found
}
