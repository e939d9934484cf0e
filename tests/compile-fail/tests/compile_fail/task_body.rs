use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let limit = 5;

    #[task(flow)]
    async fn wrong_in_the_body() -> usize {
        "text"
    }

    #[task(flow)]
    fn uses_a_variable(wrong_in_the_body: &usize) -> bool {
        *wrong_in_the_body > limit
    }

    let _: asyncflow::Task<String> = wrong_in_the_body;
}

fn main() {}
