//! Finds the files.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use asyncflow::Output;

/// Folders with generated files, which are skipped.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// A file to be measured.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// A path that could not be measured, and why.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

impl Problem {
    pub(crate) fn new(path: &Path, why: impl fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// What was found.
#[derive(Debug, Default, Output)]
pub(crate) struct Found {
    /// The files by top-level folder; those directly in the root are under `.`.
    pub(crate) folders: BTreeMap<String, Arc<Vec<File>>>,
    pub(crate) problems: Vec<Problem>,
}

/// Finds every file below `root`. Does not follow links, so it cannot loop.
///
/// # Errors
///
/// If `root` itself cannot be read.
pub(crate) fn files(root: &Path) -> Result<Found, String> {
    let entries = fs::read_dir(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let mut folders: BTreeMap<String, Vec<File>> = BTreeMap::new();
    let mut problems = Vec::new();
    // Stores paths instead of entries, because an entry keeps its folder open.
    let paths = |entries: fs::ReadDir| entries.map(|entry| entry.map(|entry| entry.path()));
    let mut stack: Vec<(String, io::Result<PathBuf>)> =
        paths(entries).map(|path| (".".to_owned(), path)).collect();
    while let Some((folder, path)) = stack.pop() {
        let path = match path {
            Ok(path) => path,
            Err(error) => {
                problems.push(Problem::new(&root.join(&folder), error));
                continue;
            }
        };
        let name = path.file_name().unwrap_or_default();
        if name.to_str().is_none() {
            problems.push(Problem::new(&path, "its name is not UTF-8 (still counted)"));
        }
        // The metadata of the entry itself, not of what it links to.
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                problems.push(Problem::new(&path, error));
                continue;
            }
        };
        if metadata.is_dir() {
            if SKIPPED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            let top = match &*folder {
                "." => name.to_string_lossy().into_owned(),
                _ => folder,
            };
            match fs::read_dir(&path) {
                Ok(entries) => {
                    let before = stack.len();
                    stack.extend(paths(entries).map(|path| (top.clone(), path)));
                    if stack.len() == before {
                        problems.push(Problem::new(&path, "an empty folder"));
                    }
                }
                Err(error) => problems.push(Problem::new(&path, error)),
            }
        } else if metadata.is_file() {
            let bytes = metadata.len();
            folders
                .entry(folder)
                .or_default()
                .push(File { path, bytes });
        } else if metadata.is_symlink() {
            if let Err(error) = fs::metadata(&path) {
                problems.push(Problem::new(&path, format!("a broken link: {error}")));
            }
        } else {
            // Reading a pipe or a device might never end.
            problems.push(Problem::new(&path, "neither a file nor a folder"));
        }
    }
    let folders = folders.into_iter().map(|(name, mut files)| {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        (name, Arc::new(files))
    });
    Ok(Found {
        folders: folders.collect(),
        problems,
    })
}
