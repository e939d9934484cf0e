//! The memory of this process.

use std::fs;

/// The peak resident memory of this process (`VmHWM`), in bytes; 0 if `/proc` does not have it.
pub fn peak() -> u64 {
    field("VmHWM:")
}

/// The resident memory of this process (`VmRSS`), in bytes; 0 if `/proc` does not have it.
pub fn resident() -> u64 {
    field("VmRSS:")
}

fn field(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
