use asyncflow::{Flow, Runtime, prelude::*};

fn number() -> u64 {
    1
}

async fn double(number: &usize) -> usize {
    number * 2
}

fn half(number: &usize) -> usize {
    number / 2
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let number = flow.add(number);
    flow.add(double.inputs(number));
    flow.add(half.inputs(number));
    flow.add(half);
    flow.add(half.inputs(5));
    flow.add(half.after("number"));
}

fn main() {}
