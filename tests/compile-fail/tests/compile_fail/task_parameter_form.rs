use asyncflow::{Flow, Runtime, prelude::*};

struct Page;

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    fn page() -> Page {
        Page
    }

    #[task(flow)]
    fn pair() -> (Page, Page) {
        (Page, Page)
    }

    #[task(flow)]
    fn by_value(page: Page) {}

    #[task(flow)]
    fn by_mutable_value(mut page: Page) {}

    #[task(flow)]
    fn several(page: Page, pair: &mut (Page, Page), _: &usize) {}

    #[task(flow)]
    fn by_mutable_reference(page: &mut Page) {}

    #[task(flow)]
    fn moved_reference(#[moved] page: &mut Page) {}

    #[task(flow)]
    fn mutable_name(mut page: &Page) {}

    #[task(flow)]
    fn pattern((first, second): &(Page, Page)) {}

    #[task(flow)]
    fn no_name(_: &Page) {}

    #[task(flow)]
    fn forever(page: &'static Page) {}

    #[task(flow)]
    fn optional_by_value(page: Option<Page>) {}

    #[task(flow)]
    fn conditional(#[cfg(unix)] page: &Page) {}

    #[task(flow)]
    fn moved_with_arguments(#[moved(all)] page: Page) {}

    #[task(flow, always)]
    fn always_with_an_output(page: &Page, #[moved] pair: (Page, Page)) {}
}

fn main() {}
