//! Measures the files: functions that run on blocking threads.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use asyncflow::Output;

use crate::find::{File, Problem};

/// The number of longest files that are kept.
pub(crate) const KEPT: usize = 10;

/// The number of lines by language.
#[derive(Debug, Default, Output)]
pub(crate) struct Lines {
    pub(crate) languages: BTreeMap<&'static str, Count>,
    pub(crate) problems: Vec<Problem>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) files: u64,
    pub(crate) lines: u64,
}

/// Files by length and hash.
#[derive(Debug, Default, Output)]
pub(crate) struct Contents(HashMap<(u64, u64), Vec<PathBuf>>);

/// Groups of files with the same contents, and the length of each group's files in bytes.
#[derive(Debug, Default, Output)]
pub(crate) struct Duplicates(pub(crate) Vec<(u64, Vec<PathBuf>)>);

/// The files with the most lines, the longest first.
#[derive(Debug, Default, Output)]
pub(crate) struct Longest(pub(crate) Vec<(u64, PathBuf)>);

/// Counts the lines of every file in a known language.
pub(crate) fn lines(files: &[File]) -> Lines {
    let mut lines = Lines::default();
    for file in files {
        let Some(language) = language(&file.path) else {
            continue;
        };
        match count_lines(&file.path) {
            Ok(counted) => {
                let count = lines.languages.entry(language).or_default();
                count.files += 1;
                count.lines += counted;
            }
            Err(error) => lines.problems.push(Problem::new(&file.path, error)),
        }
    }
    lines
}

/// Hashes the contents of every file, except for empty files.
pub(crate) fn contents(files: &[File]) -> Contents {
    let mut contents = Contents::default();
    for file in files.iter().filter(|file| file.bytes > 0) {
        let mut hasher = DefaultHasher::new();
        // `lines` reports the files that cannot be read.
        if let Ok(bytes) = in_pieces(&file.path, |piece| hasher.write(piece)) {
            let key = (bytes, hasher.finish());
            contents.0.entry(key).or_default().push(file.path.clone());
        }
    }
    contents
}

/// Finds the files with the most lines.
pub(crate) fn longest(files: &[File]) -> Longest {
    let known = files.iter().filter(|file| language(&file.path).is_some());
    let counted = known.filter_map(|file| Some((count_lines(&file.path).ok()?, file.path.clone())));
    Longest(keep_longest(counted.collect()))
}

/// Keeps the longest files, the longest first.
pub(crate) fn keep_longest(mut files: Vec<(u64, PathBuf)>) -> Vec<(u64, PathBuf)> {
    files.sort_by(|(a, path_a), (b, path_b)| b.cmp(a).then_with(|| path_a.cmp(path_b)));
    files.truncate(KEPT);
    files
}

/// Merges the hashes of all folders. Files with equal hashes are compared byte by byte.
pub(crate) fn duplicates(folders: Vec<&Contents>) -> Duplicates {
    let mut all: BTreeMap<(u64, u64), Vec<&PathBuf>> = BTreeMap::new();
    for Contents(folder) in folders {
        for (key, paths) in folder {
            all.entry(*key).or_default().extend(paths);
        }
    }
    let mut groups = Vec::new();
    for ((bytes, _), mut paths) in all {
        paths.sort();
        if let [first, others @ ..] = &*paths {
            let equal = others
                .iter()
                .filter(|other| same(first, other).unwrap_or(false));
            let group: Vec<PathBuf> = std::iter::once(first)
                .chain(equal)
                .map(|path| path.to_path_buf())
                .collect();
            if group.len() > 1 {
                groups.push((bytes, group));
            }
        }
    }
    groups.sort_by_key(|(bytes, group)| std::cmp::Reverse(bytes * (group.len() as u64 - 1)));
    Duplicates(groups)
}

fn same(a: &Path, b: &Path) -> io::Result<bool> {
    Ok(fs::read(a)? == fs::read(b)?)
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let (mut lines, mut last) = (0, b'\n');
    in_pieces(path, |piece| {
        lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        last = piece.last().copied().unwrap_or(last);
    })?;
    // A last line without a line feed also counts.
    Ok(lines + u64::from(last != b'\n'))
}

/// Reads a file piece by piece, and returns its length.
fn in_pieces(path: &Path, mut piece: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => {
                piece(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn language(path: &Path) -> Option<&'static str> {
    Some(match path.extension()?.to_str()? {
        "rs" => "Rust",
        "c" | "h" => "C",
        "cc" | "cpp" | "cxx" | "hpp" => "C++",
        "css" => "CSS",
        "go" => "Go",
        "html" | "htm" => "HTML",
        "java" => "Java",
        "js" | "mjs" | "ts" => "JavaScript",
        "json" => "JSON",
        "lock" | "toml" => "TOML",
        "md" => "Markdown",
        "py" => "Python",
        "sh" => "Shell",
        "svg" | "xml" => "XML",
        "stderr" | "txt" => "Text",
        "yaml" | "yml" => "YAML",
        _ => return None,
    })
}
