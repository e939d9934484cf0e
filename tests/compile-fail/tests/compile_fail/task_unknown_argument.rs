use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow, colour = "blue")]
    fn unknown() {}

    #[task(flow, after = unknown)]
    fn name_of_the_method() {}

    #[task(flow, timout = limit)]
    fn misspelled() {}

    #[task(flow, inputs = unknown)]
    fn inputs_are_parameters() {}

    #[task(flow, "name")]
    fn no_key() {}

    #[task(flow upstream = unknown)]
    fn no_comma() {}
}

fn main() {}
