use asyncflow::{Flow, Runtime, prelude::*};

fn changes<R: Runtime>(flow: &mut Flow<R>) {
    let mut count = 0;
    flow.add(move || count += 1);
}

fn moves<R: Runtime>(flow: &mut Flow<R>) {
    let text = String::from("once");
    flow.add(move || text);
}

fn moves_with_an_input<R: Runtime>(flow: &mut Flow<R>) {
    let number = flow.value(1_u64);
    let text = String::from("once");
    flow.add((move |_: &u64| text).inputs(number));
}

fn main() {}
