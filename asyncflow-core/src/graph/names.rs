//! The names of tasks.

use std::collections::HashMap;

use crate::node_index::NodeIndex;

use super::{Graph, Node};

/// One name for each node of a graph, made when a name is first asked for. No two tasks have the same
/// name.
pub(crate) struct Names(Box<[Box<str>]>);

impl Names {
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut names = vec![Box::<str>::default(); graph.len()];
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let wanted: Vec<(NodeIndex, Box<str>)> = graph
            .tasks()
            .map(|(index, node)| (index, wanted(node)))
            .collect();
        for (_, name) in &wanted {
            taken.insert(name, 0);
        }
        for (index, name) in &wanted {
            let count = taken.get_mut(&**name).expect("every wanted name is listed");
            *count += 1;
            names[index.get()] = match *count {
                1 => name.clone(),
                _ => {
                    // The user may have named another task like that, for example `fetch#2`.
                    let mut number = *count;
                    let mut numbered = format!("{name}#{number}");
                    while taken.contains_key(&*numbered) {
                        number += 1;
                        numbered = format!("{name}#{number}");
                    }
                    *taken.get_mut(&**name).expect("it was found above") = number;
                    numbered.into_boxed_str()
                }
            };
        }
        Self(names.into_boxed_slice())
    }

    pub(crate) fn get(&self, index: NodeIndex) -> &str {
        &self.0[index.get()]
    }
}

/// The name that a task would have if it were the only one of that name.
fn wanted(node: &Node) -> Box<str> {
    if let Some(name) = node
        .config
        .as_ref()
        .and_then(|config| config.name.as_deref())
    {
        return name.into();
    }
    match node.body() {
        Some(body) => short(body.function_name()).into(),
        None => "input".into(),
    }
}

/// The last part of a path: `fetch` of `app::load::fetch`, `main::{closure}` of
/// `app::main::{{closure}}`.
fn short(path: &str) -> String {
    // Skips what is between `<` and `>`, because those are paths of other types.
    let mut depth = 0_usize;
    let mut own = String::new();
    for (place, c) in path.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !path[..place].ends_with('-') => depth = depth.saturating_sub(1),
            _ if depth == 0 => own.push(c),
            _ => {}
        }
    }
    let mut parts: Vec<&str> = own.split("::").filter(|part| !part.is_empty()).collect();
    let mut closure = "";
    while parts.last() == Some(&"{{closure}}") {
        closure = "::{closure}";
        parts.pop();
    }
    match parts.last() {
        Some(last) => format!("{last}{closure}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn short_names() {
        assert_eq!(short("app::load::fetch"), "fetch");
        assert_eq!(short("app::load::fetch<alloc::string::String>"), "fetch");
        assert_eq!(short("app::main::{{closure}}"), "main::{closure}");
        assert_eq!(
            short("app::main<a::B<c::D>>::{{closure}}::{{closure}}"),
            "main::{closure}"
        );
        assert_eq!(short("<app::Loader as app::Load>::fetch"), "fetch");
        assert_eq!(short("app::call<fn() -> app::Page>"), "call");
        assert_eq!(short("fetch"), "fetch");
    }
}
