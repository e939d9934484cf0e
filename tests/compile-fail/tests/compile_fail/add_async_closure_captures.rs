use asyncflow::{Flow, Runtime, prelude::*};

struct Client;

impl Client {
    async fn get(&self, id: &u64) -> String {
        id.to_string()
    }
}

fn without_inputs<R: Runtime>(flow: &mut Flow<R>) {
    let client = Client;
    flow.add(async move || client.get(&1).await);
}

fn with_an_input<R: Runtime>(flow: &mut Flow<R>) {
    let id = flow.value(7_u64);
    let client = Client;
    flow.add((async move |id: &u64| client.get(id).await).inputs(id));
}

fn main() {}
