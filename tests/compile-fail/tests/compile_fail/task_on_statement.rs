use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    let work = || 5;

    #[task(flow)]
    flow.add(|| 5);
}

fn main() {}
