use asyncflow::{Flow, Runtime, prelude::*};

struct Broken;

fn plain() -> Result<u64, Broken> {
    Err(Broken)
}

async fn on_the_executor(_: &u64) -> Result<u64, Broken> {
    Err(Broken)
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let number = flow.value(1_u64);
    flow.add(plain);
    flow.add(on_the_executor.inputs(number));
}

fn main() {}
