use asyncflow::prelude::*;

#[task(flow)]
fn work() {}

struct Server;

impl Server {
    #[task(flow)]
    fn start() {}
}

fn main() {}
