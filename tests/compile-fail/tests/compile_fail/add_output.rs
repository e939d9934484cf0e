use asyncflow::{Flow, Runtime, prelude::*};

struct Page;

fn page() -> Page {
    Page
}

async fn page_async() -> Page {
    Page
}

fn build<R: Runtime>(flow: &mut Flow<R>) {
    flow.add(page);
    flow.add(page_async);
    flow.add(page.named("front"));
}

fn main() {}
