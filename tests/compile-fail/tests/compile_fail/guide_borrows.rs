use asyncflow::{Flow, Runtime};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let text = String::from("a text");
    flow.add(|| text.len());
}

fn main() {}
