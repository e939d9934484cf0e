//! What a crate that uses one backend depends on, and what not.

use std::process::Command;

use asyncflow::prelude::*;
use asyncflow::{AsyncStdFlow, Member, SmolFlow, TokioFlow};

/// Adds a graph of all kinds of tasks, and gives the one that has seen them all.
fn build<R: asyncflow::Runtime>(flow: &mut Flow<R>) -> Task<String> {
    let words = flow.add(|| vec!["a", "flow", "on", "every", "backend"]);
    let lengths: Vec<Task<usize>> = (0..5)
        .map(|n| match n % 2 {
            0 => flow.add((move |words: &Vec<&str>| words[n].len()).inputs(words)),
            _ => flow
                .add((move |words: &Vec<&str>| std::future::ready(words[n].len())).inputs(words)),
        })
        .collect();
    let sum = flow.add((|all: Vec<&usize>| all.into_iter().sum::<usize>()).inputs(lengths));
    let group = (0..3).map(|_| Member::new(series![async || (), || ()]));
    let group = flow.add(group.collect::<Parallel>());
    flow.add(
        (async |sum: &usize, words: &Vec<&str>| format!("{sum} in {}", words.len()))
            .inputs((sum, words))
            .after(group),
    )
}

/// Swapping the flow's type is all that it takes.
#[test]
fn all_backends_in_one_program() {
    let mut tokio = TokioFlow::new();
    let mut smol = SmolFlow::new();
    let mut async_std = AsyncStdFlow::new();
    let on_tokio = build(&mut tokio);
    let on_smol = build(&mut smol);
    let on_async_std = build(&mut async_std);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let all = [
        runtime.block_on(tokio.execute()).unwrap()[on_tokio].clone(),
        smol::block_on(smol.execute()).unwrap()[on_smol].clone(),
        async_std::task::block_on(async_std.execute()).unwrap()[on_async_std].clone(),
    ];
    assert_eq!(all, ["19 in 5"; 3]);
}

/// The crates that a package, built with these arguments, depends on.
fn dependencies(arguments: &[&str]) -> Vec<String> {
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
        .arg("--package")
        .args(arguments)
        .current_dir(root)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[track_caller]
fn assert_has(tree: &[String], names: &[&str]) {
    for name in names {
        assert!(
            tree.iter().any(|other| other == name),
            "no {name} in {tree:?}"
        );
    }
}

#[track_caller]
fn assert_has_none(tree: &[String], names: &[&str]) {
    for name in names {
        assert!(
            !tree.iter().any(|other| other == name),
            "{name} in {tree:?}"
        );
    }
}

const NONE: &str = "--no-default-features";

/// By its feature, with or without the others that are there by default, and by its crate.
#[track_caller]
fn assert_brings(backend: &str, names: &[&str], no_others: &[&str]) {
    let its_crate = format!("asyncflow-{backend}");
    for arguments in [
        &["asyncflow", "--features", backend][..],
        &["asyncflow", NONE, "--features", backend],
        &[&its_crate],
    ] {
        let tree = dependencies(arguments);
        assert_has(&tree, &["asyncflow-core", backend]);
        assert_has(&tree, names);
        assert_has_none(&tree, no_others);
    }
}

/// The other runtimes, and what they are made of.
const NOT_TOKIO: &[&str] = &[
    "smol",
    "async-std",
    "async-executor",
    "async-io",
    "async-lock",
    "blocking",
];

#[test]
fn smol_brings_no_other() {
    assert_brings("smol", &["async-executor"], &["tokio", "async-std"]);
}

#[test]
fn tokio_brings_no_other() {
    assert_brings("tokio", &[], NOT_TOKIO);
}

#[test]
fn async_std_brings_no_other() {
    assert_brings("async-std", &[], &["tokio", "smol"]);
}

#[test]
fn nothing_brings_a_runtime_by_default() {
    for arguments in [
        &["asyncflow"][..],
        &["asyncflow", NONE],
        &["asyncflow-core"],
    ] {
        let tree = dependencies(arguments);
        assert_has_none(&tree, &["tokio"]);
        assert_has_none(&tree, NOT_TOKIO);
    }
    assert_has(&dependencies(&["asyncflow"]), &["asyncflow-macros"]);
    assert_has_none(
        &dependencies(&["asyncflow", NONE]),
        &["asyncflow-macros", "syn"],
    );
}

#[test]
fn all_features_bring_all() {
    let tree = dependencies(&["asyncflow", "--all-features"]);
    assert_has(&tree, &["tokio", "smol", "async-std", "asyncflow-macros"]);
}

#[test]
fn journals_and_what_they_need_are_optional() {
    let journal = ["asyncflow-durable", "redb", "ciborium", "serde"];
    for features in [
        "tokio",
        "smol",
        "async-std",
        "view",
        "tokio,macros,tracing,progress",
    ] {
        let tree = dependencies(&["asyncflow", "--features", features]);
        assert_has_none(&tree, &journal);
    }
    let tree = dependencies(&["asyncflow", "--features", "tokio,durable,serde"]);
    assert_has_none(&tree, &["asyncflow-restate", "restate-sdk", "hyper"]);
    let tree = dependencies(&["asyncflow", "--features", "restate"]);
    assert_has(&tree, &["asyncflow-restate", "restate-sdk"]);
    assert_has_none(&tree, &["redb"]);
    let tree = dependencies(&["asyncflow", "--features", "durable"]);
    assert_has(&tree, &journal);
    assert_has_none(&tree, &["tokio", "smol", "async-std"]);
}

#[test]
fn view_and_what_it_needs_are_optional() {
    let watching = ["asyncflow-view", "indicatif", "tracing", "serde"];
    for backend in ["tokio", "smol", "async-std"] {
        let tree = dependencies(&["asyncflow", "--features", backend]);
        assert_has_none(&tree, &watching);
    }
    let tree = dependencies(&["asyncflow", "--features", "view"]);
    assert_has(&tree, &watching[..1]);
    assert_has_none(&tree, &watching[1..]);
    for (feature, brings) in [
        ("progress", "indicatif"),
        ("tracing", "tracing"),
        ("serde", "serde"),
    ] {
        let tree = dependencies(&["asyncflow", "--features", feature]);
        let others: Vec<&str> = watching[1..]
            .iter()
            .copied()
            .filter(|name| *name != brings)
            .collect();
        assert_has(&tree, &[brings]);
        assert_has_none(&tree, &others);
    }
}
