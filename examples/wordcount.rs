//! Counts the words of text files with map and reduce: chunks are counted in parallel on blocking
//! threads, and the counts are merged in pairs, in a tree of tasks.
//!
//! ```text
//!  split ──▶ chunk 1 ──▶ count ─╮
//!        ──▶ chunk 2 ──▶ count ─┴▶ merge ─╮
//!        ──▶ chunk 3 ──▶ count ─╮         ├▶ merge ──▶ top words
//!        ──▶ chunk 4 ──▶ count ─┴▶ merge ─╯
//! ```
//!
//! ```text
//! cargo run --example wordcount --features smol -- [FILE …]
//! ```
//!
//! Without arguments it reads the licences and documents of this repository. It prints the most
//! frequent words. Look at the loop that builds the tree, and at `moved`, which avoids copying maps.

mod backend;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on};

/// The number of chunks into which the text is split.
const CHUNKS: usize = 8;

type Counts = HashMap<String, u64>;

fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = [
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "README.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
        ];
        files = names.map(|name| here.join(name)).to_vec();
    }
    match block_on(top_words(files)) {
        Ok(top) => {
            for (word, count) in top {
                println!("{count:6}  {word}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wordcount: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn top_words(files: Vec<PathBuf>) -> Result<Vec<(String, u64)>, FlowError> {
    let mut flow = AppFlow::new();

    // One task per file, with a name that says in an error which file could not be read.
    let texts: Vec<Task<String>> = files
        .into_iter()
        .map(|file| {
            let name = format!("read {}", file.display());
            flow.add((move || std::fs::read_to_string(&file)).named(name))
        })
        .collect();
    let chunks = flow.add(split.inputs(texts));

    // Map: every task borrows all chunks, and counts one of them.
    let mut counts: Vec<Task<Counts>> = (0..CHUNKS)
        .map(|number| {
            let count = move |chunks: &Vec<String>| count(&chunks[number]);
            flow.add(count.inputs(chunks).named(format!("count {number}")))
        })
        .collect();

    // Reduce: merge pairs until one map is left. Each merge takes the left map by value.
    while counts.len() > 1 {
        counts = counts
            .chunks(2)
            .map(|pair| match *pair {
                [left, right] => flow.add(merge.inputs((left.moved(), right))),
                _ => pair[0],
            })
            .collect();
    }
    let top = flow.add(top.inputs(counts[0]));

    let mut run = flow.execute().await?;
    Ok(run.take(top).expect("the last task succeeded"))
}

/// Splits the text into chunks of about the same size, between words.
fn split(texts: Vec<&String>) -> Vec<String> {
    let text = texts
        .into_iter()
        .fold(String::new(), |all, text| all + text + "\n");
    let size = text.len().div_ceil(CHUNKS);
    let mut chunks = Vec::with_capacity(CHUNKS);
    let mut rest = &*text;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .find(|(at, c)| *at >= size && !c.is_alphanumeric())
            .map_or(rest.len(), |(at, _)| at);
        let (chunk, after) = rest.split_at(end);
        chunks.push(chunk.to_owned());
        rest = after;
    }
    // A short text has fewer chunks; the rest are empty.
    chunks.resize_with(CHUNKS, String::new);
    chunks
}

/// Counts the words of more than three letters.
fn count(text: &str) -> Counts {
    let mut counts = Counts::new();
    let words = text.split(|c: char| !c.is_alphanumeric());
    for word in words.filter(|word| word.chars().count() > 3) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    counts
}

fn merge(mut left: Counts, right: &Counts) -> Counts {
    for (word, count) in right {
        *left.entry(word.clone()).or_default() += count;
    }
    left
}

fn top(counts: &Counts) -> Vec<(String, u64)> {
    let mut words: Vec<(String, u64)> = counts
        .iter()
        .map(|(word, count)| (word.clone(), *count))
        .collect();
    words.sort_by(|(a, count_a), (b, count_b)| count_b.cmp(count_a).then_with(|| a.cmp(b)));
    words.truncate(15);
    words
}
