use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    fn number() -> usize {
        1
    }

    #[task(flow, upstream = "number")]
    fn after_a_string() {}

    #[task(flow, upstream = [number, 5])]
    fn after_a_number() {}

    #[task(flow, lock = std::sync::Mutex::new(()))]
    fn lock_of_another_kind() {}

    #[task(flow, timeout = 5)]
    fn timeout_without_a_unit() {}

    #[task(flow, retry = 3)]
    fn retry_without_a_policy() {}

    #[task(flow, run_if = number)]
    fn condition_that_is_no_bool() {}

    #[task(flow, name = 5)]
    fn name_that_is_no_text() {}

    #[task(flow, upstream = nowhere)]
    fn upstream_that_is_not_there() {}
}

fn main() {}
