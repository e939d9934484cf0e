//! The programs of the guide's page on messages of the compiler.

use asyncflow::prelude::*;
use asyncflow::{Flow, Runtime};
use std::rc::Rc;

struct Page(String);

fn page() -> Page {
    Page("<p>".into())
}

async fn work(n: &u64) -> u64 {
    n + 1
}

fn length(text: &str) -> usize {
    text.len()
}

async fn send(_: &str) {}

async fn sends() {
    let text = Rc::new(String::from("a text"));
    send(&text).await;
}

struct Client;

impl Client {
    async fn get(&self) -> u64 {
        1
    }
}

fn types<R: Runtime>(flow: &mut Flow<R>) {
    flow.add(work(&1));
    flow.add(work);
    flow.add(page);
    let text = flow.value(String::from("a text"));
    flow.add(length.inputs(text));
    flow.add(sends);
}

fn closures<R: Runtime>(flow: &mut Flow<R>) {
    let client = Client;
    flow.add(async move || client.get().await);
    let text = String::from("a text");
    flow.add(move || text);
}

fn configured<R: Runtime>(flow: &mut Flow<R>) {
    let n = flow.value(1_u64);
    let client = Client;
    flow.add((async move |_: &u64| client.get().await).inputs(n));
    let text = String::from("a text");
    flow.add((move |_: &u64| text).inputs(n));
}

fn main() {}
