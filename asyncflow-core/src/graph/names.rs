//! The names of tasks.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;

use crate::node_index::NodeIndex;
use crate::sort::sort_by_number;
use crate::task::config::Place;

use super::body::Body;
use super::{Graph, Node};

/// One name for each node of a graph, made when a name is first asked for. No two tasks have the same
/// name.
pub(crate) struct Names {
    names: Box<[Box<str>]>,
    /// The nodes in the order of the hashes of their names. Made when a task is first looked for.
    sorted: OnceLock<Box<[NodeIndex]>>,
}

impl Names {
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut names = vec![Box::<str>::default(); graph.len()];
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let wanted: Vec<(NodeIndex, Box<str>)> = graph
            .tasks()
            .map(|(index, node)| (index, wanted(graph, index, node)))
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
        Self {
            names: names.into_boxed_slice(),
            sorted: OnceLock::new(),
        }
    }

    pub(crate) fn get(&self, index: NodeIndex) -> &str {
        &self.names[index.get()]
    }

    /// The task with a name.
    pub(crate) fn find(&self, graph: &Graph, name: &str) -> Option<NodeIndex> {
        let sorted = self.sorted.get_or_init(|| {
            let mut nodes: Box<[_]> = graph.tasks().map(|(index, _)| index).collect();
            sort_by_number(&mut nodes, |index| hash(self.get(*index)));
            nodes
        });
        let wanted = hash(name);
        let first = sorted.partition_point(|index| hash(self.get(*index)) < wanted);
        let same = sorted[first..].iter().copied();
        same.take_while(|index| hash(self.get(*index)) == wanted)
            .find(|index| self.get(*index) == name)
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The name that a task would have if it were the only one of that name.
fn wanted(graph: &Graph, index: NodeIndex, node: &Node) -> Box<str> {
    if let Some(name) = node
        .config
        .as_ref()
        .and_then(|config| config.name.as_deref())
    {
        return name.into();
    }
    match (&node.body, node.body()) {
        (_, Some(body)) => name_of(body.function_name(), graph.place_of(index)).into(),
        (Body::Value(value), _) => name_of_type(value.type_name()).into(),
        _ => "input".into(),
    }
}

/// The name of a function: `fetch` of `app::load::fetch`. A closure has the place where it was added,
/// `closure at main.rs:45`, or `closure in main` if that is not known.
fn name_of(path: &str, place: Option<Place>) -> String {
    let (name, is_closure) = short(path);
    match (is_closure, place) {
        (false, _) => name,
        (true, Some(place)) => {
            let file = Path::new(place.file()).file_name();
            let file = file.and_then(|file| file.to_str()).unwrap_or(place.file());
            format!("closure at {file}:{}", place.line())
        }
        (true, None) => format!("closure in {name}"),
    }
}

/// The name of a value: that of its type, without its path and its parameters, if it has one.
fn name_of_type(path: &str) -> String {
    let (name, _) = short(path);
    match name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        true => name,
        false => "value".to_owned(),
    }
}

/// The last part of a path, and whether it is that of a closure in there: `fetch` of
/// `app::load::fetch`, `main` of `app::main::{{closure}}`.
fn short(path: &str) -> (String, bool) {
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
    let mut is_closure = false;
    while parts.last() == Some(&"{{closure}}") {
        is_closure = true;
        parts.pop();
    }
    let name = parts.last().map_or(path, |last| last);
    (name.to_owned(), is_closure)
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::{name_of, name_of_type};

    #[test]
    fn names_of_functions() {
        let name_of = |path| name_of(path, None);
        assert_eq!(name_of("app::load::fetch"), "fetch");
        assert_eq!(name_of("app::load::fetch<alloc::string::String>"), "fetch");
        assert_eq!(name_of("app::main::{{closure}}"), "closure in main");
        assert_eq!(
            name_of("app::main<a::B<c::D>>::{{closure}}::{{closure}}"),
            "closure in main"
        );
        assert_eq!(name_of("<app::Loader as app::Load>::fetch"), "fetch");
        assert_eq!(name_of("app::call<fn() -> app::Page>"), "call");
        assert_eq!(name_of("fetch"), "fetch");
    }

    #[test]
    fn a_closure_has_its_place() {
        let here = Location::caller();
        let place = format!("closure at names.rs:{}", here.line());
        assert_eq!(name_of("app::main::{{closure}}", Some(here)), place);
        assert_eq!(name_of("app::main::fetch", Some(here)), "fetch");
    }

    #[test]
    fn names_of_values() {
        assert_eq!(name_of_type("app::db::Pool"), "Pool");
        assert_eq!(name_of_type("app::db::Pool<app::Tcp>"), "Pool");
        assert_eq!(name_of_type("u64"), "u64");
        assert_eq!(name_of_type("&str"), "value");
        assert_eq!(name_of_type("(alloc::string::String, u64)"), "value");
    }
}
