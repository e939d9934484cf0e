use asyncflow::prelude::*;

struct Page;

#[flow]
impl Page {
    #[task]
    fn user() {}

    #[task]
    fn user() {}
}

fn main() {}
