//! The graph of a flow: which task names which others. Finds what is wrong in it, and an order in which
//! each task comes after what it names.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use syn::ext::IdentExt;
use syn::{Error, Ident};

use crate::text::nearest;

/// A task or an input.
pub(crate) struct Node {
    pub(crate) name: Ident,
    pub(crate) kind: NodeKind,
    /// Has a `#[cfg(..)]`, so that there may be others of its name.
    pub(crate) conditional: bool,
    pub(crate) uses: Vec<Use>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Task,
    Input,
}

/// Where a task names another, or an input.
#[derive(Clone)]
pub(crate) struct Use {
    pub(crate) name: Ident,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Comes after it, or depends on its output as a condition.
    Order,
    /// A parameter receives its output.
    Data,
    /// A parameter takes its output by value.
    Moved,
}

/// The order of the nodes, or everything that is wrong.
pub(crate) fn sort(nodes: &[Node]) -> Result<Vec<usize>, Vec<Error>> {
    let graph = Graph::new(nodes);
    let mut found = graph.duplicates();
    found.extend(graph.unknown());
    found.extend(graph.moved());
    match graph.order() {
        Ok(order) if found.is_empty() => Ok(order),
        Ok(_) => Err(found),
        Err(cycle) => {
            found.push(cycle);
            Err(found)
        }
    }
}

struct Graph<'a> {
    nodes: &'a [Node],
    /// The nodes of each name: several, if they are conditional.
    named: HashMap<String, Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, node) in nodes.iter().enumerate() {
            named.entry(key(&node.name)).or_default().push(index);
        }
        Self { nodes, named }
    }

    fn find(&self, name: &Ident) -> &[usize] {
        self.named.get(&key(name)).map_or(&[], Vec::as_slice)
    }

    fn duplicates(&self) -> Vec<Error> {
        let mut found = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(first) = self.find(&node.name).first() else {
                continue;
            };
            let first = &self.nodes[*first];
            if std::ptr::eq(first, &self.nodes[index]) {
                continue;
            }
            let name = &node.name;
            let message = match (first.kind, node.kind) {
                (NodeKind::Task, NodeKind::Task) if first.conditional && node.conditional => {
                    continue;
                }
                (NodeKind::Task, NodeKind::Task) => {
                    format!("two tasks are named `{name}`: rename one of the functions")
                }
                _ => format!("a task and an input are named `{name}`: rename one of them"),
            };
            found.push(Error::new(name.span(), message));
        }
        found
    }

    fn unknown(&self) -> Vec<Error> {
        let names = || self.nodes.iter().map(|node| key(&node.name));
        let mut found = Vec::new();
        for each in self.nodes.iter().flat_map(|node| &node.uses) {
            if !self.find(&each.name).is_empty() {
                continue;
            }
            let name = &each.name;
            let names: Vec<_> = names().collect();
            let known = names.iter().map(String::as_str);
            let mut message = format!("no task and no input of this flow is named `{name}`");
            if let Some(meant) = nearest(&key(name), known) {
                message += &format!(": write `{meant}`");
            } else if each.how == How::Order {
                message += ": name a function of this impl block that has `#[task]`";
            } else {
                message += &format!(
                    ": write `#[input]` before the parameter to make it an input, or declare a function `{name}` with `#[task]`"
                );
            }
            found.push(Error::new(name.span(), message));
        }
        found
    }

    /// An output that is taken by value must have no other consumer.
    fn moved(&self) -> Vec<Error> {
        let mut found = Vec::new();
        let mut consumers: HashMap<String, Vec<(&Node, &Use)>> = HashMap::new();
        for node in self.nodes {
            for each in node.uses.iter().filter(|each| each.how != How::Order) {
                consumers
                    .entry(key(&each.name))
                    .or_default()
                    .push((node, each));
            }
        }
        // In source order, so that the errors are.
        for node in self.nodes {
            for each in node.uses.iter().filter(|each| each.how != How::Order) {
                let Some(all) = consumers.get(&key(&each.name)) else {
                    continue;
                };
                let taken = all.iter().find(|(_, other)| other.how == How::Moved);
                let Some((taker, taken)) = taken else {
                    continue;
                };
                // Tasks of one name are alternatives.
                let alternatives = taker.name == node.name && !std::ptr::eq(*taker, node);
                if std::ptr::eq(*taken, each) || alternatives {
                    continue;
                }
                let (name, taker) = (&each.name, &taker.name);
                let message = format!(
                    "`{taker}` takes the output of `{name}` by value, so no other parameter can use it: let `{taker}` borrow it, or take what you need from the output of `{taker}`"
                );
                found.push(Error::new(name.span(), message));
            }
        }
        found
    }

    /// Each node after those that it names; apart from that, the order of declaration, which is the
    /// order in which ready tasks start.
    fn order(&self) -> Result<Vec<usize>, Error> {
        let mut pending = vec![0; self.nodes.len()];
        let mut downstreams = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for upstream in node.uses.iter().flat_map(|each| self.find(&each.name)) {
                pending[index] += 1;
                downstreams[*upstream].push(index);
            }
        }
        let ready = (0..self.nodes.len()).filter(|index| pending[*index] == 0);
        let mut ready: BinaryHeap<_> = ready.map(Reverse).collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse(index)) = ready.pop() {
            order.push(index);
            for downstream in &downstreams[index] {
                pending[*downstream] -= 1;
                if pending[*downstream] == 0 {
                    ready.push(Reverse(*downstream));
                }
            }
        }
        match order.len() == self.nodes.len() {
            true => Ok(order),
            false => Err(self.cycle(&pending)),
        }
    }

    /// Finds a cycle among the nodes that still wait for others.
    fn cycle(&self, pending: &[usize]) -> Error {
        // Each of them names another of them, so following these leads into a cycle.
        let next = |index: usize| {
            let uses = self.nodes[index].uses.iter();
            let mut waited =
                uses.flat_map(|each| self.find(&each.name).iter().map(move |at| (each, *at)));
            waited.find(|(_, upstream)| pending[*upstream] > 0)
        };
        let mut path: Vec<usize> = Vec::new();
        let mut at = pending.iter().position(|pending| *pending > 0).unwrap_or(0);
        while !path.contains(&at) {
            path.push(at);
            at = match next(at) {
                Some((_, upstream)) => upstream,
                None => break,
            };
        }
        let start = path.iter().position(|index| *index == at).unwrap_or(0);
        let mut cycle = path.split_off(start);
        // Starts with the one that was declared first.
        let first = (0..cycle.len())
            .min_by_key(|place| cycle[*place])
            .unwrap_or(0);
        cycle.rotate_left(first);
        let names: Vec<_> = cycle
            .iter()
            .chain(cycle.first())
            .map(|index| self.nodes[*index].name.to_string())
            .collect();
        let (name, cycle_text) = (&names[0], names.join(" → "));
        let message = match cycle.len() {
            1 => format!("`{name}` waits for itself: {cycle_text}; name another task"),
            _ => format!(
                "`{name}` waits for itself: {cycle_text}, where each waits for the next; remove one of these dependencies"
            ),
        };
        let span = next(cycle[0]).map_or(self.nodes[cycle[0]].name.span(), |(each, _)| {
            each.name.span()
        });
        Error::new(span, message)
    }
}

/// The same for `r#name` and `name`.
fn key(name: &Ident) -> String {
    name.unraw().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn ident(name: &str) -> Ident {
        Ident::new(name, Span::call_site())
    }

    /// `a: b, !c, >d` is a task that takes the output of `b`, that of `c` by value, and runs after `d`;
    /// `=id` is an input; `?a` is conditional.
    fn nodes(lines: &[&str]) -> Vec<Node> {
        let node = |line: &&str| {
            let (name, uses) = line.split_once(':').unwrap_or((line, ""));
            let uses = uses
                .split(',')
                .map(str::trim)
                .filter(|each| !each.is_empty());
            let uses = uses.map(|each| Use {
                name: ident(each.trim_start_matches(['!', '>'])),
                how: match each.chars().next() {
                    Some('!') => How::Moved,
                    Some('>') => How::Order,
                    _ => How::Data,
                },
            });
            Node {
                name: ident(name.trim_start_matches(['=', '?'])),
                kind: if name.starts_with('=') {
                    NodeKind::Input
                } else {
                    NodeKind::Task
                },
                conditional: name.starts_with('?'),
                uses: uses.collect(),
            }
        };
        lines.iter().map(node).collect()
    }

    fn order(lines: &[&str]) -> String {
        let nodes = nodes(lines);
        let order = sort(&nodes)
            .map_err(|errors| errors[0].to_string())
            .unwrap();
        let names: Vec<_> = order
            .iter()
            .map(|index| nodes[*index].name.to_string())
            .collect();
        names.join(" ")
    }

    fn refusals(lines: &[&str]) -> Vec<String> {
        match sort(&nodes(lines)) {
            Ok(_) => panic!("{lines:?} is refused"),
            Err(errors) => errors.iter().map(Error::to_string).collect(),
        }
    }

    #[test]
    fn the_order_of_declaration_where_the_graph_allows_it() {
        assert_eq!(order(&["a", "b", "c"]), "a b c");
        assert_eq!(
            order(&[
                "audit: >html",
                "html: user, posts",
                "user: id",
                "posts: id",
                "=id"
            ]),
            "id user posts html audit"
        );
        assert_eq!(order(&["late: z", "b", "c", "z"]), "b c z late");
    }

    #[test]
    fn a_cycle_is_named_as_a_whole() {
        let cycle = |lines: &[&str]| refusals(lines).pop().unwrap();
        assert!(cycle(&["a: a"]).starts_with("`a` waits for itself: a → a;"));
        assert!(
            cycle(&["x: b", "b: c", "c: d", "d: >b, e", "e"])
                .starts_with("`b` waits for itself: b → c → d → b,")
        );
        assert!(
            cycle(&["c: a", "b: c", "a: b"]).starts_with("`c` waits for itself: c → a → b → c,")
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let lines = [
            "user",
            "html: usr, >pots",
            "=id",
            "posts: idd",
            "x: nothing, >nowhere",
        ];
        let found = refusals(&lines);
        let advice = [
            "write `user`",
            "write `posts`",
            "write `id`",
            "write `#[input]`",
            "name a function",
        ];
        assert_eq!(found.len(), advice.len());
        for (message, advice) in found.iter().zip(advice) {
            assert!(message.contains(advice), "{message}");
        }
    }

    #[test]
    fn names_are_unique_unless_they_are_conditional() {
        assert!(refusals(&["a", "b", "a"])[0].starts_with("two tasks are named `a`"));
        assert!(refusals(&["?a", "a"])[0].starts_with("two tasks are named `a`"));
        assert!(refusals(&["a", "=a"])[0].starts_with("a task and an input are named `a`"));
        assert_eq!(order(&["?a: b", "?a", "b: ", "c: a"]), "a b a c");
    }

    #[test]
    fn an_output_that_is_moved_has_one_consumer() {
        let text = "`b` takes the output of `a` by value";
        for lines in [
            ["a", "b: !a", "c: a"],
            ["a", "c: a", "b: !a"],
            ["a", "b: !a", "c: !a"],
        ] {
            let found = refusals(&lines);
            assert!(found.len() == 1 && found[0].starts_with(text), "{found:?}");
        }
        assert_eq!(order(&["a", "b: !a", "c: >a"]), "a b c");
        assert_eq!(order(&["a", "?b: !a", "?b: a"]), "a b b");
    }
}
