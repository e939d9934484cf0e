#![allow(unused_variables)]

use asyncflow::prelude::*;

struct Cycle;

#[flow]
impl Cycle {
    #[task]
    fn a(b: &u8) -> u8 {
        *b
    }

    #[task(upstream = c)]
    fn b() -> u8 {
        1
    }

    #[task]
    fn c(a: &u8, d: &u8) -> u8 {
        a + d
    }

    #[task]
    fn d() -> u8 {
        1
    }

    #[task]
    fn alone(alone: &u8) -> u8 {
        *alone
    }
}

struct Names;

#[flow]
impl Names {
    #[task]
    fn user(#[input] id: &u64) -> String {
        id.to_string()
    }

    #[task(upstream = usr)]
    fn posts(idd: &u64) -> u8 {
        1
    }

    #[task(run_if = nowhere, after_any = [user, post])]
    fn html(host: &String, #[from(user, posst)] both: Vec<&String>) {}

    #[task(upstream = self.user)]
    fn not_a_name() {}

    #[task(upstream = [user, Self::posts])]
    fn not_a_name_either() {}
}

struct Twice;

#[flow]
impl Twice {
    #[task]
    fn first(#[input] id: &u64, #[input] host: &String) {}

    #[task]
    fn second(#[input] id: &u32, #[input] host: &String) {}

    #[task]
    fn host() {}
}

struct Moved;

#[flow]
impl Moved {
    #[task]
    fn text() -> String {
        String::new()
    }

    #[task]
    fn upper(#[moved] text: String) -> String {
        text.to_uppercase()
    }

    #[task]
    fn length(text: &String) -> usize {
        text.len()
    }

    #[task]
    fn lower(#[moved] text: String) -> String {
        text.to_lowercase()
    }
}

fn names<R: asyncflow::Runtime>(names: NamesFlow<R>) -> (Task<u64>, Task<String>) {
    (names.id, names.user)
}

fn main() {
    // The types and their handles exist all the same.
    let cycle = CycleFlow::<asyncflow::TokioRuntime>::new();
    let _: Task<u8> = cycle.a;
}
