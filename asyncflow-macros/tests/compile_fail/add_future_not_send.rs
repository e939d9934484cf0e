use asyncflow::{Flow, Runtime, prelude::*};
use std::rc::Rc;

async fn held_over_an_await() -> u8 {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    *shared
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    flow.add(held_over_an_await);
    flow.add(held_over_an_await.named("held"));
}

fn main() {}
