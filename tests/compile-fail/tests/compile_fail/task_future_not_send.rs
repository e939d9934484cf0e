use asyncflow::{Flow, Runtime, prelude::*};
use std::rc::Rc;

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    async fn held_over_an_await() -> u8 {
        let shared = Rc::new(1);
        std::future::ready(()).await;
        *shared
    }

    #[task(flow)]
    async fn with_an_input(held_over_an_await: &u8) -> u8 {
        let shared = Rc::new(*held_over_an_await);
        std::future::ready(()).await;
        *shared
    }
}

fn main() {}
