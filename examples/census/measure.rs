//! Measures a file, and sums up what was measured.

#![expect(clippy::ptr_arg, reason = "a list is lent as the `Vec` that it is")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use asyncflow::Output;

use crate::find::Entry;

/// The number of longest files that are kept.
const KEPT: usize = 10;

/// What is known of an entry.
#[derive(Debug, Output)]
pub(crate) struct Measured {
    pub(crate) entry: Entry,
    pub(crate) hash: u64,
    pub(crate) lines: u64,
    /// The language, if it is known. The lines of other files are not counted.
    pub(crate) language: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, Output)]
pub(crate) struct Count {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
}

/// Files with the same contents.
#[derive(Debug, Output)]
pub(crate) struct Duplicates {
    pub(crate) bytes: u64,
    pub(crate) paths: Vec<PathBuf>,
}

/// Reads a file once, piece by piece: hashes it and counts its lines. Takes note of a file that cannot be
/// read, and goes on.
pub(crate) fn measure(mut entry: Entry) -> Measured {
    let (mut hasher, mut lines, mut last) = (DefaultHasher::new(), 0, b'\n');
    if entry.bytes.is_some() {
        let read = in_pieces(&entry.path, |piece| {
            hasher.write(piece);
            lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            last = piece.last().copied().unwrap_or(last);
        });
        if let Err(error) = read {
            entry.problem = Some(error.to_string());
        }
    }
    let language = language(&entry.path);
    Measured {
        hash: hasher.finish(),
        // A last line without a line feed also counts.
        lines: language.map_or(0, |_| lines + u64::from(last != b'\n')),
        language,
        entry,
    }
}

/// Counts the files of each language.
pub(crate) fn languages(files: &Vec<Measured>) -> BTreeMap<String, Count> {
    count(files, |file| file.language)
}

/// Counts the files in each top-level folder.
pub(crate) fn folders(files: &Vec<Measured>) -> BTreeMap<String, Count> {
    count(files, |file| Some(&file.entry.folder))
}

fn count(files: &[Measured], key: impl Fn(&Measured) -> Option<&str>) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for file in files {
        if let (Some(bytes), Some(key)) = (file.entry.bytes, key(file)) {
            let count = counts.entry(key.to_owned()).or_default();
            count.files += 1;
            count.bytes += bytes;
            count.lines += file.lines;
        }
    }
    counts
}

/// Finds the files with the most lines, the longest first.
pub(crate) fn longest(files: &Vec<Measured>) -> Vec<(u64, PathBuf)> {
    let mut files: Vec<&Measured> = files.iter().filter(|file| file.lines > 0).collect();
    files.sort_by_key(|file| (Reverse(file.lines), &file.entry.path));
    let kept = files.into_iter().take(KEPT);
    kept.map(|file| (file.lines, file.entry.path.clone()))
        .collect()
}

/// Finds files with the same contents. Those with equal hashes are compared byte by byte.
pub(crate) fn duplicates(files: &Vec<Measured>) -> Vec<Duplicates> {
    let mut equal: HashMap<(u64, u64), Vec<&Path>> = HashMap::new();
    for Measured { entry, hash, .. } in files {
        if let (Some(bytes @ 1..), None) = (entry.bytes, &entry.problem) {
            equal.entry((bytes, *hash)).or_default().push(&entry.path);
        }
    }
    let mut groups = Vec::new();
    for ((bytes, _), paths) in equal {
        let same = |path: &&Path| fs::read(path).ok() == fs::read(paths[0]).ok();
        let others = paths[1..].iter().copied().filter(same);
        let paths: Vec<PathBuf> = [paths[0]]
            .into_iter()
            .chain(others)
            .map(Path::to_owned)
            .collect();
        if paths.len() > 1 {
            groups.push(Duplicates { bytes, paths });
        }
    }
    groups.sort_by_key(|group| {
        (
            Reverse(group.bytes * group.paths.len() as u64),
            group.paths.clone(),
        )
    });
    groups
}

fn in_pieces(path: &Path, mut piece: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => piece(&buffer[..read]),
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
