//! Imports point one way: a room imports only from those below it.
//!
//! A room is a folder, or some files at the root that belong together. ARCHITECTURE.md draws them.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the top to the bottom, each with its folder or files.
const ROOMS: &[&[&str]] = &[
    // A suite that checks a runtime by executing flows on it.
    &["conformance"],
    // What a user calls.
    &["flow", "execute", "running", "nested", "context"],
    &["declare", "macro_support"],
    &["run"],
    &["outcome"],
    &["observer"],
    &["graph"],
    &["task"],
    // What all others share.
    &[
        "async_locks",
        "bit_set",
        "deep_drop",
        "handle",
        "lock",
        "node_index",
        "number_map",
        "oneshot",
        "output",
        "pace",
        "record",
        "runtime",
        "sealed",
        "sort",
        "sync",
        "tuples",
        "unwind",
        "wait_list",
        "weighted_semaphore",
    ],
];

/// Which room a module at the root belongs to, counted from the top.
fn room_of(module: &str) -> usize {
    let room = ROOMS.iter().position(|room| room.contains(&module));
    room.unwrap_or_else(|| panic!("`{module}` is in no room: say in rooms.rs where it belongs"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .collect()
}

/// The modules at the root of the crate that code names: the `graph` of `crate::graph::Node`.
/// Comments do not count, nor does `$crate` in a macro, which is expanded elsewhere.
fn imports(code: &str) -> Vec<String> {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    let paths = code.split("crate::").zip(code.split("crate::").skip(1));
    paths
        .filter(|(before, _)| !before.ends_with('$'))
        .map(|(_, after)| {
            let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            after[..end.unwrap_or(after.len())].to_owned()
        })
        .collect()
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in sources(root) {
        let relative = path.strip_prefix(root).unwrap();
        let module = relative.with_extension("");
        let module = module.iter().next().unwrap().to_str().unwrap();
        if ["lib", "rooms"].contains(&module) {
            continue;
        }
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            if room_of(&import) < room_of(module) {
                wrong.push(format!("{} imports `crate::{import}`", relative.display()));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were found");
    assert!(wrong.is_empty(), "from a room above: {wrong:#?}");
}
