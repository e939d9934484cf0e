use asyncflow::{Flow, Runtime, prelude::*};

async fn double(number: &u64) -> u64 {
    number * 2
}

fn half(number: &u64) -> u64 {
    number / 2
}

fn join(number: u64, other: u64) -> u64 {
    number + other
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let number = flow.value(1_u64);
    let list = flow.value(vec![1_u64]);
    flow.add(each(double).inputs(number));
    flow.add(each(half));
    flow.add(each(join).inputs((list.moved(), number.moved())));

    #[task(flow)]
    fn halves(#[each(number)] one: &u64) -> u64 {
        one / 2
    }
}

fn main() {}
