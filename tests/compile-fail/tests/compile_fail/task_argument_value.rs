use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let disk = Lock::new();

    #[task(flow, lock = disk, lock = disk)]
    fn twice() {}

    #[task(flow, name = "a", timeout = limit, name = "b")]
    fn named_twice() {}

    #[task(flow, upstream)]
    fn without_a_value() {}

    #[task(flow, upstream = , lock = disk)]
    fn with_an_empty_value() {}

    #[task(flow, always = true)]
    fn a_flag_with_a_value() {}
}

fn main() {}
