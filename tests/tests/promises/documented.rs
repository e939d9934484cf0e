//! What the pages of the repository name is there: tests, files, headings, examples, scripts.

use std::fs;
use std::path::{Path, PathBuf};

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
                .join("compile-fail/tests/compile_fail")
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

/// The pages of the repository, in Markdown.
fn pages(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().unwrap().is_dir() {
            if ![".git", "target"].contains(&&*name) {
                self::pages(&path, pages);
            }
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// The text of a page, or of the docs at the top of a module.
fn read(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap_or_default();
    match page.extension() {
        Some(end) if end == "rs" => {
            let lines = text.lines().filter_map(|line| line.strip_prefix("//!"));
            let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => text,
    }
}

/// The pages of the guide, and the front page of the docs.
fn docs(root: &Path) -> Vec<PathBuf> {
    let guide = fs::read_dir(root.join("src/guide")).unwrap();
    let guide = guide.map(|entry| entry.unwrap().path());
    guide.chain([root.join("src/lib.rs")]).collect()
}

/// The text of a page without its code blocks, and the text between backticks.
fn prose(page: &str) -> String {
    let mut blocks = page.split("\n```");
    let first = blocks.next().unwrap_or_default();
    // Every second part is a code block; the others begin with the end of the closing fence.
    let prose = std::iter::once(first).chain(blocks.skip(1).step_by(2));
    let prose: Vec<&str> = prose.flat_map(|part| part.split('`').step_by(2)).collect();
    prose.join(" ")
}

/// The anchor that sites make of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let page = read(page);
    let mut lines = page.lines().filter(|line| line.starts_with('#'));
    lines.any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = docs(root);
    pages(root, &mut found);
    let (mut checked, mut broken) = (0, Vec::new());
    for page in &found {
        let is_rust = page.extension().is_some_and(|end| end == "rs");
        // Docs in a file of their own.
        let is_docs = is_rust
            || page
                .parent()
                .is_some_and(|folder| folder.ends_with("src/docs"));
        for link in prose(&read(page)).split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap();
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                "crate" => root.join("src/lib.rs"),
                path if path.starts_with("http") => continue,
                // Paths of items, which rustdoc checks.
                _ if is_docs => continue,
                path => page.parent().unwrap().join(path),
            };
            checked += 1;
            if !target.exists() || !heading.is_empty() && !has_heading(&target, heading) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
    assert!(checked > 15, "only {checked} links are checked");
}

#[test]
fn commands_name_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = docs(root);
    pages(root, &mut found);
    let folders = [
        "",
        "asyncflow-view",
        "asyncflow-durable",
        "asyncflow-restate",
    ];
    let (mut checked, mut missing) = (0, Vec::new());
    for page in &found {
        let text = fs::read_to_string(page).unwrap();
        let words: Vec<&str> = text.split([' ', '\n', '`', '|', ')']).collect();
        for pair in words.windows(2) {
            let is_there = match *pair {
                ["--example", name] => folders.iter().any(|folder| {
                    let examples = root.join(folder).join("examples");
                    examples.join(name).join("main.rs").exists()
                        || examples.join(name).with_extension("rs").exists()
                }),
                [_, script] if script.starts_with("scripts/") => {
                    root.join(script.trim_end_matches('.')).exists()
                }
                _ => continue,
            };
            checked += 1;
            if !is_there {
                missing.push(format!("{}: {}", page.display(), pair[1]));
            }
        }
    }
    assert!(missing.is_empty(), "these are not there: {missing:#?}");
    assert!(checked > 10, "only {checked} names are checked");
}
