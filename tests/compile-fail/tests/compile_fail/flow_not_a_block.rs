use asyncflow::prelude::*;

trait Draw {
    fn draw(&self);
}

struct Page<'a>(&'a str);

#[flow]
impl Draw for Page<'_> {
    #[task]
    fn draw(&self) {}
}

#[flow]
impl<'a> Page<'a> {
    #[task]
    fn html(&self) {}
}

#[flow]
struct Plain;

#[flow]
impl Plain {
    fn no_task() {}
}

#[flow(flow)]
impl Option<Plain> {
    #[task]
    fn work() {}
}

fn main() {}
