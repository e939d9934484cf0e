//! What a user of one backend gets, and what not.

use std::process::Command;

/// The crates that `asyncflow` with these features depends on.
fn dependencies(features: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--package", "asyncflow", "--features", features])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn has(dependencies: &str, name: &str) -> bool {
    dependencies
        .lines()
        .any(|line| line.split(' ').next() == Some(name))
}

#[test]
fn smol_brings_no_tokio() {
    let tree = dependencies("smol");
    assert!(has(&tree, "smol") && has(&tree, "async-executor"));
    assert!(!has(&tree, "tokio") && !has(&tree, "async-std"), "{tree}");
}

#[test]
fn tokio_brings_no_smol() {
    let tree = dependencies("tokio");
    assert!(has(&tree, "tokio"));
    for other in [
        "smol",
        "async-std",
        "async-executor",
        "async-io",
        "blocking",
    ] {
        assert!(!has(&tree, other), "{other} in {tree}");
    }
}

#[test]
fn nothing_brings_a_runtime_by_default() {
    let tree = dependencies("");
    for runtime in ["tokio", "smol", "async-std", "async-executor"] {
        assert!(!has(&tree, runtime), "{runtime} in {tree}");
    }
}
