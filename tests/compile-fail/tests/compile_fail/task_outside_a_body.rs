use asyncflow::prelude::*;

#[task(flow)]
fn work() {}

#[task]
async fn without_a_flow() {}

struct Server;

impl Server {
    #[task(flow)]
    fn start() {}
}

fn main() {}
