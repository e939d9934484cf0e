use asyncflow::prelude::*;

struct Page;

fn build() {
    #[task]
    fn bare() {}

    #[task()]
    fn empty() {}

    #[task(upstream = bare)]
    fn only_an_argument() {}

    #[task(always)]
    fn only_a_flag() {}

    #[task(flow = flow)]
    fn with_a_key() {}

    #[task(no_such_flow)]
    fn not_in_scope() {}

    let page = Page;

    #[task(page)]
    fn not_a_flow() {}
}

fn main() {}
