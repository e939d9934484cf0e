use asyncflow::prelude::*;
use std::rc::Rc;

#[derive(Output)]
struct Borrowing<'a> {
    text: &'a str,
}

#[derive(Output)]
enum BorrowingGeneric<'a, 'b, T, const N: usize> {
    Texts([&'a T; N]),
    Numbers(&'b [u8]),
}

#[derive(Output)]
struct NotSend {
    shared: Rc<String>,
}

#[derive(Output)]
struct Page;

#[derive(Output)]
struct Listed<T>(Vec<T>);

fn output<T: asyncflow::Output>() {}

fn main() {
    output::<Listed<Page>>();
    output::<Listed<Rc<Page>>>();
}
