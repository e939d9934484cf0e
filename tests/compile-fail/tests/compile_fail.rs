//! What the compiler says when the macros, and `Flow::add`, are used wrongly: each message at the right
//! place, with what to write instead.
//!
//! After a change, write the messages anew with `TRYBUILD=overwrite` and read them.

use std::fs;
use std::path::Path;

#[test]
fn compile_fail() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

/// The page of the guide quotes what the compiler says.
#[test]
fn the_guide_quotes_the_compiler() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("../../src/guide/compiler.rs")).unwrap();
    let kept = fs::read_dir(folder.join("tests/compile_fail")).unwrap();
    let kept = kept.map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "stderr")
    });
    let kept: Vec<String> = kept.map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines = page.lines().filter_map(|line| line.strip_prefix("//! "));
    let quotes: Vec<&str> = lines.filter(|line| line.starts_with("error")).collect();
    assert!(quotes.len() >= 10, "{quotes:#?}");
    for quote in quotes {
        let said = |kept: &String| kept.lines().any(|line| without_places(line) == quote);
        assert!(
            kept.iter().any(said),
            "no test has the message that the guide quotes: {quote}"
        );
    }
}

/// Leaves out where a closure is.
fn without_places(line: &str) -> String {
    let mut parts = line.split("closure@");
    let first = parts.next().unwrap_or_default().to_owned();
    let rests = parts.map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    rests.fold(first, |line, rest| format!("{line}closure@…}}{rest}"))
}
