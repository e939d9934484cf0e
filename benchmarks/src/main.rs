//! The command line of the benchmarks; `--help` explains it.

use std::env;
use std::process::ExitCode;

use asyncflow_benchmarks::contenders;
use asyncflow_benchmarks::groups::GROUPS;
use asyncflow_benchmarks::launch;
use asyncflow_benchmarks::options::{HELP, Options};
use asyncflow_benchmarks::suite::Suite;
use asyncflow_benchmarks::trial;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == trial::CHILD) {
        println!("{}", trial::answer(&arguments[1..]));
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => return fail(&error),
    };
    if options.help {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if options.list {
        list();
        return ExitCode::SUCCESS;
    }
    match launch::launched() {
        Some(onetbb_missing) => match Suite::new(options).run(&onetbb_missing) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
        None => {
            let arguments: Vec<_> = env::args_os().skip(1).collect();
            match launch::relaunch(&options, &arguments) {
                Ok(0) => ExitCode::SUCCESS,
                Ok(_) => ExitCode::FAILURE,
                Err(error) => fail(&error.to_string()),
            }
        }
    }
}

fn list() {
    println!("groups:");
    for group in GROUPS {
        println!("  {:<10} {}", group.name, group.about);
    }
    println!("contenders (and onetbb, if g++ and oneTBB are installed):");
    for contender in contenders::all() {
        println!("  {}", contender.name());
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
