//! The tests that `README.md` names exist.

use std::fs;
use std::path::Path;

/// What is between backticks, in the rows of tables.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2))
}

/// Whether a file has a test or module of this name.
fn defines(source: &str, name: &str) -> bool {
    let starts = [
        format!("async fn {name}<R>()"),
        format!("fn {name}("),
        format!("mod {name} {{"),
    ];
    source.lines().any(|line| {
        starts
            .iter()
            .any(|start| line.trim_start().starts_with(start))
    })
}

#[test]
fn every_test_that_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let mut checked = 0;
    let mut missing = Vec::new();
    for name in quoted(&readme) {
        let exists = match name.split_once("::") {
            Some((file, path)) => {
                let source = root.join("tests/promises").join(file).with_extension("rs");
                let source = fs::read_to_string(source).unwrap_or_default();
                path.split("::").all(|part| defines(&source, part))
            }
            None if name.ends_with(".rs") => root
                .join("../asyncflow-macros/tests/compile_fail")
                .join(name)
                .exists(),
            None => continue,
        };
        checked += 1;
        if !exists {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "there are no tests {missing:?}");
    assert!(checked > 100, "only {checked} tests are named");
}

/// The code blocks of a page of the guide, without the lines that are hidden, and its table rows that
/// count their lines.
fn programs(page: &str) -> (Vec<usize>, Vec<[usize; 2]>) {
    let lines = page
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    let (mut programs, mut rows) = (Vec::new(), Vec::new());
    let mut program = None;
    for line in lines {
        match (line, &mut program) {
            ("```", None) => program = Some(0),
            ("```", Some(_)) => programs.extend(program.take()),
            (line, Some(count)) => {
                *count += usize::from(!line.is_empty() && !line.starts_with("# "))
            }
            (line, None) => {
                if let Some(counts) = line.strip_prefix("| lines |") {
                    let mut counts = counts
                        .split('|')
                        .map(|count| count.trim().parse().unwrap_or(0));
                    rows.push([counts.next().unwrap(), counts.next().unwrap()]);
                }
            }
        }
    }
    (programs, rows)
}

#[test]
fn lines_before_and_after() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/guide/coming_from.rs");
    let (programs, rows) = programs(&fs::read_to_string(page).unwrap());
    let pairs: Vec<&[usize]> = programs.chunks(2).collect();
    assert!(!rows.is_empty());
    assert_eq!(pairs, rows);
}
