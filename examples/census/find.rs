//! Finds the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders with generated files, which are skipped.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// What was found: a file, or a path that is a problem, or both.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// The top-level folder that it is in; `.` for what is directly in the root.
    pub(crate) folder: String,
    /// The length of a file.
    pub(crate) bytes: Option<u64>,
    pub(crate) problem: Option<String>,
}

/// Finds every file below `root`. Does not follow links, so it cannot loop.
///
/// # Errors
///
/// If `root` itself cannot be read.
pub(crate) fn files(root: &Path) -> Result<Vec<Entry>, String> {
    let mut found = Vec::new();
    let mut stack = vec![(".".to_owned(), root.to_owned())];
    while let Some((folder, path)) = stack.pop() {
        // Paths instead of entries, because an entry keeps its folder open.
        let paths = fs::read_dir(&path).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<Vec<PathBuf>>>()
        });
        let problem = match paths {
            Ok(paths) if !paths.is_empty() || path == root => {
                let kinds = paths.into_iter().filter_map(|path| look_at(&folder, path));
                for kind in kinds {
                    match kind {
                        Kind::Folder(folder, path) => stack.push((folder, path)),
                        Kind::Entry(entry) => found.push(entry),
                    }
                }
                continue;
            }
            Ok(_) => "an empty folder".to_owned(),
            Err(error) if path == root => return Err(format!("{}: {error}", root.display())),
            Err(error) => error.to_string(),
        };
        found.push(Entry {
            path,
            folder,
            bytes: None,
            problem: Some(problem),
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

enum Kind {
    /// A folder, and the top-level folder that it is in.
    Folder(String, PathBuf),
    Entry(Entry),
}

/// What a path is; `None` if it is to be skipped.
fn look_at(folder: &str, path: PathBuf) -> Option<Kind> {
    let name = path.file_name().unwrap_or_default();
    let (mut bytes, mut problem) = (None, None);
    // The metadata of the entry itself, not of what it links to.
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            let top = match folder {
                "." => name.to_string_lossy().into_owned(),
                _ => folder.to_owned(),
            };
            let skipped = SKIPPED.iter().any(|skipped| name == *skipped);
            return (!skipped).then_some(Kind::Folder(top, path));
        }
        Ok(metadata) if metadata.is_file() => {
            bytes = Some(metadata.len());
            if name.to_str().is_none() {
                problem = Some("its name is not UTF-8 (still counted)".to_owned());
            }
        }
        Ok(metadata) if metadata.is_symlink() => {
            problem = Some(format!("a broken link: {}", fs::metadata(&path).err()?));
        }
        // Reading a pipe or a device might never end.
        Ok(_) => problem = Some("neither a file nor a folder".to_owned()),
        Err(error) => problem = Some(error.to_string()),
    }
    Some(Kind::Entry(Entry {
        path,
        folder: folder.to_owned(),
        bytes,
        problem,
    }))
}
