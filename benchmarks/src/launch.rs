//! The outer process: sets environment variables, compiles the oneTBB program, and runs the
//! benchmarks in a child process.
//!
//! smol and async-std read their thread counts from environment variables when they are first
//! used. Setting a variable of the current process is `unsafe`, so a child gets them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{self, Command};

use crate::contenders::{PROGRAM_VARIABLE, compile};
use crate::options::Options;
use crate::runtime::{ENTRY_VARIABLE, WORKERS};

/// The environment variable that marks the child. Its value says why oneTBB is missing, or is empty.
const LAUNCHED_VARIABLE: &str = "ASYNCFLOW_BENCHMARKS_LAUNCHED";

/// In the child, why oneTBB is missing, or an empty string. `None` in the outer process.
pub fn launched() -> Option<String> {
    env::var(LAUNCHED_VARIABLE).ok()
}

/// Runs this program as the child, with `arguments`. Returns its exit code.
///
/// # Errors
/// If the child cannot be started.
pub fn relaunch(options: &Options, arguments: &[OsString]) -> io::Result<i32> {
    let folder = TemporaryFolder::create()?;
    let program = folder.0.join("flow_graph");
    let mut command = Command::new(env::current_exe()?);
    command
        .args(arguments)
        .env("SMOL_THREADS", WORKERS.to_string())
        .env("ASYNC_STD_THREAD_COUNT", WORKERS.to_string())
        .env(ENTRY_VARIABLE, options.entry.name());
    match compile(&program) {
        Ok(()) => command
            .env(PROGRAM_VARIABLE, &program)
            .env(LAUNCHED_VARIABLE, ""),
        Err(why) => command.env(LAUNCHED_VARIABLE, why),
    };
    let status = command.status()?;
    Ok(status.code().unwrap_or(1))
}

/// A folder that is removed when this is dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create() -> io::Result<TemporaryFolder> {
        let name = format!("asyncflow-benchmarks-{}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(TemporaryFolder(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A folder that is left behind does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
