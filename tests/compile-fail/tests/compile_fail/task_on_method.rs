use asyncflow::prelude::*;

struct Server;

impl Server {
    #[task(flow)]
    fn start(&self) {}

    #[task(flow)]
    pub async fn stop() {}
}

trait Service {
    #[task(flow)]
    fn serve(self: Box<Self>);
}

fn main() {}
