#![allow(unused_variables)]

use std::sync::Arc;

use asyncflow::prelude::*;

struct Page;

#[flow]
impl Page {
    #[task]
    fn by_value(self) {}

    #[task]
    fn by_mutable_reference(&mut self) {}

    #[task]
    fn in_an_arc(self: Arc<Self>) {}

    #[task]
    fn forever(&'static self) {}

    #[task]
    fn generic<T>(value: &T) {}

    #[task]
    fn borrows(&self) -> &str {
        ""
    }

    #[task]
    #[task]
    fn two_tasks() {}

    #[task = "name"]
    fn pair() {}

    #[task(flow)]
    fn with_a_flow() {}

    #[task(timout = LIMIT)]
    fn misspelled() {}

    #[task(run_when = two_tasks)]
    fn no_condition() {}

    #[task]
    fn no_tasks_named(both: Vec<&u8>) {}

    #[task(always)]
    fn always(#[input] id: &u64) {}

    #[task(fallback = |_| ())]
    fn attempts(#[moved] by_value: ()) {}

    fn helper(&mut self) {}
}

fn main() {
    Page.helper();
    Page::two_tasks();
}
