use asyncflow::prelude::*;
use asyncflow::{Flow, Runtime};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let text = flow.add(|| String::from("a text"));
    flow.add((|text| text.len()).inputs(text));
}

fn main() {}
