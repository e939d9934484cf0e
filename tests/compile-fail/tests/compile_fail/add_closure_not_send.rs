use asyncflow::{Flow, Runtime};
use std::rc::Rc;

fn build<R: Runtime>(flow: &mut Flow<R>) {
    let shared = Rc::new(1);
    flow.add(move || *shared);
}

fn main() {}
