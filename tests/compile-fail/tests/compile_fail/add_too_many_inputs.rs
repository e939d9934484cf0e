use asyncflow::{Flow, Runtime, prelude::*};

fn sum(numbers: Vec<&u8>) -> u8 {
    numbers.into_iter().sum()
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let a = flow.add(|| 1_u8);
    flow.add(sum.inputs((a, a, a, a, a, a, a, a, a, a, a, a, a)));
}

fn main() {}
