use asyncflow::{Flow, Runtime, prelude::*};

async fn double(number: &u64) -> u64 {
    number * 2
}

fn half(number: &u64) -> u64 {
    number / 2
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    flow.add(double(&1));
    flow.add(half(&1));
}

fn configure<R: Runtime>(flow: &mut Flow<R>) {
    let number = flow.value(1_u64);
    flow.add(half(&1).after(number));
}

fn main() {}
