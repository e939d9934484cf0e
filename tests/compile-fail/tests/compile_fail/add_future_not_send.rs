use asyncflow::{Flow, Runtime, prelude::*};
use std::rc::Rc;

async fn held_over_an_await() -> u8 {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    *shared
}

async fn with_an_input(number: &u8) -> u8 {
    let shared = Rc::new(*number);
    std::future::ready(()).await;
    *shared
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let number = flow.add(held_over_an_await);
    flow.add(held_over_an_await.named("held"));
    flow.add(with_an_input.inputs(number));
}

fn main() {}
