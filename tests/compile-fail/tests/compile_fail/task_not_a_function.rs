use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    struct Page;

    #[task(flow)]
    const LIMIT: usize = 5;

    #[task(flow)]
    impl Page {}

    #[task(flow)]
    unsafe extern "C" {}

    let _ = (Page, LIMIT);
}

fn main() {}
